//! A storage by its URL.

use std::path::Path;
use std::sync::Arc;

use logto_core::{ConfigError, LogtoError, MemoryStorage, Storage};

/// The environment variable that has the key of an encrypted storage: 32 bytes in base64.
pub const STORAGE_KEY_VARIABLE: &str = "LOGTO_STORAGE_KEY";

/// The schemes that need a feature, and that feature.
const SCHEMES: [(&str, &str); 7] = [
    ("sqlite", "sqlite"),
    ("sled", "sled"),
    ("file", "file"),
    ("redis", "redis"),
    ("rediss", "redis"),
    ("valkey", "redis"),
    ("valkeys", "redis"),
];

/// Opens the storage that a URL names, so that the choice can be left to the configuration:
///
/// | URL | storage | feature |
/// | --- | --- | --- |
/// | `memory:` | [`MemoryStorage`] | none |
/// | `sqlite:///var/lib/app/sessions.db` | `SqliteStorage` | `sqlite` |
/// | `sled:///var/lib/app/sessions` | `SledStorage` | `sled` |
/// | `file:///var/lib/app/sessions` | `FileStorage`, with the key from the variable `LOGTO_STORAGE_KEY` | `file` |
/// | `redis://user:password@host:6379/0`, `rediss://…` over TLS | `RedisStorage` on one server | `redis` |
/// | `redis+sentinel://user:password@host1:26379,host2:26379/service/0`, `rediss+sentinel://…` | `RedisStorage` on the master that Sentinel names | `redis` |
/// | `redis+cluster://user:password@host1:6379,host2:6379`, `rediss+cluster://…` | `RedisStorage` in a cluster | `redis` |
///
/// Where a path is to stand, what follows the two slashes is the path as it is, without percent-encoding: a third slash begins
/// an absolute path (`sqlite:///C:/app/sessions.db` on Windows), and `sqlite://sessions.db` is relative
/// to the working directory. Each storage has its defaults; for other settings use its builder.
///
/// `valkey` and `valkeys` are the same as `redis` and `rediss`. What else such a URL may set is told in the
/// guide [`many_machines`](crate::guides::many_machines#its-url). It has a password in it, which no error
/// repeats.
///
/// ```
/// use logto::storage;
///
/// let storage = logto::storage::open("memory:")?;
/// assert_eq!(storage.purge_expired()?, 0);
///
/// let error = storage::open("mysql://localhost").unwrap_err();
/// assert!(error.to_string().contains("no storage has the scheme"));
/// # Ok::<(), logto::LogtoError>(())
/// ```
///
/// # Errors
///
/// [`ConfigError`] if the URL names no storage, or one whose feature is not on (the message names it), or
/// if the key is missing; else, if the storage cannot be opened.
pub fn open(url: &str) -> Result<Arc<dyn Storage>, LogtoError> {
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    let (name, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
    let known = SCHEMES.into_iter().find(|(known, feature)| {
        let is_kind =
            kind.is_empty() || *feature == "redis" && ["cluster", "sentinel"].contains(&kind);
        *known == name && is_kind
    });
    match known {
        _ if scheme == "memory" => Ok(Arc::new(MemoryStorage::new())),
        #[cfg(feature = "redis")]
        Some((_, "redis")) => Ok(Arc::new(logto_storage_redis::RedisStorage::open(url)?)),
        Some((scheme, feature)) => open_path(scheme, feature, path(scheme, rest)),
        None => Err(ConfigError::UnknownStorage {
            scheme: scheme.chars().take(40).collect(),
        }
        .into()),
    }
}

#[allow(unused_variables)] // without the features
fn open_path(
    scheme: &'static str,
    feature: &'static str,
    path: Result<&Path, ConfigError>,
) -> Result<Arc<dyn Storage>, LogtoError> {
    match scheme {
        #[cfg(feature = "sqlite-system")]
        "sqlite" => Ok(Arc::new(logto_storage_sqlite::SqliteStorage::open(path?)?)),
        #[cfg(feature = "sled")]
        "sled" => Ok(Arc::new(logto_storage_sled::SledStorage::open(path?)?)),
        #[cfg(feature = "file")]
        "file" => Ok(Arc::new(logto_storage_file::FileStorage::open(
            path?,
            key()?,
        )?)),
        _ => Err(ConfigError::StorageNotCompiledIn { scheme, feature }.into()),
    }
}

fn path<'a>(scheme: &'static str, rest: &'a str) -> Result<&'a Path, ConfigError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = match path.as_bytes() {
        [b'/', drive, b':', ..] if cfg!(windows) && drive.is_ascii_alphabetic() => &path[1..],
        _ => path,
    };
    match path.is_empty() {
        true => Err(ConfigError::StorageWithoutPath { scheme }),
        false => Ok(Path::new(path)),
    }
}

/// The key from the environment.
#[cfg(feature = "file")]
fn key() -> Result<logto_core::EncryptionKey, ConfigError> {
    let name = STORAGE_KEY_VARIABLE;
    let text = match std::env::var(name) {
        Ok(text) if !text.trim().is_empty() => logto_core::Secret::from(text),
        Err(std::env::VarError::NotUnicode(_)) => {
            return Err(ConfigError::InvalidVariable { name });
        }
        _ => {
            let hint = "32 random bytes in base64, such as by `openssl rand -base64 32`";
            return Err(ConfigError::MissingVariable { name, hint });
        }
    };
    logto_core::EncryptionKey::from_base64(text.expose()).map_err(|error| {
        let reason = error.to_string();
        ConfigError::InvalidKey { name, reason }
    })
}
