//! What can go wrong in a storage.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// What kind of storage failure it is: what a program decides on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// Another thread or process holds the lock or the database; try again.
    Busy,
    /// Another version of the session is there than the one that a [save](crate::Storage::save) expected.
    /// Nothing was written; load the session and try again.
    Conflict,
    /// The server that keeps the sessions cannot be reached, or does not serve just now; try again.
    Unavailable,
    /// What is stored cannot be read: not of this program, damaged, or truncated.
    Corrupt,
    /// What is stored was encrypted with none of the given keys.
    WrongKey,
    /// What is stored was written by a newer version of this crate.
    NewerFormat,
    /// The file, the directory or the database may not be read or written by this process.
    PermissionDenied,
    /// The backend does not do this at all.
    Unsupported,
    /// Anything else the backend reports: disk full, a setting that it refuses, …
    Backend,
}

/// A storage failed. Tells the [kind](StorageErrorKind) and keeps the backend's own error as
/// [`source`](Error::source).
///
/// Never holds a stored value or a session id.
///
/// ```
/// # use logto_core as logto;
/// use logto::{StorageError, StorageErrorKind};
///
/// let full = std::io::Error::other("no space left on device");
/// let error = StorageError::new(StorageErrorKind::Backend, "the session could not be written").with_source(full);
/// assert_eq!(error.kind(), StorageErrorKind::Backend);
/// assert!(!error.is_retryable());
/// ```
#[derive(Clone)]
pub struct StorageError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: StorageErrorKind,
    message: Cow<'static, str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl StorageError {
    /// An error of this kind, with a message that says what was attempted, without secrets.
    pub fn new(kind: StorageErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    /// Another version is there than expected: what [`Storage::save`](crate::Storage::save) returns then.
    pub fn conflict() -> Self {
        Self::new(
            StorageErrorKind::Conflict,
            "the session was changed by another thread or process",
        )
    }

    /// Keeps the backend's own error as the source.
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> StorageErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed a moment later.
    pub fn is_retryable(&self) -> bool {
        use StorageErrorKind::*;
        matches!(self.kind(), Busy | Conflict | Unavailable)
    }

    /// Whether the stored bytes are at fault, so that no later call fares better.
    pub fn is_permanent(&self) -> bool {
        use StorageErrorKind::*;
        matches!(self.kind(), Corrupt | WrongKey | NewerFormat)
    }
}

impl fmt::Debug for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageError")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl Error for StorageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
