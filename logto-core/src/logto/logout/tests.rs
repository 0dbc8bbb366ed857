use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::config::LogtoConfig;
use crate::http::{HttpClient, HttpError};
use crate::oidc::jwt::JwtError;

const NOW: i64 = 1_800_000_000;
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const ISSUER: &str = "https://foo.logto.app/oidc";

/// A server with one key, and an application of it.
struct Scene {
    key: EcdsaKeyPair,
    now: Arc<AtomicI64>,
    is_down: Arc<AtomicBool>,
    logto: Logto,
}

impl Scene {
    fn new() -> Self {
        let algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        let (x, y) = key.public_key().as_ref()[1..].split_at(48);
        let jwk = json!({
            "kty": "EC", "use": "sig", "kid": "k", "alg": "ES384", "crv": "P-384",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        });
        let (now, is_down) = (
            Arc::new(AtomicI64::new(NOW)),
            Arc::new(AtomicBool::new(false)),
        );
        let server = Server {
            jwk,
            is_down: Arc::clone(&is_down),
        };
        let logto = Logto::builder(LogtoConfig::new("https://foo.logto.app", "app"))
            .http_client(server)
            .clock(Hands(Arc::clone(&now)))
            .build()
            .unwrap();
        Self {
            key,
            now,
            is_down,
            logto,
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let random = SystemRandom::new();
        let signature = self.key.sign(&random, input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn verify(&self, header: &Value, claims: &Value) -> Result<VerifiedLogoutToken, LogtoError> {
        self.logto.verify_logout_token(&self.sign(header, claims))
    }

    fn refusal(&self, header: &Value, claims: &Value) -> LogoutTokenError {
        match self.verify(header, claims) {
            Err(LogtoError::LogoutToken(error)) => error,
            other => panic!("{header} {claims}: {other:?}"),
        }
    }
}

#[derive(Debug)]
struct Server {
    jwk: Value,
    is_down: Arc<AtomicBool>,
}

impl HttpClient for Server {
    fn send(
        &self,
        request: Request<Vec<u8>>,
        _body_limit: u64,
    ) -> Result<Response<Vec<u8>>, HttpError> {
        let body = match request.uri().path() {
            "/keys" => json!({ "keys": [self.jwk] }),
            _ => json!({
                "issuer": ISSUER, "jwks_uri": "https://foo.logto.app/keys",
                "authorization_endpoint": "https://foo.logto.app/a",
                "token_endpoint": "https://foo.logto.app/t",
                "userinfo_endpoint": "https://foo.logto.app/u",
            }),
        };
        let status = if self.is_down.load(Ordering::SeqCst) {
            503
        } else {
            200
        };
        Ok(Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
            .unwrap())
    }
}

#[derive(Debug)]
struct Hands(Arc<AtomicI64>);

impl Clock for Hands {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::SeqCst) as u64)
    }
}

fn header() -> Value {
    json!({ "alg": "ES384", "kid": "k", "typ": "logout+jwt" })
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "app", "iat": NOW, "exp": NOW + 120, "jti": "j", "sub": "alice",
        "sid": "s", "events": { EVENT: {} },
    })
}

fn with(mut object: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

#[test]
fn a_good_token_says_whose_sessions_end() {
    let scene = Scene::new();
    let token = scene.verify(&header(), &claims()).unwrap();
    assert_eq!(token.claims().sub.as_deref(), Some("alice"));
    assert_eq!(token.claims().sid.as_deref(), Some("s"));
    drop(token);
    for good in [
        without(claims(), "sid"),
        without(claims(), "sub"),
        with(claims(), json!({ "sub": null })),
        with(claims(), json!({ "aud": ["app"] })),
        with(
            claims(),
            json!({ "events": { EVENT: { "x": 1 }, "other": 1 } }),
        ),
        with(claims(), json!({ "iat": NOW + 60 })),
        with(claims(), json!({ "nbf": NOW + 60 })),
        with(claims(), json!({ "nbf": null })),
        with(claims(), json!({ "iat": NOW - 660 })),
        with(claims(), json!({ "exp": NOW - 59 })),
        with(claims(), json!({ "exp": NOW + 660 })),
    ] {
        drop(scene.verify(&header(), &good).unwrap());
    }
    for typ in ["LOGOUT+JWT", "application/logout+jwt"] {
        drop(
            scene
                .verify(&with(header(), json!({ "typ": typ })), &claims())
                .unwrap(),
        );
    }
}

#[test]
fn each_wrong_claim_has_its_own_error() {
    use LogoutTokenError::*;
    let scene = Scene::new();
    let long = "x".repeat(256);
    for (change, error) in [
        (
            json!({ "iss": "https://evil.example/oidc" }),
            IssuerMismatch,
        ),
        (json!({ "aud": "other" }), AudienceMismatch),
        (json!({ "aud": [] }), AudienceMismatch),
        (json!({ "aud": ["app", "other"] }), UntrustedAudience),
        (json!({ "exp": NOW - 60 }), Expired),
        (json!({ "exp": NOW + 661 }), LivesTooLong),
        (json!({ "exp": i64::MAX }), LivesTooLong),
        (json!({ "iat": NOW + 61 }), NotYetValid),
        (json!({ "nbf": NOW + 61 }), NotYetValid),
        (json!({ "nbf": i64::MAX }), NotYetValid),
        (json!({ "iat": NOW - 661 }), TooOld),
        (json!({ "sub": null, "sid": null }), NobodyNamed),
        (json!({ "sub": "" }), InvalidSubject),
        (json!({ "sub": long }), InvalidSubject),
        (json!({ "sid": "" }), InvalidSessionId),
        (json!({ "sid": long }), InvalidSessionId),
        (json!({ "events": null }), EventMissing),
        (json!({ "events": EVENT }), EventMissing),
        (json!({ "events": [EVENT] }), EventMissing),
        (json!({ "events": {} }), EventMissing),
        (
            json!({ "events": { "http://schemas.openid.net/event/other": {} } }),
            EventMissing,
        ),
        (json!({ "events": { EVENT: null } }), EventMissing),
        (json!({ "events": { EVENT: [] } }), EventMissing),
        (json!({ "nonce": "n" }), NoncePresent),
        (json!({ "nonce": null }), NoncePresent),
        (json!({ "jti": "" }), InvalidId),
        (json!({ "jti": null }), InvalidId),
        (json!({ "jti": long }), InvalidId),
    ] {
        assert_eq!(
            scene.refusal(&header(), &with(claims(), change.clone())),
            error,
            "{change}"
        );
    }
    for missing in ["iss", "aud", "iat", "exp"] {
        let refusal = scene.refusal(&header(), &without(claims(), missing));
        assert!(matches!(refusal, Jwt(JwtError::Json { .. })), "{refusal}");
        assert!(refusal.to_string().contains(missing), "{refusal}");
    }
    assert_eq!(
        scene.refusal(&header(), &without(claims(), "events")),
        EventMissing
    );
    assert_eq!(
        scene.refusal(&header(), &without(claims(), "jti")),
        InvalidId
    );
    // A refused token is not used up.
    drop(scene.verify(&header(), &claims()).unwrap());
}

#[test]
fn each_wrong_header_and_signature_has_its_own_error() {
    let scene = Scene::new();
    for typ in [
        json!(null),
        json!("JWT"),
        json!("at+jwt"),
        json!("xlogout+jwt"),
        json!(""),
    ] {
        let refusal = scene.refusal(&with(header(), json!({ "typ": typ })), &claims());
        assert!(
            matches!(refusal, LogoutTokenError::Jwt(JwtError::WrongType { .. })),
            "{typ}: {refusal}"
        );
    }
    for alg in ["none", "None", "HS256"] {
        let refusal = scene.refusal(&with(header(), json!({ "alg": alg })), &claims());
        let LogoutTokenError::Jwt(JwtError::AlgorithmNotAllowed { algorithm }) = refusal else {
            panic!("{alg}: {refusal}");
        };
        assert_eq!(algorithm, alg);
    }
    for wrong in [json!({ "alg": "ES256" }), json!({ "kid": "other" })] {
        assert_eq!(
            scene.refusal(&with(header(), wrong), &claims()),
            LogoutTokenError::Jwt(JwtError::NoMatchingKey)
        );
    }
    let foreign = Scene::new().sign(&header(), &claims());
    match scene.logto.verify_logout_token(&foreign) {
        Err(LogtoError::LogoutToken(error)) => {
            assert_eq!(error, LogoutTokenError::Jwt(JwtError::InvalidSignature));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_that_is_done_is_refused_until_it_has_expired() {
    let scene = Scene::new();
    scene.verify(&header(), &claims()).unwrap().done();
    assert_eq!(
        scene.refusal(&header(), &claims()),
        LogoutTokenError::AlreadyUsed
    );
    let longer = with(claims(), json!({ "exp": NOW + 600 }));
    assert_eq!(
        scene.refusal(&header(), &longer),
        LogoutTokenError::AlreadyUsed
    );
    scene
        .verify(&header(), &with(claims(), json!({ "jti": "k" })))
        .unwrap()
        .done();
    scene.now.store(NOW + 179, Ordering::SeqCst);
    assert_eq!(
        scene.refusal(&header(), &claims()),
        LogoutTokenError::AlreadyUsed
    );
    scene.now.store(NOW + 180, Ordering::SeqCst);
    assert_eq!(
        scene.refusal(&header(), &claims()),
        LogoutTokenError::Expired
    );
}

#[test]
fn a_token_whose_sessions_could_not_be_ended_may_come_again() {
    let scene = Scene::new();
    let under_way = scene.verify(&header(), &claims()).unwrap();
    assert_eq!(
        scene.refusal(&header(), &claims()),
        LogoutTokenError::AlreadyUsed,
        "while the first one is under way"
    );
    drop(under_way);
    scene.verify(&header(), &claims()).unwrap().done();
}

#[test]
fn of_sixteen_threads_with_one_token_one_has_it() {
    let scene = Scene::new();
    let token = scene.sign(&header(), &claims());
    let verified = std::thread::scope(|threads| {
        let verify = || {
            scene
                .logto
                .verify_logout_token(&token)
                .map(VerifiedLogoutToken::done)
        };
        let threads: Vec<_> = (0..16).map(|_| threads.spawn(verify)).collect();
        let results = threads.into_iter().map(|thread| thread.join().unwrap());
        results.filter(Result::is_ok).count()
    });
    assert_eq!(verified, 1);
}

#[test]
fn a_request_is_a_form_and_a_server_that_is_down_uses_up_nothing() {
    let scene = Scene::new();
    let form = format!("logout_token={}", scene.sign(&header(), &claims()));
    let content_type = Some("application/x-www-form-urlencoded");
    scene.is_down.store(true, Ordering::SeqCst);
    let error = scene
        .logto
        .verify_logout_request(content_type, form.as_bytes())
        .unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(
        Logto::back_channel_logout_response::<()>(&Err(error)).status(),
        400
    );
    scene.is_down.store(false, Ordering::SeqCst);
    let token = scene
        .logto
        .verify_logout_request(content_type, form.as_bytes());
    assert_eq!(token.unwrap().claims().jti, "j");
    assert!(matches!(
        scene.logto.verify_logout_request(content_type, b"x=1"),
        Err(LogtoError::LogoutToken(LogoutTokenError::Missing))
    ));
}
