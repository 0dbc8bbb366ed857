//! Where the session is, and where its key comes from.
//!
//! The name of its directory tells: `session.keyring` or `session.passphrase`. A new one is made with the
//! keyring, unless none answers or the environment has a passphrase. The key comes before anything
//! else, so that no sign-in is lost for want of a place to keep it.

use std::path::{Path, PathBuf};

use logto::storage::{FileStorage, SessionKey, Storage as _};
use logto::{EncryptionKey, Secret, StorageError, StorageErrorKind};

use crate::failure::Failure;
use crate::keyring::Keyring;
use crate::settings::Settings;
use crate::terminal;

pub struct Vault<'a> {
    settings: &'a Settings,
    keyring: Keyring,
}

impl<'a> Vault<'a> {
    pub fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            keyring: Keyring::system(),
        }
    }

    /// The session that is there; `None` if there is none.
    pub fn open(&self) -> Result<Option<FileStorage>, Failure> {
        let (by_keyring, by_passphrase) = (self.by_keyring(), self.by_passphrase());
        if is_there(&by_keyring) {
            let key = self.known_key(&by_keyring)?;
            return open_existing(&by_keyring, &key).map(Some);
        }
        if is_there(&by_passphrase) {
            let passphrase = self.passphrase(terminal::ask_passphrase)?;
            return open_existing(&by_passphrase, &key_of(passphrase)?).map(Some);
        }
        Ok(None)
    }

    /// The session that is there, or a place for a new one.
    pub fn open_or_create(&self) -> Result<FileStorage, Failure> {
        if let Some(storage) = self.open()? {
            return Ok(storage);
        }
        if self.settings.passphrase.is_none() {
            match self.keyring.key_or_new(&self.settings.account) {
                Ok(key) => return open(&self.by_keyring(), &key),
                Err(error) => terminal::say(&format!(
                    "{}.\nChoose a passphrase to encrypt your session with.",
                    capitalized(&error.to_string())
                )),
            }
        }
        let passphrase = self.passphrase(terminal::ask_new_passphrase)?;
        open(&self.by_passphrase(), &key_of(passphrase)?)
    }

    /// Removes what is left of a session that is gone: its directory stays sealed to a key. Best effort.
    pub fn discard_empty(&self) {
        for directory in [self.by_keyring(), self.by_passphrase()] {
            if !is_there(&directory) {
                let _ = std::fs::remove_dir_all(directory);
            }
        }
    }

    fn by_keyring(&self) -> PathBuf {
        self.settings.folder.join("session.keyring")
    }

    fn by_passphrase(&self) -> PathBuf {
        self.settings.folder.join("session.passphrase")
    }

    fn known_key(&self, path: &Path) -> Result<EncryptionKey, Failure> {
        let key = self.keyring.key(&self.settings.account);
        let key = key.map_err(|error| Failure::other(&error))?;
        key.ok_or_else(|| {
            let path = path.display();
            Failure::Other(format!(
                "the key of {path} is not in the keyring; delete it to start anew"
            ))
        })
    }

    fn passphrase(&self, ask: fn() -> Result<Secret, Failure>) -> Result<Secret, Failure> {
        match &self.settings.passphrase {
            Some(passphrase) => Ok(passphrase.clone()),
            None => ask(),
        }
    }
}

/// Whether the directory has a session. A file that cannot be looked at is there: opening it tells what is wrong.
fn is_there(directory: &Path) -> bool {
    let session = format!("{}.session", SessionKey::ONLY.to_hex());
    directory.join(session).symlink_metadata().map_or_else(
        |error| error.kind() != std::io::ErrorKind::NotFound,
        |_| true,
    )
}

fn open(path: &Path, key: &EncryptionKey) -> Result<FileStorage, Failure> {
    FileStorage::open(path, key).map_err(|error| explained(path, &error))
}

/// Reads the session, so that a wrong key is told before anything else is done.
fn open_existing(path: &Path, key: &EncryptionKey) -> Result<FileStorage, Failure> {
    let storage = open(path, key)?;
    let session = storage.load(&SessionKey::ONLY);
    session.map_err(|error| explained(path, &error))?;
    Ok(storage)
}

fn explained(path: &Path, error: &StorageError) -> Failure {
    match error.kind() {
        StorageErrorKind::WrongKey => Failure::Other(format!(
            "this is not the passphrase or the key of {}; if it is lost, delete it to start anew",
            path.display()
        )),
        StorageErrorKind::Corrupt => Failure::Other(format!(
            "{error}; it has been left as it is: delete it to start anew"
        )),
        _ => Failure::other(error),
    }
}

fn key_of(passphrase: Secret) -> Result<EncryptionKey, Failure> {
    EncryptionKey::from_passphrase(passphrase).map_err(|error| Failure::other(&error))
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use keyring_core::{CredentialStore, mock};
    use logto::LogtoConfig;
    use logto::Session;
    use logto::storage::PersistKey;

    use super::*;

    fn settings(folder: &Path, passphrase: Option<&str>) -> Settings {
        Settings {
            config: LogtoConfig::new("https://foo.logto.app", "app1"),
            account: "foo.logto.app_20app1".to_owned(),
            folder: folder.to_owned(),
            passphrase: passphrase.map(Secret::from),
        }
    }

    fn vault<'a>(settings: &'a Settings, store: &Arc<CredentialStore>) -> Vault<'a> {
        Vault {
            settings,
            keyring: Keyring::over(store),
        }
    }

    fn files_of(directory: &Path) -> Vec<Vec<u8>> {
        let entries = fs::read_dir(directory).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.filter(|path| path.is_file()).collect();
        files.sort();
        files.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    fn keep(storage: &FileStorage) {
        let session = Session::new(storage.clone(), SessionKey::ONLY);
        session.set(PersistKey::IdToken, "a token").unwrap();
    }

    fn store() -> Arc<CredentialStore> {
        mock::Store::new().unwrap()
    }

    #[test]
    fn a_new_session_has_its_key_in_the_keyring() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), None);
        let store = store();
        let vault = vault(&settings, &store);
        assert!(vault.open().unwrap().is_none());
        let session = vault.open_or_create().unwrap();
        keep(&session);
        assert!(is_there(&vault.by_keyring()) && !is_there(&vault.by_passphrase()));

        let session = vault.open().unwrap().expect("it is there");
        let session = Session::new(session, SessionKey::ONLY);
        assert!(session.get(PersistKey::IdToken).unwrap().is_some());
    }

    #[test]
    fn a_session_whose_key_is_lost_is_told_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), None);
        let session = vault(&settings, &store()).open_or_create().unwrap();
        keep(&session);
        let path = settings.folder.join("session.keyring");
        let before = files_of(&path);

        let without = store();
        let vault = vault(&settings, &without);
        let error = vault.open_or_create().map(drop).unwrap_err();
        assert!(
            error.to_string().contains("is not in the keyring"),
            "{error}"
        );
        assert_eq!(files_of(&path), before);
    }

    #[test]
    fn a_passphrase_in_the_environment_keeps_the_keyring_out() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), Some("a passphrase"));
        let store = store();
        let session = vault(&settings, &store).open_or_create().unwrap();
        keep(&session);
        assert!(is_there(&settings.folder.join("session.passphrase")));
        assert!(
            Keyring::over(&store)
                .key(&settings.account)
                .unwrap()
                .is_none()
        );
    }
}
