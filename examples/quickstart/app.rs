//! The routes that are not sign-in's.

use logto::storage::SqliteStorage;
use logto::web::{Problem, User, WebAuth, WebConfigError, rouille as web};
use logto::{Logto, LogtoError};
use rouille::{Request, Response};

use crate::pages::{Account, Pages};
use crate::settings::Settings;
use crate::with_causes;

pub struct App {
    auth: WebAuth,
    pages: Pages,
    content_security_policy: String,
}

impl App {
    pub fn new(
        logto: Logto,
        server_name: String,
        store: SqliteStorage,
        settings: &Settings,
    ) -> Result<Self, WebConfigError> {
        let pages = Pages {
            server: server_name,
        };
        let problem_pages = pages.clone();
        Ok(Self {
            content_security_policy: content_security_policy(&logto.config().endpoint),
            auth: WebAuth::builder(logto, store, &settings.base_url)
                .problem_page(move |problem| show(&problem_pages, problem))
                .build()?,
            pages,
        })
    }

    pub fn answer(&self, request: &Request) -> Response {
        // Sign-in, sign-up, callback and sign-out.
        let response = match web::handle(&self.auth, request) {
            Some(response) => response,
            None => self.page(request),
        };
        self.with_security_headers(response)
    }

    fn page(&self, request: &Request) -> Response {
        let page = match (request.method(), request.url().as_str()) {
            ("GET" | "HEAD", "/") => self.home(request),
            ("GET" | "HEAD", "/account") => match web::require_user(&self.auth, request) {
                Ok(user) => self.account(&user),
                Err(response) => return response,
            },
            ("GET" | "HEAD", "/style.css") => return self.pages.style(),
            (_, "/" | "/account" | "/style.css") => {
                return self
                    .pages
                    .problem(405, "This page cannot be asked for in this way.")
                    .with_unique_header("Allow", "GET");
            }
            _ => return self.pages.problem(404, "There is no such page."),
        };
        page.unwrap_or_else(|error| self.failed(request, &error))
    }

    fn home(&self, request: &Request) -> Result<Response, LogtoError> {
        match web::user(&self.auth, request)? {
            Some(user) => self.account(&user),
            None => Ok(self.pages.welcome()),
        }
    }

    fn account(&self, user: &User) -> Result<Response, LogtoError> {
        let client = user.client();
        let resource = self.auth.logto().config().resources.first();
        Ok(self.pages.account(&Account {
            id_token: user.claims(),
            user_info: client.fetch_user_info(),
            access_token: resource
                .map(|resource| (resource.as_str(), client.access_token_claims(resource))),
        }))
    }

    fn failed(&self, request: &Request, error: &LogtoError) -> Response {
        eprintln!(
            "{} {}: {}",
            request.method(),
            request.url(),
            with_causes(error)
        );
        let status = if error.is_retryable() { 503 } else { 500 };
        let page = self.pages.failure(status);
        match error.retry_after() {
            Some(wait) => page.with_unique_header("Retry-After", wait.as_secs().to_string()),
            None => page,
        }
    }

    fn with_security_headers(&self, response: Response) -> Response {
        response
            .with_unique_header(
                "Content-Security-Policy",
                self.content_security_policy.clone(),
            )
            .with_unique_header("X-Content-Type-Options", "nosniff")
            // Not `no-referrer`, with which forms would be sent with the origin `null`.
            .with_unique_header("Referrer-Policy", "same-origin")
            // What a user saw is gone from the browser when they are.
            .with_unique_header("Cache-Control", "no-store")
    }
}

/// What goes wrong in a sign-in, in this application's own look.
fn show(pages: &Pages, problem: &Problem) -> http::Response<Vec<u8>> {
    let mut response = http::Response::new(pages.sign_in_problem(problem).into_bytes());
    *response.status_mut() = problem.status;
    let html = http::HeaderValue::from_static("text/html; charset=utf-8");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, html);
    response
}

/// The form for signing out is answered by a redirect to Logto, which Chromium holds to be the
/// form's action too.
fn content_security_policy(endpoint: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    format!(
        "default-src 'none'; style-src 'self'; img-src https: data:; \
         form-action 'self' {endpoint}/; frame-ancestors 'none'; base-uri 'none'"
    )
}
