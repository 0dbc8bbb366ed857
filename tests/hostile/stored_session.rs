//! What is stored of a session, damaged or not of this program.
//!
//! Reading it changes nothing, and ending it removes it. If it can be read, a user can sign in over it. If not, each
//! call says so and changes nothing, until the session is cleared.

use logto::PersistKey::{self, *};
use logto::storage::StorageErrorKind;
use logto::{AccessTokenRequest, ContextOptions, LogtoError};
use serde_json::{Value, json};
use url::Url;

use super::choices::Choices;
use super::document::changed;
use super::place::{
    ISSUER, Place, REDIRECT_URI, RESOURCE, STATE, access_token_map, callback, claims,
    sign_in_session, token_response,
};
use super::planted::{self, CODE, OLD_REFRESH_TOKEN};
use super::server::{Answer, Asked};
use super::token;

/// A stored ID token can name so many organizations, and each may need a request.
const MOST_REQUESTS: usize = 16 * 1024;

pub fn try_bytes(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let data = data(&mut choices);
    THIS.with(|place| {
        place.store_data(&data);
        match place.client.is_authenticated() {
            Ok(_) => place.try_readable(&mut choices),
            Err(error) => place.try_corrupt(error, &mut choices),
        }
    });
    planted::taken_log();
}

thread_local! {
    static THIS: Place = place();
    static CLAIMS: Value = claims();
    static TOKENS: Value = tokens();
}

fn place() -> Place {
    let place = Place::new().warmed_up();
    let tokens = TOKENS.with(Value::to_string);
    place.server.answer(Asked::Tokens, Answer::json(tokens));
    let user_info = Answer::json(r#"{"sub":"user"}"#);
    place.server.answer(Asked::UserInfo, user_info);
    place.server.allow(MOST_REQUESTS);
    place
}

/// Without an ID token, whose verification would take most of the time: `id_token.rs` tries those.
fn tokens() -> Value {
    let mut tokens = token_response("");
    tokens["id_token"] = Value::Null;
    tokens
}

/// The data of a session after some changes, or any text.
fn data(choices: &mut Choices<'_>) -> String {
    if choices.one_in(10) {
        return choices.text();
    }
    let names = PersistKey::ALL.map(PersistKey::as_str);
    let members: Vec<_> = names
        .into_iter()
        .chain(["pendingRefreshToken"])
        .filter_map(|name| Some(format!("{}:{}", json!(name), value(name, choices)?)))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// The JSON of a member after some changes.
fn value(name: &str, choices: &mut Choices<'_>) -> Option<String> {
    if choices.one_in(10) {
        return None;
    }
    Some(match name {
        "idToken" => {
            let claims = CLAIMS.with(|claims| changed(claims, choices));
            let token = token::unsigned(&token::header().to_string(), &claims);
            json!(format!("{token}.AA")).to_string()
        }
        "refreshToken" => changed_rarely(&json!(OLD_REFRESH_TOKEN), choices),
        "pendingRefreshToken" => changed_rarely(&json!("planted-pending"), choices),
        "accessTokenMap" => changed_rarely(&access_token_map(), choices),
        _ => changed_rarely(&sign_ins(choices), choices),
    })
}

/// So that many a session as a whole can be read.
fn changed_rarely(value: &Value, choices: &mut Choices<'_>) -> String {
    match choices.one_in(4) {
        true => changed(value, choices),
        false => value.to_string(),
    }
}

/// The digest of a state.
const DIGEST: &str = "ua9jNat4qU6MyvCRD5vudwwOS1nI4GciW0pif1VqBmM";

fn sign_ins(choices: &mut Choices<'_>) -> Value {
    let mut sign_ins = sign_in_session(STATE, REDIRECT_URI);
    let other = || sign_in_session("planted-other-state", REDIRECT_URI);
    let finished = json!({ "stateDigest": DIGEST, "finishedAt": super::place::NOW });
    let many = choices.pick(&[0, 1, 15, 16, 40]);
    sign_ins["olderSignIns"] = (0..many).map(|_| other()).collect();
    sign_ins["finishedSignIns"] = (0..many).map(|_| finished.clone()).collect();
    sign_ins
}

impl Place {
    fn try_readable(&self, choices: &mut Choices<'_>) {
        self.try_reading();
        for _ in 0..=choices.below(4) {
            self.try_call(choices.below(8));
        }
        match choices.below(3) {
            0 => self.try_sign_in(),
            1 => self.try_sign_out(),
            _ => {}
        }
    }

    fn try_corrupt(&self, error: LogtoError, choices: &mut Choices<'_>) {
        assert_corrupt(error);
        let (before, client) = (self.record(), &self.client);
        let error = match choices.below(7) {
            0 => client.access_token(RESOURCE).map(drop),
            1 => client.context(ContextOptions::new()).map(drop),
            2 => client.handle_sign_in_callback(&callback()).map(drop),
            3 => client.sign_in(REDIRECT_URI).map(drop),
            4 => client.sign_out(REDIRECT_URI).map(drop),
            5 => {
                let set = client.session().set(RefreshToken, "another");
                set.map_err(LogtoError::from)
            }
            _ => client.clear_access_tokens(),
        };
        assert_corrupt(error.unwrap_err());
        assert_eq!(self.record(), before);
        assert!(self.server.take_sent().is_empty());
        client.clear_all_tokens().unwrap();
        assert_eq!(self.record(), None);
        self.try_sign_in();
    }

    fn try_reading(&self) {
        let before = self.stored();
        let client = &self.client;
        let is_authenticated = client.is_authenticated().unwrap();
        assert_eq!(is_authenticated, client.id_token().unwrap().is_some());
        client.refresh_token().unwrap();
        client.is_sign_in_redirected(&callback()).unwrap();
        match silent(client.id_token_claims()) {
            Some(_) => assert!(is_authenticated),
            None => assert!(
                silent(client.context(ContextOptions::new())).is_none() || !is_authenticated
            ),
        }
        self.assert_stored(&before, &[]);
        assert!(self.server.take_sent().is_empty());
    }

    fn try_call(&self, which: usize) {
        let client = &self.client;
        let before = self.stored();
        let is_had = match which {
            0 => silent(client.access_token(None)).is_some(),
            1 => silent(client.access_token(RESOURCE)).is_some(),
            2 => {
                silent(client.access_token(AccessTokenRequest::new().force_refresh(true))).is_some()
            }
            3 => silent(client.organization_token("org")).is_some(),
            4 => silent(client.access_token_claims(RESOURCE)).is_some(),
            5 => silent(client.fetch_user_info()).is_some(),
            6 => silent(client.handle_sign_in_callback(&callback())).is_some(),
            _ => {
                let all = ContextOptions::new()
                    .user_info(true)
                    .organization_tokens(true);
                silent(client.context(all.access_token(RESOURCE))).is_some()
            }
        };
        let sent = self.server.take_sent();
        assert!(sent.len() <= MOST_REQUESTS);
        if sent.is_empty() && which != 6 {
            self.assert_stored(&before, &[]);
        }
        if which == 6 && !is_had {
            self.assert_stored(&before, &[SignInSession]);
        }
    }

    fn try_sign_in(&self) {
        let url = self.client.sign_in(REDIRECT_URI).unwrap();
        let url = Url::parse(&url).unwrap();
        let parameter = |name: &str| {
            let found = url.query_pairs().find(|(key, _)| key == name);
            found.unwrap().1.into_owned()
        };
        let state = parameter("state");
        let callback = format!("{REDIRECT_URI}?code={CODE}&state={state}&iss={ISSUER}");
        assert!(self.client.is_sign_in_redirected(&callback).unwrap());
        let sign_ins = self.stored().remove(&SignInSession).flatten().unwrap();
        let sign_ins: Value = serde_json::from_str(&sign_ins).unwrap();
        let count = |name: &str| sign_ins[name].as_array().map_or(0, Vec::len);
        assert!(count("olderSignIns") <= 16 && count("finishedSignIns") <= 16);

        let mut claims = claims();
        claims["nonce"] = parameter("nonce").into();
        let tokens = token_response(&token::id_token(&claims)).to_string();
        self.server.answer(Asked::Tokens, Answer::json(tokens));
        let user = self.client.handle_sign_in_callback(&callback).unwrap();
        assert_eq!(user.claims.sub, "user");
        assert!(self.client.is_authenticated().unwrap());
        let usual = TOKENS.with(Value::to_string);
        self.server.answer(Asked::Tokens, Answer::json(usual));
        self.server.take_sent();
    }

    fn try_sign_out(&self) {
        let sign_out = self.client.sign_out(REDIRECT_URI).unwrap();
        assert!(sign_out.url.len() <= 20_000);
        Url::parse(&sign_out.url).unwrap();
        assert_eq!(self.record(), None);
        assert!(!self.client.is_authenticated().unwrap());
        self.server.take_sent();
    }
}

fn assert_corrupt(error: LogtoError) {
    planted::assert_silent(&error, &[]);
    match &error {
        LogtoError::Storage(error) => assert_eq!(error.kind(), StorageErrorKind::Corrupt),
        error => panic!("{error:?}"),
    }
}

fn silent<T>(result: Result<T, LogtoError>) -> Option<T> {
    result
        .inspect_err(|error| planted::assert_silent(error, &[]))
        .ok()
}
