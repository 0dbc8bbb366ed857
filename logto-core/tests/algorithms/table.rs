//! The tokens and keys, and the server that has the latter.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Request, Response};
use logto_core::{
    Clock, HttpClient, HttpError, IdTokenError, JwtError, Logto, LogtoConfig, LogtoError, OidcCore,
};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;

pub(crate) type Verdict = Result<(), IdTokenError>;

/// Keys and tokens by their names.
pub(crate) struct Table(Value);

impl Table {
    pub(crate) fn read() -> Self {
        Self(serde_json::from_str(include_str!("table.json")).unwrap())
    }

    pub(crate) fn token(&self, name: &str) -> &str {
        let token = self.0["tokens"][name].as_str();
        token.unwrap_or_else(|| panic!("no token {name:?}"))
    }

    pub(crate) fn key(&self, name: &str) -> Value {
        let key = &self.0["keys"][name];
        assert!(key.is_object(), "no key {name:?}");
        key.clone()
    }

    pub(crate) fn token_names(&self) -> BTreeSet<String> {
        self.0["tokens"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    }

    /// All the keys that a server can have, without `alg`, as Logto has its RSA keys.
    pub(crate) fn server_keys(&self) -> Vec<Value> {
        let names = ["rsa", "rsa4096", "p256", "p384", "p521", "ed25519"];
        names.map(|name| self.key(name)).into()
    }

    /// What is said of this token, where the server has these keys, and how often they were fetched.
    pub(crate) fn check(&self, token: &str, keys: &[Value]) -> (Verdict, usize) {
        let server = Server::new(keys);
        let core = server.core();
        let verdict = match core.verify_id_token(self.token(token), "app") {
            Ok(_) => Ok(()),
            Err(LogtoError::IdToken(error)) => Err(without_place(error)),
            Err(error) => panic!("{token}: {error}"),
        };
        (verdict, server.fetches())
    }
}

/// The error without the line and column that it names.
fn without_place(error: IdTokenError) -> IdTokenError {
    match error {
        IdTokenError::Jwt(JwtError::Json { part, reason }) => {
            let (reason, _) = reason.split_once(" (at ").unwrap();
            let reason = reason.to_owned();
            JwtError::Json { part, reason }.into()
        }
        other => other,
    }
}

/// A server that has metadata and a key set, and counts how often it is asked for the latter.
#[derive(Debug, Clone)]
struct Server {
    key_set: Arc<str>,
    fetches: Arc<AtomicUsize>,
}

impl Server {
    fn new(keys: &[Value]) -> Self {
        Self {
            key_set: json!({ "keys": keys }).to_string().into(),
            fetches: Arc::default(),
        }
    }

    fn core(&self) -> OidcCore {
        let config = LogtoConfig::new("https://foo.logto.app", "app");
        let builder = Logto::builder(config).http_client(self.clone());
        builder.clock(Noon).build().unwrap().oidc_core().unwrap()
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }
}

impl HttpClient for Server {
    fn send(&self, request: Request<Vec<u8>>, _: u64) -> Result<Response<Vec<u8>>, HttpError> {
        let body = match request.uri().to_string().as_str() {
            "https://foo.logto.app/oidc/.well-known/openid-configuration" => metadata(),
            "https://foo.logto.app/oidc/jwks" => {
                self.fetches.fetch_add(1, Ordering::Relaxed);
                self.key_set.to_string()
            }
            other => panic!("{other} is asked"),
        };
        let answer = Response::builder().header("content-type", "application/json");
        Ok(answer.body(body.into_bytes()).unwrap())
    }
}

fn metadata() -> String {
    let at = |path: &str| format!("https://foo.logto.app/oidc{path}");
    json!({
        "issuer": at(""), "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/me"), "jwks_uri": at("/jwks"),
    })
    .to_string()
}

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }
}
