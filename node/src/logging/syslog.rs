//! Datagrams to the system's log.

use parking_lot::Mutex;
use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use tracing::Level;

/// Facility names and their numbers.
const FACILITIES: [(&str, u8); 20] = [
    ("KERN", 0),
    ("USER", 1),
    ("MAIL", 2),
    ("DAEMON", 3),
    ("AUTH", 4),
    ("SYSLOG", 5),
    ("LPR", 6),
    ("NEWS", 7),
    ("UUCP", 8),
    ("CRON", 9),
    ("AUTHPRIV", 10),
    ("FTP", 11),
    ("LOCAL0", 16),
    ("LOCAL1", 17),
    ("LOCAL2", 18),
    ("LOCAL3", 19),
    ("LOCAL4", 20),
    ("LOCAL5", 21),
    ("LOCAL6", 22),
    ("LOCAL7", 23),
];

/// The number of `LOG_LOCAL0` and the like.
pub(super) fn facility(name: &str) -> Option<u8> {
    let name = name.strip_prefix("LOG_").unwrap_or(name);
    FACILITIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, number)| *number)
}

/// A way to the system's log. Lines that it cannot take are lost: no request waits for a log.
pub(super) struct Syslog {
    facility: u8,
    target: Target,
    socket: Mutex<Option<Socket>>,
}

enum Target {
    /// A Unix socket; where there is none, UDP to this machine, as Python does.
    Unix(String),
    Udp(String, u16),
}

enum Socket {
    Unix(UnixDatagram),
    Udp(UdpSocket),
}

impl Syslog {
    pub(super) fn new(facility: u8, address: &str, udp: Option<(String, u16)>) -> Self {
        let target = match udp {
            Some((host, port)) => Target::Udp(host, port),
            None => Target::Unix(address.to_owned()),
        };
        Self { facility, target, socket: Mutex::new(None) }
    }

    pub(super) fn send(&self, level: Level, line: &str) {
        let severity = match level {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        let datagram = format!("<{}>{line}", (self.facility << 3) | severity);
        let mut socket = self.socket.lock();
        // The log daemon may have been restarted since the last line.
        for _ in 0..2 {
            if socket.is_none() {
                *socket = self.connect().ok();
            }
            let sent = match &*socket {
                Some(Socket::Unix(unix)) => unix.send(datagram.as_bytes()),
                Some(Socket::Udp(udp)) => udp.send(datagram.as_bytes()),
                None => return,
            };
            match sent {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => *socket = None,
                _ => return,
            }
        }
    }

    fn connect(&self) -> io::Result<Socket> {
        let (host, port) = match &self.target {
            Target::Udp(host, port) => (host.as_str(), *port),
            Target::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                match socket.connect(path) {
                    Ok(()) => return Ok(Socket::Unix(socket)),
                    Err(_) => ("localhost", 514),
                }
            }
        };
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.set_nonblocking(true)?;
        socket.connect((host, port))?;
        Ok(Socket::Udp(socket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_datagrams_with_a_priority() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::new(facility("LOG_LOCAL1").unwrap(), path.to_str().unwrap(), None);
        syslog.send(Level::WARN, "proxy-server: hello");
        let mut buffer = [0; 100];
        let length = log.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"<140>proxy-server: hello");
        // The daemon is restarted.
        drop(log);
        std::fs::remove_file(&path).unwrap();
        let log = UnixDatagram::bind(&path).unwrap();
        syslog.send(Level::ERROR, "again");
        let length = log.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"<139>again");
    }

    #[test]
    fn facilities() {
        assert_eq!(
            (facility("LOG_LOCAL7"), facility("daemon"), facility("LOG_X")),
            (Some(23), Some(3), None)
        );
    }
}
