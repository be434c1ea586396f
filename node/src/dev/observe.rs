//! The world as this process knows it: what it remembers, and what it runs.

use super::DevError;
use super::home::Home;
use super::state::State;
use std::collections::BTreeMap;
use swiftlet_plan::world::{
    NodeAddress, ObservedDevice, ObservedNode, ObservedProxies, PublishedRing, PublishedRings, World,
};

/// What runs in this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Running {
    /// The nodes that serve, by name.
    pub(super) nodes: BTreeMap<String, RunningNode>,
    /// Revision and number of the proxies of each pool that serve, by name.
    pub(super) proxies: BTreeMap<String, (String, u32)>,
}

/// A node that serves.
#[derive(Clone, Debug)]
pub(super) struct RunningNode {
    /// What it was started with.
    pub(super) revision: String,
    /// Since when it runs with that (Unix time).
    pub(super) since_s: i64,
}

/// Everything that exists of the cluster.
pub(super) fn observe(home: &Home, state: &State, running: &Running) -> Result<World, DevError> {
    let generation = state.ring_generation;
    let started = |(_, record): &(&String, &super::state::NodeRecord)| record.has_devices();
    let node = |name: &String, record: &super::state::NodeRecord| {
        let running = running.nodes.get(name);
        let device = |bytes: &u64| ObservedDevice {
            requested_bytes: *bytes,
            mounted: running.is_some(),
            ..ObservedDevice::default()
        };
        ObservedNode {
            zone: record.zone.clone(),
            revision: running.map(|node| node.revision.clone()).unwrap_or_default(),
            ready: running.is_some(),
            ready_since_s: running.map(|node| node.since_s),
            // It counts for soaks alone, and those take no time here.
            restarted_at_s: None,
            ring_generation: running.map(|_| generation),
            devices: record.devices.iter().map(|(name, bytes)| (name.clone(), device(bytes))).collect(),
            ..ObservedNode::default()
        }
    };
    let proxies = running.proxies.iter().map(|(pool, (revision, replicas))| {
        let observed = ObservedProxies {
            revision: revision.clone(),
            replicas: *replicas,
            ready: *replicas,
            ring_generations: vec![generation],
            scaled_by_others: false,
        };
        (pool.clone(), observed)
    });
    Ok(World {
        has_data: state.nodes.values().any(|record| record.has_devices()),
        rings: published_rings(home, state)?,
        nodes: state
            .nodes
            .iter()
            .filter(started)
            .map(|(name, record)| (name.clone(), node(name, record)))
            .collect(),
        proxies: proxies.collect(),
        addresses: state
            .nodes
            .iter()
            .map(|(name, record)| {
                (name.clone(), NodeAddress { host: record.ip.to_string(), ports: record.ports })
            })
            .collect(),
        zones_changed_at_s: 0,
        rollout: None,
    })
}

/// The builders in `etc`.
fn published_rings(home: &Home, state: &State) -> Result<Option<PublishedRings>, DevError> {
    if state.ring_generation == 0 {
        return Ok(None);
    }
    let mut rings = BTreeMap::new();
    for name in &state.rings {
        let file = format!("{name}.builder");
        let Some(builder) = home.read_etc(&file)? else {
            let why = "it is gone, and nothing else tells where the data is; bring it back".to_string();
            return Err(DevError::Damaged { path: home.etc().join(file), why });
        };
        rings.insert(name.clone(), PublishedRing { builder });
    }
    Ok(Some(PublishedRings { generation: state.ring_generation, rings }))
}
