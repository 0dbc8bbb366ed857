//! TLS by rustls with ring, whatever the process's default is.

use std::sync::Arc;

use logto_core::StorageError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::error::{Failure, refused_setting};

use super::connection::Socket;

pub(super) type TlsStream = StreamOwned<ClientConnection, Socket>;

/// Whose certificates are trusted.
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts these certificates (PEM), and the system's if there are none.
    pub(super) fn trusting(certificates: &[String]) -> Result<Self, StorageError> {
        let roots = match certificates.is_empty() {
            true => system_roots()?,
            false => own_roots(certificates)?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| refused_setting("TLS has no protocol version in common with ring"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// The handshake is done with the first bytes.
    pub(super) fn begin(&self, host: &str, socket: Socket) -> Result<TlsStream, Failure> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Failure::Tls(rustls::Error::UnsupportedNameType))?;
        let connection = ClientConnection::new(Arc::clone(&self.0), name).map_err(Failure::Tls)?;
        Ok(StreamOwned::new(connection, socket))
    }
}

fn own_roots(certificates: &[String]) -> Result<RootCertStore, StorageError> {
    let unusable = || refused_setting("`root_certificate` must be given certificates in PEM");
    let mut roots = RootCertStore::empty();
    for pem in certificates {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| unusable())?;
            roots.add(certificate).map_err(|_| unusable())?;
        }
        if roots.len() == before {
            return Err(unusable());
        }
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, StorageError> {
    let mut roots = RootCertStore::empty();
    // Those that cannot be read are left out, as by every other program.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err(refused_setting(
            "the system has no trusted certificates; give the server's authority (`root_certificate`)",
        )),
        false => Ok(roots),
    }
}
