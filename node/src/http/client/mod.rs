//! The client side: requests to nodes over kept-alive, pooled connections.
//!
//! [`Client::request`] does a whole request; [`Client::open`] gives an [`Exchange`] to those who must see 1xx
//! answers, send to several nodes at once, or read while they still write.

mod error;
mod exchange;
mod pool;
mod request_head;
mod resolve;
mod response_head;
#[cfg(test)]
mod tests;

pub use error::ClientError;
pub use exchange::{Answer, Exchange};
pub use request_head::{BodyLength, RequestHead};

use super::wire::reader::Reader;
use super::wire::writer::Writer;
use super::{Budget, Limits, Request, Response};
use pool::Pool;
use resolve::Resolver;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How a client treats its connections.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Bounds on answers' heads.
    pub limits: Limits,
    /// What answers' bodies in memory are taken from.
    pub budget: Budget,
    /// Idle connections kept to one address.
    pub max_idle_per_address: usize,
    /// How long a connection is kept idle. Less than servers keep theirs, so that they seldom close first.
    pub idle_timeout: Duration,
    /// How long a looked-up name is believed.
    pub name_ttl: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        let limits = Limits {
            max_request_line: 8 << 10,
            max_header_line: 64 << 10,
            max_head_size: 256 << 10,
            max_header_count: 1000,
        };
        Self {
            limits,
            budget: Budget::default(),
            max_idle_per_address: 64,
            idle_timeout: Duration::from_secs(20),
            name_ttl: Duration::from_secs(5),
        }
    }
}

/// How long a node may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To accept a connection, name lookup included (`conn_timeout`).
    pub connect: Duration,
    /// For each answer's head, each read of a body and each write (`node_timeout`).
    pub node: Duration,
}

/// A client. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    options: ClientOptions,
    pool: Pool,
    resolver: Resolver,
}

/// Both sides of a connection, and whether it served a request before.
struct Connection {
    reader: Reader,
    writer: Writer,
    reused: bool,
}

impl Client {
    /// A client without connections.
    pub fn new(options: ClientOptions) -> Self {
        let pool = Pool::new(options.max_idle_per_address, options.idle_timeout);
        let resolver = Resolver::new(options.name_ttl);
        Self { shared: Arc::new(Shared { options, pool, resolver }) }
    }

    /// Sends `request` to `host` (an address or a name) and reads the answer's head.
    ///
    /// With `Expect: 100-continue` the body is sent once the node says so. An answer that comes before the
    /// body is out (a 507, say) is returned just the same.
    pub async fn request(
        &self,
        host: &str,
        port: u16,
        mut request: Request,
        timeouts: &Timeouts,
    ) -> Result<Response, ClientError> {
        let expects_continue = request.headers.contains("Expect");
        let length = BodyLength::of(&request);
        let head = RequestHead::of(&request);
        let mut exchange = self.open(host, port, &head, length, timeouts).await?;
        if expects_continue && let Answer::Final(response) = exchange.answer().await? {
            return Ok(response);
        }
        while let Some(chunk) = request.body.next().await? {
            if let Err(error) = exchange.send(chunk).await {
                // A node that stopped reading has most likely said why.
                return exchange.response().await.map_err(|_| error);
            }
        }
        exchange.finish().await?;
        exchange.response().await
    }

    /// Connects to `host`, or takes a connection that is there, for one request. Nothing is sent yet: the head
    /// goes with the first chunk of the body, or when the answer is asked for.
    pub async fn open(
        &self,
        host: &str,
        port: u16,
        head: &RequestHead<'_>,
        length: BodyLength,
        timeouts: &Timeouts,
    ) -> Result<Exchange, ClientError> {
        let encoded = head.encode(host, port, length);
        let connection = match self.shared.pool.take(host, port) {
            Some((reader, writer)) => Connection { reader, writer, reused: true },
            None => self.shared.connect(host, port, timeouts).await?,
        };
        Ok(Exchange::new(
            self.shared.clone(),
            (host.into(), port),
            connection,
            encoded,
            length,
            head,
            timeouts,
        ))
    }
}

impl Shared {
    async fn connect(&self, host: &str, port: u16, timeouts: &Timeouts) -> Result<Connection, ClientError> {
        let failed = |source| ClientError::Connect { node: node_name(host, port), source };
        // A name's first lookup has patience of its own: what is allowed to connect is meant for an address.
        let ip = self.resolver.resolve(host).await.map_err(failed)?;
        let connected = timeout(timeouts.connect, TcpStream::connect(SocketAddr::new(ip, port))).await;
        let stream = connected.map_err(|_| failed(std::io::ErrorKind::TimedOut.into()))?.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (read, write) = stream.into_split();
        let reader = Reader::new(read, self.options.budget.clone(), timeouts.node);
        Ok(Connection { reader, writer: Writer::new(write, timeouts.node), reused: false })
    }
}

/// `host:port`, as messages name a node.
fn node_name(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
