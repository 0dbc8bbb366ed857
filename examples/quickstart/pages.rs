//! The pages. Whatever comes from outside goes through `escape`.

use logto::web::{Problem, ProblemKind};
use logto::{AccessTokenClaims, Clock, IdTokenClaims, LogtoError, SystemClock, UserInfoResponse};
use rouille::Response;
use serde::Serialize;
use serde_json::Value;

const SIGN_IN_OR_HOME: &str = "<a class=\"button primary\" href=\"/sign-in\">Sign in again</a>\n\
                               <a class=\"button\" href=\"/\">Home</a>";

const ICON: &str = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>\
                    <rect width='16' height='16' rx='4' fill='%235b3df5'/>\
                    <circle cx='8' cy='8' r='3.5' fill='none' stroke='white' stroke-width='2'/></svg>";

#[derive(Clone)]
pub struct Pages {
    /// What a person calls the Logto server.
    pub server: String,
}

/// What is shown of a user who is signed in.
pub struct Account<'a> {
    pub id_token: &'a IdTokenClaims,
    pub user_info: Result<UserInfoResponse, LogtoError>,
    /// The API resource and the claims of the access token for it; `None` if none is configured.
    pub access_token: Option<(&'a str, Result<AccessTokenClaims, LogtoError>)>,
}

impl Pages {
    pub fn style(&self) -> Response {
        Response::from_data("text/css; charset=utf-8", include_str!("style.css"))
    }

    pub fn welcome(&self) -> Response {
        self.page(
            "Welcome",
            "<section class=\"hero\">\n\
             <h1>You are signed out</h1>\n\
             <p>Sign in to see who you are to this application: your ID token, your user information, \
             and an access token for an API.</p>\n\
             <p class=\"actions\"><a class=\"button primary\" href=\"/sign-in\">Sign in</a>\n\
             <a class=\"button\" href=\"/sign-up\">Create account</a></p>\n\
             </section>",
        )
    }

    pub fn account(&self, account: &Account) -> Response {
        let body = [
            profile(account.id_token),
            section(
                "ID token",
                "Who you are, as of the sign-in or the last refresh. Read from the session.",
                &table(account.id_token),
            ),
            section(
                "User info",
                "What the server knows of you now. Fetched for this page.",
                &table_or_reason(&account.user_info),
            ),
            access_token(account),
        ];
        self.page(display_name(account.id_token), &body.join("\n"))
    }

    /// A page for a request that leads nowhere.
    pub fn problem(&self, status: u16, message: &str) -> Response {
        let actions = "<a class=\"button primary\" href=\"/\">Home</a>";
        self.problem_with(status, message, actions)
    }

    /// The HTML of a page for a sign-in that did not work.
    pub fn sign_in_problem(&self, problem: &Problem) -> String {
        let status = problem.status.as_u16();
        let title = match problem.kind {
            ProblemKind::Refused => "You are not signed in",
            ProblemKind::SignedOutHere => "You are signed out here only",
            _ => title(status),
        };
        let label = match problem.kind {
            ProblemKind::SignedOutHere => "Go on",
            _ => "Try again",
        };
        let again = problem.try_again.as_ref().map_or(String::new(), |path| {
            format!(
                "<a class=\"button primary\" href=\"{}\">{label}</a>\n",
                escape(path)
            )
        });
        let actions = again + "<a class=\"button\" href=\"/\">Home</a>";
        self.problem_html(status, title, &problem.message, &actions)
    }

    /// A page for something that failed, where signing in once more may help. What failed is for the log.
    pub fn failure(&self, status: u16) -> Response {
        let message = match status {
            503 => "Something cannot be reached right now. Please try again in a moment.",
            _ => "Something went wrong on our side. Signing in again may help.",
        };
        self.problem_with(status, message, SIGN_IN_OR_HOME)
    }

    fn problem_with(&self, status: u16, message: &str, actions: &str) -> Response {
        let page = self.problem_html(status, title(status), message, actions);
        Response::html(page).with_status_code(status)
    }

    fn problem_html(&self, status: u16, title: &str, message: &str, actions: &str) -> String {
        let message = escape(message);
        let body = format!(
            "<section class=\"hero\">\n\
             <p class=\"status\">{status}</p>\n\
             <h1>{title}</h1>\n\
             <p>{message}</p>\n\
             <p class=\"actions\">{actions}</p>\n\
             </section>"
        );
        self.html(title, &body)
    }

    fn page(&self, title: &str, body: &str) -> Response {
        Response::html(self.html(title, body))
    }

    /// The title is text, the body is HTML.
    fn html(&self, title: &str, body: &str) -> String {
        let (title, server) = (escape(title), escape(&self.server));
        format!(
            "<!doctype html>\n\
             <html lang=\"en\">\n\
             <head>\n\
             <meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title} · Logto quickstart</title>\n\
             <link rel=\"icon\" href=\"{ICON}\">\n\
             <link rel=\"stylesheet\" href=\"/style.css\">\n\
             </head>\n\
             <body>\n\
             <header><a href=\"/\">Logto quickstart</a></header>\n\
             <main>\n{body}\n</main>\n\
             <footer>Users sign in at {server}.</footer>\n\
             </body>\n\
             </html>\n"
        )
    }
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "That did not work",
        403 => "Refused",
        404 => "Not found",
        405 => "Not allowed",
        503 => "Not available right now",
        _ => "Something went wrong",
    }
}

fn profile(claims: &IdTokenClaims) -> String {
    let name = escape(display_name(claims));
    let detail = escape(claims.email.as_deref().unwrap_or(&claims.sub));
    format!(
        "<section class=\"profile\">\n\
         {avatar}\n\
         <div><h1>{name}</h1><p>{detail}</p></div>\n\
         <form method=\"post\" action=\"/sign-out\"><button class=\"button\">Sign out</button></form>\n\
         </section>",
        avatar = avatar(claims)
    )
}

/// The picture covers the initials, which stay where it cannot be had.
fn avatar(claims: &IdTokenClaims) -> String {
    let initials = escape(&initials(display_name(claims)));
    let picture = match &claims.picture {
        Some(url) if url.starts_with("https://") => {
            format!("<img src=\"{}\" alt=\"\">", escape(url))
        }
        _ => String::new(),
    };
    format!("<div class=\"avatar\" aria-hidden=\"true\"><span>{initials}</span>{picture}</div>")
}

fn display_name(claims: &IdTokenClaims) -> &str {
    [&claims.name, &claims.username, &claims.email]
        .into_iter()
        .find_map(|name| name.as_deref().filter(|name| !name.is_empty()))
        .unwrap_or(&claims.sub)
}

fn initials(name: &str) -> String {
    name.split_whitespace()
        .filter_map(|word| word.chars().next())
        .take(2)
        .flat_map(char::to_uppercase)
        .collect()
}

fn access_token(account: &Account) -> String {
    match &account.access_token {
        Some((resource, claims)) => section(
            &format!("Access token for {resource}"),
            "What this application can call that API with, on your behalf. It is renewed when it is \
             old, for as long as you stay signed in.",
            &table_or_reason(claims),
        ),
        None => section(
            "Access token",
            "Set LOGTO_RESOURCE to the indicator of an API resource to get access tokens for it.",
            "",
        ),
    }
}

/// The title and the introduction are text, the content is HTML.
fn section(title: &str, introduction: &str, content: &str) -> String {
    let (title, introduction) = (escape(title), escape(introduction));
    format!("<section>\n<h2>{title}</h2>\n<p>{introduction}</p>\n{content}\n</section>")
}

fn table_or_reason(claims: &Result<impl Serialize, LogtoError>) -> String {
    match claims {
        Ok(claims) => table(claims),
        Err(error) => reason(error),
    }
}

fn reason(error: &LogtoError) -> String {
    let way_out = match error.requires_sign_in() {
        true => " <a href=\"/sign-in\">Sign in again</a>",
        false => "",
    };
    let message = escape(&sentence(&error.to_string()));
    format!("<p class=\"reason\">Not available now. {message}{way_out}</p>")
}

fn table(claims: &impl Serialize) -> String {
    let Ok(Value::Object(claims)) = serde_json::to_value(claims) else {
        return String::new();
    };
    let rows: String = claims
        .iter()
        .map(|(name, value)| row(name, value))
        .collect();
    format!("<table>\n{rows}</table>")
}

fn row(name: &str, value: &Value) -> String {
    let text = match (name, value) {
        (_, Value::String(text)) => text.clone(),
        ("exp" | "iat" | "nbf" | "auth_time", Value::Number(time)) => {
            format!("{time} ({})", when(time.as_i64().unwrap_or_default()))
        }
        // Logto gives these in milliseconds.
        ("created_at" | "updated_at", Value::Number(time)) => {
            format!(
                "{time} ({})",
                when(time.as_i64().unwrap_or_default() / 1000)
            )
        }
        (_, other) => other.to_string(),
    };
    let (name, text) = (escape(name), escape(&text));
    format!("<tr><th scope=\"row\">{name}</th><td>{text}</td></tr>\n")
}

/// How far away a time in Unix seconds is.
fn when(time: i64) -> String {
    let seconds = time.saturating_sub(SystemClock.unix_seconds());
    let distance = match seconds.unsigned_abs() {
        0..60 => return "now".to_owned(),
        seconds @ 60..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    };
    match seconds > 0 {
        true => format!("in {distance}"),
        false => format!("{distance} ago"),
    }
}

/// Error messages start small, or with a URL, and end without a stop.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let sentence: String = match message.starts_with("http") {
        true => message.to_owned(),
        false => {
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            first.chain(letters).collect()
        }
    };
    match sentence.ends_with(['.', '?', '!']) {
        true => sentence,
        false => sentence + ".",
    }
}

/// Makes text safe to stand in HTML, between double quotes too.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
