//! What the verifier takes for a token that it knows and for one that it does not, beside the bare SHA-256
//! of the token and the bare check of its signature.
//! `cargo bench --bench access_token_verifier`

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use logto::{AccessTokenVerifier, Clock, HttpClient, HttpError, Requirements, SystemClock};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Value, json};

const ENDPOINT: &str = "http://127.0.0.1:9";
const API: &str = "https://api.example.com";
const LENGTH: usize = 1024;

/// A key, the set that has it, and a token of 1 KiB that it has signed.
struct Scene {
    algorithm: &'static str,
    verification: &'static dyn VerificationAlgorithm,
    public_key: Vec<u8>,
    jwk: Value,
    token: String,
}

fn access_token_verifier(criterion: &mut Criterion) {
    for scene in [es384(), es256(), eddsa()] {
        let mut group = criterion.benchmark_group("access token verifier");
        let required = Requirements::scopes(["read:orders"]);
        let verifier = |capacity| {
            let verifier = AccessTokenVerifier::builder(ENDPOINT, API)
                .http_client(Canned(scene.jwk.clone()))
                .cache_capacity(capacity)
                .build()
                .unwrap();
            verifier.verify(&scene.token, &required).unwrap();
            verifier
        };
        let (hit, cold) = (verifier(4096), verifier(0));
        group.bench_function(BenchmarkId::new("sha256", scene.algorithm), |bencher| {
            bencher.iter(|| digest(&SHA256, black_box(scene.token.as_bytes())));
        });
        group.bench_function(BenchmarkId::new("known", scene.algorithm), |bencher| {
            bencher.iter(|| hit.verify(black_box(&scene.token), &required).unwrap());
        });
        group.bench_function(BenchmarkId::new("signature", scene.algorithm), |bencher| {
            let (input, signature) = scene.token.rsplit_once('.').unwrap();
            let signature = BASE64URL.decode(signature).unwrap();
            let key = UnparsedPublicKey::new(scene.verification, &scene.public_key);
            bencher.iter(|| key.verify(black_box(input.as_bytes()), &signature).unwrap());
        });
        group.bench_function(BenchmarkId::new("unknown", scene.algorithm), |bencher| {
            bencher.iter(|| cold.verify(black_box(&scene.token), &required).unwrap());
        });
        group.finish();
    }
}

fn es384() -> Scene {
    let algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
    ecdsa("ES384", "P-384", algorithm, &ECDSA_P384_SHA384_FIXED)
}

fn es256() -> Scene {
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    ecdsa("ES256", "P-256", algorithm, &ECDSA_P256_SHA256_FIXED)
}

fn ecdsa(
    name: &'static str,
    curve: &str,
    signing: &'static ring::signature::EcdsaSigningAlgorithm,
    verification: &'static dyn VerificationAlgorithm,
) -> Scene {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(signing, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(signing, document.as_ref(), &random).unwrap();
    let point = &key.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    let jwk = json!({
        "kty": "EC", "crv": curve, "x": BASE64URL.encode(x), "y": BASE64URL.encode(y),
    });
    let sign = |input: &[u8]| key.sign(&random, input).unwrap().as_ref().to_vec();
    scene(name, verification, key.public_key().as_ref(), jwk, sign)
}

fn eddsa() -> Scene {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let public_key = key.public_key().as_ref();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64URL.encode(public_key) });
    let sign = |input: &[u8]| key.sign(input).as_ref().to_vec();
    scene("EdDSA", &ED25519, public_key, jwk, sign)
}

fn scene(
    algorithm: &'static str,
    verification: &'static dyn VerificationAlgorithm,
    public_key: &[u8],
    jwk: Value,
    sign: impl Fn(&[u8]) -> Vec<u8>,
) -> Scene {
    let now = SystemClock.unix_seconds();
    let part = |value: Value| BASE64URL.encode(value.to_string());
    let token = |filling: usize| {
        let header = part(json!({ "alg": algorithm, "typ": "at+jwt" }));
        let claims = part(json!({
            "iss": format!("{ENDPOINT}/oidc"), "aud": API, "sub": "alice", "client_id": "app",
            "iat": now, "exp": now + 36_000, "scope": "read:orders", "x": "x".repeat(filling),
        }));
        let input = format!("{header}.{claims}");
        format!("{input}.{}", BASE64URL.encode(sign(input.as_bytes())))
    };
    let filling = (LENGTH - token(0).len()) * 3 / 4;
    Scene {
        algorithm,
        verification,
        public_key: public_key.to_vec(),
        jwk,
        token: token(filling),
    }
}

/// A server with one key.
#[derive(Debug)]
struct Canned(Value);

impl HttpClient for Canned {
    fn send(
        &self,
        request: Request<Vec<u8>>,
        _body_limit: u64,
    ) -> Result<Response<Vec<u8>>, HttpError> {
        let body = match request.uri().path() {
            "/keys" => json!({ "keys": [self.0] }),
            _ => json!({
                "issuer": format!("{ENDPOINT}/oidc"), "jwks_uri": format!("{ENDPOINT}/keys"),
                "authorization_endpoint": ENDPOINT, "token_endpoint": ENDPOINT,
                "userinfo_endpoint": ENDPOINT,
            }),
        };
        let mut response = Response::new(body.to_string().into_bytes());
        let json = "application/json".parse().expect("it is a header value");
        response.headers_mut().insert("content-type", json);
        Ok(response)
    }
}

criterion_group!(benches, access_token_verifier);
criterion_main!(benches);
