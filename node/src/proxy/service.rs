//! The pipeline as what a listener serves: each request of a client gets an environment of its own.

use super::app::{App, Env, ProxyRequest};
use crate::http::service::Service;
use crate::http::{Request, Response};
use async_trait::async_trait;
use std::net::SocketAddr;
use std::sync::Arc;

/// A pipeline behind one listener.
pub struct ProxyService {
    app: Arc<dyn App>,
    local: Option<SocketAddr>,
    secure: bool,
}

impl ProxyService {
    /// Serves `app` on the listener at `local`; `secure` where that speaks TLS. URLs in answers follow from both.
    pub fn new(app: Arc<dyn App>, local: Option<SocketAddr>, secure: bool) -> Self {
        Self { app, local, secure }
    }
}

#[async_trait]
impl Service for ProxyService {
    async fn call(&self, http: Request) -> Response {
        let env = Env { local: self.local, secure: self.secure, version: http.version, ..Env::default() };
        self.app.call(ProxyRequest { http, env }).await
    }
}
