//! The suite's profile "Basic RP".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use logto::{IdTokenError, JwtError, LogtoError, OidcCore, SignInOptions, UserInfoScope};
use logto_testing::{Endpoint, FakeUser, SigningAlgorithm};

use crate::scene::{REDIRECT_URI, Scene, Stage, is, query_value};

#[test]
fn client_test() {
    let scene = Scene::new();
    scene.fake.sign_in_as("alice");
    let url = scene.start(REDIRECT_URI);
    let callback = scene.come_back(&url);
    assert_eq!(scene.finish(&callback).unwrap().claims.sub, "alice");
    assert_eq!(
        scene.requests(),
        [Endpoint::Discovery, Endpoint::Token, Endpoint::Jwks]
    );
    assert_eq!(scene.client.fetch_user_info().unwrap().sub, "alice");

    // PKCE, a state and a nonce of 256 bits, always.
    let sent = scene.fake.requests_to(Endpoint::Token).remove(0);
    let verifier = sent.form_value("code_verifier").unwrap();
    let challenge = OidcCore::generate_code_challenge(verifier);
    assert_eq!(query_value(&url, "code_challenge"), challenge);
    assert_eq!(query_value(&url, "code_challenge_method"), "S256");
    assert_eq!(query_value(&url, "response_type"), "code");
    let another = scene.start(REDIRECT_URI);
    for name in ["state", "nonce", "code_challenge"] {
        let value = query_value(&url, name);
        assert_eq!(value.len(), 43, "{name}");
        assert_ne!(value, query_value(&another, name), "{name}");
    }
}

#[test]
fn no_option_turns_the_protection_off() {
    let scene = Scene::new();
    for name in [
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "state",
        "response_type",
    ] {
        let options = SignInOptions::new(REDIRECT_URI).extra_param(name, "x");
        let error = scene.refused(&[], |client| client.sign_in(options));
        assert!(matches!(error, LogtoError::SignIn(_)), "{error:?}");
    }
}

#[test]
fn client_test_invalid_iss() {
    let scene = Scene::signed_in();
    scene.put_claim("iss", "https://example.org/oidc");
    let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
    assert!(
        is!(LogtoError::IdToken(IdTokenError::IssuerMismatch))(&error),
        "{error:?}"
    );
    scene.recovers();
}

#[test]
fn client_test_missing_sub() {
    let scene = Scene::signed_in();
    scene.drop_claim("sub");
    let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
    assert!(is_missing(&error, "sub"), "{error:?}");
    scene.recovers();
}

#[test]
fn client_test_invalid_aud() {
    let scene = Scene::signed_in();
    scene.put_claim("aud", "another-app");
    let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
    assert!(
        is!(LogtoError::IdToken(IdTokenError::AudienceMismatch))(&error),
        "{error:?}"
    );
    scene.recovers();
}

#[test]
fn client_test_missing_iat() {
    let scene = Scene::signed_in();
    scene.drop_claim("iat");
    let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
    assert!(is_missing(&error, "iat"), "{error:?}");
    scene.recovers();
}

/// Whether a claim is missed by its name.
pub fn is_missing(error: &LogtoError, claim: &str) -> bool {
    let IdTokenError::Jwt(JwtError::Json { part, reason }) = (match error {
        LogtoError::IdToken(error) => error,
        _ => return false,
    }) else {
        return false;
    };
    *part == "payload" && reason.contains(&format!("{claim:?}"))
}

#[test]
fn client_test_kid_absent_single_jwks() {
    let scene = Scene::new();
    scene.fake.tamper_id_token(|header, _| {
        header.remove("kid").unwrap();
    });
    scene.sign_in("alice");
}

#[test]
fn client_test_kid_absent_multiple_jwks() {
    let scene = Scene::new();
    scene.fake.rotate_keys();
    scene.sign_in("alice");
    scene.fake.tamper_id_token(|header, _| {
        header.remove("kid").unwrap();
    });
    let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
    let is_ambiguous = is!(LogtoError::IdToken(IdTokenError::Jwt(
        JwtError::AmbiguousKey
    )));
    assert!(is_ambiguous(&error), "{error:?}");
    scene.recovers();
}

#[test]
fn without_a_kid_the_one_fitting_key_of_several_serves() {
    let scene = Scene::new();
    scene.fake.rotate_keys_to(SigningAlgorithm::Rs256);
    scene.fake.tamper_id_token(|header, _| {
        header.remove("kid").unwrap();
    });
    scene.sign_in("alice");
}

fn with_rsa() -> Scene {
    let stage = Stage {
        algorithm: SigningAlgorithm::Rs256,
        ..Stage::default()
    };
    stage.scene()
}

#[test]
fn client_test_idtoken_sig_rs256() {
    let scene = with_rsa();
    scene.sign_in("alice");
    assert_eq!(scene.fake.jwks()["keys"][0]["kty"], "RSA");
}

#[test]
fn client_test_idtoken_sig_none() {
    let scene = Scene::signed_in();
    for kid in [true, false] {
        scene.fake.tamper_id_token(move |header, _| {
            header.insert("alg".to_owned(), "none".into());
            if !kid {
                header.remove("kid");
            }
        });
        let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
        let is_none = is!(LogtoError::IdToken(IdTokenError::Jwt(
            JwtError::AlgorithmNotAllowed { algorithm }
        )) if algorithm == "none");
        assert!(is_none(&error), "{error:?}");
    }
    scene.recovers();
}

#[test]
fn client_test_invalid_sig_rs256() {
    let scene = with_rsa();
    scene.sign_in("alice");
    let misbehaviour = logto_testing::Misbehaviour::WrongSignature;
    scene.fake.misbehave(Endpoint::Token, misbehaviour);
    let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
    let is_signature = is!(LogtoError::IdToken(IdTokenError::Jwt(
        JwtError::InvalidSignature
    )));
    assert!(is_signature(&error), "{error:?}");
    scene.recovers();
}

#[test]
fn client_test_userinfo_invalid_sub() {
    let scene = Scene::signed_in();
    scene
        .fake
        .tamper_response(Endpoint::UserInfo, |answer| answer["sub"] = "bob".into());
    let error = scene.refused(&[Endpoint::UserInfo], |client| client.fetch_user_info());
    assert!(
        is!(LogtoError::UserInfoSubjectMismatch)(&error),
        "{error:?}"
    );
    scene.recovers();
}

#[test]
fn client_test_nonce_invalid() {
    let scene = Scene::signed_in();
    scene.put_claim("nonce", "of-another-sign-in");
    let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
    assert!(
        is!(LogtoError::IdToken(IdTokenError::NonceMismatch))(&error),
        "{error:?}"
    );
    scene.recovers();
}

#[test]
fn client_test_scope_userinfo_claims() {
    let stage = Stage {
        configure: |config| config.scopes([UserInfoScope::Email, UserInfoScope::Phone]),
        ..Stage::default()
    };
    let scene = stage.scene();
    let alice = FakeUser::new("alice").name("Alice Example");
    let alice = alice.email("alice@example.com").phone_number("123456789");
    scene.fake.put_user(alice);
    scene.sign_in("alice");
    let user_info = scene.client.fetch_user_info().unwrap();
    assert_eq!(user_info.name.as_deref(), Some("Alice Example"));
    assert_eq!(user_info.email.as_deref(), Some("alice@example.com"));
    assert_eq!(user_info.email_verified, Some(true));
    assert_eq!(user_info.phone_number.as_deref(), Some("123456789"));
    assert_eq!(user_info.custom_data, None, "not asked for");
    let sent = scene.fake.requests_to(Endpoint::UserInfo).remove(0);
    assert!(sent.header("authorization").unwrap().starts_with("Bearer "));
    assert!(sent.query.is_empty() && sent.form.is_empty());
}

#[test]
fn client_test_client_secret_basic() {
    let stage = Stage {
        app_id: "an app: 100%",
        app_secret: Some("s3cret+/=&ä:and more"),
        ..Stage::default()
    };
    let scene = stage.scene();
    scene.sign_in("alice");
    scene.refresh().unwrap().unwrap();
    scene.client.sign_out(None).unwrap();
    let encoded = "an+app%3A+100%25:s3cret%2B%2F%3D%26%C3%A4%3Aand+more";
    let expected = format!("Basic {}", STANDARD.encode(encoded));
    let requests = scene.fake.requests();
    let authenticated: Vec<_> = requests
        .iter()
        .filter(|sent| sent.method == "POST")
        .collect();
    assert_eq!(
        authenticated.len(),
        3,
        "a code, a refresh token, a revocation"
    );
    for sent in authenticated {
        assert_eq!(sent.header("authorization"), Some(expected.as_str()));
        assert_eq!(sent.form_value("client_secret"), None);
        assert_eq!(sent.form_value("client_id"), None);
    }
}

#[test]
fn a_public_client_says_its_id_only() {
    let scene = Scene::native();
    scene.refresh().unwrap().unwrap();
    for sent in scene.fake.requests_to(Endpoint::Token) {
        assert_eq!(sent.header("authorization"), None);
        assert_eq!(sent.form_value("client_id"), Some("app"));
        assert_eq!(sent.form_value("client_secret"), None);
    }
}
