//! One memcached server: its bounded pool of connections, and whether it failed too often to be asked.

use super::connection::{Command, Connection, MemcacheError, Reply, Stream};
use super::options::{ErrorLimit, Options};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// memcached's port where a server is named without one.
const DEFAULT_PORT: u16 = 11211;

/// A server's name that is no `host`, `host:port`, `[v6]` or `[v6]:port`.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0:?} is no memcached server: expected host, host:port or [IPv6 address]:port")]
pub struct BadServer(pub String);

/// One server.
pub struct Server {
    host: String,
    port: u16,
    permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
    errors: Mutex<Errors>,
}

#[derive(Default)]
struct Errors {
    recent: VecDeque<Instant>,
    limited_until: Option<Instant>,
}

/// A failure, and what was being done (Swift's word for its log line).
pub struct Failure {
    pub action: &'static str,
    pub error: MemcacheError,
}

impl Server {
    /// The server called `name`, with at most `max_connections` at once.
    pub fn new(name: &str, max_connections: usize) -> Result<Self, BadServer> {
        let (host, port) = parse_address(name).ok_or_else(|| BadServer(name.into()))?;
        Ok(Self {
            host,
            port,
            permits: Semaphore::new(max_connections),
            idle: Mutex::default(),
            errors: Mutex::default(),
        })
    }

    /// Runs `command` here.
    pub async fn run(
        &self,
        hashed_key: &str,
        command: &Command<'_>,
        options: &Options,
        tls: Option<&TlsConnector>,
    ) -> Result<Reply, Failure> {
        let while_doing = |action| move |error| Failure { action, error };
        let _permit = match timeout(options.pool_timeout, self.permits.acquire()).await {
            Ok(permit) => permit.expect("the semaphore is never closed"),
            Err(_) => {
                return Err(while_doing("getting a connection")(MemcacheError::Timeout("for a connection")));
            }
        };
        let idle = self.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => match timeout(options.connect_timeout, self.connect(tls)).await {
                Ok(connected) => connected.map_err(while_doing("connecting"))?,
                Err(_) => return Err(while_doing("connecting")(MemcacheError::Timeout("connecting"))),
            },
        };
        match timeout(options.io_timeout, connection.run(hashed_key, command)).await {
            Err(_) => Err(while_doing("talking")(MemcacheError::Timeout("talking"))),
            Ok(Ok(reply)) => {
                self.idle.lock().push(connection);
                Ok(reply)
            }
            Ok(Err(error)) => Err(while_doing("talking")(error)),
        }
    }

    async fn connect(&self, tls: Option<&TlsConnector>) -> Result<Connection, MemcacheError> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(tcp),
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
                Box::new(tls.connect(name, tcp).await?)
            }
        };
        Ok(Connection::new(stream))
    }

    /// Whether it failed so often that it is left alone for a while.
    pub fn is_error_limited(&self) -> bool {
        self.errors.lock().limited_until.is_some_and(|until| until > Instant::now())
    }

    /// Remembers a failure; whether it is now left alone.
    pub fn count_error(&self, limit: &ErrorLimit) -> bool {
        if limit.interval == Duration::ZERO {
            return false;
        }
        let now = Instant::now();
        let mut errors = self.errors.lock();
        errors.recent.push_back(now);
        while errors.recent.front().is_some_and(|at| now.duration_since(*at) >= limit.interval) {
            errors.recent.pop_front();
        }
        let too_many = errors.recent.len() as f64 > limit.count;
        if too_many {
            // As many as count are enough to remember: the list stays bounded under a flood of errors.
            errors.recent.pop_front();
            errors.limited_until = Some(now + limit.interval);
        }
        too_many
    }
}

/// Host and port of `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address.
fn parse_address(name: &str) -> Option<(String, u16)> {
    let (host, port) = if let Some(rest) = name.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return None,
        }
    } else if name.matches(':').count() == 1 {
        name.split_once(':').map(|(host, port)| (host, Some(port)))?
    } else {
        (name, None)
    };
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (name, host, port) in [
            ("127.0.0.1", "127.0.0.1", 11211),
            ("cache:1", "cache", 1),
            ("[::1]:2", "::1", 2),
            ("[::1]", "::1", 11211),
            ("fe80::1", "fe80::1", 11211),
        ] {
            assert_eq!(parse_address(name), Some((host.to_owned(), port)), "{name}");
        }
        for name in ["", "a:b", "a:70000", "[::1]x", "[::1", ":1"] {
            assert_eq!(parse_address(name), None, "{name}");
        }
    }

    #[test]
    fn is_left_alone_after_too_many_errors() {
        let server = Server::new("127.0.0.1", 1).unwrap();
        let limit = ErrorLimit { interval: Duration::from_millis(40), count: 2.0 };
        assert!(!server.count_error(&limit) && !server.count_error(&limit));
        assert!(!server.is_error_limited());
        assert!(server.count_error(&limit) && server.is_error_limited());
        std::thread::sleep(Duration::from_millis(50));
        assert!(!server.is_error_limited());
        assert!(
            !server.count_error(&ErrorLimit { interval: Duration::ZERO, count: 0.0 }),
            "0 switches it off"
        );
    }
}
