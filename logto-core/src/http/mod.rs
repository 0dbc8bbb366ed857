//! The way to the server.

mod ureq;

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::{Request, Response, Uri};

pub use self::ureq::UreqClient;
use crate::secret::Redactions;

/// How long a connection may take, unless the HTTP client is told otherwise.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a server may take until its response begins, unless the HTTP client is told otherwise.
pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);

/// In a request's [extensions](Request::extensions): how long a connection for it may take, by name
/// and by socket each. It goes before the client's own limits, because what comes later is worse than
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectWithin(pub Duration);

/// Sends requests to the server. The default is [`UreqClient`]; implement it to bring an HTTP stack of
/// your own, or to watch the requests in a test.
///
/// What an implementation promises:
///
/// - Redirects are not followed: they could send a code or a secret elsewhere.
/// - Every status is an answer; only a failure to get one is an error.
/// - No more than `body_limit` bytes of a body are read, after decompression.
/// - It gives up in the end, whatever the server does.
/// - A pooled connection is not used when it was idle for five seconds: Logto closes it then, and a
///   request that is lost so must not be repeated blindly.
/// - [`ConnectWithin`] among the request's extensions is kept.
/// - Headers and bodies are secret: they are not logged.
///
/// ```
/// # use logto_core as logto;
/// use logto::{HttpClient, HttpError, Logto, LogtoConfig, UreqClient};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Debug, Default)]
/// struct Counting {
///     inner: UreqClient,
///     requests: AtomicU64,
/// }
///
/// impl HttpClient for Counting {
///     fn send(
///         &self,
///         request: http::Request<Vec<u8>>,
///         body_limit: u64,
///     ) -> Result<http::Response<Vec<u8>>, HttpError> {
///         self.requests.fetch_add(1, Ordering::Relaxed);
///         self.inner.send(request, body_limit)
///     }
/// }
///
/// let logto = Logto::builder(LogtoConfig::new("https://foo.logto.app", "my-app"))
///     .http_client(Counting::default())
///     .build()?;
/// # Ok::<(), logto_core::LogtoError>(())
/// ```
pub trait HttpClient: Debug + Send + Sync {
    /// Sends the request and reads the whole answer.
    ///
    /// # Errors
    ///
    /// [`HttpError`], which tells whether the request may have reached the server.
    fn send(
        &self,
        request: Request<Vec<u8>>,
        body_limit: u64,
    ) -> Result<Response<Vec<u8>>, HttpError>;
}

macro_rules! forward_to_inner {
    ($($pointer:ty),*) => {$(
        impl<C: HttpClient + ?Sized> HttpClient for $pointer {
            fn send(
                &self,
                request: Request<Vec<u8>>,
                body_limit: u64,
            ) -> Result<Response<Vec<u8>>, HttpError> {
                (**self).send(request, body_limit)
            }
        }
    )*};
}

forward_to_inner!(&C, Box<C>, Arc<C>);

/// Sends a request and logs it: method, URL without query, status and time; never a header or a body.
pub(crate) fn send_logged(
    client: &dyn HttpClient,
    request: Request<Vec<u8>>,
    body_limit: u64,
) -> Result<Response<Vec<u8>>, HttpError> {
    let method = request.method().clone();
    let uri = request.uri().clone();
    let sent = request.extensions().get::<Redactions>().cloned();
    let started = Instant::now();
    let mut result = client.send(request, body_limit);
    if let (Ok(response), Some(sent)) = (&mut result, sent) {
        response.extensions_mut().insert(sent);
    }
    let took = started.elapsed().as_millis();
    match &result {
        Ok(response) => {
            let status = response.status();
            log::debug!("{method} {}: {status} in {took} ms", place(&uri));
        }
        Err(error @ HttpError::Certificate { source, .. }) => {
            log::warn!("{method} after {took} ms: {error}: {source}");
        }
        Err(error) => log::warn!("{method} after {took} ms: {error}"),
    }
    result
}

/// Where a request goes, for a message or a log.
fn place(uri: &Uri) -> String {
    format!(
        "{}://{}{}",
        uri.scheme_str().unwrap_or_default(),
        uri.authority().map_or("", |authority| authority.as_str()),
        uri.path()
    )
}

/// The server could not be asked. `url` is always without its query.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No connection could be made, so the request was not sent.
    #[error("{url}: no connection to the server")]
    Connect {
        /// Where the request was to go.
        url: String,
        /// What the HTTP client reports.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// It took too long. The request may have reached the server.
    #[error("{url}: the server did not answer in time")]
    Timeout {
        /// Where the request was to go.
        url: String,
        /// What the HTTP client reports.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The exchange broke off. The request may have reached the server.
    #[error("{url}: the connection broke")]
    Interrupted {
        /// Where the request was to go.
        url: String,
        /// What the HTTP client reports.
        source: Arc<dyn Error + Send + Sync>,
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
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The request, the answer or the settings do not allow it.
    #[error("{url}: the request failed")]
    Other {
        /// Where the request was to go.
        url: String,
        /// What the HTTP client reports.
        source: Arc<dyn Error + Send + Sync>,
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
}
