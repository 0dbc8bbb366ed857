//! [`HttpClient`] over ureq.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use ::ureq::Agent;
use ::ureq::config::ConfigBuilder;
use ::ureq::typestate::AgentScope;
use http::{Request, Response, Uri};
use url::Url;

use super::HttpError;
use super::{CONNECT_TIMEOUT, ConnectWithin, HttpClient, RESPONSE_TIMEOUT, place};
use crate::config;
#[cfg(feature = "rustls")]
use crate::config::ConfigError;

/// A second under the five after which Logto closes an idle connection.
const LONGEST_IDLE: Duration = Duration::from_secs(4);

/// How long it may take to send a request, or to receive the body of its response.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(5);

/// The HTTP client by default: [ureq](https://docs.rs/ureq), with one pool of connections.
///
/// `Clone` is cheap and shares the pool.
///
/// What ureq logs has no secret at the level `debug`. At `trace` it has all that goes over the wire, as
/// hexadecimal rows of the target `ureq_proto::util`: don't turn that on where logs are kept.
#[derive(Clone)]
pub struct UreqClient {
    agent: Agent,
}

impl UreqClient {
    /// With the defaults: 5 s to connect, 15 s until the response begins, 5 s for each body, connections kept for
    /// 4 s, no redirects, the proxy of the environment, TLS by rustls with Mozilla's root certificates. The operating
    /// system's resolver bounds the look-up of the host.
    ///
    /// The environment is read once, here: the first of `ALL_PROXY`, `HTTPS_PROXY` and `HTTP_PROXY`
    /// (or in lower case) that has a proxy's URL, whatever the scheme of the server's; except for the
    /// hosts in `NO_PROXY`, and for loopback hosts. `NO_PROXY` is a list with commas and without spaces
    /// of hosts, of endings such as `.example.com`, or `*`. With the feature `native-tls` and
    /// without `rustls`, TLS is that of [`with_native_tls`](Self::with_native_tls); without both, no https
    /// server can be reached.
    pub fn new() -> Self {
        #[cfg(all(feature = "native-tls", not(feature = "rustls")))]
        return Self::with_native_tls();
        #[cfg(not(all(feature = "native-tls", not(feature = "rustls"))))]
        Self::with_defaults(default_config())
    }

    fn with_defaults(config: ConfigBuilder<AgentScope>) -> Self {
        Self::with_agent(config.build().into())
    }

    /// With the defaults, but trusting the certificates that the operating system trusts.
    #[cfg(feature = "platform-verifier")]
    pub fn with_platform_verifier() -> Self {
        use ::ureq::tls::{RootCerts, TlsConfig};

        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
        Self::with_defaults(default_config().tls_config(tls.build()))
    }

    /// With the defaults, but TLS by the operating system's own library, trusting what it trusts.
    #[cfg(feature = "native-tls")]
    pub fn with_native_tls() -> Self {
        use ::ureq::tls::{RootCerts, TlsConfig, TlsProvider};

        let tls = TlsConfig::builder()
            .provider(TlsProvider::NativeTls)
            .root_certs(RootCerts::PlatformVerifier);
        Self::with_defaults(default_config().tls_config(tls.build()))
    }

    /// With the defaults, but trusting these root certificates and no others: those of a private
    /// certificate authority, which a Logto of one's own may have. `pem` is what is in the authority's
    /// file: one certificate or several, in PEM.
    ///
    /// # Errors
    ///
    /// [`ConfigError::InvalidRootCertificates`] if it holds no certificate, or something damaged.
    ///
    /// ```no_run
    /// # use logto_core as logto;
    /// use logto::{Logto, LogtoConfig, UreqClient};
    ///
    /// let http = UreqClient::with_root_certificates(&std::fs::read("/etc/ssl/our-root.pem")?)?;
    /// let logto = Logto::builder(LogtoConfig::new("https://logto.example.com", "my-app-id"))
    ///     .http_client(http)
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "rustls")]
    pub fn with_root_certificates(pem: &[u8]) -> Result<Self, ConfigError> {
        use ::ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

        let invalid = |reason: &str| ConfigError::InvalidRootCertificates {
            reason: reason.to_owned(),
        };
        let mut roots = Vec::new();
        for item in parse_pem(pem) {
            match item {
                Ok(PemItem::Certificate(root)) if is_sequence(root.der()) => roots.push(root),
                Ok(PemItem::Certificate(_)) | Err(_) => return Err(invalid("the text is damaged")),
                Ok(_) => {}
            }
        }
        if roots.is_empty() {
            return Err(invalid("there is no certificate in it; is it in PEM?"));
        }
        let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots));
        Ok(Self::with_defaults(
            default_config().tls_config(tls.build()),
        ))
    }

    /// With an agent of your own, for a proxy or other timeouts.
    ///
    /// Whatever the agent's settings, redirects are not followed, a status is no error, and loopback
    /// hosts are reached without a proxy. Keep its `max_idle_age` under five seconds, and give it a
    /// `timeout_global`: ureq itself waits without end. ureq reads the proxy of the environment for
    /// such an agent too, unless it is given another, or `None`.
    ///
    /// Behind a proxy, which is asked for a tunnel (`CONNECT`), so that it cannot read what is sent:
    ///
    /// ```
    /// # use logto_core as logto;
    /// use logto::UreqClient;
    /// use std::time::Duration;
    ///
    /// let agent = ureq::Agent::config_builder()
    ///     .proxy(Some(ureq::Proxy::new("http://proxy.example.com:8080")?))
    ///     .timeout_global(Some(Duration::from_secs(15)))
    ///     .max_idle_age(Duration::from_secs(4))
    ///     .build();
    /// let http = UreqClient::with_agent(agent.into());
    /// # Ok::<(), ureq::Error>(())
    /// ```
    pub fn with_agent(agent: Agent) -> Self {
        Self { agent }
    }
}

/// Whether this is one sequence in DER from end to end, as a certificate is. What is in it is looked at when
/// a server shows its own.
#[cfg(feature = "rustls")]
fn is_sequence(der: &[u8]) -> bool {
    let [0x30, length, rest @ ..] = der else {
        return false;
    };
    let (length, rest) = match length {
        0x00..=0x7f => (usize::from(*length), rest),
        0x81..=0x84 => {
            let Some((bytes, rest)) = rest.split_at_checked(usize::from(length & 0x7f)) else {
                return false;
            };
            let number = |number, byte: &u8| number << 8 | usize::from(*byte);
            (bytes.iter().fold(0, number), rest)
        }
        _ => return false,
    };
    length > 0 && length == rest.len()
}

fn default_config() -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        // No `timeout_global`: with it ureq starts a thread for each request, to look the host up.
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_send_request(Some(TRANSFER_TIMEOUT))
        .timeout_send_body(Some(TRANSFER_TIMEOUT))
        .timeout_recv_response(Some(RESPONSE_TIMEOUT))
        .timeout_recv_body(Some(TRANSFER_TIMEOUT))
        .max_idle_age(LONGEST_IDLE)
        .user_agent(concat!("logto-rust/", env!("CARGO_PKG_VERSION")))
}

impl Default for UreqClient {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for UreqClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UreqClient").finish_non_exhaustive()
    }
}

impl HttpClient for UreqClient {
    fn send(
        &self,
        request: Request<Vec<u8>>,
        body_limit: u64,
    ) -> Result<Response<Vec<u8>>, HttpError> {
        let uri = request.uri().clone();
        let failed = |error| failure(place(&uri), body_limit, error);
        let has_body = !request.body().is_empty();
        let (parts, body) = request.into_parts();
        let response = match has_body {
            true => self.run(Request::from_parts(parts, body)),
            false => self.run(Request::from_parts(parts, ())),
        }
        .map_err(failed)?;
        let (parts, body) = response.into_parts();
        let body = body.into_with_config().limit(body_limit).read_to_vec();
        Ok(Response::from_parts(parts, body.map_err(failed)?))
    }
}

impl UreqClient {
    fn run(
        &self,
        request: Request<impl ::ureq::AsSendBody>,
    ) -> Result<Response<::ureq::Body>, ::ureq::Error> {
        let has_proxy = self.agent.config().proxy().is_some();
        let is_past_proxy = has_proxy && is_loopback(request.uri());
        let connect_within = request.extensions().get::<ConnectWithin>().copied();
        let mut settings = self.agent.configure_request(request);
        if is_past_proxy {
            // Plain http is fine on this machine, and nowhere else.
            settings = settings.proxy(None);
        }
        if let Some(ConnectWithin(time)) = connect_within {
            settings = settings
                .timeout_resolve(Some(time))
                .timeout_connect(Some(time));
        }
        let request = settings
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .build();
        self.agent.run(request)
    }
}

fn is_loopback(uri: &Uri) -> bool {
    Url::parse(&uri.to_string()).is_ok_and(|url| config::is_loopback(&url))
}

/// What of ureq's errors matters to a caller: was the request sent, and is another try worth it.
fn failure(url: String, body_limit: u64, error: ::ureq::Error) -> HttpError {
    use ::ureq::{Error, Timeout};

    let source = Arc::new(error);
    match &*source {
        refusal if is_about_certificate(refusal) => HttpError::Certificate { url, source },
        Error::BodyExceedsLimit(_) => HttpError::BodyTooLarge {
            url,
            limit: body_limit,
        },
        Error::HostNotFound
        | Error::ConnectionFailed
        | Error::ConnectProxyFailed(_)
        | Error::Timeout(Timeout::Resolve | Timeout::Connect) => HttpError::Connect { url, source },
        Error::Timeout(_) => HttpError::Timeout { url, source },
        Error::Io(io) if is_before_sending(io) => HttpError::Connect { url, source },
        Error::Io(_) | Error::Protocol(_) | Error::BodyStalled => {
            HttpError::Interrupted { url, source }
        }
        _ => HttpError::Other { url, source },
    }
}

/// Each TLS library has errors of its own, which ureq hands on by its features or inside an I/O error.
fn is_about_certificate(error: &::ureq::Error) -> bool {
    use ::ureq::Error;

    match error {
        Error::BadUri(_) | Error::Protocol(_) | Error::ConnectProxyFailed(_) => false,
        Error::Io(io) if io.kind() == ErrorKind::UnexpectedEof => false,
        error => error.to_string().contains("certificate"),
    }
}

fn is_before_sending(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable
    ) || is_unknown_host(error)
}

/// The standard library has no kind for a name that does not resolve: on Unix only its message tells,
/// on Windows the codes from `WSAHOST_NOT_FOUND` to `WSANO_DATA`.
fn is_unknown_host(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(code) => cfg!(windows) && (11001..=11004).contains(&code),
        None => error.to_string().starts_with("failed to lookup address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a TLS client says first begins with a handshake record.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    fn begins_a_handshake(client: UreqClient) -> bool {
        use std::io::Read as _;
        use std::net::TcpListener;

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let mut first = [0];
            let read = listener.accept().unwrap().0.read(&mut first).unwrap();
            (read, first) == (1, [22])
        });
        let request = Request::builder().uri(url).body(Vec::new()).unwrap();
        assert!(client.send(request, 1).is_err());
        server.join().unwrap()
    }

    #[test]
    fn the_defaults_are_those_that_are_documented() {
        let config = default_config().build();
        let timeouts = config.timeouts();
        assert_eq!(timeouts.connect, Some(Duration::from_secs(5)));
        assert_eq!(timeouts.recv_response, Some(Duration::from_secs(15)));
        for transfer in [
            timeouts.send_request,
            timeouts.send_body,
            timeouts.recv_body,
        ] {
            assert_eq!(transfer, Some(Duration::from_secs(5)));
        }
        // With one of these, ureq starts a thread for each request.
        let threaded = [timeouts.global, timeouts.per_call, timeouts.resolve];
        assert_eq!(threaded, [None; 3]);
        // Logto closes a connection that was idle for five seconds.
        assert!(config.max_idle_age() < Duration::from_secs(5));
    }

    #[test]
    fn a_host_that_does_not_exist_was_sent_nothing() {
        let request = Request::builder()
            .uri("http://no-such-host.invalid/")
            .body(Vec::new())
            .unwrap();
        let error = UreqClient::new().send(request, 1).unwrap_err();
        assert!(!error.may_have_been_sent(), "{error:?}");
        assert!(error.is_retryable(), "{error:?}");
    }

    #[cfg(feature = "rustls")]
    #[test]
    fn rustls_speaks_tls() {
        assert!(begins_a_handshake(UreqClient::new()));
    }

    #[cfg(feature = "platform-verifier")]
    #[test]
    fn rustls_with_the_platforms_certificates_speaks_tls() {
        assert!(begins_a_handshake(UreqClient::with_platform_verifier()));
    }

    #[cfg(all(feature = "native-tls", not(feature = "rustls")))]
    #[test]
    fn the_only_tls_there_is_is_the_default() {
        assert!(begins_a_handshake(UreqClient::new()));
    }

    #[cfg(feature = "native-tls")]
    #[test]
    fn the_platforms_tls_speaks_tls() {
        assert!(begins_a_handshake(UreqClient::with_native_tls()));
    }
}
