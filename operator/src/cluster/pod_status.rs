//! What a pod says of itself at `/status`, in the planner's words.

use crate::pod_status::{DeviceStatus, HoldingStatus, PassStatus, PodStatus};
use swiftlet_plan::world::{Holding, ObservedDevice, ObservedNode};

impl PodStatus {
    /// Puts what it says into `node`, whose devices are its claims.
    pub fn describe(&self, node: &mut ObservedNode) {
        node.ring_generation = self.generation;
        node.ring_since_s = self.generation_since;
        node.version = self.version.clone().unwrap_or_default();
        let began =
            |(kind, pass): (&String, &Option<PassStatus>)| Some((kind.clone(), pass.as_ref()?.began?));
        node.passes = self.passes.iter().filter_map(began).collect();
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
        device.async_pendings = self.async_pendings.unwrap_or_default();
        device.quarantined = self.quarantined.unwrap_or_default();
        let holding = |(ring, held): (&String, &HoldingStatus)| {
            let (partitions, misplaced) = (held.partitions, held.misplaced);
            let held = Holding {
                partitions: partitions.unwrap_or_default(),
                misplaced: misplaced.unwrap_or_default(),
            };
            (ring.clone(), held)
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
