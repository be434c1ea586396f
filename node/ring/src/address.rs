//! Addresses of devices, written one way so that they can be compared.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An IP address as rings keep it: IPv4 as it is, IPv6 in its canonical short form. `None` when it is none.
pub fn normalize_ip(ip: &str) -> Option<String> {
    let ip = ip.to_lowercase();
    if ip.parse::<Ipv4Addr>().is_ok() {
        return Some(ip);
    }
    ip.parse::<Ipv6Addr>().ok().map(|ip| ip.to_string())
}

/// An IP address, in brackets or not, or a host name in lower case. `None` when it is neither.
pub fn normalize_address(address: &str) -> Option<String> {
    let inner = address.trim_start_matches('[').trim_end_matches(']');
    if address.starts_with('[') && address.ends_with(']') {
        return normalize_ip(inner);
    }
    normalize_ip(inner).or_else(|| is_host_name(inner).then(|| inner.to_lowercase()))
}

/// Letters, digits and inner hyphens in labels of at most 63, dot-separated (RFC 1123).
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (1..=255).contains(&name.len()) && name.strip_suffix('.').unwrap_or(name).split('.').all(is_label)
}
