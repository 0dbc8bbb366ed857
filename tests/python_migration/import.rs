use std::collections::BTreeMap;
use std::error::Error;
use std::io::BufRead;

use logto::storage::{PersistKey, Storage};
use logto::{AccessTokenMap, IdTokenClaims, OidcCore, Session, SessionId};

#[derive(serde::Deserialize)]
struct PythonSession {
    cookie: String,
    values: BTreeMap<String, String>,
}

/// Imports the sessions of these lines, and returns how many there were. Nobody may use the storage yet.
pub fn import(
    storage: &(impl Storage + Clone + 'static),
    lines: impl BufRead,
) -> Result<u64, Box<dyn Error>> {
    let mut count = 0;
    for line in lines.lines() {
        let mut python: PythonSession = serde_json::from_str(&line?)?;
        keep_tokens_of_its_user(&mut python.values);
        let session = Session::new(storage.clone(), session_id(&python.cookie).key());
        for key in PersistKey::ALL {
            if let Some(value) = python.values.get(key.as_str()) {
                session.set(key, value)?;
            }
        }
        count += 1;
    }
    Ok(count)
}

/// The id of the session that has this cookie in the Python application: its SHA-256 in base64url.
pub fn session_id(python_cookie: &str) -> SessionId {
    let digest = OidcCore::generate_code_challenge(python_cookie);
    SessionId::parse(&digest).expect("43 characters of base64url")
}

/// Drops the access tokens of another user, which the Python SDK leaves in a session when a user signs in.
fn keep_tokens_of_its_user(values: &mut BTreeMap<String, String>) {
    let tokens = values.remove("accessTokenMap");
    let Some(Ok(user)) = values
        .get("idToken")
        .map(|token| OidcCore::decode_id_token(token))
    else {
        return;
    };
    if let Some(tokens) = tokens.and_then(|tokens| tokens_of(&user, &tokens)) {
        values.insert("accessTokenMap".to_owned(), tokens);
    }
}

fn tokens_of(user: &IdTokenClaims, tokens: &str) -> Option<String> {
    let mut tokens: AccessTokenMap = serde_json::from_str(tokens).ok()?;
    // The one without a resource is opaque, and each sign-in has replaced it.
    tokens.x.retain(|resource, token| {
        let claims = OidcCore::decode_access_token(token.token.expose());
        resource.is_empty() || claims.is_ok_and(|claims| claims.sub == user.sub)
    });
    serde_json::to_string(&tokens).ok()
}
