//! What the server answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use ring::digest;
use serde_json::json;

use crate::http::{Answer, Request};
use crate::keys::{Keys, base64url};

/// Where the counters are read. It does not count itself.
pub(crate) const COUNTERS: &str = "/counters";

/// As long as Logto's.
const REFRESH_TOKEN: &str = "fRm3iXJmWpCEbnLPB2rYxTvzK9sHhDqo0u1GgAaNkcQ";

/// Of a resource: as long as Logto's.
const ACCESS_TOKEN_LENGTH: usize = 570;

/// So that calls at the same time are at the same time.
const REFRESH_TIME: Duration = Duration::from_millis(50);

pub(crate) struct Provider {
    issuer: String,
    keys: Keys,
    discovery: String,
    jwks: String,
    requests: AtomicU64,
    connections: AtomicU64,
    token_requests: AtomicU64,
}

impl Provider {
    pub fn new(port: u16) -> Self {
        let issuer = format!("http://127.0.0.1:{port}/oidc");
        let keys = Keys::new();
        let algorithms = ["ES384", "ES256", "RS256"];
        let discovery = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/auth"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/me"),
            "end_session_endpoint": format!("{issuer}/session/end"),
            "revocation_endpoint": format!("{issuer}/token/revocation"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "scopes_supported": ["openid", "offline_access", "profile"],
            "claims_supported": ["sub", "name", "picture"],
            "id_token_signing_alg_values_supported": algorithms,
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        });
        Self {
            issuer,
            jwks: keys.jwks().to_string(),
            keys,
            discovery: discovery.to_string(),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            token_requests: AtomicU64::new(0),
        }
    }

    /// The answer to a request, which is the first of its connection or not.
    pub fn answer(&self, request: &Request, is_first: bool) -> Answer {
        if request.path != COUNTERS {
            self.requests.fetch_add(1, Ordering::Relaxed);
            self.connections
                .fetch_add(is_first.into(), Ordering::Relaxed);
        }
        let body = match request.path.as_str() {
            "/oidc/.well-known/openid-configuration" => self.discovery.clone(),
            "/oidc/jwks" => self.jwks.clone(),
            "/oidc/token" => self.tokens(request),
            COUNTERS => self.counters(),
            _ => return answer("404 Not Found", r#"{"error":"not_found"}"#.to_owned()),
        };
        answer("200 OK", body)
    }

    fn counters(&self) -> String {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "requests": read(&self.requests),
            "connections": read(&self.connections),
            "token_requests": read(&self.token_requests),
        })
        .to_string()
    }

    fn tokens(&self, request: &Request) -> String {
        self.token_requests.fetch_add(1, Ordering::Relaxed);
        let code = match request.value("grant_type").as_str() {
            "authorization_code" => Code::read(&request.value("code")),
            _ => {
                thread::sleep(REFRESH_TIME);
                Code::read("ES384~")
            }
        };
        let access_token = "a".repeat(ACCESS_TOKEN_LENGTH);
        let id_token = self.id_token(&code, &access_token);
        format!(
            r#"{{"access_token":"{access_token}","expires_in":3600,"id_token":"{id_token}","refresh_token":"{REFRESH_TOKEN}","scope":"openid offline_access profile","token_type":"Bearer"}}"#
        )
    }

    fn id_token(&self, code: &Code, access_token: &str) -> String {
        let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
        let (issuer, expires_at) = (&self.issuer, now + 3600);
        let access_token = if code.defect == "at_hash" {
            "another"
        } else {
            access_token
        };
        let at_hash = at_hash(&code.algorithm, access_token);
        let nonce = match (code.nonce.as_str(), code.defect.as_str()) {
            ("", _) => String::new(),
            (_, "nonce") => r#""nonce":"another","#.to_owned(),
            (nonce, _) => format!(r#""nonce":"{nonce}","#),
        };
        let audience = if code.defect == "audience" {
            "another"
        } else {
            "app"
        };
        let token = self.keys.sign(
            &code.algorithm,
            &format!(
                r#"{{"sub":"u1x2y3z4a5b6","name":"Alice Example","picture":null,"updated_at":1700000000000,"username":"alice","created_at":1690000000000,{nonce}"at_hash":"{at_hash}","aud":"{audience}","exp":{expires_at},"iat":{now},"iss":"{issuer}"}}"#
            ),
        );
        match code.defect.as_str() {
            "signature" => tampered(&token),
            _ => token,
        }
    }
}

/// What a code says that the ID token shall be: `algorithm~nonce~defect`.
struct Code {
    algorithm: String,
    nonce: String,
    defect: String,
}

impl Code {
    fn read(text: &str) -> Self {
        let mut parts = text.split('~').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Self {
            algorithm: next(),
            nonce: next(),
            defect: next(),
        }
    }
}

fn answer(status: &'static str, body: String) -> Answer {
    Answer { status, body }
}

fn at_hash(algorithm: &str, access_token: &str) -> String {
    let hash = match algorithm {
        "ES384" => digest::digest(&digest::SHA384, access_token.as_bytes()),
        _ => digest::digest(&digest::SHA256, access_token.as_bytes()),
    };
    base64url(&hash.as_ref()[..hash.as_ref().len() / 2])
}

/// The same with another subject under the old signature.
fn tampered(token: &str) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let mut payload = rest.as_bytes().to_vec();
    // Inside `"sub":"u1x2y3z4a5b6"`: another user, and still JSON.
    payload[12] = if payload[12] == b'M' { b'N' } else { b'M' };
    format!("{header}.{}", String::from_utf8(payload).unwrap())
}
