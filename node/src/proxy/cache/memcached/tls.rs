//! TLS to memcached.

use super::options::TlsFiles;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use thiserror::Error;
use tokio_rustls::TlsConnector;

/// Why TLS to memcached cannot be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of the kind it should.
    #[error("TLS to memcached: {path}: {why}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The certificate and the key do not fit.
    #[error("TLS to memcached: {0}")]
    Config(#[from] rustls::Error),
}

/// A connector of these files.
pub fn connector(files: &TlsFiles) -> Result<TlsConnector, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.authorities)? {
        roots.add(certificate)?;
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let config = match &files.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let parsed = PrivateKeyDer::from_pem_file(key).map_err(|error| file_error(key, error))?;
            builder.with_client_auth_cert(certificates(certificate)?, parsed)?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| file_error(path, error))?;
    if found.is_empty() {
        return Err(file_error(path, "holds no certificate"));
    }
    Ok(found)
}

fn file_error(path: &str, why: impl std::fmt::Display) -> TlsError {
    TlsError::File { path: path.to_owned(), why: why.to_string() }
}
