//! Errors about inputs that hold secrets tell what is wrong without them.

use logto::storage::{EncryptionKey, MemoryStorage};
use logto::{Logto, LogtoConfig, LogtoError, OidcCore, SessionId, SignInOptions, TokenResponse};
use logto_testing::FakeLogto;

use crate::hunt::{Secrets, chain};

const SECRET: &str = "s3cr3t-s3cr3t-s3cr3t-s3cr3t";

fn is_hidden(what: &str, error: impl std::error::Error + 'static) {
    Secrets::of([("the secret", SECRET)]).are_not_in(&chain(&error), what);
}

#[test]
fn a_refused_callback_is_not_repeated() {
    let fake = FakeLogto::start();
    let logto = Logto::new(LogtoConfig::new(fake.endpoint(), "app")).unwrap();
    let client = logto.client(MemoryStorage::new());
    client.sign_in("https://example.com/callback").unwrap();
    for callback in [
        format!("{SECRET} is no URL"),
        format!("https://example.com/callback?code={SECRET}"),
        format!("https://example.com/callback?code={SECRET}&code={SECRET}"),
        format!("https://example.com/callback?code={SECRET}&state={SECRET}"),
        format!("https://example.com/callback?code={SECRET}&id_token={SECRET}"),
        format!("https://example.com/callback?code={SECRET}#{SECRET}"),
        format!("https://user:{SECRET}@example.com/callback?code={SECRET}&state={SECRET}"),
        format!("/callback?code={SECRET}&state={SECRET}"),
    ] {
        let error = client.handle_sign_in_callback(&callback).unwrap_err();
        is_hidden(&callback, error);
    }
}

#[test]
fn a_refused_setting_is_not_repeated() {
    let endpoint = format!("https://user:{SECRET}@foo.logto.app");
    is_hidden(
        "endpoint",
        Logto::new(LogtoConfig::new(endpoint, "app")).unwrap_err(),
    );
    let fake = FakeLogto::start();
    let logto = Logto::new(LogtoConfig::new(fake.endpoint(), "app")).unwrap();
    let client = logto.client(MemoryStorage::new());
    let with_password = format!("https://user:{SECRET}@example.com/");
    let other = SignInOptions::new("https://example.com/callback");
    for options in [
        SignInOptions::new(&with_password),
        other.clone().post_redirect_uri(&with_password),
        other.extra_param("state", SECRET),
    ] {
        is_hidden("sign-in", client.sign_in(options).unwrap_err());
    }
    is_hidden("sign-out", client.sign_out(&with_password).unwrap_err());
    let discovery = format!("http://logto.example.com/oidc?{SECRET}");
    let error = OidcCore::fetch_provider_metadata(&discovery).unwrap_err();
    is_hidden("discovery", error);
    is_hidden(
        "session id",
        SessionId::parse(&format!("{SECRET}!")).unwrap_err(),
    );
    is_hidden("key", EncryptionKey::from_base64(SECRET).unwrap_err());
}

#[test]
fn a_token_that_cannot_be_decoded_is_not_repeated() {
    let decode: [fn(&str) -> LogtoError; 2] = [
        |token| OidcCore::decode_id_token(token).unwrap_err(),
        |token| OidcCore::decode_access_token(token).unwrap_err(),
    ];
    for token in [
        SECRET.to_owned(),
        format!("{SECRET}.{SECRET}.{SECRET}"),
        // {"alg":"ES384"}, and no claims.
        format!("eyJhbGciOiJFUzM4NCJ9.{SECRET}.{SECRET}"),
        format!("eyJhbGciOiJFUzM4NCJ9.e30.{SECRET}"),
    ] {
        for decode in decode {
            is_hidden(&token, decode(&token));
        }
    }
}

#[test]
fn a_token_response_does_not_print_its_tokens() {
    let body = format!(r#"{{"access_token":"{SECRET}","token_type":"Bearer","expires_in":1}}"#);
    let response: TokenResponse = serde_json::from_str(&body).unwrap();
    let secrets = Secrets::of([("the secret", SECRET)]);
    secrets.are_not_in(&format!("{response:?}"), "token response");
    assert_eq!(response.access_token.expose(), SECRET);
}
