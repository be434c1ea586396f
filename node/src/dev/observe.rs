//! The world as this process knows it: what it remembers, what it runs, and what lies on its nodes' devices.

use super::home::Home;
use super::state::{DeviceRecord, NodeRecord, State};
use super::{DevError, files};
use crate::holdings::{
    AssignmentsError, DeviceHoldings, Holdings, RingHoldings, StorageNode, StorageNodeError,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use swiftlet_plan::world::{
    Holding, NodeAddress, ObservedDevice, ObservedNode, ObservedProxies, PublishedRing, PublishedRings,
    Rollout, World,
};
use thiserror::Error;

/// What runs in this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Running {
    /// The nodes that serve, by name.
    pub(super) nodes: BTreeMap<String, RunningNode>,
    /// Revision and number of the proxies of each pool that serve, by name.
    pub(super) proxies: BTreeMap<String, (String, u32)>,
    /// The rollout that is under way.
    pub(super) rollout: Option<Rollout>,
}

/// A node that serves.
#[derive(Clone, Debug)]
pub(super) struct RunningNode {
    /// What it was started with.
    pub(super) revision: String,
    /// Since when it runs with that (Unix time).
    pub(super) since_s: i64,
    /// Since when its daemons have the current rings (Unix time, rounded up).
    pub(super) rings_since_s: i64,
}

/// Why it is not known what a node holds.
#[derive(Debug, Error)]
enum LookError {
    #[error(transparent)]
    Node(#[from] StorageNodeError),
    #[error(transparent)]
    Assignments(#[from] AssignmentsError),
}

/// What the nodes that run hold, by name. One that cannot be looked at is left out, and told.
pub(super) async fn look(home: &Home, state: &State, running: &Running) -> BTreeMap<String, Holdings> {
    let nodes: Vec<(String, NodeRecord)> =
        state.nodes.iter().filter(|(name, _)| running.nodes.contains_key(*name)).map(owned).collect();
    let etc = home.etc();
    let looking = tokio::task::spawn_blocking(move || {
        let look = |(name, record): (String, NodeRecord)| {
            let found = holdings(&etc, &record).inspect_err(|error| tracing::error!("{name}: {error}"));
            Some((name, found.ok()?))
        };
        nodes.into_iter().filter_map(look).collect()
    });
    // one that panicked was reported by its own task
    looking.await.unwrap_or_default()
}

fn owned((name, record): (&String, &NodeRecord)) -> (String, NodeRecord) {
    (name.clone(), record.clone())
}

fn holdings(etc: &Path, record: &NodeRecord) -> Result<Holdings, LookError> {
    let place = record.place();
    let node = StorageNode::from_files(|server| -> PathBuf { etc.join(files::name(server, &place)) })?;
    let mounted = record.devices.iter().filter(|(_, device)| device.mounted);
    Ok(node.holdings(&node.assignments()?, mounted.map(|(name, _)| name.as_str())))
}

/// Everything that exists of the cluster; `holdings` is what [`look`] found.
pub(super) fn observe(
    home: &Home,
    state: &State,
    running: &Running,
    holdings: &BTreeMap<String, Holdings>,
) -> Result<World, DevError> {
    let generation = state.ring_generation;
    let proxies = running.proxies.iter().map(|(pool, (revision, replicas))| {
        let observed = ObservedProxies {
            revision: revision.clone(),
            replicas: *replicas,
            scaled_by: None,
            ready: *replicas,
            ring_generations: vec![generation],
        };
        (pool.clone(), observed)
    });
    let address = |record: &NodeRecord| NodeAddress { host: record.ip.to_string(), ports: record.ports };
    let node = |(name, record): (&String, &NodeRecord)| {
        let observed = observed_node(record, running.nodes.get(name), holdings.get(name), generation);
        (name.clone(), observed)
    };
    Ok(World {
        has_data: state.nodes.values().any(|record| record.has_devices()),
        volumes: state
            .nodes
            .iter()
            .flat_map(|(name, record)| record.devices.keys().map(|device| (name.clone(), device.clone())))
            .collect(),
        rings: published_rings(home, state)?,
        nodes: state.nodes.iter().filter(|(_, record)| record.has_devices()).map(node).collect(),
        proxies: proxies.collect(),
        addresses: state.nodes.iter().map(|(name, record)| (name.clone(), address(record))).collect(),
        zones_changed_at_s: 0,
        rollout: running.rollout.clone(),
    })
}

fn observed_node(
    record: &NodeRecord,
    running: Option<&RunningNode>,
    holdings: Option<&Holdings>,
    generation: u64,
) -> ObservedNode {
    let device = |(name, record): (&String, &DeviceRecord)| {
        let found = holdings.and_then(|holdings| holdings.devices.get(name)).cloned().unwrap_or_default();
        (name.clone(), observed_device(record, found))
    };
    let passes = holdings.iter().flat_map(|holdings| &holdings.passes);
    ObservedNode {
        zone: record.zone.clone(),
        revision: running.map(|node| node.revision.clone()).unwrap_or_default(),
        ready: running.is_some(),
        ready_since_s: running.map(|node| node.since_s),
        // It counts for soaks alone, and those take no time here.
        restarted_at_s: None,
        ring_generation: running.map(|_| generation),
        ring_since_s: running.map(|node| node.rings_since_s),
        passes: passes.map(|(server, pass)| ((*server).to_owned(), pass.began)).collect(),
        // All nodes run this process's version, whatever the manifests ask for.
        version: String::new(),
        devices: record.devices.iter().map(device).collect(),
    }
}

fn observed_device(record: &DeviceRecord, found: DeviceHoldings) -> ObservedDevice {
    let holding = |(ring, held): (String, RingHoldings)| {
        (ring, Holding { partitions: held.partitions, misplaced: held.misplaced })
    };
    ObservedDevice {
        requested_bytes: record.size_bytes,
        // A folder is as large as its manifest says.
        real_bytes: Some(record.size_bytes),
        replacement: record.replacement,
        made_at_s: record.made_at_s,
        mounted: record.mounted,
        // All devices share this machine's disk: how full that is tells nothing about one of them.
        used_bytes: None,
        holdings: found.rings.map(|rings| rings.into_iter().map(holding).collect()),
        async_pendings: found.async_pendings.unwrap_or_default(),
        quarantined: found.quarantined.unwrap_or_default(),
    }
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
