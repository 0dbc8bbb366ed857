//! A storage by its URL.

use std::path::Path;
use std::sync::Arc;

use logto_core::{ConfigError, LogtoError, MemoryStorage, Storage};

/// The environment variable that has the key of an encrypted storage: 32 bytes in base64.
pub const STORAGE_KEY_VARIABLE: &str = "LOGTO_STORAGE_KEY";

const REDIS_SCHEMES: [&str; 12] = [
    "redis",
    "rediss",
    "redis+cluster",
    "rediss+cluster",
    "redis+sentinel",
    "rediss+sentinel",
    "valkey",
    "valkeys",
    "valkey+cluster",
    "valkeys+cluster",
    "valkey+sentinel",
    "valkeys+sentinel",
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
    match scheme {
        "memory" => Ok(Arc::new(MemoryStorage::new())),
        "sqlite" => open_sqlite(path("sqlite", rest)?),
        "sled" => open_sled(path("sled", rest)?),
        "file" => open_file(path("file", rest)?),
        _ => match REDIS_SCHEMES.into_iter().find(|redis| *redis == scheme) {
            Some(scheme) => open_redis(scheme, url),
            None => Err(ConfigError::UnknownStorage {
                scheme: scheme.chars().take(40).collect(),
            }
            .into()),
        },
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

#[cfg(feature = "sqlite-system")]
fn open_sqlite(path: &Path) -> Result<Arc<dyn Storage>, LogtoError> {
    Ok(Arc::new(logto_storage_sqlite::SqliteStorage::open(path)?))
}

#[cfg(not(feature = "sqlite-system"))]
fn open_sqlite(_: &Path) -> Result<Arc<dyn Storage>, LogtoError> {
    not_compiled_in("sqlite", "sqlite")
}

#[cfg(feature = "sled")]
fn open_sled(path: &Path) -> Result<Arc<dyn Storage>, LogtoError> {
    Ok(Arc::new(logto_storage_sled::SledStorage::open(path)?))
}

#[cfg(not(feature = "sled"))]
fn open_sled(_: &Path) -> Result<Arc<dyn Storage>, LogtoError> {
    not_compiled_in("sled", "sled")
}

#[cfg(feature = "file")]
fn open_file(path: &Path) -> Result<Arc<dyn Storage>, LogtoError> {
    use logto_core::EncryptionKey;

    let name = STORAGE_KEY_VARIABLE;
    let text = match std::env::var(name) {
        Ok(text) if !text.trim().is_empty() => logto_core::Secret::from(text),
        Err(std::env::VarError::NotUnicode(_)) => {
            return Err(ConfigError::InvalidVariable { name }.into());
        }
        _ => {
            let hint = "32 random bytes in base64, such as by `openssl rand -base64 32`";
            return Err(ConfigError::MissingVariable { name, hint }.into());
        }
    };
    let key = EncryptionKey::from_base64(text.expose()).map_err(|error| {
        let reason = error.to_string();
        ConfigError::InvalidKey { name, reason }
    })?;
    Ok(Arc::new(logto_storage_file::FileStorage::open(path, key)?))
}

#[cfg(not(feature = "file"))]
fn open_file(_: &Path) -> Result<Arc<dyn Storage>, LogtoError> {
    not_compiled_in("file", "file")
}

#[cfg(feature = "redis")]
fn open_redis(_: &'static str, url: &str) -> Result<Arc<dyn Storage>, LogtoError> {
    Ok(Arc::new(logto_storage_redis::RedisStorage::open(url)?))
}

#[cfg(not(feature = "redis"))]
fn open_redis(scheme: &'static str, _: &str) -> Result<Arc<dyn Storage>, LogtoError> {
    not_compiled_in(scheme, "redis")
}

#[cfg(not(all(
    feature = "sqlite-system",
    feature = "sled",
    feature = "file",
    feature = "redis"
)))]
fn not_compiled_in(
    scheme: &'static str,
    feature: &'static str,
) -> Result<Arc<dyn Storage>, LogtoError> {
    Err(ConfigError::StorageNotCompiledIn { scheme, feature }.into())
}
