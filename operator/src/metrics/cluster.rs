//! What the operator knows of each cluster, as figures. They are made anew from what the last pass saw each time that
//! somebody asks, so that what went (a cluster, a Zone, a reason to wait) is gone from them too.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use swiftlet_plan::report::{Findings, Report, Usage};
use swiftlet_plan::resources::{Condition, ConditionStatus};
use swiftlet_plan::world::Holding;

/// Label and value.
type Labels = Vec<(&'static str, String)>;

/// What is shown of one cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterFigures {
    version: String,
    passed_at_s: i64,
    ring_generation: Option<u64>,
    conditions: BTreeMap<String, bool>,
    zones: BTreeMap<String, ZoneFigures>,
    /// Wanted and ready proxies by pool.
    pools: BTreeMap<String, (u32, u32)>,
    /// Pods that hold older rings than the current ones, and pods that do not tell, by component.
    behind: BTreeMap<&'static str, (usize, usize)>,
    /// What waits, by step, reason, and whether waiting alone will not do.
    held: BTreeMap<(&'static str, &'static str, bool), usize>,
    problems: usize,
}

/// What is shown of one Zone.
#[derive(Clone, Debug, Default, PartialEq)]
struct ZoneFigures {
    nodes: (usize, usize),
    devices: (usize, usize),
    usage: Option<Usage>,
    /// By ring, as the nodes that tell have counted.
    holdings: BTreeMap<String, Holding>,
    conditions: BTreeMap<String, bool>,
}

impl ClusterFigures {
    /// What a pass saw and came to.
    pub fn of(findings: Findings<'_>, report: &Report) -> ClusterFigures {
        let Findings { validation, world, plan, release, .. } = findings;
        let generation = world.rings.as_ref().map(|rings| rings.generation);
        let zones = report.zones.iter().map(|(name, status)| {
            let conditions = conditions(&status.conditions);
            let holdings = holdings(findings, name);
            (name.clone(), ZoneFigures { conditions, holdings, ..zone(findings, name) })
        });
        let pools = validation.cluster.iter().flat_map(|cluster| &cluster.proxies).map(|pool| {
            let ready = world.proxies.get(&pool.name).map_or(0, |observed| observed.ready);
            (pool.name.clone(), (pool.replicas, ready))
        });
        let mut held = BTreeMap::new();
        for waits in &plan.held {
            let reason = waits.reason;
            *held.entry((waits.step, reason.as_str(), reason.needs_a_person())).or_default() += 1;
        }
        ClusterFigures {
            version: release.version.clone(),
            passed_at_s: findings.now_s,
            ring_generation: generation,
            conditions: conditions(&report.cluster.conditions),
            zones: zones.collect(),
            pools: pools.collect(),
            behind: generation.map_or_else(BTreeMap::new, |generation| behind(findings, generation)),
            held,
            problems: validation.problems.len(),
        }
    }
}

/// Nodes and devices of a Zone that shall serve, and those that do. Of a Zone that cannot be planned for, the manifest
/// says what shall.
fn zone(findings: Findings<'_>, name: &str) -> ZoneFigures {
    let Findings { desired, validation, world, .. } = findings;
    let usage = findings.usage.get(name).copied();
    let planned =
        validation.cluster.as_ref().and_then(|cluster| cluster.zones.iter().find(|zone| zone.name == name));
    if let Some(zone) = planned {
        let serves = |node: &str| world.nodes.get(node).filter(|node| node.ready);
        let nodes = (zone.nodes.len(), zone.nodes.iter().filter(|node| serves(&node.name).is_some()).count());
        let devices =
            zone.nodes.iter().flat_map(|node| node.devices.iter().map(move |device| (node, device)));
        let ready = devices.clone().filter(|(node, device)| {
            serves(&node.name).is_some_and(|observed| observed.devices.contains_key(&device.name))
        });
        return ZoneFigures { nodes, devices: (devices.count(), ready.count()), usage, ..Default::default() };
    }
    let spec = desired.zones.iter().find(|zone| zone.name() == name).map(|zone| &zone.spec);
    let wanted = spec.map_or(0, |spec| spec.nodes as usize);
    let ready: Vec<_> = world.nodes.values().filter(|node| node.zone == name && node.ready).collect();
    let devices = spec.map_or(0, |spec| spec.devices.len());
    let ready_devices = ready.iter().map(|node| node.devices.len()).sum();
    ZoneFigures {
        nodes: (wanted, ready.len()),
        devices: (wanted * devices, ready_devices),
        usage,
        ..Default::default()
    }
}

/// What the devices of a Zone hold, those that leave among them.
fn holdings(findings: Findings<'_>, zone: &str) -> BTreeMap<String, Holding> {
    let mut sums: BTreeMap<String, Holding> = BTreeMap::new();
    let nodes = findings.world.nodes.values().filter(|node| node.zone == zone);
    let told = nodes.flat_map(|node| node.devices.values()).flat_map(|device| &device.holdings);
    for (ring, holding) in told.flatten() {
        let sum = sums.entry(ring.clone()).or_default();
        sum.partitions = sum.partitions.saturating_add(holding.partitions);
        sum.misplaced = sum.misplaced.saturating_add(holding.misplaced);
    }
    sums
}

/// Pods that say they hold rings older than `generation`, and pods that serve but do not say which they hold.
fn behind(findings: Findings<'_>, generation: u64) -> BTreeMap<&'static str, (usize, usize)> {
    let nodes = || findings.world.nodes.values();
    let pools = || findings.world.proxies.values();
    let older = |held: &u64| *held < generation;
    let storage = (
        nodes().filter(|node| node.ring_generation.as_ref().is_some_and(older)).count(),
        nodes().filter(|node| node.ready && node.ring_generation.is_none()).count(),
    );
    let silent = |pool: &swiftlet_plan::world::ObservedProxies| {
        (pool.ready as usize).saturating_sub(pool.ring_generations.len())
    };
    let proxies = (
        pools().flat_map(|pool| &pool.ring_generations).filter(|held| older(held)).count(),
        pools().map(silent).sum(),
    );
    BTreeMap::from([("storage", storage), ("proxy", proxies)])
}

/// What holds and what does not; what cannot be told is left out.
fn conditions(all: &[Condition]) -> BTreeMap<String, bool> {
    let told = all.iter().filter(|condition| condition.status != ConditionStatus::Unknown);
    told.map(|condition| (condition.type_.clone(), condition.status == ConditionStatus::True)).collect()
}

/// What is known of every cluster, by namespace and name.
#[derive(Default)]
pub(super) struct Clusters(pub(super) BTreeMap<(String, String), Known>);

/// What is known of one cluster.
#[derive(Default)]
pub(super) struct Known {
    /// `None` before its first whole pass.
    pub(super) figures: Option<ClusterFigures>,
    /// How often each step was taken, by its name.
    pub(super) steps: BTreeMap<&'static str, u64>,
}

impl Clusters {
    /// The page's part about clusters.
    pub(super) fn register(&self, registry: &mut Registry) {
        self.of_clusters(registry);
        self.of_zones(registry);
        self.of_pods(registry);
        self.of_work(registry);
    }

    fn of_clusters(&self, registry: &mut Registry) {
        let values = self.each(|figures| vec![(labels([("version", &figures.version)]), 1.0)]);
        show(registry, "cluster_info", None, "1, with the version that a cluster's pods are given", values);
        let values = self.each(|figures| of_conditions(&figures.conditions, &[]));
        show(
            registry,
            "cluster_condition",
            None,
            "Conditions of a SwiftCluster: 1 where True, 0 where False",
            values,
        );
        let values = self.each(|figures| vec![(Labels::new(), figures.problems as f64)]);
        show(registry, "cluster_problems", None, "What is wrong in a cluster's manifests", values);
        let values = self.each(|figures| vec![(Labels::new(), figures.passed_at_s as f64)]);
        let help = "When the last pass over a cluster came to its end (Unix time)";
        show(registry, "cluster_last_pass_timestamp", Some(Unit::Seconds), help, values);
        let values = self.each(|figures| {
            figures.ring_generation.iter().map(|generation| (Labels::new(), *generation as f64)).collect()
        });
        show(registry, "ring_generation", None, "The generation of the rings that are given out", values);
    }

    fn of_zones(&self, registry: &mut Registry) {
        let values = self.each_zone(|name, zone| of_conditions(&zone.conditions, &[("zone", name)]));
        show(registry, "zone_condition", None, "Conditions of a Zone: 1 where True, 0 where False", values);
        let mut counts = |name, help, of: fn(&ZoneFigures) -> usize| {
            let values = self.each_zone(|name, zone| vec![(labels([("zone", name)]), of(zone) as f64)]);
            show(registry, name, None, help, values);
        };
        counts("nodes_wanted", "Nodes that a Zone shall have", |zone| zone.nodes.0);
        counts("nodes_ready", "Nodes of a Zone that shall be and serve", |zone| zone.nodes.1);
        counts("devices_wanted", "Devices that a Zone shall have", |zone| zone.devices.0);
        counts("devices_ready", "Devices of a Zone that shall be and whose nodes serve", |zone| {
            zone.devices.1
        });
        let mut bytes = |name, help, of: fn(Usage) -> u64| {
            let values = self.each_zone(|name, zone| {
                zone.usage.iter().map(|usage| (labels([("zone", name)]), of(*usage) as f64)).collect()
            });
            show(registry, name, Some(Unit::Bytes), help, values);
        };
        bytes("zone_used", "Bytes in use on a Zone's devices", |usage| usage.used_bytes);
        bytes("zone_size", "Bytes of a Zone's devices", |usage| usage.size_bytes);
        let mut partitions = |name, help, of: fn(&Holding) -> u64| {
            let values = self.each_zone(|name, zone| {
                let rings = zone.holdings.iter();
                rings
                    .map(|(ring, held)| (labels([("zone", name), ("ring", ring)]), of(held) as f64))
                    .collect()
            });
            show(registry, name, None, help, values);
        };
        let help = "Partitions that a Zone's devices hold something of, as their nodes counted";
        partitions("partitions", help, |held| held.partitions);
        let help = "Those of them that the ring has elsewhere: what a rebalance or a drain still moves";
        partitions("partitions_misplaced", help, |held| held.misplaced);
    }

    fn of_pods(&self, registry: &mut Registry) {
        let mut proxies = |name, help, of: fn(&(u32, u32)) -> u32| {
            let values = self.each(|figures| {
                let pools = figures.pools.iter();
                pools.map(|(pool, count)| (labels([("pool", pool)]), f64::from(of(count)))).collect()
            });
            show(registry, name, None, help, values);
        };
        proxies("proxies_wanted", "Proxies that a pool shall have", |count| count.0);
        proxies("proxies_ready", "Proxies of a pool that serve", |count| count.1);
        let mut rings = |name, help, of: fn(&(usize, usize)) -> usize| {
            let values = self.each(|figures| {
                let components = figures.behind.iter();
                components.map(|(name, count)| (labels([("component", name)]), of(count) as f64)).collect()
            });
            show(registry, name, None, help, values);
        };
        rings("pods_behind_on_rings", "Pods that say they hold older rings: storage, proxy", |count| count.0);
        rings("pods_silent_on_rings", "Pods that serve and do not say which rings they hold", |count| {
            count.1
        });
    }

    fn of_work(&self, registry: &mut Registry) {
        let values = self.each(|figures| {
            let held = figures.held.iter().map(|((step, reason, needs_a_person), count)| {
                let person = needs_a_person.to_string();
                let labels = labels([("step", step), ("reason", reason), ("needs_a_person", &person)]);
                (labels, *count as f64)
            });
            held.collect()
        });
        let help = "What waits, by step and reason; needs_a_person is true where waiting alone will not do";
        show(registry, "held", None, help, values);
        let steps = Family::<Labels, Counter>::default();
        for ((namespace, cluster), known) in &self.0 {
            for (step, count) in &known.steps {
                let labels = labels([("namespace", namespace), ("cluster", cluster), ("step", step)]);
                steps.get_or_create(&labels).inc_by(*count);
            }
        }
        registry.register("steps", "Steps of plans that were taken, by their names", steps);
    }

    /// What `of` gives of each cluster, with the labels that say whose it is.
    fn each(&self, of: impl Fn(&ClusterFigures) -> Vec<(Labels, f64)>) -> Vec<(Labels, f64)> {
        let mut values = Vec::new();
        for ((namespace, cluster), known) in &self.0 {
            let Some(figures) = &known.figures else { continue };
            values.extend(of(figures).into_iter().map(|(more, value)| {
                let mut labels = labels([("namespace", namespace), ("cluster", cluster)]);
                labels.extend(more);
                (labels, value)
            }));
        }
        values
    }

    fn each_zone(&self, of: impl Fn(&str, &ZoneFigures) -> Vec<(Labels, f64)>) -> Vec<(Labels, f64)> {
        self.each(|figures| figures.zones.iter().flat_map(|(name, zone)| of(name, zone)).collect())
    }
}

fn labels<const N: usize>(pairs: [(&'static str, &str); N]) -> Labels {
    pairs.map(|(label, value)| (label, value.to_string())).into()
}

fn of_conditions(conditions: &BTreeMap<String, bool>, of: &[(&'static str, &str)]) -> Vec<(Labels, f64)> {
    let value = |(type_, holds): (&String, &bool)| {
        let all = of.iter().copied().chain([("type", type_.as_str())]);
        let labels = all.map(|(label, value)| (label, value.to_string())).collect();
        (labels, f64::from(u8::from(*holds)))
    };
    conditions.iter().map(value).collect()
}

fn show(registry: &mut Registry, name: &str, unit: Option<Unit>, help: &str, values: Vec<(Labels, f64)>) {
    let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).set(value);
    }
    match unit {
        None => registry.register(name, help, family),
        Some(unit) => registry.register_with_unit(name, help, unit, family),
    }
}
