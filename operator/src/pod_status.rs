//! What a pod says of itself at `/status`. Every field may be missing: nodes of an older version know fewer.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// The generation of the rings it uses.
    pub generation: Option<u64>,
    /// Since when (Unix time).
    pub generation_since: Option<i64>,
    /// Why it does not use the newest.
    pub behind: Option<String>,
    /// Its own clock (Unix time).
    pub now: Option<i64>,
    /// The version it runs.
    pub version: Option<String>,
    /// Its devices; a proxy has none.
    pub devices: Vec<DeviceStatus>,
    /// The last replication pass of each kind of server.
    pub passes: BTreeMap<String, Option<PassStatus>>,
}

/// A device.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceStatus {
    /// Its name.
    pub name: String,
    /// Why the node does not use it.
    pub refused: Option<String>,
    /// Bytes in use.
    pub used_bytes: Option<u64>,
    /// Bytes there are.
    pub size_bytes: Option<u64>,
    /// Updates that wait to be sent to container servers.
    pub async_pendings: Option<u64>,
    /// What auditors set aside.
    pub quarantined: Option<u64>,
    /// What it holds of each ring; `None`: it has not counted yet.
    pub rings: Option<BTreeMap<String, HoldingStatus>>,
}

/// What a device holds of a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HoldingStatus {
    /// Partitions.
    pub partitions: Option<u64>,
    /// Those of them that belong elsewhere.
    pub misplaced: Option<u64>,
}

/// A replication pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PassStatus {
    /// When the last one began (Unix time).
    pub began: Option<i64>,
    /// When the last whole one ended (Unix time).
    pub ended: Option<i64>,
}

impl PodStatus {
    /// How long ago the oldest of the last passes ended, by the node's own clock; `None` where one never did.
    pub fn oldest_pass_s(&self) -> Option<i64> {
        let now = self.now?;
        let ages = self.passes.values().map(|pass| {
            let ended = pass.as_ref()?.ended?;
            Some(now.saturating_sub(ended).max(0))
        });
        ages.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Partitions on its devices that belong elsewhere.
    pub fn misplaced(&self) -> Option<u64> {
        sum(self.devices.iter().map(|device| device.sum_of(|ring| ring.misplaced)))
    }
}

impl DeviceStatus {
    /// A figure of all its rings; `None` where it is not known.
    pub fn sum_of(&self, figure: impl Fn(&HoldingStatus) -> Option<u64>) -> Option<u64> {
        sum(self.rings.iter().flatten().map(|(_, ring)| figure(ring)))
    }
}

/// The sum of what is known; `None` where nothing is.
pub fn sum(figures: impl IntoIterator<Item = Option<u64>>) -> Option<u64> {
    figures.into_iter().flatten().reduce(u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_node_and_a_proxy_know_less() {
        let answer = r#"{"generation": 3, "published": 3, "behind": null, "rings": {"object.ring.gz": "md5"},
                         "devices": [{"name": "d1", "refused": null}]}"#;
        let answer: PodStatus = serde_json::from_str(answer).unwrap();
        assert_eq!(answer.generation, Some(3));
        assert_eq!((answer.oldest_pass_s(), answer.misplaced()), (None, None));
        let counting = r#"{"devices": [{"name": "d1", "rings": null}], "passes": {"object": null}}"#;
        assert_eq!(serde_json::from_str::<PodStatus>(counting).unwrap().misplaced(), None);
        assert_eq!(serde_json::from_str::<PodStatus>("{}").unwrap(), PodStatus::default());
    }

    #[test]
    fn lag_is_that_of_the_slowest_kind_by_the_nodes_own_clock() {
        let mut answer: PodStatus = serde_json::from_value(serde_json::json!({
            "generation": 7, "generationSince": 900, "now": 1000, "version": "0.1.0",
            "devices": [{"name": "d1", "refused": null, "usedBytes": 1, "sizeBytes": 2, "asyncPendings": 4,
                         "rings": {"account": {"partitions": 12, "misplaced": 1}, "object": {"misplaced": 2}}}],
            "passes": {"account": {"began": 990, "ended": 995}, "object": {"began": 999, "ended": 400}},
        }))
        .unwrap();
        assert_eq!((answer.oldest_pass_s(), answer.misplaced()), (Some(600), Some(3)));
        answer.passes.insert("container".into(), Some(PassStatus { began: Some(999), ended: None }));
        assert_eq!(answer.oldest_pass_s(), None, "one kind has not finished its first");
        assert_eq!(sum([None, Some(1), Some(u64::MAX)]), Some(u64::MAX));
    }
}
