//! The planner's two executors, held to each other: what is built here for some manifests, and what `swiftlet dev` writes
//! for the same, differ in where things are and in nothing else.

use super::tests::owner;
use super::{claim, pod, rendering};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use swiftlet::dev::{DevCluster, DevOptions};
use swiftlet_plan::documents::Documents;
use swiftlet_plan::plan::{Plan, Step, plan};
use swiftlet_plan::validate::{ValidatedCluster, ValidatedNode, ValidatedZone, validate};
use swiftlet_plan::world::{NodeAddress, World};
use swiftlet_ring::Ring;
use swiftlet_types::conf::Ini;

const MANIFESTS: &str = "
apiVersion: swiftlet.io/v1alpha1
kind: SwiftCluster
metadata: {name: demo}
spec:
  version: 0.1.0
  rings: {partPower: 8, minPartHours: 0, overload: 10}
  policies:
  - {index: 0, name: gold, default: true}
  - {index: 1, name: silver, ring: {replicas: 2}}
  - {index: 2, name: coded, type: erasureCoding, erasureCoding: {ecType: isa_l_rs_vand, dataFragments: 2, parityFragments: 1}}
  auth: {tempauth: {usersSecretName: users}}
  proxies:
  - {name: default, config: {proxy-server.conf: {'app:proxy-server': {node_timeout: '9'}}}}
  - name: backup
    config:
      proxy-server.conf: {'pipeline:main': {pipeline: catch_errors gatekeeper cache tempauth proxy-server}}
      swift.conf: {swift-constraints: {max_file_size: '5000'}}
  config: {object-server.conf: {DEFAULT: {fallocate_reserve: '0'}, object-updater: {interval: '5'}}}
---
{apiVersion: v1, kind: Secret, metadata: {name: users}, stringData: {user_test_tester: 'testing .admin'}}
---
apiVersion: v1
kind: Secret
metadata: {name: demo-hash-path}
stringData: {swift_hash_path_prefix: 'a%b', swift_hash_path_suffix: changeme}
---
apiVersion: swiftlet.io/v1alpha1
kind: Zone
metadata: {name: rack1}
spec: {cluster: demo, zone: 1, nodes: 2, devices: [{name: d1, size: 1Gi}, {name: d2, size: 2Gi, rings: [object]}]}
---
apiVersion: swiftlet.io/v1alpha1
kind: Zone
metadata: {name: rack2}
spec:
  cluster: demo
  zone: 2
  nodes: 1
  devices: [{name: d1, size: 3Gi, weightPercent: 50}]
  config: {account-server.conf: {account-auditor: {interval: '60'}}, swift.conf: {swift-constraints: {max_meta_count: '7'}}}
---
apiVersion: swiftlet.io/v1alpha1
kind: Zone
metadata: {name: rack3}
spec: {cluster: demo, region: 2, zone: 1, nodes: 1, devices: [{name: d1, size: 2Gi}]}
";

/// Options that say where something is, or as whom it runs: an executor's own affair.
const PLACE: [&str; 9] = [
    "bind_ip",
    "bind_port",
    "devices",
    "mount_check",
    "recon_cache_path",
    "ring_ip",
    "swift_dir",
    "token_key_path",
    "user",
];

/// Section, option and value of all that a file says but where things are.
type Settings = BTreeSet<(String, String, String)>;

fn settings(file: &str, text: &str) -> Settings {
    let ini = Ini::parse(file, text).unwrap();
    let mut settings = Settings::new();
    for section in ini.sections() {
        for (option, value) in ini.daemon(section).unwrap().iter() {
            if !PLACE.contains(&option.strip_prefix("set ").unwrap_or(option)) {
                settings.insert((section.to_string(), option.to_string(), value.to_string()));
            }
        }
    }
    assert!(!settings.is_empty(), "{file} says something");
    settings
}

/// The file of a server that dev wrote, and the `swift.conf` that it names.
fn written(path: &Path) -> [Settings; 2] {
    let text = std::fs::read_to_string(path).unwrap();
    let swift_dir = Ini::parse(path, &text).unwrap().default_options().unwrap().str_or("swift_dir", "");
    let swift_conf = std::fs::read_to_string(Path::new(&swift_dir).join("swift.conf")).unwrap();
    [settings("written", &text), settings("swift.conf", &swift_conf)]
}

/// A file among the objects that pods mount, and the `swift.conf` beside it.
fn built(name: &str, secret: &Secret, config_map: Option<&ConfigMap>) -> [Settings; 2] {
    let in_secret = |name: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(name))?;
        Some(String::from_utf8(bytes.0.clone()).unwrap())
    };
    let in_config_map = |name: &str| config_map?.data.as_ref()?.get(name).cloned();
    let text = |name: &str| in_secret(name).or_else(|| in_config_map(name)).expect("it is mounted");
    [settings(name, &text(name)), settings("swift.conf", &text("swift.conf"))]
}

/// What the operator plans before anything exists.
fn first_plan() -> (ValidatedCluster, Plan) {
    let mut documents = Documents::default();
    documents.read("conformance.yaml", MANIFESTS).unwrap();
    let validation = validate(&documents.desired().unwrap());
    assert_eq!(validation.problems, []);
    let cluster = validation.cluster.unwrap();
    let addresses = cluster
        .nodes()
        .map(|(_, node)| (node.name.clone(), NodeAddress::in_kubernetes(&node.name, &owner().namespace)));
    let world = World { addresses: addresses.collect(), ..World::default() };
    let plan = plan(&cluster, &world, 1_700_000_000);
    assert_eq!(plan.held, vec![]);
    (cluster, plan)
}

/// A ring without addresses: a line for each device, and the devices of each partition.
fn essence(path: &Path) -> (Vec<String>, Vec<Vec<u32>>) {
    let ring = Ring::load(path).unwrap();
    let devices = ring.devices().map(|device| {
        format!("{} r{}z{}/{} {:.6}", device.id, device.region, device.zone, device.device, device.weight)
    });
    let parts = 0..u32::try_from(ring.part_count()).unwrap();
    let assigned = parts.map(|part| ring.nodes(part).map(|device| device.id).collect());
    (devices.collect(), assigned.collect())
}

fn place((zone, node): (&ValidatedZone, &ValidatedNode)) -> String {
    format!("{}-{}", zone.name, node.ordinal)
}

fn compare_node(cluster: &ValidatedCluster, name: &str, settings: &pod::PodSettings<'_>, data: &Path) {
    let (zone, node) = cluster.nodes().find(|(_, node)| node.name == name).unwrap();
    let hash_path = cluster.hash_path.as_ref().unwrap();
    let here = rendering::node(&owner(), cluster, (zone, node), hash_path, settings);
    let place = place((zone, node));
    for server in ["account-server", "container-server", "object-server"] {
        let built = built(&format!("{server}.conf"), &here.secret, Some(&here.config_map));
        assert_eq!(built, written(&data.join(format!("etc/{server}/{place}.conf"))), "{server} of {place}");
    }
    let claims: BTreeSet<String> = node
        .devices
        .iter()
        .map(|d| claim::claim(&owner(), &zone.name, name, d).metadata.name.unwrap())
        .collect();
    let folders = std::fs::read_dir(data.join(&place)).unwrap();
    let folders = folders.map(|entry| claim::name(&entry.unwrap().file_name().to_string_lossy(), name));
    assert_eq!(claims, folders.collect(), "devices of {place}");
}

fn compare_rings(rings: &BTreeMap<String, swiftlet_plan::plan::BuiltRing>, etc: &Path, scratch: &Path) {
    for (name, ring) in rings {
        let file = format!("{name}.ring.gz");
        std::fs::write(scratch.join(&file), &ring.ring).unwrap();
        assert_eq!(essence(&scratch.join(&file)), essence(&etc.join(&file)), "{name}");
    }
    let suffixed = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().file_name().to_string_lossy().strip_suffix(".ring.gz").map(str::to_string)
    };
    let written: BTreeSet<String> = std::fs::read_dir(etc).unwrap().filter_map(suffixed).collect();
    assert_eq!(written, rings.keys().cloned().collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_and_kubernetes_get_the_same_from_the_same_manifests() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("cluster.yaml");
    std::fs::write(&manifest, MANIFESTS).unwrap();
    let data = folder.path().join("data");
    let listen = "127.0.0.1:0".parse().unwrap();
    let options = DevOptions { manifests: vec![manifest], data: data.clone(), listen };
    DevCluster::start(&options).await.unwrap().stop().await;

    let (cluster, plan) = first_plan();
    let mut seen = BTreeSet::new();
    for step in &plan.steps {
        seen.insert(step.name());
        let settings = |revision| pod::PodSettings { image: "i", slots: 4, revision };
        match step {
            Step::PublishRings(next) => compare_rings(&next.rings, &data.join("etc"), folder.path()),
            Step::StartNode(node) => compare_node(&cluster, &node.node, &settings(&node.revision), &data),
            Step::StartProxies(step) => {
                let pool = cluster.proxies.iter().find(|pool| pool.name == step.pool).unwrap();
                let hash_path = cluster.hash_path.as_ref().unwrap();
                let here = rendering::proxies(&owner(), &cluster, pool, hash_path, &settings(&step.revision));
                let file = match pool.name.as_str() {
                    "default" => "etc/proxy-server.conf".to_string(),
                    other => format!("etc/proxy-server/{other}.conf"),
                };
                assert_eq!(
                    built("proxy-server.conf", &here.secret, None),
                    written(&data.join(file)),
                    "{}",
                    pool.name
                );
            }
            other => panic!("not in a first plan: {other}"),
        }
    }
    assert_eq!(seen, ["PublishRings", "StartNode", "StartProxies"].into());
}
