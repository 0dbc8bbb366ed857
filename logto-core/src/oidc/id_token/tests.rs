use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Response;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;
use crate::oidc::jwks::KeySet;

const NOW: i64 = 1_800_000_000;

struct Signer {
    key: EcdsaKeyPair,
}

impl Signer {
    fn new() -> Self {
        let algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self { key }
    }

    fn keys(&self) -> KeySet {
        let point = &self.key.public_key().as_ref()[1..];
        let (x, y) = point.split_at(48);
        let body = json!({ "keys": [{
            "kty": "EC", "use": "sig", "kid": "k", "alg": "ES384", "crv": "P-384",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        }] });
        let response = Response::builder()
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
            .unwrap();
        KeySet::from_response(&response).unwrap()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), input.as_bytes())
            .unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn header() -> Value {
    json!({ "alg": "ES384", "kid": "k" })
}

fn claims() -> Value {
    json!({
        "iss": "https://foo.logto.app/oidc", "sub": "alice", "aud": "app", "iat": NOW,
        "exp": NOW + 3600, "nonce": "n",
    })
}

fn with(mut object: Value, member: &str, value: Value) -> Value {
    object[member] = value;
    object
}

fn without(mut object: Value, member: &str) -> Value {
    object.as_object_mut().unwrap().remove(member);
    object
}

fn check(header: &Value, claims: &Value, source: TokenSource<'_>) -> Result<(), IdTokenError> {
    let signer = Signer::new();
    let expected = Expected {
        issuer: "https://foo.logto.app/oidc",
        client_id: "app",
        now: NOW,
        clock_tolerance: 60,
        source,
    };
    verify(&signer.sign(header, claims), &signer.keys(), &expected)
}

fn verify(token: &str, keys: &KeySet, expected: &Expected<'_>) -> Result<(), IdTokenError> {
    let verify = |jwt: &Jwt<'_>, algorithm| Ok(keys.verify(jwt, algorithm));
    validate(token, expected, verify).map(|_| ())
}

fn at_sign_in(claims: &Value) -> Result<(), IdTokenError> {
    let sign_in = json!({
        "redirectUri": "https://a/c", "codeVerifier": "v", "state": "s", "nonce": "n",
    });
    let sign_in: SignInSession = serde_json::from_value(sign_in).unwrap();
    let source = TokenSource::SignIn {
        sign_in: Some(&sign_in),
        access_token: &"access".into(),
    };
    check(&header(), claims, source)
}

#[test]
fn a_good_token_passes() {
    at_sign_in(&claims()).unwrap();
    at_sign_in(&with(claims(), "aud", json!(["app"]))).unwrap();
    at_sign_in(&with(claims(), "azp", json!("app"))).unwrap();
    at_sign_in(&with(claims(), "name", json!(null))).unwrap();
    at_sign_in(&with(claims(), "exp", json!(NOW - 30))).unwrap();
    at_sign_in(&with(claims(), "iat", json!(NOW + 30))).unwrap();
    check(
        &with(header(), "typ", json!("JWT")),
        &claims(),
        TokenSource::Unknown,
    )
    .unwrap();
    check(&without(header(), "kid"), &claims(), TokenSource::Unknown).unwrap();
}

#[test]
fn each_wrong_claim_has_its_own_error() {
    use IdTokenError::*;
    for (claims, expected) in [
        (
            with(claims(), "iss", json!("https://foo.logto.app/oidc/")),
            IssuerMismatch,
        ),
        (with(claims(), "aud", json!("other")), AudienceMismatch),
        (with(claims(), "aud", json!([])), AudienceMismatch),
        (
            with(claims(), "aud", json!(["app", "evil"])),
            UntrustedAudience,
        ),
        (
            with(claims(), "azp", json!("evil")),
            AuthorizedPartyMismatch,
        ),
        (with(claims(), "sub", json!("")), InvalidSubject),
        (
            with(claims(), "sub", json!("x".repeat(256))),
            InvalidSubject,
        ),
        (with(claims(), "exp", json!(NOW - 61)), Expired),
        (with(claims(), "exp", json!(-1)), Expired),
        (with(claims(), "iat", json!(NOW + 3600)), NotYetValid),
        (with(claims(), "nbf", json!(NOW + 3600)), NotYetValid),
        (with(claims(), "iat", json!(NOW - 661)), TooOld),
        (with(claims(), "nonce", json!("other")), NonceMismatch),
        (without(claims(), "nonce"), NonceMissing),
        (
            with(claims(), "at_hash", json!("AAAA")),
            AccessTokenHashMismatch,
        ),
    ] {
        assert_eq!(at_sign_in(&claims), Err(expected), "{claims}");
    }
}

#[test]
fn a_missing_or_odd_claim_is_refused() {
    let odd = ["iss", "sub", "aud", "exp", "iat"].map(|name| without(claims(), name));
    let typed = [
        with(claims(), "exp", json!("1800003600")),
        with(claims(), "exp", json!(1.5e300)),
        with(claims(), "sub", json!(1)),
        with(claims(), "aud", json!({ "app": true })),
        json!([]),
    ];
    for claims in odd.into_iter().chain(typed) {
        let error = at_sign_in(&claims).unwrap_err();
        assert!(
            matches!(error, IdTokenError::Jwt(JwtError::Json { .. })),
            "{claims}: {error}"
        );
    }
}

#[test]
fn the_hash_of_the_access_token_is_checked() {
    // The left half of SHA-384 over "access".
    let at_hash = urlsafe_encode(&half_of_hash(384, b"access"));
    assert_eq!(at_hash.len(), 32);
    at_sign_in(&with(claims(), "at_hash", json!(at_hash))).unwrap();
}

#[test]
fn only_an_id_tokens_header_passes() {
    use JwtError::*;
    let not_allowed = |algorithm: &str| AlgorithmNotAllowed {
        algorithm: algorithm.to_owned(),
    };
    let wrong_type = |typ: &str| WrongType {
        typ: Some(typ.to_owned()),
        expected: "an ID token",
    };
    for (header, expected) in [
        (with(header(), "alg", json!("none")), not_allowed("none")),
        (with(header(), "alg", json!("nOnE")), not_allowed("nOnE")),
        (with(header(), "alg", json!("HS256")), not_allowed("HS256")),
        (
            with(header(), "alg", json!("ES512")),
            match cfg!(feature = "aws-lc-rs") {
                true => NoMatchingKey,
                false => AlgorithmUnsupported { algorithm: "ES512" },
            },
        ),
        (with(header(), "alg", json!("ES256")), NoMatchingKey),
        (with(header(), "alg", json!("RS256")), NoMatchingKey),
        (with(header(), "kid", json!("other")), NoMatchingKey),
        (with(header(), "typ", json!("at+jwt")), wrong_type("at+jwt")),
        (
            with(header(), "typ", json!("logout+jwt")),
            wrong_type("logout+jwt"),
        ),
        (
            with(header(), "crit", json!(["exp"])),
            CriticalHeader { name: "crit" },
        ),
        (
            with(header(), "b64", json!(false)),
            CriticalHeader { name: "b64" },
        ),
    ] {
        assert_eq!(
            check(&header, &claims(), TokenSource::Unknown),
            Err(expected.into()),
            "{header}"
        );
    }
}

#[test]
fn another_keys_signature_is_refused() {
    let (signer, other) = (Signer::new(), Signer::new());
    let token = other.sign(&header(), &claims());
    let expected = Expected {
        issuer: "https://foo.logto.app/oidc",
        client_id: "app",
        now: NOW,
        clock_tolerance: 60,
        source: TokenSource::Unknown,
    };
    let verified = verify(&token, &signer.keys(), &expected);
    assert_eq!(verified, Err(JwtError::InvalidSignature.into()));
}

#[test]
fn a_refresh_keeps_the_session() {
    let refreshed = |session: &Value, claims: &Value| {
        let session: IdTokenClaims = serde_json::from_value(session.clone()).unwrap();
        let source = TokenSource::Refresh {
            session: Some(&session),
            access_token: &"access".into(),
        };
        check(&header(), claims, source)
    };
    let session = with(claims(), "auth_time", json!(NOW - 50));
    let later = with(session.clone(), "iat", json!(NOW - 700));
    refreshed(&session, &later).unwrap();
    refreshed(&session, &without(session.clone(), "nonce")).unwrap();
    refreshed(&session, &without(session.clone(), "auth_time")).unwrap();
    for (member, value) in [
        ("sub", json!("bob")),
        ("auth_time", json!(NOW)),
        ("nonce", json!("other")),
    ] {
        let error = refreshed(&session, &with(session.clone(), member, value)).unwrap_err();
        assert_eq!(error, IdTokenError::SessionMismatch { claim: member });
    }
    let without_nonce = without(session.clone(), "nonce");
    let error = refreshed(&without_nonce, &session).unwrap_err();
    assert_eq!(error, IdTokenError::SessionMismatch { claim: "nonce" });
}

fn checked(asked: Value, told: Value) -> Result<(), IdTokenError> {
    let mut sign_in = json!({
        "redirectUri": "https://a/c", "codeVerifier": "v", "state": "s", "startedAt": NOW - 300,
    });
    let mut claims = claims();
    for (object, changes) in [(&mut sign_in, asked), (&mut claims, told)] {
        for (name, value) in changes.as_object().unwrap() {
            object[name] = value.clone();
        }
    }
    let sign_in: SignInSession = serde_json::from_value(sign_in).unwrap();
    let source = TokenSource::SignIn {
        sign_in: Some(&sign_in),
        access_token: &"access".into(),
    };
    check(&header(), &claims, source)
}

#[test]
fn a_user_proved_who_they_are_not_too_long_before_the_sign_in() {
    use IdTokenError::*;
    for (max_age, auth_time, expected) in [
        (json!(null), json!(null), Ok(())),
        (json!(null), json!(0), Ok(())),
        (json!(600), json!(null), Err(AuthTimeMissing)),
        (json!(600), json!(NOW - 300 - 660), Ok(())),
        (
            json!(600),
            json!(NOW - 300 - 661),
            Err(AuthenticationTooOld),
        ),
        (json!(0), json!(NOW - 300), Ok(())),
        (json!(0), json!(NOW - 361), Err(AuthenticationTooOld)),
        (json!(0), json!(i64::MIN), Err(AuthenticationTooOld)),
        (json!(u64::MAX), json!(0), Ok(())),
        (json!(0), json!(NOW + 60), Ok(())),
        (json!(600), json!(NOW + 61), Err(NotYetValid)),
        (json!(600), json!(i64::MAX), Err(NotYetValid)),
    ] {
        let result = checked(
            json!({ "maxAge": max_age }),
            json!({ "auth_time": auth_time }),
        );
        assert_eq!(result, expected, "{max_age} {auth_time}");
    }
}

#[test]
fn they_did_it_in_one_of_the_ways_that_were_asked_for() {
    let asked = || json!({ "acrValues": ["gold", "silver"] });
    for good in ["gold", "silver"] {
        assert_eq!(checked(asked(), json!({ "acr": good })), Ok(()));
    }
    assert_eq!(checked(json!({}), json!({ "acr": "bronze" })), Ok(()));
    assert_eq!(checked(asked(), json!({})), Err(IdTokenError::AcrMissing));
    for bad in ["bronze", "", "gold silver"] {
        let result = checked(asked(), json!({ "acr": bad }));
        assert_eq!(result, Err(IdTokenError::AcrMismatch), "{bad:?}");
    }
}
