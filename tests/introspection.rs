//! What the server knows of an opaque token.

use logto::storage::MemoryStorage;
use logto::{AccessTokenError, Logto, LogtoConfig, LogtoError};
use logto_testing::{Endpoint, FakeLogto};

const API: &str = "https://api.example.com";
const REDIRECT_URI: &str = "http://localhost:3000/callback";

#[test]
fn an_opaque_token_is_looked_up_at_the_server() {
    let fake = FakeLogto::builder().resource(API, ["read:orders"]).start();
    let config = LogtoConfig::new(fake.endpoint(), fake.app_id())
        .app_secret(fake.app_secret())
        .resources([API]);
    let logto = Logto::builder(config).clock(fake.clock()).build().unwrap();
    let client = logto.client(MemoryStorage::new());
    let callback = fake.authorize(&client.sign_in(REDIRECT_URI).unwrap());
    client.handle_sign_in_callback(&callback).unwrap();

    let opaque = client.access_token(None).unwrap().unwrap();
    let token = logto.introspect(&opaque).unwrap();
    assert!(token.active && token.has_scope("openid"));
    assert_eq!(token.client_id.as_deref(), Some(fake.app_id()));
    assert!(!logto.introspect("made-up").unwrap().active);

    let jwt = client.access_token(API).unwrap().unwrap();
    assert!(matches!(
        logto.introspect(&jwt),
        Err(LogtoError::AccessToken(AccessTokenError::NotOpaque))
    ));
    assert_eq!(fake.requests_to(Endpoint::Introspection).len(), 2);

    fake.revoke_grants();
    assert!(!logto.introspect(&opaque).unwrap().active);
}
