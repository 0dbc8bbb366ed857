//! The operating system's keyring, which has the key of the session and nothing else.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use keyring_core::{CredentialStore, Entry, Error};
use logto::{EncryptionKey, Secret};

use crate::arguments::NAME;
use crate::terminal;

/// For how long the user can be asked to unlock it.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How soon it is told what is waited for.
const SOON: Duration = Duration::from_secs(2);

/// A keyring that may not be there, and may never answer.
pub struct Keyring {
    open: Arc<Open>,
    timeout: Duration,
}

type Open = dyn Fn() -> keyring_core::Result<Arc<CredentialStore>> + Send + Sync;

#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error("no keyring answers ({0})")]
    Unavailable(String),
    #[error("the keyring did not answer within {} seconds", .0.as_secs())]
    TimedOut(Duration),
    #[error("the keyring does not give back what was put in")]
    Forgetful,
    #[error("what the keyring has for {NAME} is not a key")]
    NotAKey,
}

impl Keyring {
    /// The operating system's.
    pub fn system() -> Self {
        Self {
            open: Arc::new(system_store),
            timeout: TIMEOUT,
        }
    }

    /// One of a test.
    #[cfg(test)]
    pub fn over(store: &Arc<CredentialStore>) -> Self {
        let store = Arc::clone(store);
        Self {
            open: Arc::new(move || Ok(Arc::clone(&store))),
            timeout: TIMEOUT,
        }
    }

    /// The key of this account; `None` if there is none.
    pub fn key(&self, account: &str) -> Result<Option<EncryptionKey>, KeyringError> {
        self.ask(account, read)?.map(|text| key(&text)).transpose()
    }

    /// The key of this account, or a new one, which the keyring has given back once.
    pub fn key_or_new(&self, account: &str) -> Result<EncryptionKey, KeyringError> {
        if let Some(key) = self.key(account)? {
            return Ok(key);
        }
        let new = EncryptionKey::generate_base64();
        let written = new.clone();
        let kept = self.ask(account, move |entry| {
            entry.set_password(written.expose())?;
            read(entry)
        })?;
        match kept.is_some_and(|kept| kept == new) {
            true => key(&new),
            false => Err(KeyringError::Forgetful),
        }
    }

    /// Asks on a thread of its own, which is left behind where it does not come back.
    fn ask<T: Send + 'static>(
        &self,
        account: &str,
        question: impl FnOnce(&Entry) -> keyring_core::Result<T> + Send + 'static,
    ) -> Result<T, KeyringError> {
        let (open, account) = (Arc::clone(&self.open), account.to_owned());
        let (sender, answer) = mpsc::channel();
        thread::spawn(move || {
            let entry = open().and_then(|store| store.build(NAME, &account, None));
            // Nobody listens any more after the time is over.
            let _ = sender.send(entry.and_then(|entry| question(&entry)));
        });
        let soon = SOON.min(self.timeout);
        let answer = match answer.recv_timeout(soon) {
            Err(RecvTimeoutError::Timeout) => {
                terminal::say("Waiting for the keyring; it may ask you to unlock it.");
                answer.recv_timeout(self.timeout - soon)
            }
            answer => answer,
        };
        match answer {
            Ok(answer) => answer.map_err(KeyringError::from),
            Err(RecvTimeoutError::Timeout) => Err(KeyringError::TimedOut(self.timeout)),
            Err(RecvTimeoutError::Disconnected) => {
                Err(KeyringError::Unavailable("it crashed".to_owned()))
            }
        }
    }
}

/// Only the text: the bytes of a secret are in some of these.
impl From<Error> for KeyringError {
    fn from(error: Error) -> Self {
        match error {
            Error::BadEncoding(_) | Error::BadDataFormat(..) => Self::NotAKey,
            Error::PlatformFailure(error) | Error::NoStorageAccess(error) => {
                Self::Unavailable(error.to_string())
            }
            error => Self::Unavailable(error.to_string()),
        }
    }
}

fn read(entry: &Entry) -> keyring_core::Result<Option<Secret>> {
    match entry.get_password() {
        Ok(text) => Ok(Some(text.into())),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(error),
    }
}

fn key(text: &Secret) -> Result<EncryptionKey, KeyringError> {
    EncryptionKey::from_base64(text.expose()).map_err(|_| KeyringError::NotAKey)
}

#[cfg(target_os = "macos")]
fn system_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn system_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(all(unix, not(target_os = "macos")))]
fn system_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(dbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(test)]
mod tests {
    use keyring_core::mock;

    use super::*;

    const ACCOUNT: &str = "foo.logto.app_20app1";

    fn store() -> Arc<CredentialStore> {
        mock::Store::new().unwrap()
    }

    fn entry(store: &Arc<CredentialStore>) -> Entry {
        store.build(NAME, ACCOUNT, None).unwrap()
    }

    fn fail_next(store: &Arc<CredentialStore>, error: Error) {
        let entry = entry(store);
        let credential: &mock::Cred = entry.as_any().downcast_ref().unwrap();
        credential.set_error(error);
    }

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let store = store();
        let keyring = Keyring::over(&store);
        assert!(keyring.key(ACCOUNT).unwrap().is_none());
        keyring.key_or_new(ACCOUNT).unwrap();
        let kept = entry(&store).get_password().unwrap();
        EncryptionKey::from_base64(&kept).expect("it is a key and nothing else");

        keyring.key_or_new(ACCOUNT).unwrap();
        assert!(keyring.key(ACCOUNT).unwrap().is_some());
        assert_eq!(entry(&store).get_password().unwrap(), kept);
        assert!(keyring.key("another").unwrap().is_none());
    }

    #[test]
    fn what_is_not_a_key_is_left_in_the_keyring() {
        let store = store();
        for other in [&b"a password"[..], b"", b"\xff\xfe"] {
            entry(&store).set_secret(other).unwrap();
            let error = Keyring::over(&store).key_or_new(ACCOUNT).unwrap_err();
            assert!(matches!(error, KeyringError::NotAKey), "{error}");
            assert_eq!(entry(&store).get_secret().unwrap(), other);
        }
    }

    #[test]
    fn a_keyring_that_fails_is_none() {
        let store = store();
        fail_next(&store, Error::NoStorageAccess("it is locked".into()));
        let error = Keyring::over(&store).key_or_new(ACCOUNT).unwrap_err();
        assert!(matches!(error, KeyringError::Unavailable(_)));
        assert!(error.to_string().contains("it is locked"), "{error}");

        let absent = Keyring {
            open: Arc::new(|| Err(Error::NoDefaultStore)),
            timeout: Duration::from_secs(60),
        };
        let error = absent.key(ACCOUNT).unwrap_err();
        assert!(matches!(error, KeyringError::Unavailable(_)), "{error}");
    }

    #[test]
    fn a_keyring_that_never_answers_is_given_up() {
        let (_kept_open, never) = mpsc::channel::<()>();
        let never = std::sync::Mutex::new(never);
        let keyring = Keyring {
            open: Arc::new(move || {
                let _ = never.lock().unwrap().recv();
                Err(Error::NoDefaultStore)
            }),
            timeout: Duration::from_millis(50),
        };
        let error = keyring.key_or_new(ACCOUNT).unwrap_err();
        assert!(matches!(error, KeyringError::TimedOut(_)), "{error}");
    }
}
