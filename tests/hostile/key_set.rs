//! The server's keys.
//!
//! A token is believed only if the set has the key that signed it. Whatever the set was, the token is
//! believed again when the set is right again and the old one is forgotten.

use logto::OidcCore;
use serde_json::Value;

use super::choices::Choices;
use super::document::changed;
use super::place::{APP_ID, KEY_SET, NOW, Place, claims};
use super::planted;
use super::server::{Answer, Asked};
use super::token;

/// How long the keys are kept, in seconds.
const LIFETIME: i64 = 3600;

pub fn try_bytes(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let token = TOKENS.with(|tokens| choices.pick(&[0, 0, 0, 1, 2, 3]).min(tokens.len() - 1));
    let body = match choices.one_in(12) {
        true => choices.rest(),
        false => {
            let set = SET.with(|set| changed(set, &mut choices));
            set.into_bytes()
        }
    };
    let mut choices = Choices::new(bytes.get(1..).unwrap_or_default());
    let answer = match choices.one_in(4) {
        true => Answer::around(body, &mut choices),
        false => Answer::json(body),
    };
    TOKENS.with(|tokens| try_answer(answer, &tokens[token]));
}

thread_local! {
    static SET: Value = token::key_set();
    static TOKENS: Vec<String> = tokens();
}

fn try_answer(answer: Answer, id_token: &str) {
    // A server that has the word from elsewhere is not what is looked for.
    if planted::is_marked(&answer.body) {
        return;
    }
    let place = Place::new();
    let has_key = answer.is_readable() && has_key(&answer.body);
    let is_right = answer.is_readable() && answer.body == KEY_SET.as_bytes();
    place.server.answer(Asked::Keys, answer);
    let core = place.logto.oidc_core().unwrap();
    place.server.take_sent();

    let result = core.verify_id_token(id_token, APP_ID);
    let fetches = place.server.take_sent().len();
    assert!(fetches <= 2);
    match result {
        Ok(claims) => {
            assert!(has_key && claims.sub == "user");
            assert_eq!(fetches, 1);
            assert!(token::believable(id_token).is_some());
        }
        Err(error) => {
            let is_believable = token::believable(id_token).is_some();
            assert!(!is_right || !is_believable, "{error}");
            planted::assert_silent(&error, &[id_token]);
            assert_recovers(&place, &core);
        }
    }
    planted::assert_silent_log(&[id_token]);
}

fn assert_recovers(place: &Place, core: &OidcCore) {
    let keys = Answer::json(KEY_SET.as_str());
    place.server.answer(Asked::Keys, keys);
    place.wait(LIFETIME);
    let token = TOKENS.with(|tokens| tokens[0].clone());
    core.verify_id_token(&token, APP_ID).unwrap();
    planted::assert_silent_log(&[&token]);
}

/// Whether the key is in the set, however it is written.
fn has_key(set: &[u8]) -> bool {
    let key = token::public_key();
    let parsed = serde_json::from_slice::<Value>(set).unwrap_or_default();
    let keys = parsed["keys"].as_array();
    keys.into_iter().flatten().any(|found| found["x"] == key)
        || set.windows(key.len()).any(|part| part == key.as_bytes())
}

/// One that is right, one that names no key, and some that are not signed by the key that they name.
fn tokens() -> Vec<String> {
    let mut claims = claims();
    claims["exp"] = (NOW + 2 * LIFETIME).into();
    let claims = claims.to_string();
    let unsigned = |header: &str, length: usize| {
        let signature = logto::urlsafe_encode(&vec![1; length]);
        format!("{}.{signature}", token::unsigned(header, &claims))
    };
    vec![
        token::signed(&token::header().to_string(), &claims),
        token::signed(r#"{"alg":"EdDSA"}"#, &claims),
        unsigned(r#"{"alg":"RS256","kid":"rsa"}"#, 256),
        unsigned(r#"{"alg":"ES384","kid":"ec"}"#, 96),
    ]
}
