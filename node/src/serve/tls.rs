//! TLS for a server, from `cert_file` and `key_file` (PEM). Both may be replaced while it serves: new connections get
//! the new certificate once the two go together.

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

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

/// A certificate chain and its key, as their files hold them now.
#[derive(Debug)]
pub struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    current: RwLock<Loaded>,
}

/// What was read last: the files' bytes tell whether they changed.
#[derive(Debug)]
struct Loaded {
    files: (Vec<u8>, Vec<u8>),
    certified: Arc<CertifiedKey>,
}

impl Certificate {
    /// Reads both files.
    pub fn load(cert: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let current = RwLock::new(parse(cert, key, read(cert, key)?)?);
        Ok(Arc::new(Self { cert: cert.into(), key: key.into(), current }))
    }

    /// What a listener needs to speak TLS with it.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let unusable = |source| TlsError::Unusable { cert: self.cert.clone(), key: self.key.clone(), source };
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Looks at the files every `poll` and takes new ones, until `ended`. While the two do not go together the last good
    /// ones are served.
    pub async fn follow(self: Arc<Self>, poll: Duration, ended: CancellationToken) {
        let mut told = String::new();
        while ended.run_until_cancelled(tokio::time::sleep(poll)).await.is_some() {
            let certificate = self.clone();
            match tokio::task::spawn_blocking(move || certificate.refresh()).await {
                Ok(Ok(true)) => {
                    tracing::info!(path = %self.cert.display(), "certificate replaced");
                    told.clear();
                }
                Ok(Err(error)) if error.to_string() != told => {
                    tracing::warn!(%error, "the last good certificate is served on");
                    told = error.to_string();
                }
                _ => {}
            }
        }
    }

    /// Reads the files again; whether they were others.
    fn refresh(&self) -> Result<bool, TlsError> {
        let files = read(&self.cert, &self.key)?;
        if self.current.read().files == files {
            return Ok(false);
        }
        *self.current.write() = parse(&self.cert, &self.key, files)?;
        Ok(true)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().certified.clone())
    }
}

fn read(cert: &Path, key: &Path) -> Result<(Vec<u8>, Vec<u8>), TlsError> {
    let read =
        |path: &Path| std::fs::read(path).map_err(|source| TlsError::Read { path: path.into(), source });
    Ok((read(cert)?, read(key)?))
}

fn parse(cert: &Path, key: &Path, files: (Vec<u8>, Vec<u8>)) -> Result<Loaded, TlsError> {
    let broken = |path: &Path| {
        let path = path.to_path_buf();
        move |source| TlsError::Read { path, source }
    };
    let chain: Vec<_> =
        rustls_pemfile::certs(&mut files.0.as_slice()).collect::<Result<_, _>>().map_err(broken(cert))?;
    if chain.is_empty() {
        return Err(TlsError::Missing { path: cert.into(), what: "certificate" });
    }
    let private = rustls_pemfile::private_key(&mut files.1.as_slice()).map_err(broken(key))?;
    let private = private.ok_or_else(|| TlsError::Missing { path: key.into(), what: "private key" })?;
    let certified = CertifiedKey::from_der(chain, private, &rustls::crypto::ring::default_provider())
        .map_err(|source| TlsError::Unusable { cert: cert.into(), key: key.into(), source })?;
    Ok(Loaded { files, certified: Arc::new(certified) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use swiftlet_testing::self_signed;
    use tokio_rustls::TlsConnector;

    /// Whether a client that trusts `cert` alone gets a session.
    async fn is_trusted(acceptor: &TlsAcceptor, cert: &Path) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(cert).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (client, server) = tokio::io::duplex(1 << 16);
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();
        let (connected, _) = tokio::join!(connector.connect(name, client), acceptor.accept(server));
        connected.is_ok()
    }

    #[test]
    fn a_replaced_certificate_is_served_once_its_key_is_there_too() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = self_signed(dir.path(), "old");
        let (new_cert, new_key) = self_signed(dir.path(), "new");
        let certificate = Certificate::load(&cert, &key).unwrap();
        let served = || certificate.current.read().certified.cert.clone();
        let old = served();
        assert!(!certificate.refresh().unwrap());
        std::fs::copy(&new_cert, &cert).unwrap();
        let error = certificate.refresh().unwrap_err();
        assert!(matches!(error, TlsError::Unusable { .. }), "{error}");
        assert_eq!(served(), old);
        std::fs::copy(&new_key, &key).unwrap();
        assert!(certificate.refresh().unwrap());
        assert_ne!(served(), old);
    }

    #[tokio::test]
    async fn clients_of_a_running_listener_get_the_new_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let ((old, old_key), (new, new_key)) =
            (self_signed(dir.path(), "old"), self_signed(dir.path(), "new"));
        let (cert, key) = (dir.path().join("tls.crt"), dir.path().join("tls.key"));
        std::fs::copy(&old, &cert).unwrap();
        std::fs::copy(&old_key, &key).unwrap();
        let certificate = Certificate::load(&cert, &key).unwrap();
        let acceptor = certificate.acceptor().unwrap();
        let ended = CancellationToken::new();
        let following = tokio::spawn(certificate.follow(Duration::from_millis(20), ended.clone()));
        assert!(is_trusted(&acceptor, &old).await && !is_trusted(&acceptor, &new).await);
        std::fs::copy(&new, &cert).unwrap();
        std::fs::copy(&new_key, &key).unwrap();
        let changed = async {
            while !is_trusted(&acceptor, &new).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), changed).await.expect("the new certificate is served");
        assert!(!is_trusted(&acceptor, &old).await);
        ended.cancel();
        following.await.unwrap();
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (_, key) = self_signed(dir.path(), "one");
        let error = Certificate::load(&key, &key).unwrap_err().to_string();
        assert!(error.ends_with("one.key: no certificate in it"), "{error}");
    }
}
