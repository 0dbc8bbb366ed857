//! A Logto behind TLS, with a certificate authority of its own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use logto::storage::MemoryStorage;
use logto::{HttpError, Logto, LogtoConfig, LogtoError, UreqClient};
use logto_testing::{Endpoint, FakeApp, FakeLogto};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::raw::read_request;

const REDIRECT_URI: &str = "http://localhost:3000/callback";

/// A fake Logto whose public address is https.
pub struct TlsLogto {
    fake: FakeLogto,
    origin: String,
    /// The authority's certificate, as a company hands it out.
    pub root_pem: String,
}

impl TlsLogto {
    /// Its public origin is made of the address at which TLS is spoken.
    pub fn start(origin: impl FnOnce(SocketAddr) -> String) -> (Self, SocketAddr) {
        let fake = FakeLogto::builder().app(FakeApp::native("app")).start();
        let (root_pem, config) = authority(&["127.0.0.1", "logto.example.com"]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let origin = origin(address);
        let inside: SocketAddr = fake.endpoint()["http://".len()..].parse().unwrap();
        thread::spawn(move || terminate(&listener, &config, inside));
        let (from, to) = (fake.endpoint().to_owned(), origin.clone());
        fake.tamper_response(Endpoint::Discovery, move |metadata| {
            let text = metadata.to_string().replace(&from, &to);
            *metadata = serde_json::from_str(&text).unwrap();
        });
        let issuer = format!("{origin}/oidc");
        fake.tamper_id_token(move |_, claims| {
            claims.insert("iss".to_owned(), issuer.clone().into());
        });
        let logto = Self {
            fake,
            origin,
            root_pem,
        };
        (logto, address)
    }

    /// A whole sign-in, over this HTTP client alone.
    pub fn sign_in(&self, http: UreqClient) -> Result<(), LogtoError> {
        let config = LogtoConfig::new(&self.origin, "app");
        let logto = Logto::builder(config).http_client(http).build()?;
        let client = logto.client(MemoryStorage::new());
        let sign_in = client.sign_in(REDIRECT_URI)?;
        let inside = sign_in.replace(&self.origin, self.fake.endpoint());
        let callback = self.fake.authorize(&inside);
        let encode = |url: &str| url.replace(':', "%3A").replace('/', "%2F");
        let callback = callback.replace(&encode(self.fake.endpoint()), &encode(&self.origin));
        client.handle_sign_in_callback(&callback)?;
        client.fetch_user_info()?;
        Ok(())
    }

    /// How many requests came over the wire; the browser's do not.
    pub fn requests(&self) -> usize {
        let requests = self.fake.requests();
        requests.iter().filter(|one| one.connection != 0).count()
    }
}

/// The settings of an agent that trusts this authority.
pub fn trusting(root_pem: &str) -> TlsConfig {
    let root = Certificate::from_pem(root_pem.as_bytes()).unwrap();
    TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&[root]))
        .build()
}

/// A new authority, and a server's settings with a certificate of it.
fn authority(names: &[&str]) -> (String, Arc<ServerConfig>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(names).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (root.pem(), Arc::new(config))
}

/// Hands requests on to the server inside, one a connection.
fn terminate(listener: &TcpListener, config: &Arc<ServerConfig>, inside: SocketAddr) {
    for stream in listener.incoming().flatten() {
        let config = Arc::clone(config);
        thread::spawn(move || {
            let connection = ServerConnection::new(config).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            // A client that refuses the certificate sends no request.
            let Ok(request) = read_request(&mut stream) else {
                return;
            };
            let answer = ask_inside(&request, inside);
            if stream.write_all(&answer).is_ok() {
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
    }
}

fn ask_inside(request: &[u8], inside: SocketAddr) -> Vec<u8> {
    let is_kept = |line: &&str| !line.to_ascii_lowercase().starts_with("host:");
    let request = std::str::from_utf8(request).unwrap();
    let (line, rest) = request.split_once("\r\n").unwrap();
    let rest: String = rest.split_inclusive("\r\n").filter(is_kept).collect();
    let request = format!("{line}\r\nHost: {inside}\r\nConnection: close\r\n{rest}");
    let mut stream = TcpStream::connect(inside).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn a_private_authority_is_trusted_where_its_root_is_given() {
    let (logto, _) = TlsLogto::start(|address| format!("https://{address}"));
    let (other, _) = authority(&["127.0.0.1"]);
    let several = format!("{other}\n{}", logto.root_pem);
    let http = UreqClient::with_root_certificates(several.as_bytes()).unwrap();
    logto.sign_in(http).unwrap();
    let http = UreqClient::with_root_certificates(other.as_bytes()).unwrap();
    logto.sign_in(http).unwrap_err();
}

#[test]
fn what_is_no_root_certificate_is_refused_at_once() {
    let (root, _) = authority(&["127.0.0.1"]);
    let damaged = root.replace("-----END", "----END");
    let cut = format!("{}\n-----END CERTIFICATE-----\n", &root[..200]);
    let empty = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let key = KeyPair::generate().unwrap().serialize_pem();
    for (pem, reason) in [
        ("", "no certificate"),
        ("/etc/ssl/our-root.pem", "no certificate"),
        (&key, "no certificate"),
        (&damaged, "damaged"),
        (&cut, "damaged"),
        (empty, "damaged"),
    ] {
        let error = UreqClient::with_root_certificates(pem.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(reason), "{pem}: {error}");
    }
}

#[test]
fn a_private_authority_is_trusted_by_an_agent_that_is_told_to() {
    let (logto, _) = TlsLogto::start(|address| format!("https://{address}"));
    let config = ureq::Agent::config_builder().tls_config(trusting(&logto.root_pem));
    let http = UreqClient::with_agent(config.build().into());
    logto.sign_in(http).unwrap();
    assert_eq!(logto.requests(), 4, "discovery, token, keys, user info");
}

#[test]
fn a_private_authority_is_not_trusted_by_itself() {
    let (logto, _) = TlsLogto::start(|address| format!("https://{address}"));
    let (other, _) = authority(&["127.0.0.1"]);
    let config = ureq::Agent::config_builder().tls_config(trusting(&other));
    for http in [
        UreqClient::new(),
        UreqClient::with_agent(config.build().into()),
    ] {
        let error = logto.sign_in(http).unwrap_err();
        let LogtoError::Http(http) = &error else {
            panic!("{error:?}");
        };
        assert!(matches!(**http, HttpError::Certificate { .. }), "{error:?}");
        assert!(!http.is_retryable() && !http.may_have_been_sent());
        assert!(error.to_string().contains("root certificate"), "{error}");
    }
    assert_eq!(logto.requests(), 0);
}

#[test]
fn a_certificate_of_another_host_is_refused() {
    let (logto, _) = TlsLogto::start(|address| format!("https://localhost:{}", address.port()));
    let config = ureq::Agent::config_builder().tls_config(trusting(&logto.root_pem));
    let http = UreqClient::with_agent(config.build().into());
    let error = logto.sign_in(http).unwrap_err();
    let is_certificate =
        matches!(&error, LogtoError::Http(e) if matches!(**e, HttpError::Certificate { .. }));
    assert!(is_certificate, "{error:?}");
    assert_eq!(logto.requests(), 0);
}
