//! The OpenID Connect server behind the HTTP server.

mod authorization;
mod authorization_request;
pub(crate) mod backchannel_logout;
mod client_auth;
mod client_credentials;
mod code_grant;
pub(crate) mod device_authorization;
mod device_grant;
mod device_page;
mod discovery;
mod end_session;
mod error;
mod introspection;
mod page;
mod refresh_grant;
mod revocation;
mod sign_in_page;
mod token;
mod token_exchange;
mod tokens;
mod user_info;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use logto_core::Clock;
use serde_json::Value;

use crate::app::FakeApp;
use crate::clock::{TestClock, milliseconds};
use crate::courier::Courier;
use crate::endpoint::Endpoint;
use crate::http::{Delivery, Handler, Reply, Request, Response};
use crate::misbehaviour::{Misbehaviour, Misbehaviours};
use crate::people::People;
use crate::record::Record;
use crate::store::Store;
use error::OidcError;
use sign_in_page::Interactions;

/// An API resource and its scopes.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) indicator: String,
    pub(crate) scopes: Vec<String>,
}

/// How the server is set up.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) issuer: String,
    pub(crate) apps: Vec<FakeApp>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) login_page: bool,
    pub(crate) access_token_lifetime: Duration,
    pub(crate) clock: TestClock,
}

/// The server.
pub(crate) struct Provider {
    setup: Setup,
    store: Store,
    people: Mutex<People>,
    interactions: Mutex<Interactions>,
    misbehaviours: Mutex<Misbehaviours>,
    requests: Mutex<Record>,
    courier: Courier,
}

impl Provider {
    pub(crate) fn new(setup: Setup, store: Store, people: People) -> Self {
        Self {
            courier: Courier::new(&setup.apps),
            setup,
            store,
            people: Mutex::new(people),
            interactions: Mutex::default(),
            misbehaviours: Mutex::default(),
            requests: Mutex::default(),
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.setup.issuer
    }

    /// The issuer without its path.
    fn origin(&self) -> &str {
        self.issuer().trim_end_matches("/oidc")
    }

    pub(crate) fn apps(&self) -> &[FakeApp] {
        &self.setup.apps
    }

    pub(crate) fn clock(&self) -> &TestClock {
        &self.setup.clock
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn people(&self) -> MutexGuard<'_, People> {
        lock(&self.people)
    }

    pub(crate) fn misbehaviours(&self) -> MutexGuard<'_, Misbehaviours> {
        lock(&self.misbehaviours)
    }

    pub(crate) fn requests(&self) -> MutexGuard<'_, Record> {
        lock(&self.requests)
    }

    pub(crate) fn courier(&self) -> &Courier {
        &self.courier
    }

    pub(crate) fn app(&self, id: &str) -> Option<&FakeApp> {
        self.setup.apps.iter().find(|app| app.id == id)
    }

    fn resource(&self, indicator: &str) -> Option<&Resource> {
        self.setup
            .resources
            .iter()
            .find(|resource| resource.indicator == indicator)
    }

    /// Milliseconds since 1970.
    fn milliseconds(&self) -> i64 {
        milliseconds(&self.setup.clock)
    }

    fn respond(&self, request: &Request, misbehaviour: Option<&Misbehaviour>) -> Response {
        let bare = request.query.get("parse_error") == Some("false");
        self.route(request, misbehaviour)
            .unwrap_or_else(|error| error.into_response(self.issuer(), bare))
    }

    fn route(
        &self,
        request: &Request,
        misbehaviour: Option<&Misbehaviour>,
    ) -> Result<Response, OidcError> {
        let method = match request.method.as_str() {
            "HEAD" => "GET",
            method => method,
        };
        match (method, Endpoint::at(&request.path)) {
            ("GET", Some(Endpoint::Discovery)) => Ok(discovery::metadata(self, request)),
            ("GET", Some(Endpoint::Jwks)) => Ok(discovery::key_set(self, request)),
            ("GET" | "POST", Some(Endpoint::Authorization)) => {
                authorization::authorize(self, request)
            }
            ("POST", Some(Endpoint::DeviceAuthorization)) => {
                device_authorization::authorize(self, request)
            }
            ("POST", Some(Endpoint::Token)) => token::exchange(self, request, misbehaviour),
            ("GET" | "POST", Some(Endpoint::UserInfo)) => user_info::answer(self, request),
            ("POST", Some(Endpoint::Revocation)) => revocation::revoke(self, request),
            ("POST", Some(Endpoint::Introspection)) => introspection::introspect(self, request),
            ("GET" | "POST", Some(Endpoint::EndSession)) => end_session::end(self, request),
            ("GET", None) if request.path == end_session::SUCCESS => {
                Ok(page::card("Signed out", "<p>You have signed out.</p>\n"))
            }
            ("GET", None) if request.path == device_page::PATH => {
                Ok(device_page::show(self, request))
            }
            ("POST", None) if request.path == device_page::PATH => {
                device_page::decide(self, request)
            }
            ("GET", None) if request.path == sign_in_page::PATH => {
                Ok(sign_in_page::show(self, request))
            }
            ("POST", None) if request.path == sign_in_page::PATH => {
                sign_in_page::choose(self, request)
            }
            _ => self.not_found(request),
        }
    }

    fn not_found(&self, request: &Request) -> Result<Response, OidcError> {
        if request.path.starts_with("/oidc/") {
            return Err(OidcError::not_found(&request.method, &request.path));
        }
        Ok(Response::new(404, "text/plain; charset=utf-8", "Not Found"))
    }

    fn tampered(&self, endpoint: Endpoint, mut response: Response) -> Response {
        let tamper = self.misbehaviours().response_tampering(endpoint);
        let is_json = response
            .header_value("content-type")
            .is_some_and(|value| value.contains("json"));
        if let Some(tamper) = tamper
            && is_json
            && let Ok(mut body) = serde_json::from_slice::<Value>(&response.body)
        {
            tamper(&mut body);
            response.body = body.to_string().into_bytes();
        }
        response
    }
}

impl Handler for Provider {
    fn answer(&self, request: &Request) -> Reply {
        self.requests().add(request);
        let endpoint = Endpoint::at(&request.path);
        let misbehaviour = endpoint.and_then(|endpoint| self.misbehaviours().next(endpoint));
        if let Some(reply) = misbehaviour.as_ref().and_then(Misbehaviour::instead) {
            log::debug!("{} {}: {misbehaviour:?}", request.method, request.path);
            return reply;
        }
        let mut response = self.respond(request, misbehaviour.as_ref());
        if let Some(endpoint) = endpoint {
            response = self.tampered(endpoint, response);
        }
        log::debug!("{} {}: {}", request.method, request.path, response.status);
        match misbehaviour {
            Some(misbehaviour) => Reply::new(response, misbehaviour.delivery()),
            None => Reply::new(response, Delivery::Whole),
        }
    }

    fn now(&self) -> SystemTime {
        self.setup.clock.now()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
