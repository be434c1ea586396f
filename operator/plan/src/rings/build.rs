//! Building one ring: the first time, and again when its devices or settings changed.

use super::members::{self, Member};
use crate::plan::BuiltRing;
use crate::validate::{RingSettings, ValidatedCluster};
use crate::world::{PublishedRing, World};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use swiftlet_ring::builder::{NewDevice, file};
use swiftlet_ring::{Builder, Device, DeviceId, RingData, format};

/// By how much a device's share of all weight must change to be worth moving data: volumes are rarely exactly
/// as large as was asked.
const SHARE_TOLERANCE: f64 = 0.02;

/// A ring that was built, and what changed.
pub(super) struct Built {
    pub(super) ring: BuiltRing,
    pub(super) summary: String,
}

/// How a published ring differs from what it should be.
pub(super) struct Change {
    builder: Builder,
    settings: RingSettings,
    added: Vec<Member>,
    weights: Vec<(DeviceId, f64)>,
    is_reweighted: bool,
    has_new_settings: bool,
    /// Devices in the ring that should not be: node and device.
    pub(super) leaving: Vec<(String, String)>,
}

/// Builds a ring for the first time.
pub(super) fn first(
    cluster: &ValidatedCluster,
    world: &World,
    ring: &RingSettings,
    now_s: i64,
) -> Result<Built, String> {
    let mut builder = Builder::new(u32::from(ring.part_power), ring.replicas, u32::from(ring.min_part_hours))
        .map_err(|error| error.to_string())?;
    builder.set_overload(ring.overload).map_err(|error| error.to_string())?;
    let members = members::wanted(cluster, world, ring);
    for member in &members {
        add(&mut builder, member)?;
    }
    builder.assign_id(|| builder_id(cluster, &ring.name));
    let what = format!("{} partitions on {} devices", builder.part_count(), members.len());
    finish(builder, ring, 0, what, now_s)
}

/// A published ring's files once more.
pub(super) fn unchanged(name: &str, published: &PublishedRing) -> Result<BuiltRing, String> {
    let builder = load(&published.builder).map_err(|error| format!("ring {name}: {error}"))?;
    Ok(BuiltRing { builder: published.builder.clone(), ring: ring_file(&builder)?, moves: published.moves })
}

/// The table of the ring that a builder file holds.
pub(crate) fn table_of(builder: &[u8]) -> Result<RingData, String> {
    Ok(load(builder)?.ring())
}

impl Change {
    /// Compares `published` with what `ring` should be.
    pub(super) fn find(
        cluster: &ValidatedCluster,
        world: &World,
        ring: &RingSettings,
        published: &PublishedRing,
    ) -> Result<Self, String> {
        let builder = load(&published.builder)?;
        if builder.part_power() != u32::from(ring.part_power) {
            return Err(format!(
                "partPower cannot change from {} to {}",
                builder.part_power(),
                ring.part_power
            ));
        }
        let wanted = members::wanted(cluster, world, ring);
        let known: BTreeMap<(&str, &str), &Device> =
            builder.devices().map(|device| ((device.ip.as_str(), device.device.as_str()), device)).collect();
        let in_ring = |member: &Member| known.get(&(member.host.as_str(), member.device.as_str())).copied();
        let added = wanted.iter().filter(|member| in_ring(member).is_none()).cloned().collect();
        let pairs: Vec<(&Device, f64)> =
            wanted.iter().filter_map(|m| Some((in_ring(m)?, m.weight))).collect();
        let weights: Vec<(DeviceId, f64)> =
            pairs.iter().map(|(device, weight)| (device.id, *weight)).collect();
        let is_reweighted = shares_differ(&pairs);
        let has_new_settings = builder.replicas() != ring.replicas || builder.overload() != ring.overload;
        let leaving = leaving(cluster, world, &wanted, &builder);
        let settings = ring.clone();
        Ok(Self { settings, added, weights, is_reweighted, has_new_settings, leaving, builder })
    }

    /// Whether it is as it should be.
    pub(super) fn is_none(&self) -> bool {
        self.added.is_empty() && !self.is_reweighted && !self.has_new_settings
    }

    /// How long until partitions may move again.
    pub(super) fn min_part_seconds_left(&self, now_s: i64) -> u64 {
        // A shorter minPartHours counts at once.
        let mut builder = self.builder.clone();
        builder.set_min_part_hours(u32::from(self.settings.min_part_hours));
        builder.min_part_secs_left(unsigned(now_s))
    }

    /// Makes the ring what it should be.
    pub(super) fn apply(mut self, published: &PublishedRing, now_s: i64) -> Result<Built, String> {
        let what = self.to_string();
        let ring = &self.settings;
        self.builder.set_min_part_hours(u32::from(ring.min_part_hours));
        self.builder.set_overload(ring.overload).map_err(|error| error.to_string())?;
        self.builder.set_replicas(ring.replicas).map_err(|error| error.to_string())?;
        for (id, weight) in &self.weights {
            self.builder.set_weight(*id, *weight).map_err(|error| error.to_string())?;
        }
        for member in &self.added {
            add(&mut self.builder, member)?;
        }
        finish(self.builder, &self.settings, published.moves + 1, what, now_s)
    }
}

/// Whether weights differ by more than a common factor.
fn shares_differ(pairs: &[(&Device, f64)]) -> bool {
    let old: f64 = pairs.iter().map(|(device, _)| device.weight).sum();
    let new: f64 = pairs.iter().map(|(_, weight)| weight).sum();
    if old <= 0.0 || new <= 0.0 {
        return old != new;
    }
    pairs.iter().any(|(device, weight)| {
        let (before, after) = (device.weight / old, weight / new);
        (after - before).abs() > SHARE_TOLERANCE * before.max(after)
    })
}

/// Devices in the ring whose node shall keep running without them in it.
fn leaving(
    cluster: &ValidatedCluster,
    world: &World,
    wanted: &[Member],
    builder: &Builder,
) -> Vec<(String, String)> {
    let mut leaving = Vec::new();
    for (_, node) in cluster.nodes() {
        let Some(address) = world.addresses.get(&node.name) else { continue };
        for device in builder.devices().filter(|device| device.ip == address.host) {
            let stays = |m: &Member| m.node == node.name && m.device == device.device;
            // A device that the node shall not have at all is the node's matter, not the ring's.
            if node.devices.iter().any(|d| d.name == device.device) && !wanted.iter().any(stays) {
                leaving.push((node.name.clone(), device.device.clone()));
            }
        }
    }
    leaving
}

fn add(builder: &mut Builder, member: &Member) -> Result<(), String> {
    let device = NewDevice {
        id: None,
        device: member.device.clone(),
        ip: member.host.clone(),
        port: member.port,
        replication_ip: member.host.clone(),
        replication_port: member.port,
        region: member.region,
        zone: member.zone,
        weight: member.weight,
        meta: member.node.clone(),
    };
    builder.add(device).map(|_| ()).map_err(|error| error.to_string())
}

/// Rebalances: `what` changed.
fn finish(
    mut builder: Builder,
    ring: &RingSettings,
    moves: u32,
    what: String,
    now_s: i64,
) -> Result<Built, String> {
    // A fixed seed: the same world gives the same plan.
    let done = builder.rebalance(unsigned(now_s), &ring.name).map_err(|error| error.to_string())?;
    builder.validate().map_err(|error| error.to_string())?;
    let ring = BuiltRing { builder: file::write(&builder), ring: ring_file(&builder)?, moves };
    let summary =
        format!("{what}, {} partition replicas assigned, balance {:.2} %", done.moved, done.balance);
    Ok(Built { ring, summary })
}

/// Swift gives a builder a random id at its first save. Ours follows from who the cluster is, so that the same
/// world gives the same plan; the hash path makes it one of a kind.
fn builder_id(cluster: &ValidatedCluster, ring: &str) -> String {
    let secret = cluster.hash_path.as_ref().map(|hash_path| (&hash_path.prefix, &hash_path.suffix));
    let whole = format!("{}/{}/{ring}/{secret:?}", cluster.namespace, cluster.name);
    hex::encode(&Sha256::digest(whole)[..16])
}

fn load(bytes: &[u8]) -> Result<Builder, String> {
    file::read(bytes).map_err(|error| format!("its builder cannot be read: {error}"))
}

fn ring_file(builder: &Builder) -> Result<Vec<u8>, String> {
    format::write(&builder.ring(), format::FormatVersion::V1).map_err(|error| error.to_string())
}

/// The ring library counts from 1970 on.
fn unsigned(now_s: i64) -> u64 {
    u64::try_from(now_s).unwrap_or(0)
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.added.is_empty() {
            parts.push(format!("{} devices to add", self.added.len()));
        }
        if self.is_reweighted {
            parts.push("other weights".to_string());
        }
        if self.has_new_settings {
            let RingSettings { replicas, overload, .. } = self.settings;
            parts.push(format!("{replicas} replicas, overload {} %", overload * 100.0));
        }
        f.write_str(&parts.join(", "))
    }
}
