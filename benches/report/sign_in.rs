//! The URL that a sign-in starts with, beside what has to be computed for it.

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto::storage::MemoryStorage;
use logto::{Logto, LogtoConfig};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;
use url::form_urlencoded;

use crate::canned::Canned;
use crate::measure::{Sides, prepared};
use crate::report::{Aim, Report};

const ENDPOINT: &str = "https://foo.logto.app";
const REDIRECT_URI: &str = "https://app.example.com/callback";
const FLOOR: &str = "96 random bytes, one SHA-256, and the URL";

pub(crate) fn rows(report: &mut Report) {
    report.row("sign_in_url/memory", FLOOR, Aim::None, sides);
}

fn sides() -> Sides {
    let (endpoint, key) = (ENDPOINT, Value::Null);
    let builder = Logto::builder(LogtoConfig::new(ENDPOINT, "app"));
    let logto = builder
        .http_client(Canned { endpoint, key })
        .build()
        .unwrap();
    let client = move || logto.client(MemoryStorage::new());
    Sides::timed(
        prepared(client, |client| {
            drop(black_box(client.sign_in(REDIRECT_URI).unwrap()));
        }),
        prepared(|| (), |()| drop(black_box(bare_url()))),
    )
}

fn bare_url() -> String {
    let [state, nonce, verifier] = [random(), random(), random()];
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    let mut query = form_urlencoded::Serializer::new(format!("{ENDPOINT}/oidc/auth?"));
    query.extend_pairs([
        ("client_id", "app"),
        ("redirect_uri", REDIRECT_URI),
        ("response_type", "code"),
        ("scope", "openid offline_access profile"),
        ("prompt", "consent"),
        ("state", &state),
        ("nonce", &nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    query.finish()
}

fn random() -> String {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).unwrap();
    URL_SAFE_NO_PAD.encode(bytes)
}
