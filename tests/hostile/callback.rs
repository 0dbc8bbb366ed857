//! The URL that the browser comes back with.
//!
//! It signs in exactly if it is the answer to a sign-in under way. If not, the session is what it was,
//! and no code is sent.

use std::sync::LazyLock;

use logto::PersistKey::{self, *};
use logto::{CallbackError, LogtoError};
use serde_json::json;
use url::Url;

use super::choices::Choices;
use super::place::{ISSUER, NOW, Place, SignedIn, claims, sign_in_session, token_response};
use super::planted::{self, ACCESS_TOKEN, CODE, MARK, REFRESH_TOKEN};
use super::server::{Answer, Asked};
use super::token;

/// Where each sign-in under way comes back to. Its state is `planted-state-` and its place here.
const REDIRECT_URIS: [&str; 4] = [
    "https://app.example/callback",
    "http://127.0.0.1:8765/callback",
    "io.logto.test://callback",
    "https://app.example/callback?from=1",
];

const EXPIRED: &str = "planted-state-expired";

const LONGEST: usize = 16 * 1024;

pub fn try_bytes(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let callback = match choices.one_in(8) {
        true => String::from_utf8_lossy(&bytes[1..]).into_owned(),
        false => changed_callback(&mut choices),
    };
    THIS.with(|place| place.try_callback(&callback));
}

thread_local! {
    static THIS: CallbackPlace = CallbackPlace::new();
}

static PARAMETERS: LazyLock<[&str; 9]> = LazyLock::new(|| {
    [
        "code",
        "state",
        "iss",
        "error",
        "error_description",
        "response",
        "access_token",
        "id_token",
        "other",
    ]
});

struct CallbackPlace {
    place: Place,
    user: SignedIn,
    sign_ins: String,
}

impl CallbackPlace {
    fn new() -> Self {
        let place = Place::new().warmed_up();
        let tokens = token_response(&token::id_token(&claims()));
        place
            .server
            .answer(Asked::Tokens, Answer::json(tokens.to_string()));
        Self {
            place,
            user: SignedIn::new(),
            sign_ins: sign_ins(),
        }
    }

    fn try_callback(&self, callback: &str) {
        let mut values = self.user.values();
        values[3] = (SignInSession, &self.sign_ins);
        self.place.store(&values);
        let before = self.place.stored();
        let expected = answered_sign_in(callback);

        let client = &self.place.client;
        let is_redirected = client.is_sign_in_redirected(callback).unwrap();
        assert!(is_redirected || expected.is_none());
        self.place.assert_stored(&before, &[]);

        let result = client.handle_sign_in_callback(callback);
        let sent = self.place.sent(Asked::Tokens);
        match (result, expected) {
            (Ok(user), Some(_)) => {
                assert_eq!(user.claims.sub, "user");
                assert_eq!(sent.len(), 1);
                assert!(sent[0].form.contains(planted::CODE_VERIFIER));
                self.assert_signed_in(callback);
            }
            (Err(error), None) => {
                let taken = is_of_a_taken_sign_in(&error);
                assert!(sent.is_empty() && (is_redirected || !taken), "{error:?}");
                let but: &[PersistKey] = if taken { &[SignInSession] } else { &[] };
                self.place.assert_stored(&before, but);
                self.assert_error(&error);
            }
            (result, expected) => panic!("{callback}: {result:?}, {expected:?}"),
        }
        self.assert_others_kept(callback);
        planted::taken_log();
    }

    fn assert_signed_in(&self, callback: &str) {
        let stored = self.place.stored();
        assert_eq!(stored[&RefreshToken].as_deref(), Some(REFRESH_TOKEN));
        assert!(!self.place.has_pending_refresh_token());
        let token = self.place.client.access_token(None).unwrap();
        assert_eq!(token.as_deref(), Some(ACCESS_TOKEN));

        let again = self.place.client.handle_sign_in_callback(callback);
        let used = matches!(again, Err(LogtoError::Callback(CallbackError::AlreadyUsed)));
        assert!(used, "{again:?}");
        assert!(self.place.server.take_sent().is_empty());
        self.place.assert_stored(&stored, &[]);
    }

    /// The server's words in a callback may be anything, so they may also quote.
    fn assert_error(&self, error: &LogtoError) {
        match error.oauth_error() {
            Some(oauth) => {
                let texts = [&oauth.error_description, &oauth.error_uri].into_iter();
                let texts: Vec<_> = texts.flatten().chain([&oauth.error]).collect();
                for text in &texts {
                    assert!(text.chars().count() <= 500 && !text.contains(char::is_control));
                }
                if !texts.iter().any(|text| text.contains(MARK)) {
                    planted::assert_silent(error, &[]);
                }
            }
            None => planted::assert_silent(error, &[]),
        }
    }

    fn assert_others_kept(&self, callback: &str) {
        for (n, redirect_uri) in REDIRECT_URIS.iter().enumerate() {
            let state = state(n);
            if !callback.contains("state") {
                let other = Url::parse_with_params(redirect_uri, [("state", &state)]).unwrap();
                let client = &self.place.client;
                assert!(client.is_sign_in_redirected(other.as_str()).unwrap());
            }
        }
    }
}

/// What is checked once a sign-in was taken out of the storage.
fn is_of_a_taken_sign_in(error: &LogtoError) -> bool {
    use CallbackError::*;
    match error {
        LogtoError::OAuth(_) => true,
        LogtoError::Callback(error) => {
            [IssuerMissing, IssuerMismatch, CodeMissing, CodeAndError].contains(error)
        }
        other => panic!("{other:?}"),
    }
}

/// Which sign-in this is the answer to, by another reading than the client's.
fn answered_sign_in(callback: &str) -> Option<usize> {
    let base = Url::parse("https://base.example/").unwrap();
    let url = match callback.starts_with('/') {
        true => base.join(callback).ok()?,
        false => Url::parse(callback).ok()?,
    };
    let values = |name: &str| -> Vec<String> {
        let pairs = url.query_pairs().filter(|(key, _)| key == name);
        pairs.map(|(_, value)| value.into_owned()).collect()
    };
    let foreign = ["error", "response", "access_token", "id_token"];
    let is_right = callback.len() <= LONGEST
        && url.fragment().is_none()
        && matches!(values("code").as_slice(), [code] if !code.is_empty())
        && values("iss") == [ISSUER]
        && foreign.iter().all(|name| values(name).is_empty());
    let states = values("state");
    let n = (0..REDIRECT_URIS.len()).find(|n| states == [state(*n)])?;
    let expected = Url::parse(REDIRECT_URIS[n]).unwrap();
    let origin = |url: &Url| url.as_str().split(['?', '#']).next().map(str::to_owned);
    let is_there = match callback.starts_with('/') {
        true => url.host() == base.host() && url.path() == expected.path(),
        false => origin(&url) == origin(&expected),
    };
    (is_right && is_there).then_some(n)
}

fn state(n: usize) -> String {
    format!("planted-state-{n}")
}

/// The sign-ins of [`REDIRECT_URIS`], and one that was started too long ago.
fn sign_ins() -> String {
    let mut newest = sign_in_session(&state(0), REDIRECT_URIS[0]);
    let mut older: Vec<_> = (1..REDIRECT_URIS.len())
        .map(|n| sign_in_session(&state(n), REDIRECT_URIS[n]))
        .collect();
    let mut expired = sign_in_session(EXPIRED, REDIRECT_URIS[0]);
    expired["startedAt"] = json!(NOW - 3600);
    older.push(expired);
    newest["olderSignIns"] = json!(older);
    newest.to_string()
}

/// The callback of a sign-in after some changes.
fn changed_callback(choices: &mut Choices<'_>) -> String {
    let n = choices.below(REDIRECT_URIS.len());
    let mut base = REDIRECT_URIS[n].to_owned();
    let mut parameters: Vec<(String, String)> = vec![
        ("code".into(), CODE.into()),
        ("state".into(), state(n)),
        ("iss".into(), ISSUER.into()),
    ];
    for _ in 0..choices.below(4) {
        match choices.below(3) {
            0 => base = changed_base(base, choices),
            _ => change_parameters(&mut parameters, choices),
        }
    }
    let joint = if base.contains('?') { "&" } else { "?" };
    let query: Vec<_> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", written(value, choices)))
        .collect();
    let fragment = if choices.one_in(24) { "#x" } else { "" };
    format!("{base}{joint}{}{fragment}", query.join("&"))
}

fn changed_base(base: String, choices: &mut Choices<'_>) -> String {
    match choices.below(9) {
        0 => "/callback".into(),
        1 => choices
            .pick(&["//evil.example/callback", "/\\evil.example/callback", "/"])
            .into(),
        2 => base.replacen("https:", "http:", 1),
        3 => base.replacen("://", "://user@", 1),
        4 => base.replacen("/callback", ":443/callback", 1),
        5 => base.replacen("/callback", "/callback/", 1),
        6 => base.replacen("callback", "%63allback/../callback", 1),
        7 => base.to_uppercase(),
        _ => format!("{}{}", base, choices.text()),
    }
}

fn change_parameters(parameters: &mut Vec<(String, String)>, choices: &mut Choices<'_>) {
    let at = choices.below(parameters.len() + 1);
    let name = choices.pick(PARAMETERS.as_slice());
    let value = hostile_value(choices);
    match (choices.below(3), parameters.get_mut(at)) {
        (0, Some(parameter)) => parameter.1 = value,
        (1, Some(_)) => drop(parameters.remove(at)),
        _ => parameters.insert(at, (name.into(), value)),
    }
}

fn hostile_value(choices: &mut Choices<'_>) -> String {
    match choices.below(7) {
        0 => String::new(),
        1 => choices
            .pick(&[
                EXPIRED,
                "planted-state-1",
                "planted-state-",
                "access_denied",
            ])
            .into(),
        2 => format!("{ISSUER}/"),
        3 => "x".repeat(choices.pick(&[500, 501, LONGEST])),
        4 => "%00%0d%0a\u{7f}".into(),
        _ => choices.text(),
    }
}

/// A value in one of the ways to write it in a query.
fn written(value: &str, choices: &mut Choices<'_>) -> String {
    match choices.below(12) {
        10 => value.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        11 => value.into(),
        _ => url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
    }
}
