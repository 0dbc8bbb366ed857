//! ID tokens: alone, at the end of a sign-in, and with a refresh.
//!
//! None is believed that the key has not signed, or whose claims are another's, or of another time; and
//! a refused one leaves the session as it was.

use logto::PersistKey::SignInSession;
use logto::{IdTokenClaims, LogtoError, OidcCore};
use serde_json::{Value, json};

use super::choices::Choices;
use super::document::{OFFSETS, changed};
use super::place::{APP_ID, ISSUER, NOW, Place, SignedIn, callback, claims, token_response};
use super::planted::{self, ACCESS_TOKEN, NONCE};
use super::server::{Answer, Asked};
use super::token;

/// How much the clocks may differ, in seconds.
const TOLERANCE: i64 = 60;

const LONGEST: usize = 16 * 1024;

#[derive(Debug, Clone, Copy)]
enum Occasion {
    Alone,
    SignIn,
    Refresh,
}

pub fn try_bytes(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let occasion = choices.pick(&[Occasion::Alone, Occasion::SignIn, Occasion::Refresh]);
    let token = match choices.one_in(12) {
        true => String::from_utf8_lossy(&choices.rest()).into_owned(),
        false => changed_token(&mut choices),
    };
    THIS.with(|place| place.try_token(&token, occasion));
}

thread_local! {
    static THIS: IdTokenPlace = IdTokenPlace {
        place: Place::new().warmed_up(),
        user: SignedIn::new(),
    };
}

struct IdTokenPlace {
    place: Place,
    user: SignedIn,
}

impl IdTokenPlace {
    fn try_token(&self, token: &str, occasion: Occasion) {
        assert_decodes_silently(token);
        let result = match occasion {
            Occasion::Alone => self.verify(token),
            Occasion::SignIn => self.sign_in(token),
            Occasion::Refresh => self.refresh(token),
        };
        match result {
            // An empty one counts as none, which is no reason to refuse a refresh.
            Ok(_) if token.is_empty() => assert!(matches!(occasion, Occasion::Refresh)),
            Ok(claims) => {
                let believable =
                    token::believable(token).unwrap_or_else(|| panic!("{token} is believed"));
                assert_believable(&believable, &claims);
                match occasion {
                    Occasion::Alone => {}
                    Occasion::SignIn => assert_of_the_sign_in(&believable.1),
                    Occasion::Refresh => assert_of_the_session(&believable.1),
                }
                assert!(token.len() <= LONGEST);
            }
            Err(error) => {
                assert_ne!(token, self.user.id_token, "{error}");
                planted::assert_silent(&error, &[token]);
            }
        }
        planted::taken_log();
    }

    fn verify(&self, token: &str) -> Result<IdTokenClaims, LogtoError> {
        let core = self.place.logto.oidc_core().unwrap();
        let result = core.verify_id_token(token, APP_ID);
        assert!(self.place.server.take_sent().len() <= 1);
        result
    }

    fn sign_in(&self, token: &str) -> Result<IdTokenClaims, LogtoError> {
        self.place.store(&self.user.values());
        let before = self.place.stored();
        let mut tokens = token_response(token);
        tokens["id_token"] = json!(token);
        self.answer(&tokens);
        let result = self.place.client.handle_sign_in_callback(&callback());
        assert!(self.place.server.take_sent().len() <= 2);
        if result.is_err() {
            self.place.assert_stored(&before, &[SignInSession]);
        }
        Ok(result?.claims)
    }

    fn refresh(&self, token: &str) -> Result<IdTokenClaims, LogtoError> {
        self.place.store(&self.user.values());
        let before = self.place.stored();
        let mut tokens = token_response(token);
        tokens["refresh_token"] = Value::Null;
        self.answer(&tokens);
        let result = self.place.client.access_token(None);
        assert!(self.place.server.take_sent().len() <= 2);
        if result.is_err() {
            self.place.assert_stored(&before, &[]);
        }
        assert_eq!(result?.as_deref(), Some(ACCESS_TOKEN));
        self.place.client.id_token_claims()
    }

    fn answer(&self, tokens: &Value) {
        let answer = Answer::json(tokens.to_string());
        self.place.server.answer(Asked::Tokens, answer);
    }
}

fn assert_decodes_silently(token: &str) {
    if let Err(error) = OidcCore::decode_id_token(token) {
        planted::assert_silent(&error, &[token]);
    }
    if let Err(error) = OidcCore::decode_access_token(token) {
        planted::assert_silent(&error, &[token]);
    }
}

/// By another reading than the client's.
fn assert_believable((header, claims): &(token::Header, Value), read: &IdTokenClaims) {
    assert!(["EdDSA", "Ed25519"].contains(&&*header.alg));
    assert!(header.kid.as_ref().is_none_or(|kid| kid == token::KID));
    assert!(header.crit.is_none() && header.b64.is_none());
    let typ = header.typ.as_deref().unwrap_or("JWT");
    assert!(typ.eq_ignore_ascii_case("JWT"), "{typ}");

    assert!(read.iss == ISSUER && claims["iss"] == ISSUER);
    assert!(claims["sub"] == *read.sub && (1..=255).contains(&read.sub.len()));
    let audience = [json!(APP_ID), json!([APP_ID])];
    let is_doubled = |name: &Value| {
        name.as_array()
            .is_some_and(|all| all.iter().all(|one| one == APP_ID))
    };
    assert!(audience.contains(&claims["aud"]) || is_doubled(&claims["aud"]));
    assert!(claims["azp"].is_null() || claims["azp"] == APP_ID);
    assert!(seconds(claims, "exp").unwrap() > NOW - TOLERANCE);
    assert!(seconds(claims, "iat").unwrap() <= NOW + TOLERANCE);
    assert!(seconds(claims, "nbf").is_none_or(|nbf| nbf <= NOW + TOLERANCE));
}

/// A time may have a fraction.
fn seconds(claims: &Value, name: &str) -> Option<i64> {
    let time = &claims[name];
    time.as_i64()
        .or_else(|| Some(time.as_f64()?.floor() as i64))
}

fn assert_of_the_sign_in(claims: &Value) {
    assert_eq!(claims["nonce"], NONCE);
    assert!(seconds(claims, "iat").unwrap() >= NOW - TOLERANCE - 600);
    assert!(claims["at_hash"].is_null(), "none is right by chance");
}

fn assert_of_the_session(claims: &Value) {
    assert_eq!(claims["sub"], "user");
    assert!(claims["nonce"].is_null() || claims["nonce"] == NONCE);
}

/// Values for which a member is looked at.
const HEADERS: [(&str, &[&str]); 6] = [
    (
        "alg",
        &[
            "none", "HS256", "ES256", "ES384", "ES512", "RS256", "Ed25519", "eddsa",
        ],
    ),
    ("kid", &["rsa", "ec", "other", ""]),
    ("typ", &["at+jwt", "logout+jwt", "jwt", ""]),
    ("crit", &["exp"]),
    ("b64", &["false"]),
    ("jku", &["https://evil.example/jwks"]),
];
const CLAIMS: [(&str, &[&str]); 6] = [
    (
        "iss",
        &[
            "https://logto.example/oidc/",
            "https://evil.example/oidc",
            "",
        ],
    ),
    ("sub", &["another", "", "User"]),
    ("aud", &["other", "", "app-id "]),
    ("azp", &["other", APP_ID]),
    ("nonce", &["other", ""]),
    ("at_hash", &["", "AAAAAAAAAAAAAAAAAAAAAA"]),
];
const TIMES: [&str; 4] = ["exp", "iat", "nbf", "auth_time"];

/// A token whose header, claims and signature are each right or not.
fn changed_token(choices: &mut Choices<'_>) -> String {
    let mut header = token::header();
    let mut claims = claims();
    match choices.below(8) {
        0 => set_one(&mut header, &HEADERS, choices),
        1 | 2 => set_one(&mut claims, &CLAIMS, choices),
        3..=5 => {
            let name = choices.pick(&TIMES);
            claims[name] = (NOW + choices.pick(&OFFSETS)).into();
        }
        6 => {
            claims["aud"] = choices
                .pick(&[&[][..], &[APP_ID, "other"], &[APP_ID]])
                .into()
        }
        _ => {}
    }
    let header = match choices.one_in(3) {
        true => changed(&header, choices),
        false => header.to_string(),
    };
    let claims = match choices.one_in(2) {
        true => changed(&claims, choices),
        false => claims.to_string(),
    };
    let token = match choices.below(12) {
        10 => format!("{}.", token::unsigned(&header, &claims)),
        11 => {
            let other = token::signed(&header, "{}");
            let signature = other.rsplit_once('.').unwrap().1;
            format!("{}.{signature}", token::unsigned(&header, &claims))
        }
        _ => token::signed(&header, &claims),
    };
    match choices.one_in(8) {
        true => damaged(token, choices),
        false => token,
    }
}

fn set_one(document: &mut Value, members: &[(&str, &[&str])], choices: &mut Choices<'_>) {
    let (name, values) = choices.pick(members);
    document[name] = choices.pick(values).into();
}

fn damaged(mut token: String, choices: &mut Choices<'_>) -> String {
    match choices.below(7) {
        0 => token.push_str(choices.pick(&["=", ".", "A", " ", "\n", ".e30.AA"])),
        1 => token.insert_str(0, choices.pick(&["Bearer ", ".", " "])),
        2 => token.truncate(choices.below(token.len())),
        3 => token.push_str(&"A".repeat(LONGEST)),
        4 => drop(token.pop()),
        5 => token = token.replace(['-', '_'], "+"),
        _ => {
            let at = choices.below(token.len());
            token.replace_range(at..=at, choices.pick(&["A", "B", ".", "-", "\u{e9}"]));
        }
    }
    token
}
