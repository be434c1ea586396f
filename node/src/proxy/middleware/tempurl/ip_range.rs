//! The addresses from which a temporary URL is good: one, or a network.

use std::net::{IpAddr, Ipv4Addr};

/// A network, of either family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IpRange {
    network: IpAddr,
    prefix_bits: u32,
}

impl IpRange {
    /// Reads an address, with a prefix length or (IPv4) a mask behind a slash; no bit of the host may be set.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, mask) = match text.split_once('/') {
            Some((address, mask)) => (address, Some(mask)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().ok()?;
        let width = if network.is_ipv4() { 32 } else { 128 };
        let is_number = |mask: &str| !mask.is_empty() && mask.bytes().all(|b| b.is_ascii_digit());
        let prefix_bits = match mask {
            None => width,
            Some(mask) if is_number(mask) => mask.parse().ok().filter(|bits| *bits <= width)?,
            Some(mask) if network.is_ipv4() => prefix_of_mask(mask.parse().ok()?)?,
            Some(_) => return None,
        };
        let range = Self { network, prefix_bits };
        (range.masked(network)? == range.bits(network)).then_some(range)
    }

    /// Whether `address` lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.network.is_ipv4()
            && self.masked(address).is_some_and(|bits| bits == self.bits(self.network))
    }

    /// The bits of an address, from the top.
    fn bits(&self, address: IpAddr) -> u128 {
        match address {
            IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
            IpAddr::V6(v6) => u128::from(v6),
        }
    }

    fn masked(&self, address: IpAddr) -> Option<u128> {
        let mask = u128::MAX.checked_shl(128 - self.prefix_bits).unwrap_or(0);
        Some(self.bits(address) & mask)
    }
}

/// The length of the prefix that a mask stands for, written as a net mask or as a host mask.
fn prefix_of_mask(mask: Ipv4Addr) -> Option<u32> {
    let mask = u32::from(mask);
    [mask, !mask]
        .into_iter()
        .find(|mask| mask.leading_ones() + mask.trailing_zeros() == 32)
        .map(u32::leading_ones)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let contains = |range: &str, address: &str| {
            IpRange::parse(range).map(|range| range.contains(address.parse().unwrap()))
        };
        for (range, inside, outside) in [
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("10.1.2.0/24", "10.1.2.255", "10.1.3.0"),
            ("10.1.2.0/255.255.255.0", "10.1.2.255", "10.1.3.0"),
            ("10.1.2.0/0.0.0.255", "10.1.2.255", "10.1.3.0"),
            ("0.0.0.0/0", "10.1.2.255", "::1"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("::1", "::1", "::2"),
        ] {
            assert_eq!(contains(range, inside), Some(true), "{range} {inside}");
            assert_eq!(contains(range, outside), Some(false), "{range} {outside}");
        }
        let wrong =
            ["", "10.1.2.3/24", "10.1.2.0/33", "10.1.2.0/", "x", "10.1.2.0/255.0.255.0", "::/129", "10.1/8"];
        for wrong in wrong {
            assert_eq!(IpRange::parse(wrong), None, "{wrong}");
        }
    }
}
