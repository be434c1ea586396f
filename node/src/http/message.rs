//! Requests and responses.

use super::{Body, BodyError, Headers};
use async_trait::async_trait;
use bytes::Bytes;
use std::net::SocketAddr;

/// A request method. Swift's own verbs beside HTTP's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say all there is
pub enum Method {
    Get,
    Head,
    Put,
    Post,
    Delete,
    Copy,
    Options,
    Update,
    Replicate,
    Ssync,
    Other(Box<str>),
}

impl Method {
    /// The method called `name` (methods are case-sensitive).
    pub fn from_name(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "PUT" => Self::Put,
            "POST" => Self::Post,
            "DELETE" => Self::Delete,
            "COPY" => Self::Copy,
            "OPTIONS" => Self::Options,
            "UPDATE" => Self::Update,
            "REPLICATE" => Self::Replicate,
            "SSYNC" => Self::Ssync,
            other => Self::Other(other.into()),
        }
    }

    /// Its name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Copy => "COPY",
            Self::Options => "OPTIONS",
            Self::Update => "UPDATE",
            Self::Replicate => "REPLICATE",
            Self::Ssync => "SSYNC",
            Self::Other(name) => name,
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Sends 1xx answers ahead of the final one, as a client asked with `Expect: 100-continue`.
#[async_trait]
pub trait Interim: Send + Sync {
    /// Sends an answer of this status (`100`) with these header fields. It may be called more than once; the
    /// first call takes the place of the plain `100 Continue` that reading the body would send.
    async fn send(&self, status: u16, headers: Headers) -> Result<(), BodyError>;

    /// The body that follows on the one that has ended, to be asked for after a further 100: Swift's uploads of two
    /// phases have one for each. `None` where nothing can follow.
    fn next_body(&self) -> Option<Body> {
        None
    }
}

/// The protocol version as far as it matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names say all there is
pub enum Version {
    Http10,
    #[default]
    Http11,
}

impl Version {
    /// As the request line has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}

/// A request, as it came or as it is to be sent.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, percent-decoded: raw bytes, with its leading slash.
    pub path: Bytes,
    /// The query string as it stands in the request line, without `?`; empty where there is none.
    pub query: Bytes,
    /// What the client speaks; requests are always sent as HTTP/1.1.
    pub version: Version,
    /// The header fields.
    pub headers: Headers,
    /// The body; reading from it sends `100 Continue` first where the client waits for it.
    pub body: Body,
    /// Who sent it; unspecified for requests made inside this process.
    pub peer: SocketAddr,
    /// How to send 1xx answers; only where the client said that it waits for them.
    pub interim: Option<Box<dyn Interim>>,
}

impl Request {
    /// A request without body, made inside this process. `path` is not percent-encoded.
    pub fn new(method: Method, path: impl Into<Bytes>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Bytes::new(),
            version: Version::default(),
            headers: Headers::new(),
            body: Body::empty(),
            peer: SocketAddr::from(([0, 0, 0, 0], 0)),
            interim: None,
        }
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?}", self.method, self.path.escape_ascii(), self.headers)
    }
}

/// A response, as it came or as it is to be sent.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The reason phrase where it is not the usual one of `status`.
    pub reason: Option<Bytes>,
    /// The header fields. `Content-Length` or `Transfer-Encoding`, `Connection` and `Date` are the
    /// connection's business when sending; a HEAD answer may carry its own `Content-Length`.
    pub headers: Headers,
    /// The body.
    pub body: Body,
}

impl Response {
    /// A response without body.
    pub fn new(status: u16) -> Self {
        Self { status, reason: None, headers: Headers::new(), body: Body::empty() }
    }

    /// The same with one more header field set.
    pub fn with(mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.headers.set(name, value);
        self
    }

    /// The same with this body.
    pub fn with_body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        self.status / 100 == 2
    }
}
