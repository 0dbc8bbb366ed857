//! An application, its server and the session of one user, all in this thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use logto::{
    Clock, Logto, LogtoClient, LogtoConfig, MemoryStorage, PersistKey, Record, SessionKey,
    Storage as _,
};
use serde_json::{Value, json};

use super::planted::{self, APP_SECRET};
use super::planted::{CODE_VERIFIER, NONCE, OLD_ACCESS_TOKEN, OLD_REFRESH_TOKEN};
use super::server::{Answer, Asked, Sent, Server};
use super::token;

pub const ENDPOINT: &str = "https://logto.example";
pub const ISSUER: &str = "https://logto.example/oidc";
pub const APP_ID: &str = "app-id";
pub const RESOURCE: &str = "https://api.example";
pub const REDIRECT_URI: &str = "https://app.example/callback";
pub const STATE: &str = "planted-state";
pub const NOW: i64 = 1_800_000_000;

/// What a server answers that is right.
pub static METADATA: LazyLock<String> = LazyLock::new(|| metadata().to_string());
pub static KEY_SET: LazyLock<String> = LazyLock::new(|| token::key_set().to_string());

/// What is stored of a session, by key.
pub type Stored = BTreeMap<PersistKey, Option<String>>;

pub struct Place {
    pub server: Server,
    pub logto: Logto,
    pub client: LogtoClient,
    pub storage: MemoryStorage,
    dial: Dial,
}

impl Place {
    /// With a server that answers as it should, and nobody signed in.
    pub fn new() -> Self {
        planted::watch_log();
        let server = Server::new(METADATA.as_str());
        server.answer(Asked::Keys, Answer::json(KEY_SET.as_str()));
        let dial = Dial(Arc::new(AtomicI64::new(NOW)));
        let config = LogtoConfig::new(ENDPOINT, APP_ID)
            .app_secret(APP_SECRET)
            .resources([RESOURCE]);
        let logto = Logto::builder(config)
            .http_client(server.clone())
            .clock(dial.clone())
            .lock_timeout(Duration::ZERO)
            .build()
            .unwrap();
        let storage = MemoryStorage::new();
        let client = logto.client(storage.clone());
        Self {
            server,
            logto,
            client,
            storage,
            dial,
        }
    }

    /// Has the metadata and the keys, so that no later call asks for them.
    pub fn warmed_up(self) -> Self {
        let core = self.logto.oidc_core().unwrap();
        core.verify_id_token(&token::id_token(&claims()), APP_ID)
            .unwrap();
        self.server.take_sent();
        self
    }

    /// Replaces the session by that of a user with these values.
    pub fn store(&self, values: &[(PersistKey, &str)]) {
        let value = |key, text: &str| match key {
            PersistKey::IdToken | PersistKey::RefreshToken => json!(text),
            _ => serde_json::from_str(text).unwrap(),
        };
        let members = values
            .iter()
            .map(|&(key, text)| (key.to_string(), value(key, text)));
        self.store_data(&Value::Object(members.collect()).to_string());
    }

    /// Replaces the session by one with this data.
    pub fn store_data(&self, data: &str) {
        let record = Record::new(None, data);
        self.storage.remove(&SessionKey::ONLY).unwrap();
        self.storage.save(&SessionKey::ONLY, &record, None).unwrap();
    }

    pub fn record(&self) -> Option<Record> {
        self.storage.load(&SessionKey::ONLY).unwrap()
    }

    pub fn stored(&self) -> Stored {
        let value = |key| (key, self.client.session().get(key).unwrap());
        PersistKey::ALL.into_iter().map(value).collect()
    }

    /// Whether a rotated refresh token is stored that is not verified yet.
    pub fn has_pending_refresh_token(&self) -> bool {
        let record = self.record();
        record.is_some_and(|record| record.data().contains("pendingRefreshToken"))
    }

    /// Holds all to be stored that was, but for the values of these keys.
    pub fn assert_stored(&self, before: &Stored, but: &[PersistKey]) {
        for (key, value) in self.stored() {
            assert!(but.contains(&key) || value == before[&key], "{key} changed");
        }
    }

    /// The requests since the last call of this that are for something.
    pub fn sent(&self, asked: Asked) -> Vec<Sent> {
        let sent = self.server.take_sent().into_iter();
        sent.filter(|sent| sent.asked == asked).collect()
    }

    pub fn wait(&self, seconds: i64) {
        self.dial.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone)]
struct Dial(Arc<AtomicI64>);

impl Clock for Dial {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::Relaxed).unsigned_abs())
    }
}

/// What Logto says of itself, in part.
pub fn metadata() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{ISSUER}/auth"),
        "token_endpoint": format!("{ISSUER}/token"),
        "userinfo_endpoint": format!("{ISSUER}/me"),
        "jwks_uri": format!("{ISSUER}/jwks"),
        "revocation_endpoint": format!("{ISSUER}/token/revocation"),
        "end_session_endpoint": format!("{ISSUER}/session/end"),
        "id_token_signing_alg_values_supported": ["ES384", "EdDSA"],
        "authorization_response_iss_parameter_supported": true,
        "request_uri_parameter_supported": false,
        "claims_supported": ["sub", "name"],
    })
}

/// The claims of a user's ID token.
pub fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "sub": "user",
        "aud": APP_ID,
        "exp": NOW + 3600,
        "iat": NOW,
        "nonce": NONCE,
        "name": "Alice",
        "email_verified": true,
        "organizations": ["org"],
        "updated_at": 1_795_433_328_543_i64,
    })
}

/// A sign-in under way, as it is stored.
pub fn sign_in_session(state: &str, redirect_uri: &str) -> Value {
    json!({
        "redirectUri": redirect_uri,
        "codeVerifier": CODE_VERIFIER,
        "state": state,
        "nonce": NONCE,
        "startedAt": NOW,
    })
}

/// Cached access tokens, as they are stored; they expire now.
pub fn access_token_map() -> Value {
    json!({ "x": {
        "": { "token": OLD_ACCESS_TOKEN, "expiresAt": NOW, "cachedAt": NOW - 3600 },
        RESOURCE: { "token": OLD_ACCESS_TOKEN, "expiresAt": NOW, "cachedAt": NOW - 3600 },
    } })
}

/// The session of a user who is signed in, with a sign-in under way.
pub struct SignedIn {
    pub id_token: String,
    access_tokens: String,
    sign_ins: String,
}

impl SignedIn {
    pub fn new() -> Self {
        Self {
            id_token: token::id_token(&claims()),
            access_tokens: access_token_map().to_string(),
            sign_ins: sign_in_session(STATE, REDIRECT_URI).to_string(),
        }
    }

    pub fn values(&self) -> [(PersistKey, &str); 4] {
        [
            (PersistKey::IdToken, &self.id_token),
            (PersistKey::RefreshToken, OLD_REFRESH_TOKEN),
            (PersistKey::AccessTokenMap, &self.access_tokens),
            (PersistKey::SignInSession, &self.sign_ins),
        ]
    }
}

/// What the token endpoint answers.
pub fn token_response(id_token: &str) -> Value {
    json!({
        "access_token": planted::ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": 3600,
        "refresh_token": planted::REFRESH_TOKEN,
        "id_token": id_token,
        "scope": "openid offline_access profile",
    })
}

/// The callback of the sign-in under way.
pub fn callback() -> String {
    format!(
        "{REDIRECT_URI}?code={}&state={STATE}&iss={ISSUER}",
        planted::CODE
    )
}
