//! The suite's tests of refresh tokens.

use logto::storage::PersistKey;
use logto::{IdTokenError, LogtoError};
use logto_testing::Endpoint;

use crate::scene::{RESOURCE, Scene, is};

#[test]
fn client_test_refreshtoken() {
    for scene in [Scene::signed_in(), Scene::native()] {
        let before = scene.tokens();
        let token = scene.refresh().unwrap().unwrap();
        let claims = scene.client.access_token_claims(RESOURCE).unwrap();
        assert_eq!(claims.sub, "alice");
        assert_eq!(scene.client.access_token(RESOURCE).unwrap(), Some(token));
        let sent = scene.fake.requests_to(Endpoint::Token).pop().unwrap();
        let refresh_token = before[&PersistKey::RefreshToken].as_deref();
        assert_eq!(sent.form_value("refresh_token"), refresh_token);
        assert_eq!(sent.form_value("grant_type"), Some("refresh_token"));
    }
}

#[test]
fn client_test_refreshtoken_invalid_issuer() {
    let scene = Scene::signed_in();
    scene.put_claim("iss", "https://example.org/oidc");
    let error = scene.refused(&[Endpoint::Token], |_| scene.refresh());
    assert!(
        is!(LogtoError::IdToken(IdTokenError::IssuerMismatch))(&error),
        "{error:?}"
    );
    scene.fake.calm();
    scene.refresh().unwrap().unwrap();
    scene.recovers();
}

#[test]
fn client_test_refreshtoken_invalid_sub() {
    let scene = Scene::signed_in();
    scene.put_claim("sub", "bob");
    let error = scene.refused(&[Endpoint::Token], |_| scene.refresh());
    let is_sub = is!(LogtoError::IdToken(IdTokenError::SessionMismatch {
        claim: "sub"
    }));
    assert!(is_sub(&error), "{error:?}");
    scene.fake.calm();
    scene.refresh().unwrap().unwrap();
    scene.recovers();
}
