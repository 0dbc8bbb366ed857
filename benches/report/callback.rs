//! A whole callback, beside one request, one check and one write.
//!
//! The ID token has to carry the nonce of its sign-in. So each sign-in is started and its answer signed
//! before the clock is, for ours as for the floor, and the server only sends what is there.

use std::path::Path;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use logto::storage::Storage;
use logto::{Clock, Logto, LogtoConfig, SessionId, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;
use url::Url;

use crate::measure::{Sides, prepared};
use crate::raw::{self, Raw as _};
use crate::report::{Aim, Report};
use crate::signing::SigningKey;
use crate::stores::{Backend, directory};
use crate::token_server::TokenServer;
use crate::tokens::Tokens;
use crate::verification::bare_check;

pub(crate) const APP: (&str, &str) = ("app", "s3cret");

const REDIRECT_URI: &str = "https://app.example.com/callback";

pub(crate) fn rows(report: &mut Report) {
    for backend in [Backend::Memory, Backend::Sqlite] {
        for algorithm in ["ES384", "ES256", "RS256"] {
            let name = format!("callback/{algorithm}/{}", backend.name());
            report.row(&name, floor(backend), Aim::Ratio(1.15), || {
                sides(backend, algorithm)
            });
        }
    }
}

fn floor(backend: Backend) -> &'static str {
    match backend {
        Backend::Memory => "one bare request on a kept connection and one check",
        _ => {
            "one bare request on a kept connection, one check, one durable transaction by rusqlite"
        }
    }
}

fn sides(backend: Backend, algorithm: &'static str) -> Sides {
    let scene = Arc::new(Scene::new(backend, algorithm));
    let ours = Arc::clone(&scene);
    let work = Arc::clone(&scene);
    let mut bare = Bare::new(&scene.server, backend, scene.directory.path());
    let mut check = bare_check(algorithm, &scene.id_token("nonce"), &scene.key.jwk);
    Sides::timed(
        prepared(
            move || ours.prepare(),
            move |(id, callback)| {
                drop(
                    work.logto
                        .finish_sign_in(&work.store, &id, &callback)
                        .unwrap(),
                )
            },
        ),
        prepared(
            move || drop(scene.prepare()),
            move |()| {
                bare.request();
                check();
                bare.write();
            },
        ),
    )
}

struct Scene {
    server: TokenServer,
    key: SigningKey,
    logto: Logto,
    store: Arc<dyn Storage>,
    directory: TempDir,
}

impl Scene {
    fn new(backend: Backend, algorithm: &'static str) -> Self {
        let key = SigningKey::new(algorithm);
        let server = TokenServer::start(&key.jwk);
        let config = LogtoConfig::new(server.endpoint(), APP.0).app_secret(APP.1);
        let directory = directory();
        Self {
            logto: Logto::new(config).unwrap(),
            store: backend.store(directory.path()),
            server,
            key,
            directory,
        }
    }

    /// A session in which a sign-in is under way, and the URL that it comes back by.
    fn prepare(&self) -> (SessionId, String) {
        let id = SessionId::random();
        let client = self.logto.session(&self.store, &id);
        let sign_in = Url::parse(&client.sign_in(REDIRECT_URI).unwrap()).unwrap();
        let value = |name: &str| {
            let mut pairs = sign_in.query_pairs();
            pairs.find(|(key, _)| key == name).unwrap().1.into_owned()
        };
        let answer = tokens_with(&self.id_token(&value("nonce")));
        self.server.answer_tokens(&answer);
        let (state, issuer) = (value("state"), self.issuer());
        (
            id,
            format!("{REDIRECT_URI}?code={CODE}&state={state}&iss={issuer}"),
        )
    }

    fn id_token(&self, nonce: &str) -> String {
        self.key.token("JWT", &claims(&self.issuer(), nonce))
    }

    fn issuer(&self) -> String {
        format!("{}/oidc", self.server.endpoint())
    }
}

const CODE: &str = "l4nbuLNwBYyqE1SD0FPVYZJGjSCNnYyp-hsW1hM0JVz";

/// What Logto says of a user, about as long.
pub(crate) fn claims(issuer: &str, nonce: &str) -> Value {
    let now = SystemClock.unix_seconds();
    json!({
        "iss": issuer, "aud": APP.0, "sub": "wz5rgzv3bh2e", "iat": now, "exp": now + 3600,
        "nonce": nonce, "sid": "8mUeWBvIHzPa9Bm3MtlB4", "name": "Alice Example", "username": "alice",
        "picture": "https://images.example.com/users/alice/portrait.png",
        "created_at": 1_700_000_000_000_i64, "updated_at": 1_700_000_000_000_i64,
    })
}

pub(crate) fn tokens_with(id_token: &str) -> Value {
    json!({
        "access_token": CODE, "refresh_token": CODE, "id_token": id_token,
        "scope": "openid offline_access profile", "token_type": "Bearer", "expires_in": 3600,
    })
}

/// The least that can be done: a request, and a durable write.
pub(crate) struct Bare {
    agent: Agent,
    url: String,
    body: String,
    database: Option<raw::Sqlite>,
    tokens: Tokens,
}

impl Bare {
    pub(crate) fn new(server: &TokenServer, backend: Backend, directory: &Path) -> Self {
        let path = directory.join("bare.db");
        Self {
            agent: Agent::new_with_defaults(),
            url: format!("{}/oidc/token", server.endpoint()),
            body: format!(
                "grant_type=authorization_code&code={CODE}&code_verifier={CODE}\
                 &redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback"
            ),
            database: (backend == Backend::Sqlite).then(|| raw::Sqlite::open(&path)),
            tokens: Tokens::with_map(130),
        }
    }

    pub(crate) fn request(&self) {
        let request = self.agent.post(&self.url);
        let answer = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, "Basic YXBwOnMzY3JldA==")
            .header("accept", "application/json")
            .send(&self.body);
        let tokens = answer.unwrap().body_mut().read_to_vec().unwrap();
        assert!(!tokens.is_empty());
    }

    /// Durable when it returns; nothing in memory.
    pub(crate) fn write(&mut self) {
        if let Some(database) = &self.database {
            database.update(self.tokens.next());
        }
    }
}
