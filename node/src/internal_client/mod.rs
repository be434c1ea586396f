//! Requests that daemons make to the cluster as a whole, through a proxy pipeline of their own in this process: no
//! socket, no client's rights, and headers for backends that no proxy would let pass.
//!
//! A daemon knows this room and not the proxy. What goes to one server alone is `direct_client`'s.

mod listing;
mod setup;
#[cfg(test)]
mod tests;

pub use listing::{Entry, Listing};
pub use setup::{ClientFile, SetupError};

use crate::http::{Body, BodyError, Headers, Method, Request, Response};
use crate::proxy::app::{App, Env, ProxyRequest};
use crate::proxy::rings::Rings;
use crate::proxy::subrequest;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use swiftlet_ring::SharedRing;
use thiserror::Error;

/// How often ring files are looked at for changes.
const RING_POLL: Duration = Duration::from_secs(15);
/// What of an answer's body is read that nobody asked for: enough for an error's text, and to keep its connection.
const MAX_DRAINED_BYTES: usize = 64 << 10;
/// How much of an error's text is told on.
const MAX_TOLD_BYTES: usize = 200;

/// Statuses that are no error: a whole class (2), or one alone (404).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepts(pub &'static [u16]);

impl Accepts {
    /// Every 2xx.
    pub const SUCCESS: Self = Self(&[2]);
    /// The same, or that there is no such thing.
    pub const SUCCESS_OR_NOT_FOUND: Self = Self(&[2, 404]);

    fn takes(self, status: u16) -> bool {
        self.0.contains(&status) || self.0.contains(&(status / 100))
    }
}

/// Why a request came to nothing.
#[derive(Debug, Error)]
pub enum InternalError {
    /// The cluster answered what is not accepted.
    #[error("Unexpected response: {status}{}{}", if text.is_empty() { "" } else { " " }, text)]
    Unexpected {
        /// The status.
        status: u16,
        /// The beginning of what it said.
        text: String,
    },
    /// The answer broke off.
    #[error("reading the answer: {0}")]
    Body(#[from] BodyError),
    /// What should be a listing is none.
    #[error("not a listing: {0}")]
    NoListing(#[from] serde_json::Error),
}

impl InternalError {
    /// The status that was not accepted.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Unexpected { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// The name of an account, a container or an object, as requests have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Bytes);

impl Path {
    /// That of an account.
    pub fn account(account: &str) -> Self {
        Self(format!("/v1/{account}").into())
    }

    /// That of a container.
    pub fn container(account: &str, container: &str) -> Self {
        Self(format!("/v1/{account}/{container}").into())
    }

    /// That of an object.
    pub fn object(account: &str, container: &str, object: &str) -> Self {
        Self(format!("/v1/{account}/{container}/{object}").into())
    }
}

/// A request. Its body is sent once: only one whose body is at hand as a whole is tried again.
#[derive(Debug)]
pub struct Ask {
    method: Method,
    path: Path,
    query: Bytes,
    headers: Headers,
    body: Body,
}

impl Ask {
    /// A request without body.
    pub fn new(method: Method, path: Path) -> Self {
        Self { method, path, query: Bytes::new(), headers: Headers::new(), body: Body::empty() }
    }

    /// With this query string.
    pub fn query(mut self, query: impl Into<Bytes>) -> Self {
        self.query = query.into();
        self
    }

    /// With one more header field.
    pub fn with(mut self, name: &'static str, value: impl Into<Bytes>) -> Self {
        self.headers.set(name, value);
        self
    }

    /// With these header fields and this body.
    pub fn upload(mut self, headers: Headers, body: Body) -> Self {
        headers.iter().for_each(|(name, value)| self.headers.set(name.clone(), value.clone()));
        self.body = body;
        self
    }

    fn to_http(&self, user_agent: &str, body: Body) -> Request {
        let mut http = Request::new(self.method.clone(), self.path.0.clone());
        http.query = self.query.clone();
        http.headers = self.headers.clone();
        http.headers.set("User-Agent", user_agent.to_owned());
        for (name, value) in
            [("X-Backend-Allow-Reserved-Names", "true"), ("X-Backend-Use-Replication-Network", "true")]
        {
            if !http.headers.contains(name) {
                http.headers.set(name, value);
            }
        }
        if let (Method::Put, None) = (&self.method, body.len()) {
            http.headers.set("Transfer-Encoding", "chunked");
        }
        http.body = body;
        http
    }
}

/// A daemon's client of its cluster.
pub struct InternalClient {
    app: Arc<dyn App>,
    rings: Arc<Rings>,
    rings_looked_at: Mutex<Instant>,
    user_agent: String,
    request_tries: u32,
    /// What the first pause between two tries is; each one is twice as long as the one before.
    first_pause: Duration,
}

impl InternalClient {
    /// The containers' ring, for what goes to one server alone.
    pub fn container_ring(&self) -> Arc<SharedRing> {
        self.rings.shared_container()
    }

    /// Whether objects of that policy can be moved about: it is one, and its partition power is not being increased.
    pub fn is_policy_settled(&self, policy_index: u32) -> bool {
        self.rings.object(policy_index).is_some_and(|ring| ring.next_part_power().is_none())
    }

    /// Sends the request, once more after a while where the cluster fails; the answer's body is still to be read.
    pub async fn send(&self, mut ask: Ask, accepts: Accepts) -> Result<Response, InternalError> {
        self.look_at_rings().await;
        let mut pause = self.first_pause;
        let mut tries_left = self.request_tries;
        loop {
            let again = ask.body.full_bytes().cloned();
            let body = std::mem::replace(&mut ask.body, Body::empty());
            let http = ask.to_http(&self.user_agent, body);
            let mut response = self.app.call(ProxyRequest { http, env: Env::default() }).await;
            if accepts.takes(response.status) {
                return Ok(response);
            }
            tries_left = tries_left.saturating_sub(1);
            let error = unexpected(&mut response).await;
            match again {
                Some(bytes) if response.status >= 500 && tries_left > 0 => ask.body = bytes.into(),
                _ => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// Sends the request and reads the answer to its end; its status.
    pub async fn settle(&self, ask: Ask, accepts: Accepts) -> Result<u16, InternalError> {
        let mut response = self.send(ask, accepts).await?;
        // one that is long or breaks off ends with its connection
        let _ = response.body.read_all(MAX_DRAINED_BYTES).await;
        Ok(response.status)
    }

    /// How many containers and objects an account has; none where there is no such account.
    pub async fn account_counts(&self, account: &str) -> Result<(u64, u64), InternalError> {
        let ask = Ask::new(Method::Head, Path::account(account));
        let response = self.send(ask, Accepts::SUCCESS_OR_NOT_FOUND).await?;
        if !response.is_success() {
            return Ok((0, 0));
        }
        let count = |name| response.headers.get_str(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok((count("X-Account-Container-Count"), count("X-Account-Object-Count")))
    }

    /// The containers of an account, or the objects of a container, page after page.
    pub fn listing(&self, path: Path, accepts: Accepts) -> Listing<'_> {
        Listing::new(self, path, accepts)
    }

    /// Rings are looked at as they are used: a daemon that sleeps needs none.
    async fn look_at_rings(&self) {
        let is_due = {
            let mut looked_at = self.rings_looked_at.lock();
            let is_due = looked_at.elapsed() >= RING_POLL;
            if is_due {
                *looked_at = Instant::now();
            }
            is_due
        };
        if is_due {
            self.rings.clone().look().await;
        }
    }
}

/// The object in an answer, as the body of an [`Ask`].
pub fn body_of(answer: &mut Response) -> Body {
    match subrequest::length_of(answer) {
        Some(length) => subrequest::body_of(answer, length),
        None => {
            let body = std::mem::replace(&mut answer.body, Body::empty());
            Body::stream(None, subrequest::SourceBody(body))
        }
    }
}

async fn unexpected(response: &mut Response) -> InternalError {
    // nobody accepted it: whether all of its text can be had does not matter
    let text = match response.is_success() {
        true => Bytes::new(),
        false => response.body.read_all(MAX_DRAINED_BYTES).await.unwrap_or_default(),
    };
    let told = String::from_utf8_lossy(&text[..text.len().min(MAX_TOLD_BYTES)]).into_owned();
    InternalError::Unexpected { status: response.status, text: told }
}
