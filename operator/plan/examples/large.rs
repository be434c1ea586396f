//! How long planning takes for a large cluster, and how much memory: its first rings, a settled world, and one more node.
//! usage: large [ZONES=50] [NODES=40] [DEVICES=24] [PART_POWER=18]

use std::collections::BTreeMap;
use std::time::Instant;
use swiftlet_plan::check::check;
use swiftlet_plan::documents::Documents;
use swiftlet_plan::plan::{Plan, Step, plan};
use swiftlet_plan::revision;
use swiftlet_plan::validate::{HashPath, ValidatedCluster, validate};
use swiftlet_plan::world::{
    NodeAddress, ObservedDevice, ObservedNode, PASS_KINDS, PublishedRing, PublishedRings, World,
};

const NOW_S: i64 = 1_700_000_000;

fn main() {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<u32>().expect("a number"));
    let mut next = |default| numbers.next().unwrap_or(default);
    let (zones, nodes, devices, part_power) = (next(50), next(40), next(24), next(18));
    println!("{zones} zones x {nodes} nodes x {devices} devices, part power {part_power}");
    let cluster = cluster((zones, nodes, devices), part_power);
    let mut world = World::default();
    name(&cluster, &mut world);
    let first = timed("first rings", || plan(&cluster, &world, NOW_S));
    timed("its check", || assert_eq!(check(&cluster, &world, &first), vec![]));
    settle(&cluster, &mut world, &first);
    let settled = timed("a settled world", || plan(&cluster, &world, NOW_S));
    assert!(settled.steps.iter().all(|step| step.name() == "StartProxies"), "{:?}", settled.steps);
    let grown = self::cluster((zones, nodes + 1, devices), part_power);
    name(&grown, &mut world);
    let starts = timed("a node more in every zone, to start", || plan(&grown, &world, NOW_S));
    start(&grown, &mut world, &starts);
    let moved = timed("the same, to rebalance", || plan(&grown, &world, NOW_S + 1000));
    assert!(moved.steps.iter().any(|step| step.name() == "PublishRings"), "{:?}", moved.held);
    timed("its check", || assert_eq!(check(&grown, &world, &moved), vec![]));
    println!("peak memory {} MiB", peak_kib() / 1024);
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    println!("{what}: {:.2} s", started.elapsed().as_secs_f64());
    done
}

fn cluster((zones, nodes, devices): (u32, u32, u32), part_power: u32) -> ValidatedCluster {
    let mut text = format!(
        "
apiVersion: swiftlet.io/v1alpha1
kind: SwiftCluster
metadata: {{name: demo}}
spec:
  version: 0.1.0
  rings: {{partPower: {part_power}, minPartHours: 0}}
  auth: {{tempauth: {{usersSecretName: users}}}}
---
{{apiVersion: v1, kind: Secret, metadata: {{name: users}}, stringData: {{user_test_tester: testing .admin}}}}
"
    );
    let devices: Vec<String> = (0..devices).map(|d| format!("{{name: d{d}, size: 4Ti}}")).collect();
    for zone in 1..=zones {
        text += &format!(
            "---
apiVersion: swiftlet.io/v1alpha1
kind: Zone
metadata: {{name: z{zone}}}
spec: {{cluster: demo, zone: {zone}, nodes: {nodes}, devices: [{}]}}
",
            devices.join(", ")
        );
    }
    let mut documents = Documents::default();
    documents.read("large", &text).expect("the example's own text");
    let mut desired = documents.desired().expect("the example's own text");
    desired.hash_path = Some(HashPath { prefix: String::new(), suffix: "changeme".into() });
    validate(&desired).cluster.expect("the example's own cluster")
}

fn name(cluster: &ValidatedCluster, world: &mut World) {
    let address = |node: &str| NodeAddress::in_kubernetes(node, "default");
    world.addresses = cluster.nodes().map(|(_, node)| (node.name.clone(), address(&node.name))).collect();
}

/// Every node serves with the rings of `first`, and its data is where they have it.
fn settle(cluster: &ValidatedCluster, world: &mut World, first: &Plan) {
    for step in &first.steps {
        if let Step::PublishRings(next) = step {
            let rings = next.rings.iter();
            let rings =
                rings.map(|(name, ring)| (name.clone(), PublishedRing { builder: ring.builder.clone() }));
            world.rings = Some(PublishedRings { generation: next.generation, rings: rings.collect() });
        }
    }
    world.has_data = true;
    start(cluster, world, first);
}

fn start(cluster: &ValidatedCluster, world: &mut World, plan: &Plan) {
    for (zone, node) in cluster.nodes() {
        let starts = plan.steps.iter().any(|step| matches!(step, Step::StartNode(s) if s.node == node.name));
        if !starts {
            continue;
        }
        let device = |bytes| ObservedDevice {
            requested_bytes: bytes,
            real_bytes: Some(bytes),
            mounted: true,
            holdings: Some(BTreeMap::new()),
            ..ObservedDevice::default()
        };
        let seen = ObservedNode {
            zone: zone.name.clone(),
            revision: revision::of_node(cluster, zone, node),
            ready: true,
            ready_since_s: Some(NOW_S),
            ring_generation: Some(1),
            ring_since_s: Some(NOW_S),
            passes: PASS_KINDS.iter().map(|kind| (kind.to_string(), NOW_S)).collect(),
            version: "0.1.0".into(),
            devices: node.devices.iter().map(|d| (d.name.clone(), device(d.size_bytes))).collect(),
            ..ObservedNode::default()
        };
        world.nodes.insert(node.name.clone(), seen);
    }
}

/// The most memory that was resident, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
