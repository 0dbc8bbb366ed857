//! The session cookie: it names the session, which stays on the server.

use logto::SessionId;
use logto::storage::DEFAULT_IDLE_LIFETIME;
use rouille::{Request, Response, input};

const NAME: &str = "logto_session";

/// The session of this browser; `None` if it has none, or sends something else in its place.
pub fn session_id(request: &Request) -> Option<SessionId> {
    input::cookies(request)
        .filter(|(name, _)| *name == NAME)
        .find_map(|(_, value)| SessionId::parse(value).ok())
}

/// Lets the browser keep the session's name for as long as the store keeps the session.
pub fn keep(response: Response, id: &SessionId, is_https: bool) -> Response {
    set(
        response,
        id.expose(),
        DEFAULT_IDLE_LIFETIME.as_secs(),
        is_https,
    )
}

pub fn forget(response: Response, is_https: bool) -> Response {
    set(response, "", 0, is_https)
}

/// `HttpOnly`: no script reads it. `SameSite=Lax`: other sites' forms do not send it, while the
/// redirect back from Logto does.
fn set(response: Response, value: &str, max_age: u64, is_https: bool) -> Response {
    let secure = if is_https { "; Secure" } else { "" };
    let cookie =
        format!("{NAME}={value}; HttpOnly; SameSite=Lax; Path=/; Max-Age={max_age}{secure}");
    response.with_additional_header("Set-Cookie", cookie)
}
