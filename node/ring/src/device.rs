//! A device as the ring knows it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Index of a device in its ring; freed ones are given out again.
pub type DeviceId = u32;

/// One disk: where it is, what it is called and how much of the ring it should hold.
///
/// The fields are those of Swift's device dicts, in the order in which JSON sorts their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Name of the mount point below the node's `devices`, such as `sdb1`.
    pub device: String,
    /// Index in the ring.
    pub id: DeviceId,
    /// Address or host name at which servers are asked.
    pub ip: String,
    /// Free text of the operator.
    #[serde(default)]
    pub meta: String,
    /// Port at which servers are asked.
    pub port: u16,
    /// Region: the outermost failure domain.
    #[serde(default = "first_region")]
    pub region: u32,
    /// Address replicators use; rings from before it existed have only `ip`.
    #[serde(default)]
    pub replication_ip: String,
    /// Port replicators use.
    #[serde(default)]
    pub replication_port: u16,
    /// Share of partitions relative to the other devices; 0 gives up everything.
    pub weight: f64,
    /// Zone within the region.
    pub zone: u32,
}

fn first_region() -> u32 {
    1
}

impl Device {
    /// Fills in what rings and builders of before separate replication networks lack.
    pub(crate) fn complete(&mut self) {
        if self.replication_ip.is_empty() {
            self.replication_ip.clone_from(&self.ip);
        }
        if self.replication_port == 0 {
            self.replication_port = self.port;
        }
    }

    /// Whether servers would take both for the same disk.
    pub fn is_same_disk(&self, other: &Device) -> bool {
        (&self.ip, self.port, &self.device) == (&other.ip, other.port, &other.device)
    }
}

/// As `swift-ring-builder` prints a device: `d0r1z1-10.0.0.1:6200R10.0.0.1:6200/sda_"meta"`.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Device { id, region, zone, port, replication_port, device, meta, .. } = self;
        let ip = bracketed(&self.ip);
        let replication_ip = bracketed(&self.replication_ip);
        write!(f, "d{id}r{region}z{zone}-{ip}:{port}R{replication_ip}:{replication_port}/{device}_\"{meta}\"")
    }
}

/// An address as it is written before a port: IPv6 in brackets.
pub fn bracketed(ip: &str) -> String {
    if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() }
}
