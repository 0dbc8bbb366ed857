//! What the verifier takes for a token that it knows and for one that it does not.
//! `cargo bench --bench access_token_verifier`; beside their floors: `cargo bench --bench report -- verify_access`

#[path = "support/canned.rs"]
mod canned;
#[path = "support/signing.rs"]
mod signing;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use logto::{AccessTokenVerifier, Clock, SystemClock, TokenRequirements};
use serde_json::json;

use canned::Canned;
use signing::SigningKey;

const ENDPOINT: &str = "http://127.0.0.1:9";
const API: &str = "https://api.example.com";

fn access_token_verifier(criterion: &mut Criterion) {
    for algorithm in ["ES384", "ES256", "EdDSA", "RS256"] {
        let mut group = criterion.benchmark_group("access token verifier");
        let required = TokenRequirements::scopes(["read:orders"]);
        let key = SigningKey::new(algorithm);
        let token = token(&key);
        let verifier = |capacity| {
            let (endpoint, key) = (ENDPOINT, key.jwk.clone());
            let verifier = AccessTokenVerifier::builder(ENDPOINT, API)
                .http_client(Canned { endpoint, key })
                .cache_capacity(capacity)
                .build()
                .unwrap();
            verifier.verify(&token, &required).unwrap();
            verifier
        };
        let (hit, cold) = (verifier(4096), verifier(0));
        group.bench_function(BenchmarkId::new("known", algorithm), |bencher| {
            bencher.iter(|| hit.verify(black_box(&token), &required).unwrap());
        });
        group.bench_function(BenchmarkId::new("unknown", algorithm), |bencher| {
            bencher.iter(|| cold.verify(black_box(&token), &required).unwrap());
        });
        group.finish();
    }
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

criterion_group!(benches, access_token_verifier);
criterion_main!(benches);
