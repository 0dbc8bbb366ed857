//! Opaque tokens are looked up at the server.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use serde_json::{Value, json};

use super::*;
use crate::config::LogtoConfig;
use crate::http::{HttpClient, HttpError};
use crate::oidc::access_token::AccessTokenError;
use crate::oidc::discovery::DiscoveryError;

/// A server that answers each token with this, and keeps what it was sent.
#[derive(Debug, Clone)]
struct Canned {
    has_endpoint: bool,
    answer: (u16, &'static str, String),
    sent: Arc<Mutex<Vec<Request<Vec<u8>>>>>,
}

impl HttpClient for Canned {
    fn send(
        &self,
        request: Request<Vec<u8>>,
        _body_limit: u64,
    ) -> Result<Response<Vec<u8>>, HttpError> {
        let mut metadata = json!({
            "issuer": "https://foo.logto.app/oidc", "jwks_uri": "https://foo.logto.app/k",
            "authorization_endpoint": "https://foo.logto.app/a",
            "token_endpoint": "https://foo.logto.app/t",
            "userinfo_endpoint": "https://foo.logto.app/u",
        });
        if self.has_endpoint {
            metadata["introspection_endpoint"] = "https://foo.logto.app/introspection".into();
        }
        let (status, content_type, body) = match request.uri().path() {
            "/introspection" => self.answer.clone(),
            _ => (200, "application/json", metadata.to_string()),
        };
        self.sent.lock().unwrap().push(request);
        Ok(Response::builder()
            .status(status)
            .header("content-type", content_type)
            .body(body.into_bytes())
            .unwrap())
    }
}

fn canned(answer: &Value) -> Canned {
    Canned {
        has_endpoint: true,
        answer: (200, "application/json", answer.to_string()),
        sent: Arc::default(),
    }
}

fn ask(server: &Canned, token: &str) -> Result<Introspection, LogtoError> {
    let config = LogtoConfig::new("https://foo.logto.app", "app").app_secret("s3cret");
    let logto = Logto::builder(config).http_client(server.clone()).build()?;
    logto.introspect(token)
}

#[test]
fn an_active_token_is_described() {
    let server = canned(&json!({
        "active": true, "scope": "openid profile", "client_id": "app", "sub": "alice",
        "exp": 1_800_003_600, "iat": 1_800_000_000, "token_type": "Bearer", "aud": null, "x": 1,
    }));
    let token = ask(&server, "an opaque+token&").unwrap();
    assert!(token.active && token.has_scope("openid") && !token.has_scope("open"));
    assert_eq!(token.sub.as_deref(), Some("alice"));
    assert_eq!(token.exp, Some(1_800_003_600));
    assert_eq!(token.aud, None);
    assert_eq!(token.extra["x"], 1);
    let sent = server.sent.lock().unwrap();
    assert_eq!(sent[1].body(), b"token=an+opaque%2Btoken%26");
    let credentials = sent[1].headers()["authorization"].to_str().unwrap();
    assert!(credentials.starts_with("Basic "));
}

#[test]
fn a_token_that_is_not_active_is_no_error() {
    let token = ask(&canned(&json!({ "active": false, "scope": "openid" })), "t").unwrap();
    assert!(!token.active && !token.has_scope("openid"));
}

#[test]
fn what_is_no_introspection_is_refused() {
    for answer in [
        json!({}),
        json!({ "active": "true" }),
        json!([]),
        json!(null),
    ] {
        let error = ask(&canned(&answer), "t").unwrap_err();
        assert!(
            matches!(error, LogtoError::Response(_)),
            "{answer}: {error}"
        );
    }
    let mut server = canned(&json!({}));
    server.answer = (200, "application/token-introspection+jwt", "a.b.c".into());
    assert!(matches!(ask(&server, "t"), Err(LogtoError::Response(_))));
    let refusal = json!({ "error": "invalid_client" }).to_string();
    server.answer = (401, "application/json", refusal);
    let error = ask(&server, "t").unwrap_err();
    assert_eq!(error.oauth_error().unwrap().error, "invalid_client");
}

#[test]
fn what_cannot_be_looked_up_is_not_sent() {
    let server = canned(&json!({ "active": true }));
    for (token, expected) in [
        ("", AccessTokenError::Missing),
        ("e30.e30.AA", AccessTokenError::NotOpaque),
        ("a.b.c", AccessTokenError::NotOpaque),
        ("a.b.c.d.e", AccessTokenError::NotOpaque),
    ] {
        match ask(&server, token).unwrap_err() {
            LogtoError::AccessToken(error) => assert_eq!(error, expected),
            error => panic!("{error:?}"),
        }
    }
    let public = LogtoConfig::new("https://foo.logto.app", "app");
    let logto = Logto::builder(public).http_client(server.clone()).build();
    assert!(matches!(
        logto.unwrap().introspect("t"),
        Err(LogtoError::Config(ConfigError::MissingAppSecret))
    ));
    assert!(server.sent.lock().unwrap().is_empty());
    let without = Canned {
        has_endpoint: false,
        ..server
    };
    assert!(matches!(
        ask(&without, "t"),
        Err(LogtoError::Discovery(
            DiscoveryError::MissingEndpoint { .. }
        ))
    ));
}
