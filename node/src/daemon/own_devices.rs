//! Which of a ring's devices are this node's: replicators and reapers work on those alone.

use nix::ifaddrs::getifaddrs;
use std::net::{IpAddr, ToSocketAddrs};
use swiftlet_ring::{Device, Ring};
use swiftlet_types::conf::{OptionError, Options};

/// The address and port at which this node's server is in the ring.
#[derive(Debug, Clone)]
pub struct OwnAddress {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone)]
enum Host {
    /// Whatever this machine's interfaces have.
    Any,
    /// This one.
    Ip(IpAddr),
    /// This name as rings have it: a node that is known by a name must not depend on how it resolves.
    Name(String),
}

impl OwnAddress {
    /// Reads `ring_ip`, else `bind_ip`, and `bind_port`.
    pub fn from_options(options: &Options, default_port: u16) -> Result<Self, OptionError> {
        let bind_ip = options.str_or("bind_ip", "0.0.0.0");
        let host = options.str_or("ring_ip", &bind_ip);
        Ok(Self { host: Host::parse(host.trim()), port: options.int("bind_port", default_port)? })
    }

    /// The devices of `ring` that replicators reach at this address. Looks names up: not for async workers.
    pub fn devices(&self, ring: &Ring) -> Vec<Device> {
        let own = self.addresses();
        let is_own = |device: &&Device| {
            device.replication_port == self.port && self.is_host(&own, &device.replication_ip)
        };
        ring.devices().filter(is_own).cloned().collect()
    }

    /// The devices of `ring` that clients reach at this address; with port 0, at any port of it. Looks names up: not for
    /// async workers.
    pub fn serving(&self, ring: &Ring) -> Vec<Device> {
        let own = self.addresses();
        let is_own =
            |device: &&Device| (self.port == 0 || device.port == self.port) && self.is_host(&own, &device.ip);
        ring.devices().filter(is_own).cloned().collect()
    }

    /// The addresses, for messages: `10.0.0.1, ::1 with port 6201`.
    pub fn describe(&self) -> String {
        let hosts = match &self.host {
            Host::Name(name) => name.clone(),
            _ => self.addresses().iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", "),
        };
        format!("{hosts} with port {}", self.port)
    }

    fn addresses(&self) -> Vec<IpAddr> {
        match &self.host {
            Host::Ip(ip) => vec![*ip],
            Host::Any => interfaces(),
            Host::Name(_) => Vec::new(),
        }
    }

    fn is_host(&self, own: &[IpAddr], host: &str) -> bool {
        if let Host::Name(name) = &self.host {
            return name.eq_ignore_ascii_case(host);
        }
        match host.parse::<IpAddr>() {
            Ok(ip) => own.contains(&ip),
            Err(_) => resolve(host).iter().any(|ip| own.contains(ip)),
        }
    }
}

impl Host {
    fn parse(host: &str) -> Self {
        match host.parse::<IpAddr>() {
            Ok(ip) if ip.is_unspecified() => Self::Any,
            Ok(ip) => Self::Ip(ip),
            Err(_) => Self::Name(host.to_owned()),
        }
    }
}

/// The addresses of this machine's interfaces.
fn interfaces() -> Vec<IpAddr> {
    let found = getifaddrs().inspect_err(|error| tracing::error!(%error, "ERROR Failed to get my own IPs?"));
    let addresses = found.into_iter().flatten().filter_map(|interface| interface.address);
    let ip = |address: nix::sys::socket::SockaddrStorage| match address.as_sockaddr_in() {
        Some(v4) => Some(IpAddr::V4(v4.ip())),
        None => address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())),
    };
    addresses.filter_map(ip).collect()
}

/// What a host's name stands for; nothing where it cannot be told.
fn resolve(host: &str) -> Vec<IpAddr> {
    (host, 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use swiftlet_ring::RingData;

    #[test]
    fn clients_may_reach_it_at_any_port() {
        assert_eq!(found(&own(&[("bind_port", "0")]), "127.0.0.1", 7), (0, 1));
    }

    fn own(options: &[(&str, &str)]) -> OwnAddress {
        let options = options.iter().fold(Options::new("f", "s"), |all, (name, value)| all.with(name, value));
        OwnAddress::from_options(&options, 6201).unwrap()
    }

    /// The devices that replicators and clients reach there, of one whose address they share.
    fn found(own: &OwnAddress, host: &str, port: u16) -> (usize, usize) {
        let device = Device {
            device: "sda".into(),
            id: 0,
            ip: host.into(),
            meta: String::new(),
            port,
            region: 1,
            replication_ip: host.into(),
            replication_port: port,
            weight: 1.0,
            zone: 1,
        };
        let data = RingData { devices: vec![Some(device)], ..RingData::default() };
        let ring = Ring::new(data).unwrap();
        (own.devices(&ring).len(), own.serving(&ring).len())
    }

    #[test]
    fn a_node_that_listens_everywhere_has_the_addresses_of_its_interfaces() {
        let own = own(&[]);
        for host in ["127.0.0.1", "localhost"] {
            assert_eq!(found(&own, host, 6201), (1, 1), "{host}");
        }
        for (host, port) in [("127.0.0.1", 6202), ("192.0.2.1", 6201), ("nowhere.invalid", 6201)] {
            assert_eq!(found(&own, host, port), (0, 0), "{host}:{port}");
        }
        assert!(own.describe().contains("127.0.0.1"), "{}", own.describe());
    }

    #[test]
    fn one_address_is_enough_to_be_known_by() {
        let own = own(&[("bind_ip", "::1"), ("bind_port", "7")]);
        assert_eq!(found(&own, "0:0:0:0:0:0:0:1", 7), (1, 1));
        assert_eq!(found(&own, "127.0.0.1", 7), (0, 0));
    }

    #[test]
    fn a_name_is_the_rings_and_is_not_looked_up() {
        let own = own(&[("ring_ip", "node-0.swift.svc"), ("bind_ip", "0.0.0.0")]);
        assert_eq!(found(&own, "NODE-0.swift.svc", 6201), (1, 1));
        assert_eq!(found(&own, "127.0.0.1", 6201), (0, 0));
        assert_eq!(own.describe(), "node-0.swift.svc with port 6201");
    }
}
