//! What would happen, before anything does: the planner is run again and again against a world that only gets as far as
//! its steps and the assumptions take it, the clock moved on to the next moment at which anything can change.

mod clock;
mod imagined;
mod moves;

pub use moves::{DeviceMoves, Moves, Place, compare};

use crate::plan::{Held, HoldReason, Plan, Step, plan};
use crate::validate::ValidatedCluster;
use crate::world::World;
use imagined::Imagined;
use std::collections::{BTreeMap, BTreeSet};
use swiftlet_ring::format;

/// More moments than any change takes.
const MOMENTS_MAX: usize = 5000;
/// So many moments without a step are no way to one.
const IDLE_MOMENTS_MAX: usize = 200;

/// What is assumed of machines that nobody can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumptions {
    /// What replication reads from, or writes to, one device a second.
    pub device_bytes_per_s: u64,
    /// What a replication pass takes that finds nothing to do, and the wait for it to begin.
    pub pass_s: i64,
    /// From a pod's start until it serves.
    pub start_s: i64,
    /// From the publication of rings until every pod uses them.
    pub spread_s: i64,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self { device_bytes_per_s: 80 << 20, pass_s: 60, start_s: 30, spread_s: 30 }
    }
}

/// What would happen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecast {
    /// The steps in order.
    pub stages: Vec<Stage>,
    /// What each device gives and takes in all, by host and device name.
    pub devices: BTreeMap<Place, Totals>,
    /// Partition replicas that move, of all rings.
    pub replicas: u64,
    /// Bytes that move; `None`: nobody knows how full the devices are.
    pub bytes: Option<u64>,
    /// Seconds until the last of it is done.
    pub duration_s: i64,
    /// What still waits then, and time alone does not bring: nothing where everything is as asked.
    pub left: Vec<Held>,
}

/// Steps that are taken at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Seconds from now.
    pub at_s: i64,
    /// What was waited for before.
    pub gates: Vec<Held>,
    /// What is done.
    pub steps: Vec<ForecastStep>,
}

/// A step, and what moves by it.
#[derive(Clone, Debug, PartialEq)]
pub struct ForecastStep {
    /// The step's own name.
    pub name: &'static str,
    /// The step in words.
    pub what: String,
    /// Partition replicas that move by ring; of a step that publishes rings.
    pub moves: BTreeMap<String, u64>,
}

/// What a device gives and takes, of all rings and stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Partition replicas that leave it.
    pub gives: u64,
    /// Partition replicas that come to it.
    pub takes: u64,
    /// Bytes that leave it.
    pub gives_bytes: u64,
    /// Bytes that come to it.
    pub takes_bytes: u64,
    /// Bytes in use on it before; 0 where nobody knows.
    pub used_before_bytes: u64,
    /// The size of its volume; 0 where there is none.
    pub size_bytes: u64,
}

/// What would happen to `world` from `now_s` (Unix time) on, were `cluster` what is asked for.
pub fn forecast(
    cluster: &ValidatedCluster,
    world: &World,
    now_s: i64,
    assumptions: &Assumptions,
) -> Forecast {
    run(cluster, world, now_s, assumptions, |_, _| {})
}

/// The same; `watch` sees every plan that has steps, before they are taken.
fn run(
    cluster: &ValidatedCluster,
    world: &World,
    now_s: i64,
    assumptions: &Assumptions,
    mut watch: impl FnMut(&Imagined<'_>, &Plan),
) -> Forecast {
    let mut imagined = Imagined::new(cluster, world, now_s, assumptions);
    let mut told = Forecast { bytes: imagined.bytes_per_replica.map(|_| 0), ..Forecast::default() };
    let mut waited: Vec<Held> = Vec::new();
    let mut last_change_s = now_s;
    let mut idle = 0;
    for _ in 0..MOMENTS_MAX {
        let next = plan(&imagined.cluster, &imagined.world, imagined.now_s);
        told.left.clone_from(&next.held);
        if !next.steps.is_empty() {
            let gates = passed(std::mem::take(&mut waited), &next);
            watch(&imagined, &next);
            told.record(&imagined, &next, (imagined.now_s - now_s, gates));
            imagined.carry_out(&next);
            last_change_s = imagined.now_s;
            idle = 0;
            continue;
        }
        idle += 1;
        if idle > IDLE_MOMENTS_MAX {
            break;
        }
        imagined.world.rollout.clone_from(&next.rollout);
        waited.extend(next.held.iter().cloned());
        if imagined.happens_next() {
            last_change_s = imagined.now_s;
        } else if next.held.is_empty() || !imagined.waits() {
            break;
        }
    }
    told.duration_s = last_change_s - now_s;
    told
}

/// What was waited for and is waited for no longer, each once, as it was told last.
fn passed(waited: Vec<Held>, next: &Plan) -> Vec<Held> {
    let key = |held: &Held| (held.step, held.subject.clone(), held.reason);
    let still: BTreeSet<_> = next.held.iter().map(key).collect();
    let last: BTreeMap<_, Held> = waited.into_iter().map(|held| (key(&held), held)).collect();
    // That others come first says nothing that their steps do not.
    let says_little = |reason| matches!(reason, HoldReason::OtherZoneFirst | HoldReason::MaxUnavailable);
    let gates = last.into_iter().filter(|(key, held)| !still.contains(key) && !says_little(held.reason));
    gates.map(|(_, held)| held).collect()
}

impl Forecast {
    fn record(&mut self, imagined: &Imagined<'_>, plan: &Plan, (at_s, gates): (i64, Vec<Held>)) {
        let mut steps = Vec::new();
        for step in &plan.steps {
            let mut moves = BTreeMap::new();
            match step {
                Step::PublishRings(next) => {
                    for (name, built) in &next.rings {
                        let after = format::read(&built.ring).ok();
                        let moved = imagined.tables.get(name).zip(after).and_then(|(b, a)| compare(b, &a));
                        let Some(moved) = moved.filter(|moved| moved.replicas > 0) else { continue };
                        moves.insert(name.clone(), moved.replicas);
                        self.add(imagined, name, &moved);
                    }
                }
                Step::ReplaceDevices(step) => self.refill(imagined, &step.node, step.devices.keys()),
                _ => {}
            }
            steps.push(ForecastStep { name: step.name(), what: step.to_string(), moves });
        }
        self.stages.push(Stage { at_s, gates, steps });
    }

    fn add(&mut self, imagined: &Imagined<'_>, ring: &str, moved: &Moves) {
        self.replicas += moved.replicas;
        for (place, device) in moved.devices.iter().filter(|(_, device)| device.gives + device.takes > 0) {
            let (gives_bytes, takes_bytes) =
                (imagined.bytes_of(ring, device.gives), imagined.bytes_of(ring, device.takes));
            self.give_and_take(imagined, place, (device.gives, device.takes), (gives_bytes, takes_bytes));
        }
    }

    /// A new volume takes what the old one held.
    fn refill<'a>(&mut self, imagined: &Imagined<'_>, node: &str, devices: impl Iterator<Item = &'a String>) {
        let Some(address) = imagined.world.addresses.get(node) else { return };
        let mut parts = imagined.parts();
        for device in devices {
            let place = (address.host.clone(), device.clone());
            for (ring, parts) in parts.remove(&place).unwrap_or_default() {
                self.replicas += parts;
                self.give_and_take(imagined, &place, (0, parts), (0, imagined.bytes_of(&ring, parts)));
            }
        }
    }

    fn give_and_take(
        &mut self,
        imagined: &Imagined<'_>,
        place: &Place,
        (gives, takes): (u64, u64),
        (gives_bytes, takes_bytes): (u64, u64),
    ) {
        let totals = self.devices.entry(place.clone()).or_insert_with(|| imagined.totals_of(place));
        totals.gives += gives;
        totals.takes += takes;
        totals.gives_bytes = totals.gives_bytes.saturating_add(gives_bytes);
        totals.takes_bytes = totals.takes_bytes.saturating_add(takes_bytes);
        self.bytes = self.bytes.map(|bytes| bytes.saturating_add(takes_bytes));
    }

    /// What a person has to decide on before it goes on.
    pub fn needs_a_person(&self) -> impl Iterator<Item = &Held> {
        self.left.iter().filter(|held| held.reason.needs_a_person())
    }
}

#[cfg(test)]
mod tests;
