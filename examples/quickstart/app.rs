//! The routes.

use logto::storage::SqliteStore;
use logto::{FirstScreen, Logto, LogtoClient, LogtoError, SessionId, SessionStore, SignInOptions};
use rouille::{Request, Response};

use crate::pages::{Account, Pages};
use crate::settings::Settings;
use crate::{cookie, with_causes};

pub struct App {
    logto: Logto,
    store: SqliteStore,
    settings: Settings,
    pages: Pages,
    content_security_policy: String,
}

impl App {
    pub fn new(logto: Logto, server_name: String, store: SqliteStore, settings: Settings) -> Self {
        Self {
            content_security_policy: content_security_policy(&logto.config().endpoint),
            pages: Pages {
                server: server_name,
            },
            logto,
            store,
            settings,
        }
    }

    pub fn answer(&self, request: &Request) -> Response {
        let response = self
            .route(request)
            .unwrap_or_else(|error| self.failed(request, &error));
        self.with_security_headers(response)
    }

    fn route(&self, request: &Request) -> Result<Response, LogtoError> {
        match (request.method(), request.url().as_str()) {
            ("GET" | "HEAD", "/") => self.home(request),
            ("GET", "/sign-in") => self.sign_in(request),
            ("GET", "/callback") => self.callback(request),
            ("POST", "/sign-out") => self.sign_out(request),
            ("GET" | "HEAD", "/style.css") => Ok(self.pages.style()),
            (_, "/" | "/sign-in" | "/callback" | "/style.css") => Ok(self.not_allowed("GET")),
            (_, "/sign-out") => Ok(self.not_allowed("POST")),
            _ => Ok(self.pages.problem(404, "There is no such page.")),
        }
    }

    fn home(&self, request: &Request) -> Result<Response, LogtoError> {
        let Some(id) = cookie::session_id(request) else {
            return Ok(self.pages.welcome());
        };
        let client = self.client(&id);
        if !client.is_authenticated()? {
            return Ok(self.pages.welcome());
        }
        let resource = self.logto.config().resources.first();
        let page = self.pages.account(&Account {
            id_token: client.id_token_claims()?,
            user_info: client.fetch_user_info(),
            access_token: resource
                .map(|resource| (resource.as_str(), client.access_token_claims(resource))),
        });
        // This visit has prolonged the session; the cookie is to live as long.
        Ok(self.with_session(page, &id))
    }

    fn sign_in(&self, request: &Request) -> Result<Response, LogtoError> {
        let id = cookie::session_id(request).unwrap_or_else(SessionId::random);
        // "/" could as well be the page that the user came from.
        let mut options = SignInOptions::new(self.settings.redirect_uri()).post_redirect_uri("/");
        if request.get_param("screen").as_deref() == Some("register") {
            options = options.first_screen(FirstScreen::Register);
        }
        let url = self.client(&id).sign_in(options)?;
        Ok(self.with_session(Response::redirect_303(url), &id))
    }

    fn callback(&self, request: &Request) -> Result<Response, LogtoError> {
        // Without a cookie the sign-in was not started here, and an empty session says so.
        let id = cookie::session_id(request).unwrap_or_else(SessionId::random);
        let (id, signed_in) = self
            .logto
            .finish_sign_in(&self.store, &id, request.raw_url())?;
        let next = signed_in
            .post_redirect_uri
            .unwrap_or_else(|| "/".to_owned());
        Ok(self.with_session(Response::redirect_303(next), &id))
    }

    fn sign_out(&self, request: &Request) -> Result<Response, LogtoError> {
        if self.is_cross_origin(request) {
            let message = "Another site has sent this request. You are still signed in.";
            return Ok(self.pages.problem(403, message));
        }
        let Some(id) = cookie::session_id(request) else {
            return Ok(Response::redirect_303("/"));
        };
        let client = self.client(&id);
        let next = match client.sign_out(self.settings.post_sign_out_uri()) {
            Ok(sign_out) => sign_out.url,
            // Whoever wants to leave is let go here, even if Logto cannot be told.
            Err(error) if error.is_retryable() => {
                client.clear_all_tokens()?;
                "/".to_owned()
            }
            Err(error) => return Err(error),
        };
        self.store.remove(&id)?;
        let response = Response::redirect_303(next);
        Ok(cookie::forget(response, self.settings.is_https()))
    }

    fn client(&self, id: &SessionId) -> LogtoClient {
        self.logto.session(&self.store, id)
    }

    fn with_session(&self, response: Response, id: &SessionId) -> Response {
        cookie::keep(response, id, self.settings.is_https())
    }

    /// Browsers send one of the two headers with every form. What sends neither is no browser.
    fn is_cross_origin(&self, request: &Request) -> bool {
        match request.header("Sec-Fetch-Site") {
            Some(site) => site != "same-origin",
            None => request
                .header("Origin")
                .is_some_and(|origin| origin != self.settings.base_url),
        }
    }

    fn failed(&self, request: &Request, error: &LogtoError) -> Response {
        // Without the query, which may hold a code.
        eprintln!(
            "{} {}: {}",
            request.method(),
            request.url(),
            with_causes(error)
        );
        let page = self.pages.failure(status(error), error);
        match error.retry_after() {
            Some(wait) => page.with_unique_header("Retry-After", wait.as_secs().to_string()),
            None => page,
        }
    }

    fn not_allowed(&self, method: &'static str) -> Response {
        self.pages
            .problem(405, "This page cannot be asked for in this way.")
            .with_unique_header("Allow", method)
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
            .with_unique_header("Cache-Control", "no-store")
    }
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

fn status(error: &LogtoError) -> u16 {
    match error {
        error if error.is_retryable() => 503,
        LogtoError::Callback(_) | LogtoError::OAuth(_) => 400,
        _ => 500,
    }
}
