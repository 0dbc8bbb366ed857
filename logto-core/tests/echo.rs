//! A server that repeats a request in its refusal brings no secret of it into the error.

use http::{Request, Response};
use logto_core::{
    ClientCredentialsGrant, CodeGrant, DeviceSignInOptions, HttpClient, HttpError, Logto,
    LogtoConfig, LogtoError, MemoryStorage, RefreshTokenGrant, TokenExchange,
};
use serde_json::json;
use url::form_urlencoded;

/// What every secret below has in it.
const MARK: &str = "hunter2";

/// Refuses everything with what it was sent.
#[derive(Debug, Clone, Copy)]
struct Echo {
    gives_device_code: bool,
}

impl HttpClient for Echo {
    fn send(
        &self,
        request: Request<Vec<u8>>,
        _body_limit: u64,
    ) -> Result<Response<Vec<u8>>, HttpError> {
        let (status, body) = match request.uri().path() {
            "/oidc/.well-known/openid-configuration" => (200, metadata()),
            "/device" if self.gives_device_code => (200, device_authorization()),
            _ => (400, refusal(&request)),
        };
        Ok(Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
            .unwrap())
    }
}

fn metadata() -> serde_json::Value {
    let mut metadata = json!({ "issuer": "https://foo.logto.app/oidc" });
    for (name, path) in [
        ("jwks_uri", "keys"),
        ("authorization_endpoint", "authorize"),
        ("token_endpoint", "token"),
        ("userinfo_endpoint", "userinfo"),
        ("introspection_endpoint", "introspection"),
        ("revocation_endpoint", "revocation"),
        ("device_authorization_endpoint", "device"),
    ] {
        metadata[name] = format!("https://foo.logto.app/{path}").into();
    }
    metadata
}

fn device_authorization() -> serde_json::Value {
    json!({
        "device_code": "hunter2-device-code", "user_code": "ABCD-EFGH", "expires_in": 600,
        "verification_uri": "https://foo.logto.app/device",
    })
}

fn refusal(request: &Request<Vec<u8>>) -> serde_json::Value {
    let sent = form_urlencoded::parse(request.body());
    let mut sent: Vec<_> = sent
        .map(|(name, value)| format!("{name} was {value}"))
        .collect();
    if let Some(header) = request.headers().get("authorization") {
        sent.push(header.to_str().unwrap().to_owned());
    }
    let all = sent.join("; ");
    json!({ "error": all, "error_description": all, "error_uri": all, "code": all, "message": all })
}

fn logto(gives_device_code: bool) -> Logto {
    let config = LogtoConfig::new("https://foo.logto.app", "app").app_secret("hunter2-app-secret");
    Logto::builder(config)
        .http_client(Echo { gives_device_code })
        .build()
        .unwrap()
}

fn is_hidden<T>(what: &str, refused: Result<T, LogtoError>) {
    let Err(error) = refused else {
        panic!("{what}: not refused");
    };
    let repeated = error.oauth_error().unwrap().error_description.as_deref();
    assert!(repeated.unwrap().contains("***"), "{what}: {error}");
    let all = format!("{error} {error:?}");
    assert!(!all.contains(MARK), "{what}: {all}");
}

#[test]
fn no_grant_is_repeated() {
    let logto = logto(false);
    let core = logto.oidc_core().unwrap();
    is_hidden(
        "code",
        core.fetch_token_by_code(&CodeGrant {
            client_id: "app",
            client_secret: Some("hunter2-app-secret"),
            redirect_uri: "https://example.com/callback",
            code: "hunter2-code",
            code_verifier: "hunter2-verifier",
        }),
    );
    is_hidden(
        "refresh",
        core.fetch_token_by_refresh_token(&RefreshTokenGrant {
            client_id: "app",
            refresh_token: "hunter2-refresh",
            ..Default::default()
        }),
    );
    let exchange = TokenExchange::new("hunter2-subject").actor_token("hunter2-actor");
    is_hidden("exchange", logto.exchange_token(&exchange));
    let revoked = core.revoke_refresh_token("app", None, "hunter2-refresh");
    is_hidden("revocation", revoked);
    is_hidden("introspection", logto.introspect("hunter2-opaque"));
    is_hidden("user info", core.fetch_user_info("hunter2-opaque"));
}

#[test]
fn the_applications_own_secret_is_not_repeated() {
    #[derive(Debug)]
    struct Decoded;

    impl HttpClient for Decoded {
        fn send(
            &self,
            request: Request<Vec<u8>>,
            body_limit: u64,
        ) -> Result<Response<Vec<u8>>, HttpError> {
            let is_token = request.uri().path() == "/token";
            let echo = Echo {
                gives_device_code: false,
            };
            let mut response = echo.send(request, body_limit)?;
            if is_token {
                let text = "the secret was hunter2-app-secret";
                *response.body_mut() = json!({ "error": "x", "error_description": text })
                    .to_string()
                    .into_bytes();
            }
            Ok(response)
        }
    }

    let config = LogtoConfig::new("https://foo.logto.app", "app");
    let logto = Logto::builder(config).http_client(Decoded).build().unwrap();
    let core = logto.oidc_core().unwrap();
    is_hidden(
        "client credentials",
        core.fetch_token_by_client_credentials(&ClientCredentialsGrant {
            client_id: "app",
            client_secret: "hunter2-app-secret",
            ..Default::default()
        }),
    );
}

#[test]
fn no_sign_in_on_a_device_is_repeated() {
    let options = DeviceSignInOptions::new().extra_param("one_time_token", "hunter2-one-time");
    let client = logto(false).client(MemoryStorage::new());
    is_hidden("device", client.start_device_sign_in(&options));
    let client = logto(true).client(MemoryStorage::new());
    let mut device = client.start_device_sign_in(&options).unwrap();
    is_hidden("poll", client.poll_device_sign_in(&mut device));
}
