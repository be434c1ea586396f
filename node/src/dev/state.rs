//! What a dev cluster remembers beside Swift's own files: where its nodes are, and which rings they have.

use super::DevError;
use super::home::Home;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use swiftlet_plan::resources::ServerPorts;

/// The file in `etc`.
const FILE: &str = "dev.json";
/// Raised when the file's meaning changes.
const FORMAT: u32 = 2;

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    format: u32,
    /// The cluster's name: the folder belongs to it.
    cluster: String,
    /// Counts the publications of the rings; 0 before the first.
    pub(super) ring_generation: u64,
    /// The names of the rings.
    pub(super) rings: BTreeSet<String>,
    /// The nodes, by name.
    pub(super) nodes: BTreeMap<String, NodeRecord>,
    /// The ports of the pools of proxies beside the cluster's own, by name.
    #[serde(default)]
    pub(super) pool_ports: BTreeMap<String, u16>,
}

/// What is remembered of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeRecord {
    /// Its Zone.
    pub(super) zone: String,
    /// Its number in the Zone.
    pub(super) ordinal: u32,
    /// Its address, which is in the rings.
    pub(super) ip: Ipv4Addr,
    /// Its servers' ports, which are in the rings.
    pub(super) ports: ServerPorts,
    /// Its devices, by name; empty until it was first started.
    pub(super) devices: BTreeMap<String, DeviceRecord>,
}

/// What is remembered of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceRecord {
    /// The size that was asked for.
    pub(super) size_bytes: u64,
    /// How often it was replaced.
    pub(super) replacement: u32,
    /// When it was made, or replaced last (Unix time).
    pub(super) made_at_s: i64,
    /// Whether its node was started with it last.
    pub(super) mounted: bool,
}

impl State {
    /// What `home` remembers of `cluster`; an empty state where it is new.
    pub(super) fn load(home: &Home, cluster: &str) -> Result<Self, DevError> {
        let path = home.etc().join(FILE);
        let Some(bytes) = home.read_etc(FILE)? else {
            return Ok(Self {
                format: FORMAT,
                cluster: cluster.to_string(),
                ring_generation: 0,
                rings: BTreeSet::new(),
                nodes: BTreeMap::new(),
                pool_ports: BTreeMap::new(),
            });
        };
        let state: Self = serde_json::from_slice(&bytes)
            .map_err(|error| DevError::Damaged { path: path.clone(), why: error.to_string() })?;
        if state.format != FORMAT {
            let why = format!("format {}; this program reads {FORMAT}", state.format);
            return Err(DevError::Damaged { path, why });
        }
        if state.cluster != cluster {
            let why = format!(
                "this folder holds SwiftCluster {}, not {cluster}; choose another with --data",
                state.cluster
            );
            return Err(DevError::Damaged { path, why });
        }
        Ok(state)
    }

    /// Remembers it.
    pub(super) fn save(&self, home: &Home) -> Result<(), DevError> {
        let text = serde_json::to_string_pretty(self).expect("plain data always has a JSON form");
        home.write_etc(FILE, text.as_bytes())
    }
}

impl NodeRecord {
    /// The name of its folder: `<zone>-<ordinal>`.
    pub(super) fn place(&self) -> String {
        format!("{}-{}", self.zone, self.ordinal)
    }

    /// Whether it was ever started.
    pub(super) fn has_devices(&self) -> bool {
        !self.devices.is_empty()
    }
}
