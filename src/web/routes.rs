//! The routes.

use std::borrow::Cow;

use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use serde_json::Value;
use url::form_urlencoded;

use super::Inner;
use super::builder::Route;
use super::guard::{Audience, unauthorized};
use super::problem::{Problem, is_unreadable, with_causes};
use super::respond::{self, Response};
use crate::storage::SessionId;
use crate::{CallbackError, FirstScreen, LogtoClient, LogtoError, SignInOptions, SignInOutcome};

/// The claims of the protocol, which say nothing of the user.
const PROTOCOL_CLAIMS: &str =
    "aud iss exp iat nbf jti nonce azp at_hash c_hash s_hash sid auth_time acr amr";

impl Inner {
    pub fn handle<B: AsRef<[u8]>>(&self, request: &Request<B>) -> Option<Response> {
        let route = self.paths.route(request.uri().path())?;
        if request.method() != route.method() {
            return Some(self.not_allowed(&route.method()));
        }
        let response = match route {
            Route::SignIn => self.sign_in(request, None),
            Route::SignUp => self.sign_in(request, Some(FirstScreen::Register)),
            Route::Callback => self.callback(request),
            Route::SignOut => self.sign_out(request),
            Route::User => Ok(self.user_info(request.headers())),
            Route::BackChannelLogout => Ok(self.back_channel_logout(request)),
        };
        Some(response.unwrap_or_else(|error| self.failed(request, &error)))
    }

    pub fn redirect_uri(&self) -> String {
        self.base_url.join(self.paths.of(Route::Callback))
    }

    fn sign_in<B>(
        &self,
        request: &Request<B>,
        first_screen: Option<FirstScreen>,
    ) -> Result<Response, LogtoError> {
        let asked_for = return_to(request);
        let target = asked_for
            .as_deref()
            .and_then(|target| self.landing(target))
            .unwrap_or(&self.paths.after_sign_in);
        let mut options = SignInOptions::new(self.redirect_uri()).post_redirect_uri(target);
        options.first_screen = first_screen;
        let options = self.as_the_application_likes(request, options);
        let known = self.cookie.read(request.headers());
        let (id, url) = self.start(known.unwrap_or_else(SessionId::random), options)?;
        let response = respond::see_other(&url);
        Ok(respond::with_cookie(response, self.cookie.keep(&id)))
    }

    fn as_the_application_likes<B>(
        &self,
        request: &Request<B>,
        options: SignInOptions,
    ) -> SignInOptions {
        let Some(set) = &self.set_options else {
            return options;
        };
        let redirect_uri = options.redirect_uri.clone();
        let post_redirect_uri = options.post_redirect_uri.clone();
        let mut options = set(&without_body(request), options);
        options.redirect_uri = redirect_uri;
        options.post_redirect_uri = post_redirect_uri;
        options
    }

    /// In a new session where this one will never be read again: the visitor would be locked out for as
    /// long as the cookie lives.
    fn start(
        &self,
        id: SessionId,
        options: SignInOptions,
    ) -> Result<(SessionId, String), LogtoError> {
        match self.client(&id).sign_in(options.clone()) {
            Ok(url) => Ok((id, url)),
            Err(error) if is_unreadable(&error) => {
                log::warn!("a session is left behind: {}", with_causes(&error));
                let id = SessionId::random();
                let url = self.client(&id).sign_in(options)?;
                Ok((id, url))
            }
            Err(error) => Err(error),
        }
    }

    fn callback<B>(&self, request: &Request<B>) -> Result<Response, LogtoError> {
        let Some(id) = self.cookie.read(request.headers()) else {
            log::warn!("a sign-in came back without a session cookie");
            let problem = Problem::without_session(self.base_url.as_str());
            return Ok(self.show(&problem.or_try_again(self.paths.of(Route::SignIn))));
        };
        let callback = request
            .uri()
            .path_and_query()
            .map_or("", |uri| uri.as_str());
        match self.logto.finish_sign_in(&self.storage, &id, callback) {
            Ok((id, signed_in)) => {
                let response = respond::see_other(&self.target(&signed_in));
                Ok(respond::with_cookie(response, self.cookie.keep(&id)))
            }
            // The callback came twice, and the first one has signed the user in.
            Err(LogtoError::Callback(CallbackError::AlreadyUsed)) => {
                Ok(respond::see_other(&self.paths.after_sign_in))
            }
            Err(error) => Err(error),
        }
    }

    /// What was asked for was checked when the sign-in began; the session may have been changed since.
    fn target(&self, signed_in: &SignInOutcome) -> String {
        let target = signed_in.post_redirect_uri.as_deref();
        target
            .and_then(|target| self.landing(target))
            .unwrap_or(&self.paths.after_sign_in)
            .to_owned()
    }

    /// Where a browser may end up: a page of this origin, and no route.
    fn landing<'a>(&self, target: &'a str) -> Option<&'a str> {
        let local = self.base_url.local(target);
        local.filter(|target| !self.paths.is_route(&self.base_url, target))
    }

    fn sign_out<B>(&self, request: &Request<B>) -> Result<Response, LogtoError> {
        if self.base_url.is_cross_origin(request.headers()) {
            return Ok(self.show(&Problem::cross_origin()));
        }
        let Some(id) = self.cookie.read(request.headers()) else {
            return Ok(respond::see_other(&self.paths.after_sign_out));
        };
        let client = self.client(&id);
        let response = match client.sign_out(self.base_url.join(&self.paths.after_sign_out)) {
            Ok(sign_out) => respond::see_other(&sign_out.url),
            // The user is signed out here, even if Logto cannot be told.
            Err(error) => {
                log::warn!("Logto is not told of a sign-out: {}", with_causes(&error));
                self.storage.remove(&id.key())?;
                self.show(&Problem::signed_out_here(&self.paths.after_sign_out))
            }
        };
        Ok(respond::with_cookie(response, self.cookie.forget()))
    }

    fn user_info(&self, headers: &HeaderMap) -> Response {
        let user = match self.user(headers) {
            Ok(Some(user)) => user,
            Ok(None) => return unauthorized().into_response(),
            Err(error) => {
                log::error!("the session cannot be read: {}", with_causes(&error));
                let rejection = self.reject(Audience::Script, &Problem::of(&error));
                return rejection.into_response();
            }
        };
        let mut claims = serde_json::to_value(user.claims()).unwrap_or(Value::Null);
        if let Some(claims) = claims.as_object_mut() {
            claims.retain(|name, _| !PROTOCOL_CLAIMS.split(' ').any(|claim| claim == name));
        }
        respond::json(StatusCode::OK, &claims)
    }

    fn client(&self, id: &SessionId) -> LogtoClient {
        self.logto.session(&self.storage, id)
    }

    fn failed<B>(&self, request: &Request<B>, error: &LogtoError) -> Response {
        let path = request.uri().path();
        log::warn!("{path}: {}", with_causes(error));
        let problem = Problem::of(error);
        self.show(&match self.paths.route(path) {
            // The form is on the page before this one.
            Some(Route::SignOut) => problem,
            Some(Route::Callback) => problem.or_try_again(self.paths.of(Route::SignIn)),
            _ => {
                let target = return_to(request).unwrap_or_default();
                problem.or_try_again(&self.link(path, &target))
            }
        })
    }

    fn not_allowed(&self, allowed: &Method) -> Response {
        let mut response = self.show(&Problem::method_not_allowed());
        if let Ok(allowed) = HeaderValue::from_str(allowed.as_str()) {
            response.headers_mut().insert(ALLOW, allowed);
        }
        response
    }
}

fn without_body<B>(request: &Request<B>) -> Request<()> {
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    head.uri_mut().clone_from(request.uri());
    head.headers_mut().clone_from(request.headers());
    head
}

/// The page that a request for a sign-in asks to end on, unchecked.
fn return_to<B>(request: &Request<B>) -> Option<Cow<'_, str>> {
    let query = request.uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .find_map(|(name, value)| (name == "return_to").then_some(value))
}
