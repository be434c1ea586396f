//! Requests to account, container and object servers: the one place of the proxy that touches the HTTP client.

use super::rings::Node;
use crate::http::client::{
    Answer as Heard, BodyLength, Client, ClientError, ClientOptions, Exchange, RequestHead, Timeouts,
};
use crate::http::{Body, Headers, Method, Request, Response};
use bytes::Bytes;
use std::time::Duration;

/// What is asked of one node or another: everything but the node.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The partition.
    pub partition: u32,
    /// `/account[/container[/object]]`, raw.
    pub path: Bytes,
    /// The query string.
    pub query: Bytes,
    /// Whether to use the nodes' replication network.
    pub use_replication: bool,
    /// How long a node may take for each step.
    pub node_timeout: Duration,
}

/// A client for backends.
pub struct Backend {
    client: Client,
    conn_timeout: Duration,
}

/// How a node takes the announcement of a PUT.
pub enum Announced {
    /// It wants the body.
    Wanted(Box<Upload>),
    /// It has already decided.
    Decided(Response),
}

/// A PUT to one node whose body is on its way.
pub struct Upload {
    exchange: Exchange,
}

impl Backend {
    /// A client that waits so long for a connection.
    pub fn new(conn_timeout: Duration) -> Self {
        Self { client: Client::new(ClientOptions::default()), conn_timeout }
    }

    /// Sends a request with a small body; the answer's own body is still to be read.
    pub async fn send(
        &self,
        call: &Call,
        node: &Node,
        headers: Headers,
        body: Bytes,
    ) -> Result<Response, ClientError> {
        let (host, port) = node.address(call.use_replication);
        let mut request = Request::new(call.method.clone(), path_on(node, call));
        request.query = call.query.clone();
        request.headers = headers;
        request.body = Body::full(body);
        self.client.request(host, port, request, &self.timeouts(call)).await
    }

    /// Announces a PUT with `Expect: 100-continue`. `length` is the body's where it is known.
    pub async fn announce(
        &self,
        call: &Call,
        node: &Node,
        headers: &Headers,
        length: Option<u64>,
    ) -> Result<Announced, ClientError> {
        let (host, port) = node.address(call.use_replication);
        let path = path_on(node, call);
        let head = RequestHead { method: &call.method, path: &path, query: &call.query, headers };
        // nothing may be announced where nothing would follow: no bytes at all are sent as chunks
        let length = length.filter(|n| *n > 0).map_or(BodyLength::Chunked, BodyLength::Known);
        let mut exchange = self.client.open(host, port, &head, length, &self.timeouts(call)).await?;
        Ok(match exchange.answer().await? {
            Heard::Interim { .. } => Announced::Wanted(Box::new(Upload { exchange })),
            Heard::Final(response) => Announced::Decided(response),
        })
    }

    fn timeouts(&self, call: &Call) -> Timeouts {
        Timeouts { connect: self.conn_timeout, node: call.node_timeout }
    }
}

impl Upload {
    /// Sends more of the body, waiting while the node does not take it.
    pub async fn send(&mut self, chunk: Bytes) -> Result<(), ClientError> {
        self.exchange.send(chunk).await
    }

    /// Says that this was all.
    pub async fn finish(&mut self) -> Result<(), ClientError> {
        self.exchange.finish().await
    }

    /// Waits for the node to say that it has what was sent, after which more may be; or what it says instead.
    pub async fn acknowledged(&mut self) -> Result<Option<Response>, ClientError> {
        match self.exchange.answer().await? {
            Heard::Interim { .. } => {
                self.exchange.begin_another_body();
                Ok(None)
            }
            Heard::Final(response) => Ok(Some(response)),
        }
    }

    /// What the node says to it.
    pub async fn response(&mut self) -> Result<Response, ClientError> {
        self.exchange.response().await
    }
}

fn path_on(node: &Node, call: &Call) -> Bytes {
    let mut partition = itoa::Buffer::new();
    let partition = partition.format(call.partition);
    let mut path = Vec::with_capacity(node.device().len() + partition.len() + call.path.len() + 2);
    for part in [b"/", node.device().as_bytes(), b"/", partition.as_bytes(), &call.path] {
        path.extend_from_slice(part);
    }
    path.into()
}
