//! A cluster at one moment: what its resources declare and report, and what its pods say of themselves.

use crate::cluster::build::{NODE_LABEL, ZONE_LABEL, plan as plan_page, proxy::POOL_LABEL, rings as objects};
use crate::cluster::rings::index_in;
use crate::kubectl::target::Target;
use crate::pod_status::{DeviceStatus, PodStatus, sum};
use anyhow::Context as _;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use swiftlet_plan::resources::{Condition, ConditionStatus, SwiftCluster, Zone};

/// All of it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The SwiftCluster.
    pub cluster: String,
    /// Its namespace.
    pub namespace: String,
    /// Whether it is ready, what it is doing, and why.
    #[serde(flatten)]
    pub state: State,
    /// The version its pods shall run.
    pub version: String,
    /// Whether restarts are paused.
    pub paused: bool,
    /// The generation of rings that every pod should use; `None` before the first.
    pub generation: Option<u64>,
    /// Its Zones, by name.
    pub zones: Vec<ZoneSeen>,
    /// Its proxies, by pod.
    pub proxies: Vec<PodSeen>,
    /// What is being done.
    pub steps: Vec<String>,
    /// What waits, and for what.
    pub held: Vec<HeldLine>,
}

/// Whether a resource is ready.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Condition `Ready`.
    pub ready: bool,
    /// One word for what it is doing; empty where it is simply ready.
    pub phase: String,
    /// Condition `Ready`'s message.
    pub message: String,
}

/// A Zone.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneSeen {
    /// Its name.
    pub name: String,
    /// Whether it is ready.
    #[serde(flatten)]
    pub state: State,
    /// Ready and wanted nodes, as the operator counts them.
    pub nodes_ready: String,
    /// Devices in use and wanted, as the operator counts them.
    pub devices_ready: String,
    /// Its nodes, by pod.
    pub nodes: Vec<PodSeen>,
}

/// A pod: a node's or a proxy.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSeen {
    /// The node's name; of a proxy, its pod's.
    pub name: String,
    /// Whether Kubernetes sends it traffic.
    pub ready: bool,
    /// Why nothing more is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
    /// The version it runs.
    pub version: Option<String>,
    /// The generation of the rings it uses.
    pub generation: Option<u64>,
    /// Since when (Unix time).
    pub generation_since_s: Option<i64>,
    /// Why it does not use the newest.
    pub behind: Option<String>,
    /// Seconds since the oldest of its last replication passes ended.
    pub last_pass_age_s: Option<i64>,
    /// Partitions on its devices that belong elsewhere.
    pub misplaced: Option<u64>,
    /// Its devices.
    pub devices: Vec<DeviceSeen>,
}

/// A device.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceSeen {
    /// Its name.
    pub name: String,
    /// Why the node does not use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Bytes in use.
    pub used_bytes: Option<u64>,
    /// Bytes there are.
    pub size_bytes: Option<u64>,
    /// Updates that wait to be sent to container servers.
    pub async_pendings: Option<u64>,
    /// What auditors set aside.
    pub quarantined: Option<u64>,
    /// Partitions it holds, of all rings.
    pub partitions: Option<u64>,
    /// Those of them that belong elsewhere.
    pub misplaced: Option<u64>,
}

/// Something that waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeldLine {
    /// What would be done.
    pub step: String,
    /// To what.
    pub subject: String,
    /// One word for why it waits.
    pub reason: String,
    /// For a person.
    pub message: String,
}

/// Looks at a cluster.
pub async fn take(target: &Target) -> anyhow::Result<Snapshot> {
    let config_maps = target.api::<ConfigMap>();
    let (index_name, plan_name) =
        (objects::index_config_map(&target.name()), plan_page::name(&target.name()));
    let (zones, pods, index, plan) = tokio::try_join!(
        target.zones(),
        target.pods(),
        async { config_maps.get_opt(&index_name).await.context("read the ring index") },
        async { config_maps.get_opt(&plan_name).await.context("read the plan") },
    )?;
    let answers = target.ask_all(&pods).await;
    let generation = index.as_ref().and_then(index_in).map(|index| index.generation);
    let (steps, held) =
        plan.as_ref().and_then(plan_page::read).map(|page| read_plan(&page)).unwrap_or_default();
    let seen: Vec<(&Pod, PodSeen)> =
        pods.iter().zip(answers).map(|(pod, said)| (pod, see(pod, said))).collect();
    let nodes_of = |zone: &str| {
        let own =
            seen.iter().filter(|(pod, _)| pod.labels().get(ZONE_LABEL).map(String::as_str) == Some(zone));
        own.map(|(_, seen)| seen.clone()).collect()
    };
    let zone_names: Vec<String> = zones.iter().map(ResourceExt::name_any).collect();
    let mut zones: Vec<ZoneSeen> =
        zones.iter().map(|zone| see_zone(zone, nodes_of(&zone.name_any()))).collect();
    zones.extend(gone_zones(&seen, &zone_names));
    let proxies = seen.iter().filter(|(pod, _)| pod.labels().contains_key(POOL_LABEL));
    Ok(Snapshot {
        generation,
        zones,
        proxies: proxies.map(|(_, seen)| seen.clone()).collect(),
        steps,
        held,
        ..declared(&target.cluster)
    })
}

/// What the SwiftCluster alone tells.
fn declared(cluster: &SwiftCluster) -> Snapshot {
    let status = cluster.status.clone().unwrap_or_default();
    Snapshot {
        cluster: cluster.name_any(),
        namespace: cluster.namespace().unwrap_or_default(),
        state: state(&status.conditions, &status.phase),
        version: status.version,
        paused: cluster.spec.upgrade.paused,
        ..Snapshot::default()
    }
}

fn state(conditions: &[Condition], phase: &str) -> State {
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    State {
        ready: ready.is_some_and(|ready| ready.status == ConditionStatus::True),
        phase: phase.to_string(),
        message: ready.map_or("no operator has looked at it yet".to_string(), |ready| ready.message.clone()),
    }
}

fn see_zone(zone: &Zone, nodes: Vec<PodSeen>) -> ZoneSeen {
    let status = zone.status.clone().unwrap_or_default();
    ZoneSeen {
        name: zone.name_any(),
        state: state(&status.conditions, &status.phase),
        nodes_ready: status.nodes_ready,
        devices_ready: status.devices,
        nodes,
    }
}

/// Zones that nobody declares any more and whose pods still run.
fn gone_zones(seen: &[(&Pod, PodSeen)], declared: &[String]) -> Vec<ZoneSeen> {
    let mut zones: BTreeMap<&String, Vec<PodSeen>> = BTreeMap::new();
    for (pod, seen) in seen {
        if let Some(zone) = pod.labels().get(ZONE_LABEL).filter(|zone| !declared.contains(zone)) {
            zones.entry(zone).or_default().push(seen.clone());
        }
    }
    let state = State { message: "no Zone of this name is declared".into(), ..State::default() };
    let zone = |(name, nodes): (&String, Vec<PodSeen>)| ZoneSeen {
        name: name.clone(),
        state: state.clone(),
        nodes,
        ..ZoneSeen::default()
    };
    zones.into_iter().map(zone).collect()
}

fn see(pod: &Pod, said: Result<PodStatus, String>) -> PodSeen {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let named = PodSeen {
        name: pod.labels().get(NODE_LABEL).cloned().unwrap_or_else(|| pod.name_any()),
        ready: ready && pod.metadata.deletion_timestamp.is_none(),
        ..PodSeen::default()
    };
    match said {
        Err(reason) => PodSeen { silent: Some(reason), ..named },
        Ok(said) => PodSeen {
            last_pass_age_s: said.oldest_pass_s(),
            misplaced: said.misplaced(),
            version: said.version,
            generation: said.generation,
            generation_since_s: said.generation_since,
            behind: said.behind,
            devices: said.devices.into_iter().map(DeviceSeen::from).collect(),
            ..named
        },
    }
}

impl From<DeviceStatus> for DeviceSeen {
    fn from(device: DeviceStatus) -> DeviceSeen {
        DeviceSeen {
            partitions: device.sum_of(|ring| ring.partitions),
            misplaced: device.sum_of(|ring| ring.misplaced),
            name: device.name,
            refused: device.refused,
            used_bytes: device.used_bytes,
            size_bytes: device.size_bytes,
            async_pendings: device.async_pendings,
            quarantined: device.quarantined,
        }
    }
}

/// What is done and what waits, from the plan's page.
fn read_plan(page: &Value) -> (Vec<String>, Vec<HeldLine>) {
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let list = |key: &str| page.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let steps = list("steps").iter().map(|step| text(step, "what")).collect();
    let held = |held: &Value| HeldLine {
        step: text(held, "step"),
        subject: text(held, "subject"),
        reason: text(held, "reason"),
        message: text(held, "message"),
    };
    (steps, list("held").iter().map(held).collect())
}

impl PodSeen {
    /// A figure of its devices, summed up; `None` where none tells it.
    pub fn total(&self, figure: impl Fn(&DeviceSeen) -> Option<u64>) -> Option<u64> {
        sum(self.devices.iter().map(figure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(value: Value) -> Pod {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_pod_on_its_way_out_is_not_ready_and_a_silent_one_says_why() {
        let metadata =
            json!({"name": "demo-rack1-0-0", "labels": {NODE_LABEL: "demo-rack1-0", ZONE_LABEL: "rack1"}});
        let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        let seen = see(&pod(json!({"metadata": metadata, "status": ready})), Err("no answer".into()));
        assert_eq!(
            (seen.name.as_str(), seen.ready, seen.silent.as_deref()),
            ("demo-rack1-0", true, Some("no answer"))
        );
        let mut leaving = metadata;
        leaving["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        let seen = see(&pod(json!({"metadata": leaving, "status": ready})), Ok(PodStatus::default()));
        assert!(!seen.ready && seen.silent.is_none());
    }

    #[test]
    fn the_plans_page_is_read_and_zones_that_nobody_declares_are_shown() {
        let page = json!({"steps": [{"step": "StopProxies", "what": "StopProxies old"}],
            "held": [{"step": "RestartNode", "subject": "demo-rack2-0", "reason": "Soaking", "message": "rack1 is watched"}]});
        let (steps, held) = read_plan(&page);
        assert_eq!(steps, ["StopProxies old"]);
        assert_eq!((held[0].subject.as_str(), held[0].reason.as_str()), ("demo-rack2-0", "Soaking"));
        let gone = pod(
            json!({"metadata": {"name": "demo-old-0-0", "labels": {NODE_LABEL: "demo-old-0", ZONE_LABEL: "old"}}}),
        );
        let seen = [(&gone, see(&gone, Ok(PodStatus::default())))];
        assert_eq!(gone_zones(&seen, &["rack1".into()])[0].nodes[0].name, "demo-old-0");
        assert!(gone_zones(&seen, &["old".into()]).is_empty());
    }
}
