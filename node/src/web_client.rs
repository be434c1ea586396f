//! A client of web services that are none of Swift's: an external user system, an auth end point.
//!
//! HTTP and HTTPS with verified certificates, connections kept alive, one bounded body each way. Swift's own traffic
//! goes through `http::client`.

use crate::http::{Body, BodyError};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Idle connections kept to one service.
const MAX_IDLE: usize = 8;
/// How long one is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// The body of a request.
type Sent = UnsyncBoxBody<Bytes, BodyError>;

/// Why a service gave no answer.
#[derive(Debug, Error)]
pub enum WebClientError {
    /// The authorities' file cannot be used.
    #[error("{path}: {why}", path = path.display())]
    Authorities {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// It did not answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// It cannot be reached, or does not speak HTTP.
    #[error("{0}")]
    Failed(String),
    /// Its answer is not to be read.
    #[error("cannot read the answer: {0}")]
    Body(String),
}

/// What a service answered.
#[derive(Debug)]
pub struct WebAnswer {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// How long a service may take, and how much it may say.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To accept a connection.
    pub connect_timeout: Duration,
    /// For the whole of a request and its answer.
    pub timeout: Duration,
    /// The longest body of an answer, in bytes.
    pub max_body_bytes: usize,
}

/// A client. Clones share their connections.
#[derive(Clone)]
pub struct WebClient {
    client: Client<HttpsConnector<HttpConnector>, Sent>,
    limits: Limits,
}

impl WebClient {
    /// A client that believes the authorities in the PEM file `authorities`, or, without one, those of the system.
    pub fn new(authorities: Option<&Path>, limits: Limits) -> Result<Self, WebClientError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(limits.connect_timeout));
        connector.set_nodelay(true);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots(authorities)?)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(MAX_IDLE)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self { client, limits })
    }

    /// Sends `request` and reads the whole answer.
    pub async fn send(&self, request: Request<Bytes>) -> Result<WebAnswer, WebClientError> {
        let timeout = self.limits.timeout;
        let whole = |bytes| Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
        let exchange = self.exchange(request.map(whole));
        tokio::time::timeout(timeout, exchange).await.map_err(|_| WebClientError::Timeout(timeout))?
    }

    /// Sends `request` with `body` as it comes, and reads the whole answer. It may take as long as it gets on: only
    /// without any progress for the limits' time is it given up.
    pub async fn upload(&self, request: Request<()>, body: Body) -> Result<WebAnswer, WebClientError> {
        let progress = Arc::new(Mutex::new(Instant::now()));
        let noted = progress.clone();
        let chunks = stream::try_unfold((body, noted), |(mut body, noted)| async move {
            *noted.lock() = Instant::now();
            let chunk = body.next().await?;
            Ok(chunk.map(|chunk| (Frame::data(chunk), (body, noted))))
        });
        let mut exchange = pin!(self.exchange(request.map(|()| StreamBody::new(chunks).boxed_unsync())));
        let timeout = self.limits.timeout;
        loop {
            let until = *progress.lock() + timeout;
            tokio::select! {
                answer = &mut exchange => return answer,
                () = tokio::time::sleep_until(until.into()) => {
                    if progress.lock().elapsed() >= timeout {
                        return Err(WebClientError::Timeout(timeout));
                    }
                }
            }
        }
    }

    async fn exchange(&self, request: Request<Sent>) -> Result<WebAnswer, WebClientError> {
        let response = self.client.request(request).await;
        let response = response.map_err(|error| WebClientError::Failed(causes(&error)))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, self.limits.max_body_bytes).collect().await;
        let body = body.map_err(|error| WebClientError::Body(error.to_string()))?.to_bytes();
        Ok(WebAnswer { status: head.status.as_u16(), headers: head.headers, body })
    }
}

fn roots(authorities: Option<&Path>) -> Result<RootCertStore, WebClientError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = authorities else {
        // Where the system has none, https fails when it is used, and says so.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let fail = |why: String| WebClientError::Authorities { path: path.to_owned(), why };
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| fail(error.to_string()))?;
    if certificates.is_empty() {
        return Err(fail("holds no certificate".into()));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| fail(error.to_string()))?;
    }
    Ok(roots)
}

/// An error and what caused it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
