//! Building one ring: the first time, and again when its devices or settings changed.

use super::LoadedRing;
use super::members::{self, Member};
use crate::leaving::{Leaving, place_of};
use crate::plan::BuiltRing;
use crate::validate::{RingSettings, ValidatedCluster};
use crate::world::{PublishedRing, World};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fmt;
use swiftlet_ring::builder::{NewDevice, file};
use swiftlet_ring::{Builder, Device, DeviceId, RingData, format};

/// By how much a device's share of all weight must change to be worth moving data: volumes are rarely exactly
/// as large as was asked.
const SHARE_TOLERANCE: f64 = 0.02;

/// More hours than a builder remembers of any partition's last move.
const NOTHING_MOVES_HOURS: u32 = 256;

/// A ring that was built, and what changed.
pub(super) struct Built {
    pub(super) ring: BuiltRing,
    pub(super) summary: String,
    /// Replicas of partitions that are on another device than before.
    pub(super) moved: u64,
    /// Whether it may wait for other rings, so that all are published together.
    pub(super) may_wait: bool,
}

/// How a published ring differs from what it should be.
pub(super) struct Change {
    builder: Builder,
    settings: RingSettings,
    /// Devices that are to be in it, on nodes that serve with them.
    added: Vec<Member>,
    /// Devices that are to be in it once their nodes serve with them.
    pub(super) late: Vec<Member>,
    weights: Vec<(DeviceId, f64)>,
    is_reweighted: bool,
    has_new_settings: bool,
    /// Devices without weight that partitions are still assigned to.
    unfinished: usize,
    /// Devices that nothing is assigned to, that hold nothing, and that nobody asks for.
    pub(super) empty: Vec<DeviceId>,
    /// Devices that are dead.
    pub(super) lost: Vec<DeviceId>,
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
    let members = members::wanted(cluster, world, &ring.name);
    for member in &members {
        add(&mut builder, member)?;
    }
    builder.assign_id(|| builder_id(cluster, &ring.name));
    let what = format!("{} partitions on {} devices", builder.part_count(), members.len());
    finish(builder, ring, what, now_s)
}

/// A published ring's files once more.
pub(super) fn unchanged(name: &str, published: &PublishedRing) -> Result<BuiltRing, String> {
    let builder = load(&published.builder).map_err(|error| format!("ring {name}: {error}"))?;
    Ok(BuiltRing { builder: published.builder.clone(), ring: ring_file(&builder)? })
}

/// The table of the ring that a builder file holds.
pub(crate) fn table_of(builder: &[u8]) -> Result<RingData, String> {
    Ok(load(builder)?.ring())
}

impl Change {
    /// Compares a published ring with what `settings` ask for.
    pub(super) fn find(
        cluster: &ValidatedCluster,
        world: &World,
        leaving: &Leaving,
        (settings, ring): (&RingSettings, &LoadedRing),
    ) -> Result<Self, String> {
        let builder = ring.builder.clone();
        if builder.part_power() != u32::from(settings.part_power) {
            let (from, to) = (builder.part_power(), settings.part_power);
            return Err(format!("partPower cannot change from {from} to {to}"));
        }
        let wanted = members::wanted(cluster, world, &settings.name);
        let (known, new): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|member| ring.device(&member.host, &member.device).is_some());
        let serves = |member: &Member| {
            world.nodes.get(&member.node).is_some_and(|node| node.serves_with(&member.device))
        };
        let (added, late) = new.into_iter().partition(serves);
        let mut change = Self {
            added,
            late,
            has_new_settings: builder.replicas() != settings.replicas
                || builder.overload() != settings.overload,
            builder,
            settings: settings.clone(),
            weights: Vec::new(),
            is_reweighted: false,
            unfinished: 0,
            empty: Vec::new(),
            lost: Vec::new(),
        };
        change.find_weights(&known, ring);
        change.find_leaving(leaving);
        change.is_reweighted = shares_differ(&change.builder, &change.weights);
        Ok(change)
    }

    fn find_weights(&mut self, known: &[Member], ring: &LoadedRing) {
        for member in known {
            let device = ring.device(&member.host, &member.device);
            // A volume that nobody sees just now is not another one.
            let weight = |device: &Device| if member.is_measured { member.weight } else { device.weight };
            self.weights.extend(device.map(|device| (device.id, weight(device))));
        }
    }

    fn find_leaving(&mut self, leaving: &Leaving) {
        let wanted: HashSet<DeviceId> = self.weights.iter().map(|(id, _)| *id).collect();
        for device in self.builder.devices().filter(|device| !wanted.contains(&device.id)) {
            let place = place_of(device);
            if leaving.lost.contains(&place) {
                self.lost.push(device.id);
            } else if leaving.draining.contains(&place) {
                self.weights.push((device.id, 0.0));
                if device.weight > 0.0 {
                    continue;
                }
                if self.builder.parts_held(device.id) > 0 {
                    self.unfinished += 1;
                } else if leaving.drained.contains(&place) {
                    self.empty.push(device.id);
                }
            }
            // What may not leave stays as it is, and is no reason to move anything.
        }
    }

    /// Whether partitions have to move.
    pub(super) fn moves(&self) -> bool {
        !self.added.is_empty() || self.is_reweighted || self.has_new_settings || self.unfinished > 0
    }

    /// Whether all that is left to do is to take from devices what could not be taken before.
    pub(super) fn only_goes_on(&self) -> bool {
        self.added.is_empty() && !self.is_reweighted && !self.has_new_settings
    }

    /// How long until partitions may move again.
    pub(super) fn min_part_seconds_left(&self, now_s: i64) -> u64 {
        // A shorter minPartHours counts at once.
        let mut builder = self.builder.clone();
        builder.set_min_part_hours(u32::from(self.settings.min_part_hours));
        builder.secs_until_all_may_move(unsigned(now_s))
    }

    /// Makes the ring what it should be.
    pub(super) fn apply(mut self, now_s: i64) -> Result<Built, String> {
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
        Ok(Built { may_wait: true, ..finish(self.builder, &self.settings, what, now_s)? })
    }

    /// Takes these devices out of the ring. Nothing else moves.
    pub(super) fn remove(mut self, ids: &[DeviceId], why: &str, now_s: i64) -> Result<Built, String> {
        for id in ids {
            self.builder.remove(*id).map_err(|error| error.to_string())?;
        }
        self.builder.set_min_part_hours(NOTHING_MOVES_HOURS);
        let what = format!("{} {why} devices removed", ids.len());
        let mut built = finish(self.builder, &self.settings, what, now_s)?;
        let mut builder = load(&built.ring.builder)?;
        builder.set_min_part_hours(u32::from(self.settings.min_part_hours));
        built.ring.builder = file::write(&builder);
        Ok(built)
    }
}

/// Whether weights differ by more than a common factor.
fn shares_differ(builder: &Builder, weights: &[(DeviceId, f64)]) -> bool {
    let pairs: Vec<(f64, f64)> =
        weights.iter().filter_map(|(id, weight)| Some((builder.device(*id)?.weight, *weight))).collect();
    let old: f64 = pairs.iter().map(|(before, _)| before).sum();
    let new: f64 = pairs.iter().map(|(_, after)| after).sum();
    if old <= 0.0 || new <= 0.0 {
        return old != new;
    }
    pairs.iter().any(|(before, after)| {
        let (before, after) = (before / old, after / new);
        (after - before).abs() > SHARE_TOLERANCE * before.max(after)
    })
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
fn finish(mut builder: Builder, ring: &RingSettings, what: String, now_s: i64) -> Result<Built, String> {
    // A fixed seed: the same world gives the same plan.
    let done = builder.rebalance(unsigned(now_s), &ring.name).map_err(|error| error.to_string())?;
    builder.validate().map_err(|error| error.to_string())?;
    let ring = BuiltRing { builder: file::write(&builder), ring: ring_file(&builder)? };
    let summary =
        format!("{what}, {} partition replicas assigned, balance {:.2} %", done.moved, done.balance);
    Ok(Built { ring, summary, moved: done.moved, may_wait: false })
}

/// Swift gives a builder a random id at its first save. Ours follows from who the cluster is, so that the same
/// world gives the same plan; the hash path makes it one of a kind.
fn builder_id(cluster: &ValidatedCluster, ring: &str) -> String {
    let secret = cluster.hash_path.as_ref().map(|hash_path| (&hash_path.prefix, &hash_path.suffix));
    let whole = format!("{}/{}/{ring}/{secret:?}", cluster.namespace, cluster.name);
    hex::encode(&Sha256::digest(whole)[..16])
}

pub(super) fn load(bytes: &[u8]) -> Result<Builder, String> {
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
        if !self.empty.is_empty() {
            parts.push(format!("{} drained devices to remove", self.empty.len()));
        }
        if self.unfinished > 0 {
            parts.push(format!("{} devices to drain on", self.unfinished));
        }
        if self.has_new_settings {
            let RingSettings { replicas, overload, .. } = self.settings;
            parts.push(format!("{replicas} replicas, overload {} %", overload * 100.0));
        }
        f.write_str(&parts.join(", "))
    }
}
