//! What users have granted, and the codes and tokens that came of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::device_codes::DeviceCodes;
use crate::random::token;
use crate::scopes::{self, OFFLINE_ACCESS};
use crate::subject_tokens::SubjectTokens;

const SECOND: i64 = 1000;
const DAY: i64 = 86_400 * SECOND;
const CODE_LIFETIME: i64 = 60 * SECOND;
const GRANT_LIFETIME: i64 = 180 * DAY;
const REFRESH_TOKEN_LIFETIME: i64 = 14 * DAY;
const ROTATION_ENDS_AFTER: i64 = 365 * DAY;
const SESSION_LIFETIME: i64 = 14 * DAY;
/// How long a used refresh token is still taken.
const REUSE_LEEWAY: i64 = 3 * SECOND;
/// How long an access token is still taken where user info is given.
const CLOCK_TOLERANCE: i64 = 15 * SECOND;

/// All of it. Times are in milliseconds since 1970.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Grants {
    grants: BTreeMap<String, Grant>,
    codes: BTreeMap<String, Code>,
    refresh_tokens: BTreeMap<String, RefreshToken>,
    access_tokens: BTreeMap<String, AccessToken>,
    sessions: BTreeMap<String, BrowserSession>,
    pub(crate) devices: DeviceCodes,
    pub(crate) subject_tokens: SubjectTokens,
}

/// What a user has granted to an application in one sign-in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) app: String,
    pub(crate) user: String,
    /// Those about the user.
    pub(crate) scopes: Vec<String>,
    /// Scopes by resource.
    pub(crate) resources: BTreeMap<String, Vec<String>>,
    pub(crate) nonce: Option<String>,
    /// Set if the tokens are to tell it.
    pub(crate) auth_time: Option<i64>,
    pub(crate) signed_in_at: i64,
    /// The browser session that it came from.
    pub(crate) session: String,
    /// The application's name for that session, if the ID token is to tell it.
    pub(crate) sid: Option<String>,
    pub(crate) expires_at: i64,
}

/// An authorization code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Code {
    pub(crate) grant: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    expires_at: i64,
    used: bool,
}

/// A refresh token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RefreshToken {
    pub(crate) grant: String,
    first_issued_at: i64,
    issued_at: i64,
    expires_at: i64,
    used_at: Option<i64>,
}

/// An opaque access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AccessToken {
    pub(crate) grant: String,
    pub(crate) scope: String,
    pub(crate) issued_at: i64,
    pub(crate) expires_at: i64,
}

/// A browser that a user has signed in with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BrowserSession {
    pub(crate) user: String,
    pub(crate) signed_in_at: i64,
    /// The applications that the user has signed in to, each with its name for this session.
    pub(crate) apps: BTreeMap<String, String>,
}

impl Grant {
    pub(crate) fn lifetime_from(now: i64) -> i64 {
        now + GRANT_LIFETIME
    }

    pub(crate) fn is_offline(&self) -> bool {
        scopes::has(&self.scopes, OFFLINE_ACCESS)
    }

    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        scopes::has(&self.scopes, scope)
            || self
                .resources
                .values()
                .any(|granted| scopes::has(granted, scope))
    }
}

impl RefreshToken {
    pub(crate) fn issued_at(&self) -> i64 {
        self.issued_at
    }

    pub(crate) fn expires_at(&self) -> i64 {
        self.expires_at
    }

    /// Whether it is shown again after the time in which that is forgiven.
    pub(crate) fn is_reused(&self, now: i64) -> bool {
        self.used_at
            .is_some_and(|used_at| now - used_at > REUSE_LEEWAY)
    }

    /// Whether a new one is due although the application has a secret.
    pub(crate) fn is_ageing(&self, now: i64) -> bool {
        (now - self.issued_at) * 10 >= (self.expires_at - self.issued_at) * 7
    }

    pub(crate) fn may_rotate(&self, now: i64) -> bool {
        now - self.first_issued_at < ROTATION_ENDS_AFTER
    }
}

impl AccessToken {
    pub(crate) fn is_taken(&self, now: i64) -> bool {
        now < self.expires_at + CLOCK_TOLERANCE
    }
}

impl Grants {
    /// Records a grant, and gives the code for it.
    pub(crate) fn grant(
        &mut self,
        grant: Grant,
        redirect_uri: &str,
        challenge: Option<&str>,
        now: i64,
    ) -> String {
        let id = token();
        self.insert(id.clone(), grant);
        let code = token();
        self.codes.insert(
            code.clone(),
            Code {
                grant: id,
                redirect_uri: redirect_uri.to_owned(),
                challenge: challenge.map(str::to_owned),
                expires_at: now + CODE_LIFETIME,
                used: false,
            },
        );
        code
    }

    pub(crate) fn insert(&mut self, id: String, grant: Grant) {
        self.grants.insert(id, grant);
    }

    pub(crate) fn get(&self, id: &str, now: i64) -> Option<&Grant> {
        self.grants.get(id).filter(|grant| now < grant.expires_at)
    }

    pub(crate) fn code(&self, code: &str, now: i64) -> Option<&Code> {
        self.codes.get(code).filter(|code| now < code.expires_at)
    }

    /// Marks a code as used. If it was before, the grant is revoked, and the answer is false.
    pub(crate) fn use_code(&mut self, code: &str) -> bool {
        let Some(found) = self.codes.get_mut(code) else {
            return false;
        };
        if found.used {
            let grant = found.grant.clone();
            self.revoke(&grant);
            return false;
        }
        found.used = true;
        true
    }

    pub(crate) fn refresh_token(&self, value: &str, now: i64) -> Option<&RefreshToken> {
        self.refresh_tokens
            .get(value)
            .filter(|found| now < found.expires_at)
    }

    pub(crate) fn issue_refresh_token(&mut self, grant: &str, now: i64) -> String {
        self.insert_refresh_token(grant, now, now)
    }

    /// Marks a refresh token as used, and gives the next one.
    pub(crate) fn rotate(&mut self, value: &str, now: i64) -> Option<String> {
        let used = self.refresh_tokens.get_mut(value)?;
        used.used_at = Some(now);
        let (grant, first_issued_at) = (used.grant.clone(), used.first_issued_at);
        Some(self.insert_refresh_token(&grant, first_issued_at, now))
    }

    pub(crate) fn access_token(&self, value: &str) -> Option<&AccessToken> {
        self.access_tokens.get(value)
    }

    pub(crate) fn issue_access_token(&mut self, access_token: AccessToken) -> String {
        let value = token();
        self.access_tokens.insert(value.clone(), access_token);
        value
    }

    /// The grant that a token of either kind came of.
    pub(crate) fn grant_of(&self, value: &str) -> Option<&str> {
        let refresh_token = self.refresh_tokens.get(value).map(|found| &found.grant);
        let access_token = || self.access_tokens.get(value).map(|found| &found.grant);
        refresh_token.or_else(access_token).map(String::as_str)
    }

    /// Ends a grant: none of its codes and tokens is taken any more.
    pub(crate) fn revoke(&mut self, grant: &str) {
        self.grants.remove(grant);
    }

    pub(crate) fn revoke_all(&mut self) {
        self.grants.clear();
    }

    pub(crate) fn session(&self, id: &str, now: i64) -> Option<&BrowserSession> {
        self.sessions
            .get(id)
            .filter(|session| now < session.signed_in_at + SESSION_LIFETIME)
    }

    pub(crate) fn begin_session(&mut self, user: &str, now: i64) -> String {
        let id = token();
        self.sessions.insert(
            id.clone(),
            BrowserSession {
                user: user.to_owned(),
                signed_in_at: now,
                apps: BTreeMap::new(),
            },
        );
        id
    }

    /// The application's name for the session, from now on if it has none yet.
    pub(crate) fn add_app(&mut self, session: &str, app: &str) -> Option<String> {
        let apps = &mut self.sessions.get_mut(session)?.apps;
        Some(apps.entry(app.to_owned()).or_insert_with(token).clone())
    }

    /// The application's name for the latest session in which the user signed in to it.
    pub(crate) fn sid(&self, app: &str, user: &str) -> Option<&str> {
        self.sessions
            .values()
            .filter(|session| session.user == user)
            .filter_map(|session| Some((session.signed_in_at, session.apps.get(app)?)))
            .max_by_key(|(signed_in_at, _)| *signed_in_at)
            .map(|(_, sid)| sid.as_str())
    }

    /// Ends a browser session, and the grants that were for no longer than that.
    pub(crate) fn end_session(&mut self, id: &str) -> Option<BrowserSession> {
        self.grants
            .retain(|_, grant| grant.session != id || grant.is_offline());
        self.sessions.remove(id)
    }

    pub(crate) fn end_sessions_of(&mut self, user: &str) -> Vec<BrowserSession> {
        let ids: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.user == user)
            .map(|(id, _)| id.clone())
            .collect();
        ids.iter().filter_map(|id| self.end_session(id)).collect()
    }

    pub(crate) fn end_all_sessions(&mut self) {
        self.sessions.clear();
    }

    /// Forgets what is over.
    pub(crate) fn purge(&mut self, now: i64) {
        self.grants.retain(|_, grant| now < grant.expires_at);
        let alive = |grant: &String| self.grants.contains_key(grant);
        self.codes
            .retain(|_, code| now < code.expires_at && alive(&code.grant));
        self.refresh_tokens
            .retain(|_, found| now < found.expires_at && alive(&found.grant));
        self.access_tokens
            .retain(|_, found| found.is_taken(now) && alive(&found.grant));
        self.sessions
            .retain(|_, session| now < session.signed_in_at + SESSION_LIFETIME);
        self.devices.purge(now);
        self.subject_tokens.purge(now);
    }

    fn insert_refresh_token(&mut self, grant: &str, first_issued_at: i64, now: i64) -> String {
        let value = token();
        self.refresh_tokens.insert(
            value.clone(),
            RefreshToken {
                grant: grant.to_owned(),
                first_issued_at,
                issued_at: now,
                expires_at: now + REFRESH_TOKEN_LIFETIME,
                used_at: None,
            },
        );
        value
    }
}
