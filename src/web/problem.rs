//! What the browser is shown where something goes wrong.

use std::error::Error;
use std::iter;
use std::time::Duration;

use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Inner;
use super::respond::{self, Response};
use crate::html::escape;
use crate::{CallbackError, LogtoError, OAuthError};

/// After which time to try again where Logto does not say.
const WAIT: Duration = Duration::from_secs(5);

/// What went wrong, for a page of the application's own
/// ([`WebAuthBuilder::problem_page`](super::WebAuthBuilder::problem_page)). Holds nothing secret, and
/// nothing that the request said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// What kind of problem it is.
    pub kind: ProblemKind,
    /// The status of the response.
    pub status: StatusCode,
    /// One or two sentences for the user.
    pub message: String,
    /// Where a link leads: to try again, or to go on where it is
    /// [`SignedOutHere`](ProblemKind::SignedOutHere); `None` if it would not help.
    pub try_again: Option<String>,
    /// How long to wait before the next try: what Logto asks for, or five seconds; `None` if waiting
    /// would not help.
    pub retry_after: Option<Duration>,
}

/// What kind of problem a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The browser came back with something that belongs to no sign-in of its session.
    Callback,
    /// The user or the server refused the sign-in.
    Refused,
    /// Another site has sent the request.
    CrossOrigin,
    /// The route does not take the request's method.
    MethodNotAllowed,
    /// The session here has ended, but Logto could not be told, and may sign the browser in again
    /// without asking.
    SignedOutHere,
    /// Logto or the storage cannot be had now.
    Unavailable,
    /// Something that only the log explains.
    Internal,
}

impl Problem {
    fn new(kind: ProblemKind, status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            kind,
            status,
            message: message.into(),
            try_again: None,
            retry_after: None,
        }
    }

    pub(super) fn cross_origin() -> Self {
        let message = "Another site has sent this request, so nothing was done.";
        Self::new(ProblemKind::CrossOrigin, StatusCode::FORBIDDEN, message)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            ProblemKind::MethodNotAllowed,
            StatusCode::METHOD_NOT_ALLOWED,
            "This page cannot be asked for in this way.",
        )
    }

    /// With a status of success: asking again would change nothing, and a proxy that puts its own page
    /// in the place of a failure's would drop the cookie's end.
    pub(super) fn signed_out_here(next: &str) -> Self {
        let message = "You are signed out here, but the sign-in service could not be told. It may still know this \
                       browser, and sign you in again without asking. On a shared device, close the browser or \
                       delete its cookies.";
        Self::new(ProblemKind::SignedOutHere, StatusCode::OK, message).or_try_again(next)
    }

    /// The problem that a failed call is to the user.
    pub(super) fn of(error: &LogtoError) -> Self {
        match error {
            error if is_unreadable(error) => Self::new(
                ProblemKind::Internal,
                StatusCode::INTERNAL_SERVER_ERROR,
                "Your session cannot be read any more. Please sign in again.",
            ),
            LogtoError::Storage(_) => {
                Self::unavailable("Your session cannot be read right now.", error)
            }
            error if error.is_retryable() => {
                Self::unavailable("The sign-in service cannot be reached right now.", error)
            }
            LogtoError::Callback(error) => Self::new(
                ProblemKind::Callback,
                StatusCode::BAD_REQUEST,
                callback_message(error),
            ),
            LogtoError::OAuth(error) if error.error == "access_denied" => Self::new(
                ProblemKind::Refused,
                StatusCode::FORBIDDEN,
                "The sign-in was cancelled or not allowed.",
            ),
            LogtoError::OAuth(error) if !is_of_the_application(error) => Self::new(
                ProblemKind::Refused,
                StatusCode::BAD_REQUEST,
                "The sign-in service has refused this sign-in.",
            ),
            _ => Self::new(
                ProblemKind::Internal,
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong on our side.",
            ),
        }
    }

    fn unavailable(what: &str, error: &LogtoError) -> Self {
        let message = format!("{what} Please try again in a moment.");
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self {
            retry_after: Some(error.retry_after().unwrap_or(WAIT)),
            ..Self::new(ProblemKind::Unavailable, status, message)
        }
    }

    /// For a callback without a session cookie.
    pub(super) fn without_session(base_url: &str) -> Self {
        let message = format!(
            "This browser sent no session cookie along. Either the sign-in began at another address of this \
             application, such as 127.0.0.1 instead of localhost (its address is {base_url}), or cookies are blocked."
        );
        Self::new(ProblemKind::Callback, StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn say_when_to_retry(&self, headers: &mut HeaderMap) {
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, wait.as_secs().into());
        }
    }

    pub(super) fn or_try_again(mut self, path: &str) -> Self {
        self.try_again = Some(path.to_owned());
        self
    }
}

/// The error and its causes, for the log.
pub(super) fn with_causes(error: &LogtoError) -> String {
    let errors = iter::successors(Some(error as &dyn Error), |&error| error.source());
    let messages: Vec<_> = errors.map(ToString::to_string).collect();
    messages.join(": ")
}

/// Whether the session is there and will never be read: damaged, or written with a key or by a version
/// that this program has not.
pub(super) fn is_unreadable(error: &LogtoError) -> bool {
    matches!(error, LogtoError::Storage(error) if error.is_permanent())
}

/// Whether it is the application that the server refuses, which no user can help.
fn is_of_the_application(error: &OAuthError) -> bool {
    matches!(
        error.error.as_str(),
        "invalid_client" | "unauthorized_client" | "invalid_redirect_uri"
    )
}

fn callback_message(error: &CallbackError) -> &'static str {
    match error {
        CallbackError::AlreadyUsed => "This sign-in has been finished already.",
        CallbackError::AlreadyFailed => "This sign-in has failed already.",
        CallbackError::Expired => "This sign-in took too long. Please start it again.",
        CallbackError::SignedOutMeanwhile => "You were signed out meanwhile.",
        CallbackError::StateMismatch | CallbackError::StateMissing => {
            "This sign-in was not started in this browser at this address, or its session is over."
        }
        _ => "This is not the answer to a sign-in.",
    }
}

/// A page of the application's own.
pub(super) type Render = dyn Fn(&Problem) -> Response + Send + Sync;

impl Inner {
    /// Shows a problem on the application's own page or on the built-in one.
    pub fn show(&self, problem: &Problem) -> Response {
        let mut response = match &self.problem_page {
            Some(render) => render(problem),
            None => respond::page(problem.status, html(problem)),
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        problem.say_when_to_retry(headers);
        response
    }
}

fn html(problem: &Problem) -> String {
    let (title, label) = match problem.kind {
        ProblemKind::Unavailable => ("Please wait a moment", "Try again"),
        ProblemKind::Refused => ("Not signed in", "Try again"),
        ProblemKind::SignedOutHere => ("Signed out here only", "Go on"),
        _ => ("That did not work", "Try again"),
    };
    let link = problem.try_again.as_ref().map_or(String::new(), |path| {
        format!("<p><a href=\"{}\">{label}</a></p>", escape(path))
    });
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style><main><h1>{title}</h1><p>{}</p>{link}</main></html>",
        escape(&problem.message)
    )
}

const STYLE: &str = ":root{color-scheme:light dark;font-family:system-ui,sans-serif;line-height:1.5}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:light-dark(#f5f5f7,#17171a)}\
main{max-width:26rem;margin:1.5rem;padding:2rem;border-radius:1rem;background:light-dark(#fff,#232328);\
box-shadow:0 1px 3px #0003}h1{margin:0;font-size:1.25rem}p{margin:.75rem 0 0}\
a{display:inline-block;margin-top:.5rem;padding:.5rem 1rem;border-radius:.5rem;text-decoration:none;\
background:#5d34f2;color:#fff}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_to_do_and_is_escaped() {
        let problem = Problem::without_session("http://localhost:3000").or_try_again("/a?\"><b>");
        let html = html(&problem);
        assert!(html.contains("http://localhost:3000"), "{html}");
        assert!(html.contains("href=\"/a?&quot;&gt;&lt;b&gt;\""), "{html}");
    }
}
