//! Listening sockets, bound as `bind_ip`, `bind_port`, `backlog`, `bind_timeout` and `keep_idle` say.

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use swiftlet_types::conf::{OptionError, Options};
use thiserror::Error;

/// How long an address that is in use is tried again after.
const RETRY: Duration = Duration::from_millis(100);

/// Where and how a server listens.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    /// `bind_ip`, an address or a name.
    pub bind_ip: String,
    /// `bind_port`
    pub bind_port: u16,
    /// How many connections may wait to be accepted.
    pub backlog: i32,
    /// How long an address in use is tried for.
    pub bind_timeout: Duration,
    /// After how long an idle connection is probed.
    pub keep_idle: Duration,
    /// `cert_file` and `key_file`, where the server speaks TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// `tls_bind_port`: TLS is spoken there, and `bind_port` stays plain. Swift has no such option.
    pub tls_bind_port: Option<u16>,
}

/// Why a server cannot listen.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The address has no meaning.
    #[error("bind_ip {ip}: {source}")]
    Address {
        /// The option's value.
        ip: String,
        /// Why.
        source: io::Error,
    },
    /// The socket could not be bound.
    #[error("Could not bind to {address}: {source}")]
    Bind {
        /// Where to.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Somebody else has the address, and kept it.
    #[error("Could not bind to {address} after trying for {seconds} seconds")]
    InUse {
        /// Where to.
        address: SocketAddr,
        /// `bind_timeout`
        seconds: u64,
    },
}

impl ListenOptions {
    /// Reads them. `bind_port` has no default.
    pub fn from_options(o: &Options) -> Result<Self, OptionError> {
        let port: i64 = o.int("bind_port", 0).unwrap_or(0);
        let bind_port = u16::try_from(port).ok().filter(|&port| port > 0).ok_or_else(|| {
            o.error(
                "bind_port",
                "bind_port wasn't properly set in the config file. It must be explicitly set to a valid port number.",
            )
        })?;
        let keep_idle: u16 = o.int("keep_idle", 600)?;
        if !(1..(1 << 15) - 1).contains(&keep_idle) {
            return Err(o.error("keep_idle", "must be a number of seconds from 1 to 32766"));
        }
        let tls = match (o.str("cert_file"), o.str("key_file")) {
            (Some(cert), Some(key)) => Some((cert.into(), key.into())),
            (Some(_), None) => return Err(o.error("key_file", "is missing beside cert_file")),
            _ => None,
        };
        let tls_bind_port = match o.int("tls_bind_port", 0u16)? {
            0 => None,
            _ if tls.is_none() => {
                return Err(o.error("tls_bind_port", "needs cert_file and key_file beside it"));
            }
            port => Some(port),
        };
        Ok(Self {
            bind_ip: o.str_or("bind_ip", "0.0.0.0"),
            bind_port,
            backlog: o.int("backlog", 4096)?,
            bind_timeout: Duration::from_secs(o.int("bind_timeout", 30)?),
            keep_idle: Duration::from_secs(keep_idle.into()),
            tls,
            tls_bind_port,
        })
    }

    /// Binds and listens, trying for `bind_timeout` while somebody else has the address. Blocks.
    pub fn bind(&self) -> Result<TcpListener, ListenError> {
        let address = self.address()?;
        let begun = Instant::now();
        loop {
            match self.listen(address) {
                Ok(listener) => return Ok(listener),
                Err(source) if source.kind() != io::ErrorKind::AddrInUse => {
                    return Err(ListenError::Bind { address, source });
                }
                Err(_) if begun.elapsed() >= self.bind_timeout => {
                    return Err(ListenError::InUse { address, seconds: self.bind_timeout.as_secs() });
                }
                Err(_) => std::thread::sleep(RETRY),
            }
        }
    }

    /// Where TLS is spoken beside the plain port.
    pub fn beside(&self) -> Option<Self> {
        let port = self.tls_bind_port?;
        Some(Self { bind_port: port, tls_bind_port: None, ..self.clone() })
    }

    /// Whether `bind_port` itself speaks TLS.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some() && self.tls_bind_port.is_none()
    }

    /// The address to bind.
    pub fn address(&self) -> Result<SocketAddr, ListenError> {
        let failed = |source| ListenError::Address { ip: self.bind_ip.clone(), source };
        let mut found = (self.bind_ip.as_str(), self.bind_port).to_socket_addrs().map_err(failed)?;
        found.next().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
    }

    fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        // Each worker has a socket of its own on the same port, and a reload binds beside the old ones.
        socket.set_reuse_port(true)?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(self.keep_idle))?;
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(self.backlog)?;
        Ok(socket.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().fold(Options::new("f", "DEFAULT"), |o, (k, v)| o.with(k, v))
    }

    #[test]
    fn a_port_must_be_given() {
        for pairs in [&[][..], &[("bind_port", "0")], &[("bind_port", "65536")], &[("bind_port", "x")]] {
            let error = ListenOptions::from_options(&options(pairs)).unwrap_err();
            assert!(error.to_string().contains("bind_port wasn't properly set"), "{error}");
        }
    }

    #[test]
    fn tls_beside_a_plain_port_needs_a_certificate() {
        let plain = [("bind_port", "8080"), ("tls_bind_port", "8443")];
        let error = ListenOptions::from_options(&options(&plain)).unwrap_err();
        assert!(error.to_string().contains("tls_bind_port"), "{error}");
        let both = [&plain[..], &[("cert_file", "c"), ("key_file", "k")]].concat();
        let listen = ListenOptions::from_options(&options(&both)).unwrap();
        assert!(!listen.is_secure());
        let beside = listen.beside().unwrap();
        assert_eq!((beside.bind_port, beside.is_secure()), (8443, true));
    }

    #[test]
    fn an_address_that_somebody_has_is_refused_in_time() {
        // One that nobody else takes when it is given up below.
        let port = swiftlet_testing::free_port();
        let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = port.to_string();
        let o = options(&[("bind_ip", "127.0.0.1"), ("bind_port", &port), ("bind_timeout", "0")]);
        let listen = ListenOptions::from_options(&o).unwrap();
        let error = listen.bind().unwrap_err();
        assert!(matches!(error, ListenError::InUse { .. }), "{error}");
        drop(taken);
        let first = listen.bind().unwrap();
        // A second worker's socket.
        assert_eq!(listen.bind().unwrap().local_addr().unwrap(), first.local_addr().unwrap());
    }
}
