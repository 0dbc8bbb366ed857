//! What the token endpoint answers, to a code and to a refresh token.
//!
//! A refused answer leaves the session as it was, but for a rotated refresh token, which is the one to
//! send next; and the answer after that counts.

use std::time::Duration;

use logto::PersistKey::*;
use logto::{AccessTokenRequest, LogtoError};
use serde::Deserialize;
use serde_json::Value;

use super::choices::Choices;
use super::document::changed;
use super::place::{Place, RESOURCE, SignedIn, callback, claims, token_response};
use super::planted::{self, ACCESS_TOKEN, CODE, OLD_REFRESH_TOKEN, REFRESH_TOKEN};
use super::server::{Answer, Asked, Sent};
use super::token;

pub fn try_bytes(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let grant = choices.below(3);
    let body = match choices.below(12) {
        11 => choices.rest(),
        10 => changed(&refusal(), &mut choices).into_bytes(),
        _ => THIS.with(|place| changed(&place.tokens, &mut choices).into_bytes()),
    };
    let mut choices = Choices::new(bytes.get(1..).unwrap_or_default());
    let answer = match choices.one_in(3) {
        true => Answer::around(body, &mut choices),
        false => Answer::json(body),
    };
    THIS.with(|place| {
        place.place.server.answer(Asked::Tokens, answer.clone());
        place.place.store(&place.user.values());
        match grant {
            0 => place.try_code(&answer),
            1 => place.try_refresh(&answer, AccessTokenRequest::new()),
            _ => place.try_refresh(&answer, RESOURCE.into()),
        }
    });
    planted::taken_log();
}

thread_local! {
    static THIS: TokenPlace = TokenPlace::new();
}

struct TokenPlace {
    place: Place,
    user: SignedIn,
    tokens: Value,
    right: Answer,
}

fn refusal() -> Value {
    serde_json::json!({
        "error": "invalid_grant",
        "error_description": "grant request is invalid",
        "code": "oidc.invalid_grant",
        "message": "Grant request is invalid.",
    })
}

impl TokenPlace {
    fn new() -> Self {
        let tokens = token_response(&token::id_token(&claims()));
        Self {
            place: Place::new().warmed_up(),
            user: SignedIn::new(),
            right: Answer::json(tokens.to_string()),
            tokens,
        }
    }

    fn try_code(&self, answer: &Answer) {
        let before = self.place.stored();
        let result = self.place.client.handle_sign_in_callback(&callback());
        let sent = self.place.sent(Asked::Tokens);
        assert!(sent.len() == 1 && sent[0].form.contains(CODE));
        match result {
            Ok(user) => {
                assert!(answer.is_readable() && user.claims.sub == "user");
                self.assert_tokens_stored(answer, "");
                assert_eq!(self.place.stored()[&RefreshToken], rotated(answer));
            }
            Err(error) => {
                self.assert_refused(&error, answer);
                self.place.assert_stored(&before, &[SignInSession]);
            }
        }
    }

    fn try_refresh(&self, answer: &Answer, request: AccessTokenRequest<'_>) {
        let before = self.place.stored();
        let result = self.place.client.access_token(request);
        let sent = self.place.sent(Asked::Tokens);
        assert!((1..=2).contains(&sent.len()) && sent.iter().all(is_of_the_old_token));
        match result {
            Ok(access_token) => {
                assert!(answer.is_readable());
                let token = self.assert_tokens_stored(answer, request.resource);
                assert_eq!(access_token, Some(token));
                let stored = self.place.stored();
                assert!(!self.place.has_pending_refresh_token());
                let kept = rotated(answer).unwrap_or(OLD_REFRESH_TOKEN.into());
                assert_eq!(stored[&RefreshToken], Some(kept));
            }
            Err(error) => {
                self.assert_refused(&error, answer);
                match is_invalid_grant(&error) {
                    true => self.place.assert_stored(&before, &[RefreshToken]),
                    false => self.place.assert_stored(&before, &[]),
                }
                self.assert_next_refresh(&error, answer, request);
            }
        }
    }

    /// Whatever was wrong with an answer: if it had a refresh token, no other may be sent again.
    fn assert_next_refresh(
        &self,
        error: &LogtoError,
        answer: &Answer,
        request: AccessTokenRequest<'_>,
    ) {
        self.place.server.answer(Asked::Tokens, self.right.clone());
        let next = self.place.client.access_token(request).unwrap();
        let sent = self.place.sent(Asked::Tokens);
        if is_invalid_grant(error) {
            assert!(next.is_none() && sent.is_empty());
            return;
        }
        assert_eq!(next.as_deref(), Some(ACCESS_TOKEN));
        match rotated(answer) {
            Some(rotated) if rotated == REFRESH_TOKEN => {
                assert!(sent[0].form.contains(REFRESH_TOKEN), "{error}");
            }
            Some(_) => {}
            None => assert!(is_of_the_old_token(&sent[0]), "{error}"),
        }
    }

    /// The access token of the answer is the one that is stored, for a time that makes sense.
    fn assert_tokens_stored(&self, answer: &Answer, resource: &str) -> String {
        let read: Read = serde_json::from_slice(&answer.body).unwrap();
        // RFC 6749, appendix A.12: what can stand in a header.
        let is_visible = |c: char| (' '..='~').contains(&c);
        assert!(!read.access_token.is_empty() && read.access_token.chars().all(is_visible));
        assert!(read.token_type.eq_ignore_ascii_case("bearer"));
        let stored = self.place.stored();
        let map: Value = serde_json::from_str(stored[&AccessTokenMap].as_ref().unwrap()).unwrap();
        let cached = &map["x"][resource];
        assert_eq!(cached["token"], read.access_token);
        let lifetime = cached["expiresAt"].as_i64().unwrap() - super::place::NOW;
        assert!((0..=TEN_YEARS).contains(&lifetime), "{lifetime}");
        read.access_token
    }

    fn assert_refused(&self, error: &LogtoError, answer: &Answer) {
        let is_right = answer.is_readable() && answer.body == self.right.body;
        assert!(!is_right, "{error}");
        assert!(error.retry_after().is_none_or(|time| time <= ONE_DAY));
        let id_token = self.user.id_token.as_str();
        planted::assert_silent(error, &[id_token]);
    }
}

/// An answer by another reading than the client's.
#[derive(Deserialize)]
struct Read {
    access_token: String,
    token_type: String,
}

/// The refresh token in an answer, whatever else is in it.
fn rotated(answer: &Answer) -> Option<String> {
    #[derive(Deserialize)]
    struct Rotated {
        refresh_token: String,
    }
    let rotated: Rotated = serde_json::from_slice(&answer.body).ok()?;
    let is_there = answer.is_readable() && !rotated.refresh_token.is_empty();
    is_there.then_some(rotated.refresh_token)
}

/// Nobody should wait for longer because an answer says so.
const ONE_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// In seconds.
const TEN_YEARS: i64 = 10 * 366 * 24 * 60 * 60;

fn is_of_the_old_token(sent: &Sent) -> bool {
    sent.form.contains(OLD_REFRESH_TOKEN)
}

fn is_invalid_grant(error: &LogtoError) -> bool {
    let error = error.oauth_error();
    error.is_some_and(|error| error.error == "invalid_grant")
}
