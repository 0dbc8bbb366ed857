//! Metadata that is wrong, and how little of it is believed.

use std::time::Duration;

use logto::{
    ConfigError, DiscoveryError, HttpError, Logto, LogtoConfig, LogtoError, ResponseError,
};
use logto_testing::{Endpoint, Misbehaviour};
use serde_json::{Value, json};

use crate::scene::{Check, REDIRECT_URI, Scene, Stage, is, is_http, is_response};

/// A sign-in cannot even be started, which costs one request; and can be once the server is right.
fn refused(scene: &Scene, fed: &str, expected: Check) -> LogtoError {
    let error = scene.refused(&[Endpoint::Discovery], |client| {
        client.sign_in(REDIRECT_URI)
    });
    assert!(expected(&error), "{fed}: {error:?}");
    error
}

#[test]
fn another_issuer_to_the_byte() {
    let scene = Scene::new();
    let issuer = scene.fake.issuer().to_owned();
    for other in [
        format!("{issuer}/"),
        issuer.to_uppercase(),
        issuer.replace("127.0.0.1", "localhost"),
        issuer.replace("http:", "https:"),
        issuer.replace("/oidc", ""),
        format!(" {issuer}"),
        String::new(),
    ] {
        let told = other.clone();
        scene
            .fake
            .tamper_response(Endpoint::Discovery, move |metadata| {
                metadata["issuer"] = told.clone().into();
            });
        let expected = is!(LogtoError::Discovery(DiscoveryError::IssuerMismatch { .. }));
        let error = refused(&scene, &other, expected);
        assert!(!error.is_retryable());
    }
    scene.recovers();
}

#[test]
fn an_issuer_that_is_configured_is_the_one_to_be() {
    let stage = Stage {
        configure: |config| config.issuer("https://auth.example.com/oidc"),
        ..Stage::default()
    };
    let scene = stage.scene();
    let expected = is!(LogtoError::Discovery(DiscoveryError::IssuerMismatch { .. }));
    refused(&scene, "the server's own", expected);
    scene.fake.tamper_response(Endpoint::Discovery, |metadata| {
        metadata["issuer"] = "https://auth.example.com/oidc".into();
    });
    scene.start(REDIRECT_URI);
}

#[test]
fn endpoints_that_somebody_on_the_way_could_read() {
    let scene = Scene::new();
    let endpoints = [
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "revocation_endpoint",
        "end_session_endpoint",
        "introspection_endpoint",
        "device_authorization_endpoint",
    ];
    let insecure = is!(LogtoError::Discovery(
        DiscoveryError::InsecureEndpoint { .. }
    ));
    let invalid = is!(LogtoError::Discovery(
        DiscoveryError::InvalidEndpoint { .. }
    ));
    for endpoint in endpoints {
        for (url, expected) in [
            ("http://logto.example.com/oidc/x", insecure),
            ("http://127.0.0.1.example.com/x", insecure),
            ("http://localhost@evil.example/x", insecure),
            ("HTTP://EVIL.EXAMPLE/x", insecure),
            ("javascript:alert(1)", invalid),
            ("file:///etc/passwd", invalid),
            ("/oidc/x", invalid),
            ("", invalid),
        ] {
            scene
                .fake
                .tamper_response(Endpoint::Discovery, move |metadata| {
                    metadata[endpoint] = url.into();
                });
            refused(&scene, &format!("{endpoint} {url}"), expected);
        }
    }
    scene.recovers();
}

#[test]
fn members_that_are_missing_or_of_another_type() {
    let scene = Scene::new();
    let expected = is_response!(ResponseError::Json { .. });
    for member in [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
    ] {
        scene
            .fake
            .tamper_response(Endpoint::Discovery, move |metadata| {
                metadata.as_object_mut().unwrap().remove(member).unwrap();
            });
        refused(&scene, member, expected);
        for value in [Value::Null, json!(1), json!([]), json!({})] {
            let fed = format!("{member} {value}");
            scene
                .fake
                .tamper_response(Endpoint::Discovery, move |metadata| {
                    metadata[member] = value.clone();
                });
            refused(&scene, &fed, expected);
        }
    }
    for document in [json!([]), json!(null), json!("metadata"), json!({})] {
        let fed = document.to_string();
        scene
            .fake
            .tamper_response(Endpoint::Discovery, move |metadata| {
                *metadata = document.clone()
            });
        refused(&scene, &fed, expected);
    }
    scene.recovers();
}

#[test]
fn answers_that_are_no_metadata() {
    let scene = Scene::new();
    let elsewhere = Scene::new();
    let location = format!(
        "{}/oidc/.well-known/openid-configuration",
        elsewhere.fake.endpoint()
    );
    let redirect = |status| Misbehaviour::Redirect {
        status,
        location: location.clone(),
    };
    for (misbehaviour, expected, is_retryable) in [
        (
            Misbehaviour::Html,
            is_response!(ResponseError::ContentType { .. }),
            false,
        ),
        (
            Misbehaviour::Garbage,
            is_response!(ResponseError::Json { .. }),
            false,
        ),
        (
            Misbehaviour::HugeBody,
            is_http!(HttpError::BodyTooLarge {
                limit: 1_048_576,
                ..
            }),
            false,
        ),
        (
            redirect(301),
            is_response!(ResponseError::Redirect { status: 301, .. }),
            false,
        ),
        (
            redirect(307),
            is_response!(ResponseError::Redirect { status: 307, .. }),
            false,
        ),
        (Misbehaviour::Status(404), is!(LogtoError::OAuth(_)), false),
        (Misbehaviour::Status(500), is!(LogtoError::OAuth(_)), true),
        (
            Misbehaviour::CloseMidResponse,
            is_http!(HttpError::Interrupted { .. }),
            true,
        ),
    ] {
        let fed = format!("{misbehaviour:?}");
        scene.fake.misbehave(Endpoint::Discovery, misbehaviour);
        let error = refused(&scene, &fed, expected);
        assert_eq!(error.is_retryable(), is_retryable, "{fed}");
        scene.fake.calm();
    }
    assert_eq!(elsewhere.fake.connections(), 0);
    scene.recovers();
}

#[test]
fn a_failure_and_then_the_metadata() {
    let scene = Scene::new();
    let busy = Misbehaviour::StatusWithRetryAfter {
        status: 503,
        seconds: 7,
    };
    for misbehaviour in [Misbehaviour::Status(500), busy, Misbehaviour::Status(429)] {
        scene
            .fake
            .misbehave_times(Endpoint::Discovery, 1, misbehaviour.clone());
        let error = refused(&scene, "a failure", is!(LogtoError::OAuth(_)));
        assert!(error.is_retryable());
        if let Misbehaviour::StatusWithRetryAfter { seconds, .. } = misbehaviour {
            assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)));
        }
    }
    scene.start(REDIRECT_URI);
    scene.recovers();
}

#[test]
fn metadata_that_turns_bad_after_an_hour_is_not_taken() {
    let scene = Scene::signed_in();
    scene.fake.tamper_response(Endpoint::Discovery, |metadata| {
        metadata["token_endpoint"] = "http://evil.example/token".into();
    });
    scene.pass(3600);
    let insecure = is!(LogtoError::Discovery(
        DiscoveryError::InsecureEndpoint { .. }
    ));
    refused(&scene, "after an hour", insecure);
    let error = scene.refused(&[Endpoint::Discovery], |_| scene.refresh());
    assert!(insecure(&error), "{error:?}");
    scene.fake.calm();
    scene.refresh().unwrap().unwrap();
}

#[test]
fn an_endpoint_that_could_not_work_is_refused_before_anything_is_sent() {
    let build = |endpoint: &str| Logto::new(LogtoConfig::new(endpoint, "app")).unwrap_err();
    for endpoint in [
        "http://logto.example.com",
        "http://127.0.0.1.example.com",
        "http://[::2]",
    ] {
        let error = build(endpoint);
        let is_insecure = is!(LogtoError::Config(ConfigError::InsecureEndpoint { .. }));
        assert!(is_insecure(&error), "{endpoint}: {error:?}");
    }
    let public = LogtoConfig::new("http://logto.example.com", "app");
    let daring = Logto::builder(public).dangerous().allow_insecure_http();
    daring.build().unwrap();
}

#[test]
fn clocks_may_differ_by_five_minutes_at_most() {
    let build = |seconds| {
        let config = LogtoConfig::new("https://logto.example.com", "app");
        let builder = Logto::builder(config);
        builder
            .clock_tolerance(Duration::from_secs(seconds))
            .build()
    };
    build(300).unwrap();
    let error = build(301).unwrap_err();
    let is_too_long = is!(LogtoError::Config(ConfigError::TooLong { limit: 300, .. }));
    assert!(is_too_long(&error), "{error:?}");
}
