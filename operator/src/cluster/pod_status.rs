//! What a pod says of itself at `/status`, in the planner's words. Every field may be missing: pods of other versions
//! say less, or more.

use serde::Deserialize;
use std::collections::BTreeMap;
use swiftlet_plan::world::{Holding, ObservedDevice, ObservedNode};

/// The answer of `/status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// The generation of the rings it holds.
    pub generation: Option<u64>,
    /// Since when (Unix time).
    pub generation_since: Option<i64>,
    /// The version it runs.
    pub version: String,
    /// Its devices.
    pub devices: Vec<DeviceStatus>,
    /// The last finished replication pass of each kind of server.
    pub passes: BTreeMap<String, PassStatus>,
}

/// A device of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceStatus {
    /// Its name.
    pub name: String,
    /// Why it is not used.
    pub refused: Option<String>,
    /// Bytes in use.
    pub used_bytes: Option<u64>,
    /// Bytes of its file system.
    pub size_bytes: Option<u64>,
    /// Container updates that wait on it.
    pub async_pendings: u64,
    /// What was set aside on it.
    pub quarantined: u64,
    /// What it holds, by ring.
    pub rings: Option<BTreeMap<String, HoldingStatus>>,
}

/// What a device holds of a ring.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HoldingStatus {
    /// Partitions of which it holds something.
    pub partitions: u64,
    /// Those that the ring has elsewhere.
    pub misplaced: u64,
}

/// A finished replication pass.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PassStatus {
    /// When it began (Unix time).
    pub began: i64,
}

impl PodStatus {
    /// Puts what it says into `node`, whose devices are its claims.
    pub fn describe(&self, node: &mut ObservedNode) {
        node.ring_generation = self.generation;
        node.ring_since_s = self.generation_since;
        node.version.clone_from(&self.version);
        node.passes = self.passes.iter().map(|(kind, pass)| (kind.clone(), pass.began)).collect();
        for said in self.devices.iter().filter(|said| said.refused.is_none()) {
            if let Some(device) = node.devices.get_mut(&said.name) {
                said.describe(device);
            }
        }
    }
}

impl DeviceStatus {
    fn describe(&self, device: &mut ObservedDevice) {
        // Volumes that are folders of one disk all tell of that disk: it says nothing about one of them.
        let is_shared =
            self.size_bytes.zip(device.real_bytes).is_some_and(|(disk, volume)| disk / 2 > volume);
        device.used_bytes = self.used_bytes.filter(|_| !is_shared);
        device.async_pendings = self.async_pendings;
        device.quarantined = self.quarantined;
        let holding = |(ring, held): (&String, &HoldingStatus)| {
            (ring.clone(), Holding { partitions: held.partitions, misplaced: held.misplaced })
        };
        device.holdings = self.rings.as_ref().map(|rings| rings.iter().map(holding).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pod_says_of_devices_it_uses_counts_and_nothing_else() {
        let said = r#"{"generation": 7, "generationSince": 100, "now": 120, "version": "0.1.0", "behind": null,
            "devices": [
                {"name": "d1", "refused": null, "usedBytes": 5, "sizeBytes": 9, "asyncPendings": 2, "quarantined": 1,
                 "rings": {"object": {"partitions": 12, "misplaced": 3}}},
                {"name": "d2", "refused": "another cluster's", "rings": {}},
                {"name": "d3", "refused": null, "rings": null}],
            "passes": {"object": {"began": 90, "ended": 95}}}"#;
        let said: PodStatus = serde_json::from_str(said).unwrap();
        let names = ["d1", "d2", "d3"].map(|name| (name.to_string(), ObservedDevice::default()));
        let mut node = ObservedNode { devices: names.into(), ..ObservedNode::default() };
        said.describe(&mut node);
        assert_eq!((node.ring_generation, node.ring_since_s), (Some(7), Some(100)));
        assert_eq!(node.devices["d1"].holding("object"), Some(Holding { partitions: 12, misplaced: 3 }));
        assert_eq!(node.devices["d1"].held(), Some(14), "async pendings count");
        assert_eq!(node.devices["d2"].holdings, None);
        assert_eq!(node.devices["d3"].holdings, None);
        assert!(node.began_after("object", 90) && !node.began_after("object", 91));
    }

    #[test]
    fn an_older_pod_says_less() {
        let said: PodStatus =
            serde_json::from_str(r#"{"generation": 1, "devices": [{"name": "d1", "refused": null}]}"#)
                .unwrap();
        assert_eq!(said.generation, Some(1));
        assert!(said.devices[0].rings.is_none());
    }
}
