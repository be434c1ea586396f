//! How full the devices are, as the nodes' recon tells it. Asked rarely and shown rounded: a status is not a graph.

use super::pods::SeenPod;
use crate::http_get;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use swiftlet_plan::report::Usage;
use swiftlet_plan::resources::ServerPorts;

/// How often nodes are asked.
const POLL_EVERY: Duration = Duration::from_secs(30);
/// How often what is shown may change.
const SHOW_EVERY: Duration = Duration::from_secs(60);
/// Nodes asked at once.
const POLLED_AT_ONCE: usize = 16;
/// A node that does not answer within this is left out this time.
const POLL_TIMEOUT: Duration = Duration::from_secs(2);

/// What is known of one cluster.
#[derive(Clone, Default)]
pub struct Seen {
    polled: Option<Instant>,
    shown: Option<Instant>,
    /// By node, so that one that does not answer keeps its last figures.
    nodes: BTreeMap<String, (String, Usage)>,
    zones: BTreeMap<String, Usage>,
}

/// One device in the answer to `/recon/diskusage`. A device that is not mounted has words for figures.
#[derive(Deserialize)]
struct Device {
    #[serde(default)]
    size: serde_json::Value,
    #[serde(default)]
    used: serde_json::Value,
}

impl Seen {
    /// Asks the nodes, if it is time to.
    pub async fn poll(&mut self, pods: &[SeenPod], now: Instant) {
        if self.polled.is_some_and(|polled| now.duration_since(polled) < POLL_EVERY) {
            return;
        }
        let nodes: BTreeSet<&String> = pods.iter().filter_map(|pod| pod.node.as_ref()).collect();
        self.nodes.retain(|name, _| nodes.contains(name));
        let asked = pods.iter().filter_map(|pod| {
            let url = pod.url(ServerPorts::default().object, "recon/diskusage")?;
            Some((pod.node.clone()?, pod.zone.clone()?, url))
        });
        let asked: Vec<_> = asked.collect();
        let asked = stream::iter(asked)
            .map(|(node, zone, url)| async move { Some((node, (zone, usage_at(&url).await?))) });
        let answers: Vec<_> = asked.buffer_unordered(POLLED_AT_ONCE).collect().await;
        let any = answers.iter().any(Option::is_some);
        self.nodes.extend(answers.into_iter().flatten());
        // Until the first answer, each pass asks: a new cluster shall show figures soon.
        self.polled = any.then_some(now);
    }

    /// Bytes in use by Zone, as shown.
    pub fn zones(&mut self, now: Instant) -> BTreeMap<String, Usage> {
        let nodes_shown = self.shown.is_some_and(|shown| now.duration_since(shown) < SHOW_EVERY);
        if !nodes_shown && !self.nodes.is_empty() {
            self.zones.clear();
            for (zone, usage) in self.nodes.values() {
                let sum = self.zones.entry(zone.clone()).or_default();
                sum.used_bytes = sum.used_bytes.saturating_add(usage.used_bytes);
                sum.size_bytes = sum.size_bytes.saturating_add(usage.size_bytes);
            }
            self.shown = Some(now);
        }
        self.zones.clone()
    }
}

async fn usage_at(url: &str) -> Option<Usage> {
    match http_get::get(url, POLL_TIMEOUT).await {
        Ok(body) => sum(&body),
        Err(error) => {
            tracing::debug!(%error, "does not tell its disks' usage");
            None
        }
    }
}

fn sum(answer: &[u8]) -> Option<Usage> {
    let devices: Vec<Device> = serde_json::from_slice(answer).ok()?;
    let total = |figure: fn(&Device) -> &serde_json::Value| {
        devices.iter().filter_map(|device| figure(device).as_u64()).fold(0, u64::saturating_add)
    };
    Some(Usage { used_bytes: total(|device| &device.used), size_bytes: total(|device| &device.size) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_are_not_mounted_count_for_nothing() {
        let answer = br#"[{"device": "d1", "mounted": true, "size": 1000, "used": 250, "avail": 750},
                          {"device": "d2", "mounted": false, "size": "", "used": "", "avail": ""}]"#;
        assert_eq!(sum(answer), Some(Usage { used_bytes: 250, size_bytes: 1000 }));
        assert_eq!(sum(b"<html>"), None);
    }

    #[test]
    fn what_is_shown_changes_once_a_minute() {
        let node = |used_bytes| ("rack1".to_string(), Usage { used_bytes, size_bytes: 100 });
        let mut seen = Seen::default();
        let start = Instant::now();
        assert!(seen.zones(start).is_empty());
        seen.nodes.insert("demo-rack1-0".into(), node(10));
        assert_eq!(seen.zones(start)["rack1"].used_bytes, 10);
        seen.nodes.insert("demo-rack1-1".into(), node(50));
        assert_eq!(seen.zones(start + SHOW_EVERY / 2)["rack1"].used_bytes, 10);
        assert_eq!(seen.zones(start + SHOW_EVERY)["rack1"], Usage { used_bytes: 60, size_bytes: 200 });
    }
}
