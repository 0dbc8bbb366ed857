//! The data of a session. Its JSON has the names and shapes of Logto's Python SDK; what that lacks is
//! optional.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

use crate::crypto::sha256;
use crate::error::{StorageError, StorageErrorKind};
use crate::secret::Secret;
use crate::utilities::urlsafe_encode;

/// The keys of a session's values, with the names of Logto's other SDKs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PersistKey {
    /// `idToken`: the ID token, as the server sent it.
    IdToken,
    /// `refreshToken`: the refresh token.
    RefreshToken,
    /// `accessTokenMap`: the cached access tokens, an [`AccessTokenMap`] as JSON.
    AccessTokenMap,
    /// `signInSession`: the sign-ins under way. The newest is a [`SignInSession`] as JSON.
    SignInSession,
}

impl PersistKey {
    /// Every key there is.
    pub const ALL: [Self; 4] = [
        Self::IdToken,
        Self::RefreshToken,
        Self::AccessTokenMap,
        Self::SignInSession,
    ];

    /// The name of the key in a session's data.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IdToken => "idToken",
            Self::RefreshToken => "refreshToken",
            Self::AccessTokenMap => "accessTokenMap",
            Self::SignInSession => "signInSession",
        }
    }
}

impl fmt::Display for PersistKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The data of one session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SessionData {
    #[serde(
        deserialize_with = "not_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub id_token: Option<Secret>,
    #[serde(
        deserialize_with = "not_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub refresh_token: Option<Secret>,
    /// A rotated refresh token whose answer is not verified yet. It replaces `refresh_token`, which must never
    /// be sent again, and is handed out to nobody.
    #[serde(
        deserialize_with = "not_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub pending_refresh_token: Option<Secret>,
    #[serde(
        rename = "accessTokenMap",
        skip_serializing_if = "AccessTokenMap::is_empty"
    )]
    pub access_tokens: AccessTokenMap,
    #[serde(
        rename = "signInSession",
        skip_serializing_if = "PendingSignIns::is_empty"
    )]
    pub sign_ins: PendingSignIns,
}

/// An empty token is none.
fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let token = Option::<Secret>::deserialize(deserializer)?;
    Ok(token.filter(|token| !token.expose().is_empty()))
}

impl SessionData {
    /// The refresh token to send next.
    pub fn next_refresh_token(&self) -> Option<&Secret> {
        self.pending_refresh_token
            .as_ref()
            .or(self.refresh_token.as_ref())
    }

    /// The JSON that is stored.
    pub fn to_json(&self) -> Result<String, StorageError> {
        serde_json::to_string(self).map_err(|error| {
            let message = "the session could not be written as JSON";
            StorageError::new(StorageErrorKind::Backend, message).with_source(error)
        })
    }

    /// Removes every token. Sign-ins under way stay.
    pub fn clear_tokens(&mut self) {
        *self = Self {
            sign_ins: std::mem::take(&mut self.sign_ins),
            ..Self::default()
        };
    }
}

/// Reads what is stored of a session. Does not tell what the text was, because it may hold a token.
pub(crate) fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, StorageError> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let message = format!("the stored {name} is damaged at line {line} column {column}, or sealed by an EncryptedStorage");
        StorageError::new(StorageErrorKind::Corrupt, message)
    })
}

/// A sign-in under way: what its callback is checked against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SignInSession {
    /// Where the browser comes back to.
    #[doc(alias = "redirectUri")]
    pub redirect_uri: String,
    /// The PKCE code verifier.
    #[doc(alias = "codeVerifier")]
    pub code_verifier: Secret,
    /// The state, by which the callback finds its sign-in.
    pub state: Secret,
    /// The nonce that the ID token must carry; `None` of a sign-in that another SDK started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Secret>,
    /// When it was started, in Unix seconds; `None` of a sign-in that another SDK started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// Where the application means to go afterwards; `None` if it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_redirect_uri: Option<String>,
    /// How long ago the user may have proved who they are, in seconds; `None` if it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// The ways in which the user may have done so; empty if it did not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acr_values: Vec<String>,
    /// The server that the browser was sent to ([RFC 9700, section
    /// 4.4.2.1](https://www.rfc-editor.org/rfc/rfc9700#section-4.4.2.1)); `None` of a sign-in that another SDK
    /// started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

/// An access token in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AccessToken {
    /// The access token.
    pub token: Secret,
    /// Until when the cache hands it out, in Unix seconds. This is a margin before it expires.
    #[doc(alias = "expiresAt")]
    pub expires_at: i64,
    /// When it was put into the cache, in Unix seconds; `None` of a token that another SDK stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_at: Option<i64>,
}

impl AccessToken {
    /// Whether the cache hands it out. A token from the future was cached before the clock was set
    /// back, so that its times mean nothing any more.
    pub(crate) fn is_fresh(&self, now: i64, clock_tolerance: i64) -> bool {
        let is_of_the_past = self
            .cached_at
            .is_none_or(|at| at <= now.saturating_add(clock_tolerance));
        is_of_the_past && now < self.expires_at
    }
}

/// The cached access tokens, by resource indicator, organization URN, or
/// `<resource indicator>#<organization id>`. The key is empty for the token without a resource, which
/// is for the user info endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenMap {
    /// The tokens.
    pub x: BTreeMap<String, AccessToken>,
}

impl AccessTokenMap {
    fn is_empty(&self) -> bool {
        self.x.is_empty()
    }
}

/// What tells a secret from another without telling the secret.
fn digest_of(secret: &Secret) -> String {
    urlsafe_encode(&sha256(secret.expose().as_bytes()))
}

/// The sign-ins under way in one session: the newest in the shape of the Python SDK, the older ones and the
/// finished ones beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PendingSignIns {
    #[serde(flatten, deserialize_with = "whole_or_none")]
    newest: Option<SignInSession>,
    #[serde(
        default,
        rename = "olderSignIns",
        skip_serializing_if = "Vec::is_empty"
    )]
    older: Vec<SignInSession>,
    #[serde(
        default,
        rename = "finishedSignIns",
        skip_serializing_if = "Vec::is_empty"
    )]
    finished: Vec<FinishedSignIn>,
}

/// A sign-in of which only a part can be read is an error, and not none.
fn whole_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SignInSession>, D::Error> {
    let members = serde_json::Map::deserialize(from)?;
    let is_there = |name: &&str| members.contains_key(*name);
    match ["redirectUri", "codeVerifier", "state"]
        .iter()
        .any(is_there)
    {
        true => serde_json::from_value(members.into()).map_err(D::Error::custom),
        false => Ok(None),
    }
}

/// A sign-in whose callback has come, so that a second one is told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FinishedSignIn {
    state_digest: String,
    finished_at: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    has_failed: bool,
}

/// How long a sign-in may take, in seconds.
pub(crate) const SIGN_IN_LIFETIME: i64 = 10 * 60;

/// How many sign-ins a session can have under way; a further one displaces the oldest.
pub(crate) const MOST_SIGN_INS: usize = 16;

/// What is known of a state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    Pending(&'a SignInSession),
    Expired,
    Finished { has_failed: bool },
    Unknown,
}

impl PendingSignIns {
    /// Adds a sign-in, and forgets those that are too old or too many.
    pub fn add(&mut self, sign_in: SignInSession, now: i64) {
        self.older.splice(..0, self.newest.replace(sign_in));
        self.forget_old(now);
    }

    /// What is known of this state. Each comparison takes the same time, whatever differs.
    pub fn find(&self, state: &Secret, now: i64) -> Found<'_> {
        let pending = self.all().find(|sign_in| sign_in.state == *state);
        match pending {
            Some(sign_in) if is_over(sign_in, now) => return Found::Expired,
            Some(sign_in) => return Found::Pending(sign_in),
            None => {}
        }
        let digest = digest_of(state);
        let mut finished = self.finished.iter();
        match finished.find(|finished| finished.state_digest == digest) {
            Some(&FinishedSignIn { has_failed, .. }) => Found::Finished { has_failed },
            None => Found::Unknown,
        }
    }

    /// Takes the sign-in of this state out, and remembers how it has finished.
    pub fn finish(&mut self, state: &Secret, has_failed: bool, now: i64) {
        let mut left: Vec<_> = self
            .newest
            .take()
            .into_iter()
            .chain(self.older.drain(..))
            .filter(|sign_in| sign_in.state != *state)
            .collect();
        if !left.is_empty() {
            self.newest = Some(left.remove(0));
        }
        self.older = left;
        self.finished.insert(
            0,
            FinishedSignIn {
                state_digest: digest_of(state),
                finished_at: now,
                has_failed,
            },
        );
        self.forget_old(now);
    }

    /// Every sign-in under way, the newest first.
    pub fn all(&self) -> impl Iterator<Item = &SignInSession> {
        self.newest.iter().chain(&self.older)
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn forget_old(&mut self, now: i64) {
        self.older.retain(|sign_in| !is_over(sign_in, now));
        self.older.truncate(MOST_SIGN_INS - 1);
        self.finished
            .retain(|finished| !has_passed(finished.finished_at, now));
        self.finished.truncate(MOST_SIGN_INS);
    }
}

fn is_over(sign_in: &SignInSession, now: i64) -> bool {
    sign_in
        .started_at
        .is_some_and(|started_at| has_passed(started_at, now))
}

fn has_passed(since: i64, now: i64) -> bool {
    now.saturating_sub(since) > SIGN_IN_LIFETIME
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_in(state: &str, started_at: i64) -> SignInSession {
        SignInSession {
            redirect_uri: "https://example.com/callback".into(),
            code_verifier: "verifier".into(),
            state: state.into(),
            nonce: Some("nonce".into()),
            started_at: Some(started_at),
            post_redirect_uri: None,
            max_age: None,
            acr_values: Vec::new(),
            issuer: None,
        }
    }

    #[test]
    fn what_the_python_sdk_stored_is_read() {
        let stored = r#"{"redirectUri":"https://a/callback","codeVerifier":"v","state":"s"}"#;
        let pending: PendingSignIns = serde_json::from_str(stored).unwrap();
        assert!(matches!(
            pending.find(&"s".into(), i64::MAX),
            Found::Pending(sign_in) if sign_in.nonce.is_none()
        ));

        let stored =
            r#"{"x":{"":{"token":"t","expiresAt":1},"https://api":{"token":"u","expiresAt":2}}}"#;
        let map: AccessTokenMap = serde_json::from_str(stored).unwrap();
        assert_eq!(map.x["https://api"].expires_at, 2);
        assert_eq!(serde_json::to_string(&map).unwrap(), stored);
    }

    #[test]
    fn a_token_is_fresh_until_it_expires_or_the_clock_is_set_back() {
        let token = AccessToken {
            token: "t".into(),
            expires_at: 2000,
            cached_at: Some(1000),
        };
        assert!(token.is_fresh(1000, 60) && token.is_fresh(1999, 60) && token.is_fresh(940, 60));
        assert!(!token.is_fresh(2000, 60) && !token.is_fresh(939, 60));
        let of_another_sdk = AccessToken {
            cached_at: None,
            ..token
        };
        assert!(of_another_sdk.is_fresh(0, 60) && !of_another_sdk.is_fresh(2000, 60));
    }

    #[test]
    fn a_damaged_sign_in_is_an_error_and_not_none() {
        for damaged in [
            r#"{"redirectUri":"https://a/callback","codeVerifier":7,"state":"s"}"#,
            r#"{"state":"s"}"#,
        ] {
            assert!(serde_json::from_str::<PendingSignIns>(damaged).is_err());
        }
        let finished = r#"{"finishedSignIns":[{"stateDigest":"d","finishedAt":1}]}"#;
        let pending: PendingSignIns = serde_json::from_str(finished).unwrap();
        assert_eq!(serde_json::to_string(&pending).unwrap(), finished);
    }

    #[test]
    fn what_is_stored_starts_with_the_python_sdks_members() {
        let mut pending = PendingSignIns::default();
        pending.add(sign_in("older", 0), 0);
        pending.add(sign_in("newest", 0), 0);
        let stored: serde_json::Value = serde_json::to_value(&pending).unwrap();
        assert_eq!(stored["state"], "newest");
        assert_eq!(stored["redirectUri"], "https://example.com/callback");
        assert_eq!(stored["codeVerifier"], "verifier");
        assert_eq!(
            serde_json::from_value::<PendingSignIns>(stored).unwrap(),
            pending
        );
    }

    #[test]
    fn sixteen_sign_ins_can_be_under_way() {
        let mut pending = PendingSignIns::default();
        for n in 0..=16 {
            pending.add(sign_in(&n.to_string(), 0), 0);
        }
        assert_eq!(pending.all().count(), 16);
        assert_eq!(pending.find(&"0".into(), 0), Found::Unknown);
        assert!(matches!(pending.find(&"1".into(), 0), Found::Pending(_)));
        assert!(matches!(pending.find(&"16".into(), 0), Found::Pending(_)));
    }

    #[test]
    fn a_sign_in_lasts_ten_minutes() {
        let mut pending = PendingSignIns::default();
        pending.add(sign_in("s", 1000), 1000);
        assert!(matches!(pending.find(&"s".into(), 1600), Found::Pending(_)));
        assert_eq!(pending.find(&"s".into(), 1601), Found::Expired);
        pending.add(sign_in("t", 1601), 1601);
        assert_eq!(pending.find(&"s".into(), 1601), Found::Unknown);
    }

    #[test]
    fn a_finished_sign_in_is_told_apart_and_others_stay() {
        let mut pending = PendingSignIns::default();
        for state in ["a", "b", "c"] {
            pending.add(sign_in(state, 0), 0);
        }
        pending.finish(&"b".into(), false, 1);
        assert_eq!(
            pending.find(&"b".into(), 2),
            Found::Finished { has_failed: false }
        );
        assert!(matches!(pending.find(&"a".into(), 2), Found::Pending(_)));
        assert!(matches!(pending.find(&"c".into(), 2), Found::Pending(_)));
        pending.finish(&"c".into(), false, 2);
        pending.finish(&"a".into(), true, 2);
        assert_eq!(pending.all().count(), 0);
        assert_eq!(
            pending.find(&"a".into(), 2),
            Found::Finished { has_failed: true }
        );
        let stored = serde_json::to_string(&pending).unwrap();
        assert_eq!(
            serde_json::from_str::<PendingSignIns>(&stored).unwrap(),
            pending
        );
    }
}
