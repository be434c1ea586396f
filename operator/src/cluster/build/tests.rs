//! What the objects must hold whatever else changes: names, security, ownership, and that nothing moves by itself.

use super::*;
use k8s_openapi::api::core::v1::{PodSpec, Volume};
use kube::ResourceExt;
use swiftlet_plan::documents::Documents;
use swiftlet_plan::validate::{HashPath, ValidatedCluster, validate};

const EXAMPLE: &str = include_str!("../../../../deploy/examples/cluster.yaml");

pub fn example() -> ValidatedCluster {
    let mut documents = Documents::default();
    documents.read("cluster.yaml", EXAMPLE).unwrap();
    let mut desired = documents.desired().unwrap();
    desired.hash_path = Some(HashPath { prefix: "p".into(), suffix: "s".into() });
    let validation = validate(&desired);
    assert_eq!(validation.problems, []);
    validation.cluster.unwrap()
}

pub fn owner() -> Owner {
    let cluster: SwiftCluster = serde_json::from_value(serde_json::json!({
        "apiVersion": "swiftlet.io/v1alpha1", "kind": "SwiftCluster",
        "metadata": {"name": "demo", "namespace": "default", "uid": "u-1"},
        "spec": {"rings": {"partPower": 10}, "auth": {"tempauth": {"usersSecretName": "demo-users"}}},
    }))
    .unwrap();
    Owner::of(&cluster)
}

/// The one pool of the example, with this as its manifest.
pub fn pool(manifest: &str) -> swiftlet_plan::validate::ProxyPool {
    let proxies = "  proxies:\n  - name: default\n    replicas: 2\n";
    assert!(EXAMPLE.contains(proxies));
    let mut documents = Documents::default();
    let text = EXAMPLE.replace(proxies, &format!("  proxies: [{manifest}]\n"));
    documents.read("cluster.yaml", &text).unwrap();
    let validation = validate(&documents.desired().unwrap());
    assert_eq!(validation.problems, []);
    validation.cluster.unwrap().proxies.remove(0)
}

fn stateful_set(revision: &str) -> k8s_openapi::api::apps::v1::StatefulSet {
    let cluster = example();
    let settings = pod::PodSettings { image: "localhost/swiftlet:0.1.0", slots: 4, revision };
    let (zone, node) = cluster.nodes().next().unwrap();
    node::stateful_set(&owner(), zone, node, &settings)
}

pub(super) fn storage_pod() -> PodSpec {
    stateful_set("r1").spec.unwrap().template.spec.unwrap()
}

pub(super) fn proxy_pod() -> PodSpec {
    let cluster = example();
    let settings = pod::PodSettings { image: "i", slots: 4, revision: "r1" };
    let deployment = proxy::deployment(&owner(), &cluster.proxies[0], &settings);
    deployment.spec.unwrap().template.spec.unwrap()
}

fn projected_names(volume: &Volume) -> Vec<String> {
    let sources = volume.projected.as_ref().unwrap().sources.as_ref().unwrap();
    sources
        .iter()
        .map(|source| match (&source.config_map, &source.secret) {
            (Some(config_map), _) => config_map.name.clone(),
            (_, Some(secret)) => secret.name.clone(),
            _ => panic!("neither"),
        })
        .collect()
}

#[test]
fn every_example_is_without_a_problem() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let mut documents = Documents::default();
        documents.read("example", &std::fs::read_to_string(&path).unwrap()).unwrap();
        let validation = validate(&documents.desired().unwrap());
        assert_eq!(validation.problems, [], "{}", path.display());
        assert!(validation.cluster.is_some());
        seen += 1;
    }
    assert!(seen > 1, "{seen}");
}

/// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
#[test]
fn every_pod_meets_the_restricted_standard_and_has_no_token() {
    for pod in [storage_pod(), proxy_pod()] {
        assert_eq!(pod.automount_service_account_token, Some(false));
        let security = pod.security_context.unwrap();
        assert_eq!(security.run_as_non_root, Some(true));
        assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
        assert_eq!(security.fs_group_change_policy.as_deref(), Some("OnRootMismatch"));
        for container in pod.containers {
            let security = container.security_context.unwrap();
            assert_eq!(security.allow_privilege_escalation, Some(false));
            assert_eq!(security.read_only_root_filesystem, Some(true));
            assert_eq!(security.capabilities.unwrap().drop.unwrap(), ["ALL"]);
        }
        let allowed = |volume: &Volume| {
            volume.projected.is_some()
                || volume.empty_dir.is_some()
                || volume.persistent_volume_claim.is_some()
        };
        assert!(pod.volumes.unwrap().iter().all(allowed));
    }
}

#[test]
fn a_pod_mounts_the_index_and_every_slot_of_both_banks_from_its_first_day() {
    let volumes = storage_pod().volumes.unwrap();
    let rings = volumes.iter().find(|volume| volume.name == "rings").unwrap();
    let names = projected_names(rings);
    assert_eq!(names.len(), 9);
    assert_eq!(names[0], "demo-rings");
    assert!(names.contains(&"demo-rings-a-0".to_string()) && names.contains(&"demo-rings-b-3".to_string()));
    let sources = rings.projected.as_ref().unwrap().sources.as_ref().unwrap();
    assert!(sources.iter().all(|s| s.config_map.as_ref().unwrap().optional == Some(true)));
}

#[test]
fn a_node_is_one_replica_that_only_the_operator_restarts() {
    let set = stateful_set("r1");
    let spec = set.spec.as_ref().unwrap();
    assert_eq!(set.name_any(), "demo-rack1-0");
    assert_eq!(spec.replicas, Some(1));
    assert_eq!(spec.update_strategy.as_ref().unwrap().type_.as_deref(), Some("OnDelete"));
    assert!(spec.volume_claim_templates.is_none());
    let claims: Vec<_> = storage_pod()
        .volumes
        .unwrap()
        .into_iter()
        .filter_map(|volume| Some(volume.persistent_volume_claim?.claim_name))
        .collect();
    assert_eq!(claims, ["d1-demo-rack1-0", "d2-demo-rack1-0"]);
}

#[test]
fn what_a_storage_pod_starts_from_is_its_own() {
    let volumes = storage_pod().volumes.unwrap();
    let config = volumes.iter().find(|volume| volume.name == "config").unwrap();
    assert_eq!(projected_names(config), ["demo-rack1-0", "demo-rack1-0"]);
}

#[test]
fn selectors_name_neither_a_version_nor_a_revision() {
    let first = stateful_set("r1").spec.unwrap();
    let second = stateful_set("r2").spec.unwrap();
    assert_eq!(first.selector, second.selector);
    assert_ne!(first.template, second.template);
}

/// What a platform team may say about pods, all of it.
fn asked() -> swiftlet_plan::resources::PodSettings {
    serde_json::from_value(serde_json::json!({
        "labels": {"team": "storage"},
        "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
        "resources": {"requests": {"cpu": 1, "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
        "priorityClassName": "high",
        "serviceAccountName": "swift",
        "imagePullPolicy": "Always",
        "imagePullSecrets": [{"name": "registry"}],
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule", "nodeTaintsPolicy": "Honor"},
        ],
    }))
    .unwrap()
}

#[test]
fn what_is_said_about_pods_is_in_their_templates() {
    let mut cluster = example();
    cluster.zones[0].pods = asked();
    cluster.proxies[0].pods = asked();
    cluster.proxies[0].placement.node_selector = BTreeMap::from([("edge".to_string(), "yes".to_string())]);
    let settings = pod::PodSettings { image: "i", slots: 4, revision: "r1" };
    let (zone, node) = cluster.nodes().next().unwrap();
    let storage = node::stateful_set(&owner(), zone, node, &settings).spec.unwrap();
    let proxies = proxy::deployment(&owner(), &cluster.proxies[0], &settings).spec.unwrap();
    assert_eq!(storage.selector, stateful_set("r1").spec.unwrap().selector, "labels are not in selectors");
    let spread_over = [
        [("app.kubernetes.io/component", "storage"), (ZONE_LABEL, "rack1")],
        [("app.kubernetes.io/component", "proxy"), (proxy::POOL_LABEL, "default")],
    ];
    let edge = proxies.template.spec.as_ref().unwrap().node_selector.clone();
    assert_eq!(edge.unwrap()["edge"], "yes");
    for (template, spread_over) in [storage.template, proxies.template].into_iter().zip(spread_over) {
        let meta = template.metadata.unwrap();
        assert_eq!(meta.labels.as_ref().unwrap()["team"], "storage");
        assert_eq!(meta.labels.as_ref().unwrap()["app.kubernetes.io/instance"], "demo");
        let annotations = meta.annotations.unwrap();
        assert_eq!(annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"], "false");
        assert_eq!(annotations[REVISION_ANNOTATION], "r1");
        let pod = template.spec.unwrap();
        assert_eq!(pod.priority_class_name.as_deref(), Some("high"));
        assert_eq!(pod.service_account_name.as_deref(), Some("swift"));
        assert_eq!(pod.automount_service_account_token, Some(false));
        assert_eq!(pod.image_pull_secrets.unwrap()[0].name, "registry");
        assert_eq!(pod.containers[0].image_pull_policy.as_deref(), Some("Always"));
        let resources = pod.containers[0].resources.clone().unwrap();
        let amounts =
            |amounts: Option<BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>| {
                amounts.unwrap().into_iter().map(|(name, amount)| (name, amount.0)).collect::<Vec<_>>()
            };
        assert_eq!(
            amounts(resources.requests),
            [("cpu".into(), "1".into()), ("memory".into(), "512Mi".into())]
        );
        assert_eq!(amounts(resources.limits), [("memory".into(), "1Gi".into())]);
        let spread = pod.topology_spread_constraints.unwrap().remove(0);
        assert_eq!((spread.max_skew, spread.when_unsatisfiable.as_str()), (1, "DoNotSchedule"));
        assert_eq!(spread.node_taints_policy.as_deref(), Some("Honor"));
        let selected = spread.label_selector.unwrap().match_labels.unwrap();
        assert!(spread_over.iter().all(|(key, value)| selected[*key] == *value), "{selected:?}");
        assert_eq!(selected.get(NODE_LABEL), None, "all nodes of the Zone are counted");
    }
}

#[test]
fn data_and_identity_have_no_owner_and_all_else_has() {
    let cluster = example();
    let (zone, node) = cluster.nodes().next().unwrap();
    let owner = owner();
    let stays = [
        claim::claim(&owner, &zone.name, &node.name, &node.devices[0]).metadata,
        secrets::hash_path(&owner, "demo-hash-path", &[7; 32]).metadata,
        rings::slot(&owner, "a-0", b"x").metadata,
    ];
    assert!(stays.iter().all(|meta| meta.owner_references.is_none()));
    let goes = [
        stateful_set("r").metadata,
        node::service(&owner, &zone.name, &node.name).metadata,
        exposure::service(&owner, &cluster.proxies[0]).metadata,
        configuration::node_secret(&owner, &zone.name, &node.name, "").metadata,
    ];
    assert!(goes.iter().all(|meta| meta.owner_references.as_ref().unwrap()[0].uid == "u-1"));
}

#[test]
fn a_node_is_found_by_name_whether_it_is_ready_or_not() {
    let service = node::service(&owner(), "rack1", "demo-rack1-0").spec.unwrap();
    assert_eq!(service.cluster_ip.as_deref(), Some("None"));
    assert_eq!(service.publish_not_ready_addresses, Some(true));
    let place = configuration::node_place("demo-rack1-0", "default");
    assert_eq!(place.ring_ip, "demo-rack1-0.default.svc");
}

#[test]
fn a_hash_path_read_back_is_the_one_made() {
    let secret = secrets::hash_path(&owner(), "demo-hash-path", &[7; 32]);
    let read = secrets::read_hash_path(&secret).unwrap();
    assert_eq!((read.prefix.len(), read.suffix.len()), (32, 32));
}

#[test]
fn a_pool_with_a_certificate_serves_both_ports_and_mounts_it() {
    let mut pool = example().proxies[0].clone();
    let ports = |pool: &swiftlet_plan::validate::ProxyPool| -> Vec<i32> {
        let service = exposure::service(&owner(), pool).spec.unwrap();
        service.ports.unwrap().into_iter().map(|port| port.port).collect()
    };
    assert_eq!((ports(&pool), proxy::place(&pool).tls), (vec![8080], None));
    pool.tls_secret_name = Some("demo-tls".to_string());
    assert_eq!(ports(&pool), [8080, 8443]);
    let settings = pod::PodSettings { image: "i", slots: 4, revision: "r1" };
    let pod = proxy::deployment(&owner(), &pool, &settings).spec.unwrap().template.spec.unwrap();
    let volume = pod.volumes.unwrap().into_iter().find(|volume| volume.name == "tls").unwrap();
    assert_eq!(projected_names(&volume), ["demo-tls"]);
    let mounts = pod.containers[0].volume_mounts.clone().unwrap();
    let mount = mounts.iter().find(|mount| mount.name == "tls").unwrap();
    assert!(proxy::place(&pool).tls.unwrap().cert_file.starts_with(&mount.mount_path));
}
