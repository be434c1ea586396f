//! TLS for a server, from `cert_file` and `key_file` (PEM).

use rustls::ServerConfig;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// Why TLS cannot be served.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds none of what it should.
    #[error("{path}: no {what} in it")]
    Missing {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// The two do not go together, or are of a kind that is not known.
    #[error("{cert} and {key}: {source}")]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

fn read(path: &Path) -> impl Fn(io::Error) -> TlsError {
    move |source| TlsError::Read { path: path.into(), source }
}

/// Reads a certificate chain and its key.
pub fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let open = |path: &Path| File::open(path).map(BufReader::new).map_err(read(path));
    let chain: Vec<_> =
        rustls_pemfile::certs(&mut open(cert)?).collect::<Result<_, _>>().map_err(read(cert))?;
    if chain.is_empty() {
        return Err(TlsError::Missing { path: cert.into(), what: "certificate" });
    }
    let private = rustls_pemfile::private_key(&mut open(key)?).map_err(read(key))?;
    let private = private.ok_or_else(|| TlsError::Missing { path: key.into(), what: "private key" })?;
    let unusable = |source| TlsError::Unusable { cert: cert.into(), key: key.into(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
