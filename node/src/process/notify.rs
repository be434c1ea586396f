//! Word of our state to systemd and to whoever listens on Swift's own notification socket.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sends `state` (`READY=1`, `RELOADING=1`, `STOPPING=1`) to systemd's `NOTIFY_SOCKET` and to the abstract socket
/// `swift-notifications\0<pid>`. Nobody may be listening.
pub fn notify(state: &str) {
    if let Some(path) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(error) = systemd_address(&path).and_then(|address| send(&address, state))
    {
        tracing::debug!(%error, "systemd was not notified");
    }
    if let Ok(address) = notification_address(std::process::id()) {
        // Usually there is no such socket.
        let _ = send(&address, state);
    }
}

/// Where whoever wants to hear of a server's state listens: Swift's own notification socket.
pub fn notification_address(pid: u32) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("swift-notifications\0{pid}"))
}

fn systemd_address(path: &OsStr) -> io::Result<SocketAddr> {
    match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(path),
    }
}

fn send(address: &SocketAddr, state: &str) -> io::Result<()> {
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swifts_own_socket_hears_it() {
        let name = format!("swift-notifications\0{}", std::process::id());
        let listener = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        notify("READY=1");
        let mut buffer = [0; 20];
        let length = listener.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
    }
}
