use std::collections::BTreeMap;
use std::error::Error;
use std::io::BufRead;

use logto::storage::{Change, PersistKey, Storage};
use logto::{AccessTokenMap, IdTokenClaims, OidcCore, SessionId, SessionOwner};

#[derive(serde::Deserialize)]
struct PythonSession {
    cookie: String,
    values: BTreeMap<String, String>,
}

/// Stores the sessions of these lines, and returns how many they were. For a store that nobody uses yet.
pub fn import(store: &dyn Storage, lines: impl BufRead) -> Result<u64, Box<dyn Error>> {
    let mut count = 0;
    for line in lines.lines() {
        let mut session: PythonSession = serde_json::from_str(&line?)?;
        belongs_to_its_user(&mut session.values);
        let changes: Vec<_> = PersistKey::ALL
            .into_iter()
            .filter_map(|key| Some(Change::set(key, session.values.get(key.as_str())?)))
            .collect();
        store
            .session(&session_id(&session.cookie))
            .update(&changes)?;
        count += 1;
    }
    Ok(count)
}

/// The id of the session that has this cookie in the Python application: its SHA-256 in base64url.
pub fn session_id(python_cookie: &str) -> SessionId {
    let digest = OidcCore::generate_code_challenge(python_cookie);
    SessionId::parse(&digest).expect("43 characters of base64url")
}

/// Adds what back-channel logout finds the session by, and drops the access tokens of somebody else, which
/// the Python SDK leaves in a session when another user signs in.
fn belongs_to_its_user(values: &mut BTreeMap<String, String>) {
    let tokens = values.remove("accessTokenMap");
    let Some(Ok(user)) = values
        .get("idToken")
        .map(|token| OidcCore::decode_id_token(token))
    else {
        return;
    };
    let owner = SessionOwner::new(&user.iss, &user.sub, user.sid.as_deref());
    values.insert("owner".to_owned(), owner.to_string());
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
