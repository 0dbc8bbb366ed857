//! Telling the applications that a user has signed out
//! ([Back-Channel Logout 1.0](https://openid.net/specs/openid-connect-backchannel-1_0.html)).

use serde_json::{Map, Value, json};

use super::Provider;
use crate::app::FakeApp;
use crate::grants::BrowserSession;
use crate::logout_token::LogoutToken;
use crate::random::token;

const LIFETIME: i64 = 120;
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Sends a logout token to every application of the session that wants one.
pub(crate) fn announce(provider: &Provider, session: &BrowserSession) {
    for (app, sid) in &session.apps {
        if let Some(app) = provider.app(app)
            && let Some(uri) = provider.courier.uri(&app.id)
        {
            let token = logout_token(provider, app, &session.user, Some(sid));
            provider.courier.send(&app.id, uri, token.sign());
        }
    }
}

/// A logout token as Logto makes it; the session is named only if the application asks for that.
pub(crate) fn logout_token<'a>(
    provider: &'a Provider,
    app: &FakeApp,
    user: &str,
    sid: Option<&str>,
) -> LogoutToken<'a> {
    let mut header = provider.store.read().keys.header(None);
    header.insert("typ".to_owned(), json!("logout+jwt"));
    let issued_at = provider.milliseconds() / 1000;
    let mut claims = Map::new();
    let mut put = |claim: &str, value: Value| claims.insert(claim.to_owned(), value);
    put("sub", json!(user));
    put("events", json!({ EVENT: {} }));
    put("jti", json!(token()));
    if let Some(sid) = sid.filter(|_| app.backchannel_logout_session_required) {
        put("sid", json!(sid));
    }
    put("aud", json!(app.id));
    put("exp", json!(issued_at + LIFETIME));
    put("iat", json!(issued_at));
    put("iss", json!(provider.issuer()));
    LogoutToken::new(provider, header, claims)
}
