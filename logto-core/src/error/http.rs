//! What can go wrong on the way to the server.

use std::error::Error;

/// The server could not be asked. `url` is always without its query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No connection could be made, so the request was not sent.
    #[error("{url}: no connection to the server")]
    Connect {
        /// Where the request was to go.
        url: String,
        /// What the HTTP client reports.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It took too long. The request may have reached the server.
    #[error("{url}: the server did not answer in time")]
    Timeout {
        /// Where the request was to go.
        url: String,
        /// What the HTTP client reports.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The exchange broke off. The request may have reached the server.
    #[error("{url}: the connection broke")]
    Interrupted {
        /// Where the request was to go.
        url: String,
        /// What the HTTP client reports.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The answer is longer than any answer should be.
    #[error("{url}: the answer is longer than {limit} bytes")]
    BodyTooLarge {
        /// Where the request went.
        url: String,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// The server's certificate is refused, so the request was not sent: it is of an authority that is
    /// not trusted, such as a company's own, or of another host, or it has expired.
    #[error(
        "{url}: the server's certificate is refused; if it is of a private certificate authority, give that one's root certificate to `UreqClient::with_root_certificates`"
    )]
    Certificate {
        /// Where the request was to go.
        url: String,
        /// What the HTTP client reports.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The request, the answer or the settings do not allow it.
    #[error("{url}: the request failed")]
    Other {
        /// Where the request was to go.
        url: String,
        /// What the HTTP client reports.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl HttpError {
    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. } | Self::Timeout { .. } | Self::Interrupted { .. }
        )
    }

    /// Whether the request may have reached the server.
    pub fn may_have_been_sent(&self) -> bool {
        !matches!(self, Self::Connect { .. } | Self::Certificate { .. })
    }

    /// The same with its source as text.
    pub(crate) fn duplicate(&self) -> Self {
        let text = |source: &(dyn Error + Send + Sync)| source.to_string().into();
        match self {
            Self::Connect { url, source } => Self::Connect {
                url: url.clone(),
                source: text(source.as_ref()),
            },
            Self::Timeout { url, source } => Self::Timeout {
                url: url.clone(),
                source: text(source.as_ref()),
            },
            Self::Interrupted { url, source } => Self::Interrupted {
                url: url.clone(),
                source: text(source.as_ref()),
            },
            Self::Certificate { url, source } => Self::Certificate {
                url: url.clone(),
                source: text(source.as_ref()),
            },
            Self::BodyTooLarge { url, limit } => Self::BodyTooLarge {
                url: url.clone(),
                limit: *limit,
            },
            Self::Other { url, source } => Self::Other {
                url: url.clone(),
                source: text(source.as_ref()),
            },
        }
    }
}
