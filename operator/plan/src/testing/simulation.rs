//! An executor without a cluster: it does to a [`World`] what steps say, and watches the rules as it goes.

use super::hash_path;
use crate::plan::{NodeStep, Plan, Step, plan};
use crate::validate::{Desired, ValidatedCluster, validate};
use crate::world::{
    NodeAddress, ObservedDevice, ObservedNode, ObservedProxies, PublishedRing, PublishedRings, World,
};
use proptest::sample::Index;

/// What a tick lasts.
const TICK_S: i64 = 60;
/// More ticks than any change takes, soak included.
const MOST_TICKS: usize = 400;

/// A simulated cluster.
pub(crate) struct Simulation {
    pub(crate) desired: Desired,
    pub(crate) world: World,
    pub(crate) now_s: i64,
    /// Nodes and proxies that were taken down to be replaced, in order.
    pub(crate) restarted: Vec<String>,
}

impl Simulation {
    /// Nothing but a wish.
    pub(crate) fn new(desired: Desired) -> Self {
        let mut sim = Self { desired, world: World::default(), now_s: 1_700_000_000, restarted: Vec::new() };
        sim.change(sim.desired.clone());
        sim.now_s += 100;
        sim
    }

    /// Other wishes.
    pub(crate) fn change(&mut self, desired: Desired) {
        self.desired = Desired { hash_path: Some(hash_path()), ..desired };
        for (_, node) in self.cluster().nodes() {
            let address = NodeAddress::in_kubernetes(&node.name, "default");
            self.world.addresses.insert(node.name.clone(), address);
        }
        if self.world.rings.is_none() {
            self.world.zones_changed_at_s = self.now_s;
        }
    }

    pub(crate) fn cluster(&self) -> ValidatedCluster {
        validate(&self.desired).cluster.expect("changes keep the cluster valid")
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(&self.cluster(), &self.world, self.now_s)
    }

    /// One pass of the loop, its executor killed after `steps` steps; then time goes on.
    pub(crate) fn tick(&mut self, steps: usize) {
        let mut plan = self.plan();
        plan.steps.truncate(steps);
        self.carry_out(&plan);
        self.now_s += TICK_S;
        self.recover();
    }

    /// Passes until nothing is left to do or to wait for by time alone.
    pub(crate) fn settle(&mut self) {
        let mut idle = 0;
        for _ in 0..MOST_TICKS {
            // Soaking and quiet take time in which there are no steps.
            idle = if self.plan().steps.is_empty() { idle + 1 } else { 0 };
            if idle > 15 {
                return;
            }
            self.tick(usize::MAX);
        }
        panic!("does not settle: {:?}", self.plan());
    }

    /// Everything that is down comes up, with the current rings.
    pub(crate) fn recover(&mut self) {
        let generation = self.world.rings.as_ref().map(|rings| rings.generation);
        for node in self.world.nodes.values_mut() {
            if !node.ready {
                node.ready = true;
                node.ready_since_s = Some(self.now_s);
            }
            node.ring_generation = generation;
        }
        for pool in self.world.proxies.values_mut() {
            pool.ready = pool.replicas;
            pool.ring_generations = generation.into_iter().collect();
        }
    }

    /// A node goes down by itself.
    pub(crate) fn crash(&mut self, index: Index) {
        let count = self.world.nodes.len();
        if let Some(node) =
            (count > 0).then(|| self.world.nodes.values_mut().nth(index.index(count))).flatten()
        {
            node.ready = false;
            node.ring_generation = None;
        }
    }

    pub(crate) fn carry_out(&mut self, plan: &Plan) {
        for step in &plan.steps {
            if let Step::RestartProxies(step) = step {
                self.restarted.push(format!("proxies {}", step.pool));
            }
            match step {
                Step::PublishRings(next) => {
                    let ring = |(name, ring): (&String, &crate::plan::BuiltRing)| {
                        (name.clone(), PublishedRing { builder: ring.builder.clone(), moves: ring.moves })
                    };
                    let rings = next.rings.iter().map(ring).collect();
                    self.world.rings = Some(PublishedRings { generation: next.generation, rings });
                    self.world.has_data = true;
                }
                Step::GrowDevice { node, device, size_bytes, .. } => {
                    let device = self.world.nodes.get_mut(node).and_then(|node| node.devices.get_mut(device));
                    device.expect("only devices that exist grow").requested_bytes = *size_bytes;
                }
                Step::StartNode(step) => self.start(step, None),
                Step::RestartNode(step) => {
                    if self.world.nodes[&step.node].ready {
                        assert_eq!(self.world.down_elsewhere(&step.zone), None, "two zones down: {step:?}");
                        self.restarted.push(step.node.clone());
                    }
                    self.start(step, Some(self.now_s));
                }
                Step::StartProxies(step) | Step::ScaleProxies(step) | Step::RestartProxies(step) => {
                    let observed = ObservedProxies {
                        revision: step.revision.clone(),
                        replicas: step.replicas,
                        ready: 0,
                        ring_generations: Vec::new(),
                    };
                    self.world.proxies.insert(step.pool.clone(), observed);
                }
                Step::StopProxies { pool } => {
                    self.world.proxies.remove(pool);
                }
            }
        }
    }

    fn start(&mut self, step: &NodeStep, restarted_at_s: Option<i64>) {
        let cluster = self.cluster();
        let (_, node) =
            cluster.nodes().find(|(_, node)| node.name == step.node).expect("only known nodes start");
        let old = self.world.nodes.get(&step.node).map(|node| node.devices.clone()).unwrap_or_default();
        let new = node.devices.iter().map(|device| {
            let size =
                ObservedDevice { requested_bytes: device.size_bytes, real_bytes: Some(device.size_bytes) };
            (device.name.clone(), size)
        });
        let observed = ObservedNode {
            zone: step.zone.clone(),
            revision: step.revision.clone(),
            restarted_at_s,
            devices: new.chain(old).collect(),
            ..ObservedNode::default()
        };
        self.world.nodes.insert(step.node.clone(), observed);
    }
}
