//! A web application, its visitors with their cookies, and the server that they sign in at.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use logto::storage::MemoryStorage;
use logto::web::{WebAuth, WebAuthBuilder};
use logto::{Logto, LogtoConfig};
use logto_testing::{FakeLogto, FakeUser, Faulty, RecordedRequest};
use url::{Url, form_urlencoded};

/// Where browsers reach the application.
pub const BASE_URL: &str = "https://app.example.com";
pub const COOKIE: &str = "__Host-logto";
/// How long a session lives that nobody uses.
pub const IDLE: Duration = Duration::from_secs(24 * 60 * 60);

pub struct Scene {
    pub fake: FakeLogto,
    pub storage: Faulty<MemoryStorage>,
    pub auth: WebAuth,
}

/// A browser: its cookies.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    pub jar: BTreeMap<String, String>,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub fn with(set: impl FnOnce(WebAuthBuilder) -> WebAuthBuilder) -> Self {
        let fake = FakeLogto::builder()
            .user(FakeUser::new("alice").name("Alice Example"))
            .user(FakeUser::new("mallory").name("Mallory"))
            .start();
        fake.clock().freeze();
        let config = LogtoConfig::new(fake.endpoint(), fake.app_id()).app_secret(fake.app_secret());
        let logto = Logto::builder(config).clock(fake.clock()).build().unwrap();
        let storage = MemoryStorage::builder()
            .clock(fake.clock())
            .idle_lifetime(IDLE);
        let storage = Faulty::new(storage.build());
        let builder = WebAuth::builder(logto, storage.clone(), BASE_URL);
        let auth = set(builder.user_path("/user")).build().unwrap();
        Self {
            fake,
            storage,
            auth,
        }
    }

    /// What the application answers: the routes, a guarded API under `/api/`, an open home page, and
    /// guarded pages elsewhere.
    pub fn answer(&self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        if let Some(response) = self.auth.handle(request) {
            return response;
        }
        let user = match request.uri().path() {
            "/" => return Response::new(self.greeting(request)),
            path if path.starts_with("/api/") => self.auth.require_api_user(request),
            _ => self.auth.require_user(request),
        };
        match user {
            Ok(user) => Response::new(user.claims().sub.clone().into_bytes()),
            Err(rejection) => rejection.into_response(),
        }
    }

    fn greeting(&self, request: &Request<Vec<u8>>) -> Vec<u8> {
        let user = self.auth.user(request).unwrap();
        let name = user.map_or("nobody".to_owned(), |user| user.claims().sub.clone());
        name.into_bytes()
    }

    /// Plays `user` at the server, and returns the path and query that the browser comes back to.
    pub fn at_logto(&self, user: &str, location: &str) -> String {
        self.fake.sign_in_as(user);
        let callback = self.fake.authorize(location);
        let path = callback.strip_prefix(BASE_URL);
        path.unwrap_or_else(|| panic!("{callback} is elsewhere"))
            .to_owned()
    }

    /// A visitor who has signed in.
    pub fn signed_in(&self, user: &str) -> Visitor {
        let mut visitor = Visitor::default();
        visitor.sign_in(self, user, "/sign-in");
        visitor
    }

    /// The requests that came over a connection, and so from the application.
    pub fn asked(&self) -> Vec<RecordedRequest> {
        let mut requests = self.fake.requests();
        requests.retain(|request| request.connection != 0);
        requests
    }
}

impl Visitor {
    pub fn get(&mut self, scene: &Scene, target: &str) -> Response<Vec<u8>> {
        self.send(scene, Method::GET, target, &[])
    }

    pub fn send(
        &mut self,
        scene: &Scene,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Response<Vec<u8>> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies: Vec<_> = self.jar.iter().map(|(k, v)| format!("{k}={v}")).collect();
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let response = scene.answer(&request.body(Vec::new()).unwrap());
        self.keep(response.headers());
        response
    }

    /// Signs in from this page on, and returns the answer to the callback.
    pub fn sign_in(&mut self, scene: &Scene, user: &str, target: &str) -> Response<Vec<u8>> {
        let started = self.get(scene, target);
        let callback = scene.at_logto(user, location(&started));
        self.get(scene, &callback)
    }

    pub fn sign_out(&mut self, scene: &Scene) -> Response<Vec<u8>> {
        let same_origin = [("sec-fetch-site", "same-origin")];
        self.send(scene, Method::POST, "/sign-out", &same_origin)
    }

    /// Who the home page greets.
    pub fn who(&self, scene: &Scene) -> String {
        text(&self.clone().get(scene, "/"))
    }

    pub fn session_id(&self) -> Option<&str> {
        self.jar.get(COOKIE).map(String::as_str)
    }

    pub fn plant(&mut self, id: &str) {
        self.jar.insert(COOKIE.to_owned(), id.to_owned());
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, rest) = cookie.split_once('=').unwrap();
            let (value, attributes) = rest.split_once(';').unwrap();
            match attributes.contains("Max-Age=0") {
                true => self.jar.remove(name),
                false => self.jar.insert(name.to_owned(), value.to_owned()),
            };
        }
    }
}

#[track_caller]
pub fn location(response: &Response<Vec<u8>>) -> &str {
    let status = response.status();
    assert_eq!(status, StatusCode::SEE_OTHER, "{}", text(response));
    response.headers()[header::LOCATION].to_str().unwrap()
}

/// A parameter of the URL that the answer redirects to.
#[track_caller]
pub fn parameter(response: &Response<Vec<u8>>, name: &str) -> Option<String> {
    let url = Url::parse(location(response)).unwrap();
    let mut pairs = url.query_pairs();
    pairs.find_map(|(known, value)| (known == name).then(|| value.into_owned()))
}

pub fn text(response: &Response<Vec<u8>>) -> String {
    String::from_utf8(response.body().clone()).unwrap()
}

/// The path that starts a sign-in which asks to return here.
pub fn sign_in_to(target: &str) -> String {
    let target: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
    format!("/sign-in?return_to={target}")
}
