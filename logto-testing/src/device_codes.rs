//! Sign-ins of devices, which their users finish elsewhere.

use std::collections::BTreeMap;

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::random::token;

const LIFETIME: i64 = 600 * 1000;
/// How long an expired code is still known as such.
const KEPT: i64 = 86_400 * 1000;
/// No vowels, so that no code is a word.
const LETTERS: [u8; 20] = *b"BCDFGHJKLMNPQRSTVWXZ";

/// The device codes, by their secret. Times are in milliseconds since 1970.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct DeviceCodes(BTreeMap<String, DeviceCode>);

/// What a device asks for, and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeviceCode {
    pub(crate) app: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) state: DeviceState,
    user_code: String,
    expires_at: i64,
}

/// What the user has done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DeviceState {
    Pending,
    Denied,
    /// With the grant that came of it.
    Approved(String),
    /// The same, and the device has its tokens.
    Used(String),
}

/// The two halves of a code, and its lifetime in seconds.
#[derive(Debug)]
pub(crate) struct IssuedCode {
    pub(crate) device_code: String,
    pub(crate) user_code: String,
    pub(crate) expires_in: i64,
}

impl DeviceCode {
    pub(crate) fn is_expired(&self, now: i64) -> bool {
        now >= self.expires_at
    }

    fn is_pending(&self, now: i64) -> bool {
        self.state == DeviceState::Pending && !self.is_expired(now)
    }
}

impl DeviceCodes {
    pub(crate) fn begin(
        &mut self,
        app: &str,
        scopes: Vec<String>,
        resources: Vec<String>,
        now: i64,
    ) -> IssuedCode {
        let (device_code, user_code) = (token(), user_code());
        let code = DeviceCode {
            app: app.to_owned(),
            scopes,
            resources,
            state: DeviceState::Pending,
            user_code: user_code.clone(),
            expires_at: now + LIFETIME,
        };
        self.0.insert(device_code.clone(), code);
        IssuedCode {
            device_code,
            user_code,
            expires_in: LIFETIME / 1000,
        }
    }

    pub(crate) fn get_mut(&mut self, device_code: &str) -> Option<&mut DeviceCode> {
        self.0.get_mut(device_code)
    }

    /// The one that waits for a user with this code, however they write it.
    pub(crate) fn pending(&mut self, user_code: &str, now: i64) -> Option<&mut DeviceCode> {
        let wanted = normalized(user_code);
        self.0
            .values_mut()
            .find(|code| code.is_pending(now) && normalized(&code.user_code) == wanted)
    }

    /// The user codes that wait for a user, those that expire first in front.
    pub(crate) fn user_codes(&self, now: i64) -> Vec<String> {
        let mut pending: Vec<_> = self
            .0
            .values()
            .filter(|code| code.is_pending(now))
            .collect();
        pending.sort_by_key(|code| code.expires_at);
        pending.iter().map(|code| code.user_code.clone()).collect()
    }

    /// Forgets what is long over.
    pub(crate) fn purge(&mut self, now: i64) {
        self.0.retain(|_, code| now < code.expires_at + KEPT);
    }
}

/// # Panics
///
/// If the operating system has no random bytes to give, which no program can work around.
fn user_code() -> String {
    let mut bytes = [0; 8];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system gives random bytes");
    let letters = bytes.map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
    let half = |letters: &[char]| letters.iter().collect::<String>();
    format!("{}-{}", half(&letters[..4]), half(&letters[4..]))
}

fn normalized(user_code: &str) -> String {
    user_code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_uppercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_codes_are_taken_as_users_write_them() {
        let mut codes = DeviceCodes::default();
        let issued = codes.begin("cli", Vec::new(), Vec::new(), 0);
        assert_eq!(issued.user_code.len(), 9);
        let sloppy = format!(" {} ", issued.user_code.to_lowercase().replace('-', " "));
        assert!(codes.pending(&sloppy, 0).is_some());
        assert!(codes.pending("", 0).is_none());
        assert!(codes.pending(&sloppy, LIFETIME).is_none(), "expired");
    }
}
