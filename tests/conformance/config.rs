//! The suite's profile "Config RP": metadata and keys.

use std::sync::Barrier;
use std::thread;

use logto::{DiscoveryError, IdTokenError, JwtError, LogtoError};
use logto_testing::{Endpoint, Misbehaviour, SigningAlgorithm};

use crate::scene::{REDIRECT_URI, RESOURCE, Scene, is, patient};

#[test]
fn client_test_discovery_openid_config() {
    let scene = Scene::new();
    let core = scene.logto.oidc_core().unwrap();
    assert_eq!(core.metadata().issuer, scene.fake.issuer());
    let token_endpoint = format!("{}/token", scene.fake.issuer());
    assert_eq!(core.metadata().token_endpoint, token_endpoint);
    scene.logto.oidc_core().unwrap();
    assert_eq!(scene.requests(), [Endpoint::Discovery], "and kept");
}

#[test]
fn client_test_discovery_jwks_uri_keys() {
    let scene = Scene::signed_in();
    scene.sign_in("bob");
    assert_eq!(scene.fake.requests_to(Endpoint::Jwks).len(), 1, "and kept");
}

#[test]
fn client_test_discovery_issuer_mismatch() {
    let scene = Scene::new();
    scene.fake.tamper_response(Endpoint::Discovery, |metadata| {
        metadata["issuer"] = "https://example.org/oidc".into();
    });
    for _ in 0..2 {
        let requests = [Endpoint::Discovery];
        let error = scene.refused(&requests, |client| client.sign_in(REDIRECT_URI));
        let is_issuer = is!(LogtoError::Discovery(DiscoveryError::IssuerMismatch { .. }));
        assert!(is_issuer(&error), "{error:?}");
    }
    scene.recovers();
}

#[test]
fn client_test_signing_key_rotation_just_before_signing() {
    let scene = Scene::new();
    scene.fake.sign_in_as("alice");
    let callback = scene.come_back(&scene.start(REDIRECT_URI));
    scene.fake.rotate_keys();
    assert_eq!(scene.finish(&callback).unwrap().claims.sub, "alice");
}

#[test]
fn client_test_signing_key_rotation() {
    let scene = Scene::signed_in();
    for algorithm in [
        SigningAlgorithm::Es384,
        SigningAlgorithm::Rs256,
        SigningAlgorithm::Es256,
    ] {
        scene.fake.rotate_keys_to(algorithm);
        scene.fake.remove_previous_keys();
        scene.fake.clear_requests();
        scene.sign_in("bob");
        let requests = [Endpoint::Token, Endpoint::Jwks];
        assert_eq!(scene.requests(), requests, "the key is fetched at once");
        scene.refresh().unwrap().unwrap();
    }
}

#[test]
fn an_unknown_key_is_asked_for_again_half_a_minute_after_a_fruitless_fetch() {
    let scene = Scene::signed_in();
    let is_unknown = is!(LogtoError::IdToken(IdTokenError::Jwt(
        JwtError::NoMatchingKey
    )));
    let refused = |requests: &[Endpoint]| {
        let misbehaviour = Misbehaviour::UnknownKey;
        scene.fake.misbehave_times(Endpoint::Token, 1, misbehaviour);
        let error = scene.refused_sign_in(&scene.callback(), requests);
        assert!(is_unknown(&error), "{error:?}");
    };
    refused(&[Endpoint::Token, Endpoint::Jwks]);
    refused(&[Endpoint::Token]);
    scene.pass(29);
    refused(&[Endpoint::Token]);
    scene.pass(1);
    refused(&[Endpoint::Token, Endpoint::Jwks]);
    scene.pass(30);
    scene.fake.rotate_keys();
    scene.recovers();
}

#[test]
fn keys_that_cannot_be_had_are_asked_for_by_the_next_sign_in() {
    let scene = Scene::signed_in();
    scene.fake.rotate_keys();
    scene
        .fake
        .misbehave(Endpoint::Jwks, Misbehaviour::Status(500));
    let requests = [Endpoint::Token, Endpoint::Jwks];
    let error = scene.refused_sign_in(&scene.callback(), &requests);
    assert!(error.is_retryable(), "{error:?}");
    scene.recovers();
}

#[test]
fn metadata_and_keys_are_kept_for_an_hour() {
    let scene = Scene::signed_in();
    scene.fake.clear_requests();
    scene.pass(3599);
    scene.sign_in("alice");
    assert_eq!(scene.requests(), [Endpoint::Token]);
    scene.fake.clear_requests();
    scene.pass(1);
    scene.sign_in("alice");
    assert_eq!(
        scene.requests(),
        [Endpoint::Discovery, Endpoint::Token, Endpoint::Jwks]
    );
}

#[test]
fn what_cannot_be_renewed_is_used_on() {
    let scene = Scene::signed_in();
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        scene.fake.misbehave(endpoint, Misbehaviour::Status(500));
    }
    scene.pass(3600);
    scene.fake.clear_requests();
    scene.client.access_token(RESOURCE).unwrap().unwrap();
    scene.start(REDIRECT_URI);
    let fetched = |endpoint| scene.fake.requests_to(endpoint).len();
    assert_eq!(fetched(Endpoint::Discovery), 1, "not tried again at once");
    scene.pass(61);
    scene.start(REDIRECT_URI);
    assert_eq!(fetched(Endpoint::Discovery), 2);
}

#[test]
fn sixty_four_threads_fetch_metadata_and_keys_once() {
    let signed_in = Scene::signed_in();
    let id_token = signed_in.client.id_token().unwrap().unwrap();
    let logto = logto::Logto::builder(signed_in.logto.config().clone())
        .clock(signed_in.clock.clone())
        .http_client(patient())
        .build()
        .unwrap();
    signed_in.fake.clear_requests();
    let barrier = Barrier::new(64);
    thread::scope(|threads| {
        for _ in 0..64 {
            threads.spawn(|| {
                barrier.wait();
                let core = logto.oidc_core().unwrap();
                core.verify_id_token(&id_token, "app").unwrap();
            });
        }
    });
    assert_eq!(signed_in.requests(), [Endpoint::Discovery, Endpoint::Jwks]);
}

#[test]
fn a_sign_in_after_the_first_costs_one_request_on_the_same_connection() {
    let scene = Scene::new();
    let mut costs = Vec::new();
    for user in ["alice", "bob", "alice"] {
        let client = scene.logto.client(logto::storage::MemoryStorage::new());
        let url = client.sign_in(REDIRECT_URI).unwrap();
        scene.fake.sign_in_as(user);
        let callback = scene.fake.authorize(&url);
        scene.fake.clear_requests();
        client.handle_sign_in_callback(&callback).unwrap();
        costs.push(scene.requests());
    }
    assert_eq!(
        costs,
        [
            vec![Endpoint::Token, Endpoint::Jwks],
            vec![Endpoint::Token],
            vec![Endpoint::Token]
        ]
    );
    assert_eq!(scene.fake.connections(), 1);
}
