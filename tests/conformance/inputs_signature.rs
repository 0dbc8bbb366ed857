//! ID tokens whose header or signature is wrong.

use logto::{IdTokenError, JwtError, LogtoError};
use logto_testing::{Endpoint, SigningAlgorithm};
use serde_json::{Map, Value, json};

use crate::forger::{Forger, encode, hmac_signed, unsigned};
use crate::scene::{Check, Scene, Stage, is};

type Claims = Map<String, Value>;

/// What is sent in the place of the server's ID token; the forger's key is in the key set.
type Make = fn(&Forger, &str) -> String;

fn each_is_refused(rows: &[(&str, Make, Check)]) {
    let scene = Scene::new();
    let forger = std::sync::Arc::new(Forger::at(&scene.fake));
    scene.sign_in("alice");
    for (fed, make, expected) in rows {
        println!("{fed}");
        let (make, forger) = (*make, std::sync::Arc::clone(&forger));
        scene.replace_id_token(move |_, claims| make(&forger, &text(claims)));
        let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
        assert!(expected(&error), "{fed}: {error:?}");
    }
    scene.recovers();
}

fn text(claims: Claims) -> String {
    Value::from(claims).to_string()
}

/// The forger's header with this member.
fn header(member: &str, value: impl Into<Value>) -> String {
    let mut header = Forger::header();
    header[member] = value.into();
    header.to_string()
}

fn good(forger: &Forger, claims: &str) -> String {
    forger.sign(&Forger::header().to_string(), claims)
}

const NOT_ALLOWED: Check = is!(LogtoError::IdToken(IdTokenError::Jwt(
    JwtError::AlgorithmNotAllowed { .. }
)));
const BAD_HEADER: Check = is!(LogtoError::IdToken(IdTokenError::Jwt(JwtError::Json {
    part: "header",
    ..
})));
const BAD_SIGNATURE: Check = is!(LogtoError::IdToken(IdTokenError::Jwt(
    JwtError::InvalidSignature
)));
const NOT_BASE64: Check = is!(LogtoError::IdToken(IdTokenError::Jwt(
    JwtError::Base64 { .. }
)));
const NOT_A_JWT: Check = is!(LogtoError::IdToken(IdTokenError::Jwt(JwtError::NotAJwt)));
const CRITICAL: Check = is!(LogtoError::IdToken(IdTokenError::Jwt(
    JwtError::CriticalHeader { .. }
)));
const WRONG_TYPE: Check = is!(LogtoError::IdToken(IdTokenError::Jwt(
    JwtError::WrongType { .. }
)));
const UNKNOWN_KEY: Check = is!(LogtoError::IdToken(IdTokenError::Jwt(
    JwtError::NoMatchingKey
)));

#[test]
fn the_forgers_own_token_is_good() {
    let scene = Scene::new();
    let forger = Forger::at(&scene.fake);
    scene.replace_id_token(move |_, claims| good(&forger, &text(claims)));
    scene.sign_in("alice");
}

#[test]
fn algorithms_that_are_none() {
    each_is_refused(&[
        (
            "none",
            |_, claims| unsigned(&header("alg", "none"), claims),
            NOT_ALLOWED,
        ),
        (
            "None",
            |_, claims| unsigned(&header("alg", "None"), claims),
            NOT_ALLOWED,
        ),
        (
            "nOnE",
            |_, claims| unsigned(&header("alg", "nOnE"), claims),
            NOT_ALLOWED,
        ),
        (
            "NONE",
            |_, claims| unsigned(&header("alg", "NONE"), claims),
            NOT_ALLOWED,
        ),
        (
            "none with a space",
            |_, claims| unsigned(&header("alg", "none "), claims),
            NOT_ALLOWED,
        ),
        (
            "none, signed",
            |forger, claims| forger.sign(&header("alg", "none"), claims),
            NOT_ALLOWED,
        ),
        (
            "empty",
            |_, claims| unsigned(&header("alg", ""), claims),
            NOT_ALLOWED,
        ),
        (
            "null",
            |_, claims| unsigned(&header("alg", Value::Null), claims),
            BAD_HEADER,
        ),
        (
            "a list",
            |_, claims| unsigned(&header("alg", json!(["none"])), claims),
            BAD_HEADER,
        ),
        (
            "missing",
            |_, claims| unsigned(r#"{"kid":"the-forger"}"#, claims),
            BAD_HEADER,
        ),
        (
            "twice",
            |forger, claims| {
                forger.sign(r#"{"alg":"none","alg":"ES384","kid":"the-forger"}"#, claims)
            },
            BAD_HEADER,
        ),
        (
            "in lower case",
            |forger, claims| forger.sign(&header("alg", "es384"), claims),
            NOT_ALLOWED,
        ),
        (
            "right, without a signature",
            |_, claims| unsigned(&Forger::header().to_string(), claims),
            BAD_SIGNATURE,
        ),
    ]);
}

#[test]
fn hmac_with_what_everybody_knows_or_with_the_secret() {
    each_is_refused(&[
        (
            "the secret",
            |_, claims| {
                hmac_signed(
                    r#"{"alg":"HS256"}"#,
                    claims,
                    b"the-secret-of-the-application",
                )
            },
            NOT_ALLOWED,
        ),
        (
            "the key as JSON",
            |forger, claims| {
                hmac_signed(
                    &header("alg", "HS256"),
                    claims,
                    forger.jwk().to_string().as_bytes(),
                )
            },
            NOT_ALLOWED,
        ),
        (
            "the key's coordinate",
            |forger, claims| {
                let x = forger.jwk()["x"].as_str().unwrap().to_owned();
                hmac_signed(&header("alg", "HS256"), claims, x.as_bytes())
            },
            NOT_ALLOWED,
        ),
        (
            "nothing",
            |_, claims| hmac_signed(&header("alg", "HS256"), claims, b""),
            NOT_ALLOWED,
        ),
        (
            "HS384",
            |_, claims| hmac_signed(&header("alg", "HS384"), claims, b"x"),
            NOT_ALLOWED,
        ),
        (
            "HS512",
            |_, claims| hmac_signed(&header("alg", "HS512"), claims, b"x"),
            NOT_ALLOWED,
        ),
    ]);
}

#[test]
fn headers_that_ask_for_more() {
    each_is_refused(&[
        (
            "crit",
            |forger, claims| forger.sign(&header("crit", json!(["exp"])), claims),
            CRITICAL,
        ),
        (
            "crit, empty",
            |forger, claims| forger.sign(&header("crit", json!([])), claims),
            CRITICAL,
        ),
        (
            "crit, null",
            |forger, claims| forger.sign(&header("crit", Value::Null), claims),
            CRITICAL,
        ),
        (
            "b64 false",
            |forger, claims| forger.sign(&header("b64", false), claims),
            CRITICAL,
        ),
        (
            "b64 true",
            |forger, claims| forger.sign(&header("b64", true), claims),
            CRITICAL,
        ),
        (
            "kid a number",
            |forger, claims| forger.sign(&header("kid", 1), claims),
            BAD_HEADER,
        ),
        (
            "kid twice",
            |forger, claims| forger.sign(r#"{"alg":"ES384","kid":"x","kid":"the-forger"}"#, claims),
            BAD_HEADER,
        ),
        (
            "a list",
            |forger, claims| forger.sign("[]", claims),
            BAD_HEADER,
        ),
        (
            "a text",
            |forger, claims| forger.sign(r#""ES384""#, claims),
            BAD_HEADER,
        ),
        (
            "empty",
            |forger, claims| forger.sign("", claims),
            BAD_HEADER,
        ),
        (
            "with more behind",
            |forger, claims| forger.sign(&format!("{}x", Forger::header()), claims),
            BAD_HEADER,
        ),
    ]);
}

#[test]
fn types_of_other_tokens() {
    each_is_refused(&[
        (
            "logout+jwt",
            |forger, claims| forger.sign(&header("typ", "logout+jwt"), claims),
            WRONG_TYPE,
        ),
        (
            "at+jwt",
            |forger, claims| forger.sign(&header("typ", "at+jwt"), claims),
            WRONG_TYPE,
        ),
        (
            "AT+JWT",
            |forger, claims| forger.sign(&header("typ", "AT+JWT"), claims),
            WRONG_TYPE,
        ),
        (
            "application/at+jwt",
            |forger, claims| forger.sign(&header("typ", "application/at+jwt"), claims),
            WRONG_TYPE,
        ),
        (
            "dpop+jwt",
            |forger, claims| forger.sign(&header("typ", "dpop+jwt"), claims),
            WRONG_TYPE,
        ),
        (
            "empty",
            |forger, claims| forger.sign(&header("typ", ""), claims),
            WRONG_TYPE,
        ),
        (
            "a number",
            |forger, claims| forger.sign(&header("typ", 1), claims),
            BAD_HEADER,
        ),
    ]);
    let scene = Scene::new();
    for typ in ["JWT", "jwt"] {
        scene.fake.tamper_id_token(move |header, _| {
            header.insert("typ".to_owned(), typ.into());
        });
        scene.sign_in("alice");
    }
}

#[test]
fn signatures_that_are_damaged_or_of_something_else() {
    each_is_refused(&[
        (
            "empty",
            |forger, claims| {
                let token = good(forger, claims);
                token[..=token.rfind('.').unwrap()].to_owned()
            },
            BAD_SIGNATURE,
        ),
        (
            "nought",
            |forger, claims| {
                let token = good(forger, claims);
                format!(
                    "{}{}",
                    &token[..=token.rfind('.').unwrap()],
                    encode([0; 96])
                )
            },
            BAD_SIGNATURE,
        ),
        (
            "too short",
            |forger, claims| {
                let token = good(forger, claims);
                token[..token.len() - 4].to_owned()
            },
            BAD_SIGNATURE,
        ),
        (
            "too long",
            |forger, claims| format!("{}AAAA", good(forger, claims)),
            BAD_SIGNATURE,
        ),
        (
            "over other claims",
            |forger, claims| {
                let (signed, other) = (
                    good(forger, claims),
                    good(forger, &claims.replace("bob", "eve")),
                );
                let (message, _) = other.rsplit_once('.').unwrap();
                let (_, signature) = signed.rsplit_once('.').unwrap();
                format!("{message}.{signature}")
            },
            BAD_SIGNATURE,
        ),
        (
            "by another key",
            |_, claims| good(&Forger::new(), claims),
            BAD_SIGNATURE,
        ),
        (
            "with padding",
            |forger, claims| format!("{}=", good(forger, claims)),
            NOT_BASE64,
        ),
        (
            "with a line end",
            |forger, claims| format!("{}\n", good(forger, claims)),
            NOT_BASE64,
        ),
        (
            "after a space",
            |forger, claims| format!(" {}", good(forger, claims)),
            NOT_BASE64,
        ),
        (
            "of five parts",
            |forger, claims| format!("{}.x.y", good(forger, claims)),
            is!(LogtoError::IdToken(IdTokenError::Jwt(JwtError::Encrypted))),
        ),
        (
            "of four parts",
            |forger, claims| format!("{}.x", good(forger, claims)),
            NOT_A_JWT,
        ),
        (
            "of two parts",
            |forger, claims| {
                let token = good(forger, claims);
                token[..token.rfind('.').unwrap()].to_owned()
            },
            NOT_A_JWT,
        ),
        ("of one part", |_, _| "opaque".to_owned(), NOT_A_JWT),
        (
            "as JSON",
            |forger, claims| format!(r#"{{"payload":"{}"}}"#, good(forger, claims)),
            NOT_BASE64,
        ),
        ("of dots", |_, _| "..".to_owned(), BAD_HEADER),
    ]);
}

/// One key set, of one sign-in with a good token; then a token whose key is not there.
fn asks_for_the_key(fed: &str, make: impl Fn(&Forger, &str) -> String + Send + Sync + 'static) {
    let scene = Scene::new();
    let forger = Forger::at(&scene.fake);
    scene.sign_in("alice");
    scene.replace_id_token(move |_, claims| make(&forger, &text(claims)));
    let requests = [Endpoint::Token, Endpoint::Jwks];
    let error = scene.refused_sign_in(&scene.callback(), &requests);
    assert!(UNKNOWN_KEY(&error), "{fed}: {error:?}");
    scene.recovers();
}

#[test]
fn an_algorithm_that_is_not_the_keys_finds_no_key() {
    for algorithm in ["ES256", "RS256", "PS512", "EdDSA"] {
        asks_for_the_key(algorithm, move |forger, claims| {
            forger.sign(&header("alg", algorithm), claims)
        });
    }
    if cfg!(not(feature = "aws-lc-rs")) {
        each_is_refused(&[(
            "ES512",
            |forger, claims| forger.sign(&header("alg", "ES512"), claims),
            is!(LogtoError::IdToken(IdTokenError::Jwt(
                JwtError::AlgorithmUnsupported { .. }
            ))),
        )]);
    }
}

#[test]
fn keys_that_a_token_brings_along_are_not_used_and_not_fetched() {
    let elsewhere = Scene::new();
    let url = format!("{}/oidc/jwks", elsewhere.fake.endpoint());
    for member in ["jku", "x5u", "jwk", "x5c"] {
        let url = url.clone();
        asks_for_the_key(member, move |_, claims| {
            let own = Forger::new();
            let value = match member {
                "jwk" => own.jwk(),
                "x5c" => json!(["MIIB"]),
                _ => url.clone().into(),
            };
            let mut header = Forger::header();
            header["kid"] = "of-nobody".into();
            header[member] = value;
            own.sign(&header.to_string(), claims)
        });
        // With a key that is in the set they are passed over.
        let scene = Scene::new();
        let forger = Forger::at(&scene.fake);
        let url = elsewhere.fake.endpoint().to_owned();
        scene.replace_id_token(move |_, claims| {
            forger.sign(&header(member, url.clone()), &text(claims))
        });
        scene.sign_in("alice");
    }
    assert_eq!(elsewhere.fake.connections(), 0);
}

#[test]
fn an_rsa_header_over_the_other_padding_is_no_signature() {
    use SigningAlgorithm::{Ps256, Rs256, Rs512};
    for (signed, named) in [(Ps256, Rs256), (Rs256, Ps256), (Rs256, Rs512)] {
        let stage = Stage {
            algorithm: signed,
            ..Stage::default()
        };
        let scene = stage.scene();
        scene.sign_in("alice");
        scene.fake.tamper_id_token(move |header, _| {
            header.insert("alg".to_owned(), named.name().into());
        });
        let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
        assert!(BAD_SIGNATURE(&error), "{signed:?} as {named:?}: {error:?}");
        scene.recovers();
    }
}

#[test]
fn every_algorithm_that_this_build_knows_is_accepted() {
    for algorithm in SigningAlgorithm::ALL {
        let stage = Stage {
            algorithm,
            ..Stage::default()
        };
        let scene = stage.scene();
        scene.sign_in("alice");
        scene.refresh().unwrap().unwrap();
    }
}
