//! The PROXY protocol, version 1: one line ahead of the first request that tells who the client is.

use std::net::{IpAddr, SocketAddr};

/// The longest line, its line end included (as in the protocol's own specification).
pub(super) const MAX_LINE: usize = 107;

/// The client's address in `line`; `peer` where the line says that it is not known. `None`: not such a line.
pub(super) fn parse(line: &[u8], peer: SocketAddr) -> Option<SocketAddr> {
    let line = std::str::from_utf8(line).ok()?.trim_end_matches(['\r', '\n']);
    let mut words = line.split(' ');
    if words.next() != Some("PROXY") {
        return None;
    }
    let family = words.next()?;
    if family.starts_with("UNKNOWN") {
        return Some(peer);
    }
    let words: Vec<_> = words.collect();
    let [source, _, source_port, _] = words[..] else { return None };
    let source: IpAddr = source.parse().ok()?;
    match family {
        "TCP4" if source.is_ipv4() => {}
        "TCP6" if source.is_ipv6() => {}
        _ => return None,
    }
    Some(SocketAddr::new(source, source_port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let peer: SocketAddr = "10.0.0.1:5".parse().unwrap();
        let parse = |line: &str| parse(line.as_bytes(), peer);
        assert_eq!(parse("PROXY TCP4 1.2.3.4 5.6.7.8 77 88\r\n"), Some("1.2.3.4:77".parse().unwrap()));
        assert_eq!(parse("PROXY TCP6 ::1 ::2 77 88\r\n"), Some("[::1]:77".parse().unwrap()));
        assert_eq!(parse("PROXY UNKNOWN whatever\r\n"), Some(peer));
        for bad in [
            "GET / HTTP/1.1\r\n",
            "PROXY",
            "PROXY TCP4 ::1 ::2 1 2\r\n",
            "PROXY TCP4 1.2.3.4 5 6\r\n",
            "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
