//! An API's verifier for a token that it does not know, and for one that it knows.

use std::hint::black_box;

use logto::{AccessTokenVerifier, Clock, SystemClock, TokenRequirements};
use ring::digest::{SHA256, digest};
use serde_json::json;

use crate::canned::Canned;
use crate::measure::Sides;
use crate::report::{Aim, Report};
use crate::signing::SigningKey;
use crate::verification::bare_check;

const ENDPOINT: &str = "http://127.0.0.1:9";
const API: &str = "https://api.example.com";

pub(crate) fn rows(report: &mut Report) {
    for algorithm in ["ES384", "ES256", "RS256", "EdDSA"] {
        let name = format!("verify_access_token/unknown/{algorithm}");
        let aim = match algorithm.starts_with("ES") {
            true => Aim::Ratio(1.1),
            false => Aim::Over(3e3),
        };
        let floor = "the bare check of the signature, its key prepared";
        report.row(&name, floor, aim, || unknown(algorithm));
    }
    let floor = "a bare SHA-256 of the token";
    report.row("verify_access_token/known", floor, Aim::None, known);
}

fn unknown(algorithm: &'static str) -> Sides {
    let key = SigningKey::new(algorithm);
    let token = token(&key);
    let floor = bare_check(algorithm, &token, &key.jwk);
    Sides::new(verification(key, token, 0), floor)
}

fn known() -> Sides {
    let key = SigningKey::new("ES384");
    let token = token(&key);
    let ours = verification(key, token.clone(), 4096);
    Sides::new(ours, move || {
        black_box(digest(&SHA256, black_box(token.as_bytes())));
    })
}

fn verification(key: SigningKey, token: String, capacity: usize) -> impl FnMut() {
    let (endpoint, key) = (ENDPOINT, key.jwk);
    let verifier = AccessTokenVerifier::builder(ENDPOINT, API)
        .http_client(Canned { endpoint, key })
        .cache_capacity(capacity)
        .build()
        .unwrap();
    let required = TokenRequirements::scopes(["read:orders"]);
    move || drop(black_box(verifier.verify(&token, &required).unwrap()))
}

/// Of about 1 KiB.
fn token(key: &SigningKey) -> String {
    let now = SystemClock.unix_seconds();
    let claims = json!({
        "iss": format!("{ENDPOINT}/oidc"), "aud": API, "sub": "alice", "client_id": "app",
        "iat": now, "exp": now + 36_000, "scope": "read:orders", "x": "x".repeat(500),
    });
    key.token("at+jwt", &claims)
}
