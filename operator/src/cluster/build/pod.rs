//! What every pod of a cluster has: the restricted security settings, the rings' volume, the configuration's volume,
//! the folders `swiftlet pod` writes to, and what a platform team says about its pods.

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapProjection, Container, ContainerPort, EmptyDirVolumeSource, HTTPGetAction,
    KeyToPath, LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
    ProjectedVolumeSource, ResourceRequirements, SeccompProfile, SecretProjection, SecurityContext,
    Toleration, TopologySpreadConstraint, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;
use swiftlet_plan::resources;
use swiftlet_ring::distribution::Bank;

use super::{label_selector, revision, rings};

/// Where servers read configuration and rings.
pub const SWIFT_DIR: &str = "/etc/swift";
/// Where servers find their devices.
pub const DEVICES_DIR: &str = "/srv/node";
/// Where daemons and servers leave figures for recon.
pub const RECON_DIR: &str = "/var/cache/swift";
/// Where volumes are mounted, before they are known to be the right ones.
pub const VOLUMES_DIR: &str = "/srv/volumes";
/// Where the kubelet puts the rings' slots.
pub const RINGS_DIR: &str = "/run/swiftlet/rings";
/// Where the kubelet puts configuration files.
pub const CONFIG_DIR: &str = "/run/swiftlet/config";
/// Where a proxy keeps its last good rings.
pub const KEEP_DIR: &str = "/var/lib/swiftlet";
/// The port on which a pod answers the kubelet and the operator.
pub const HEALTH_PORT: u16 = 6206;
/// The user every pod runs as. It never changes: files on the devices belong to it.
const USER: i64 = 65532;
/// Folders in memory hold configuration links and rings; twice the largest generation.
const MEMORY_DIR_LIMIT: &str = "64Mi";

/// What a pod is made of, whichever node or pool it is of.
#[derive(Clone, Debug)]
pub struct PodSettings<'a> {
    /// The image it runs.
    pub image: &'a str,
    /// Slots of each ring bank.
    pub slots: usize,
    /// What it is started with, in the planner's word.
    pub revision: &'a str,
}

/// Neither root nor able to become it, as the restricted Pod Security Standard asks.
pub fn security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        // A volume of millions of files must not be walked at each start.
        fs_group_change_policy: Some("OnRootMismatch".to_string()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_string(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}

/// The template of pods with these `labels`, with what is `asked` for them beside what they are made of. They spread
/// among those that have the labels of `peers`.
pub fn template(
    labels: &BTreeMap<String, String>,
    peers: &BTreeMap<String, String>,
    mut spec: PodSpec,
    asked: &resources::PodSettings,
    settings: &PodSettings<'_>,
) -> PodTemplateSpec {
    spec.priority_class_name = asked.priority_class_name.clone();
    spec.service_account_name = asked.service_account_name.clone();
    let secret =
        |secret: &resources::LocalObjectReference| LocalObjectReference { name: secret.name.clone() };
    spec.image_pull_secrets = given(asked.image_pull_secrets.iter().map(secret).collect());
    let spread = asked.topology_spread_constraints.iter();
    spec.topology_spread_constraints =
        given(spread.map(|constraint| spread_constraint(constraint, peers)).collect());
    for container in &mut spec.containers {
        container.resources = asked.resources.as_ref().map(resource_requirements);
        if let Some(policy) = asked.image_pull_policy {
            container.image_pull_policy = Some(format!("{policy:?}"));
        }
    }
    // The operator's own come last: nothing that is asked for can take their place.
    let joined = |asked: &BTreeMap<String, String>, own: BTreeMap<String, String>| {
        asked.clone().into_iter().chain(own).collect()
    };
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(joined(&asked.labels, labels.clone())),
            annotations: Some(joined(&asked.annotations, revision(settings.revision))),
            ..ObjectMeta::default()
        }),
        spec: Some(spec),
    }
}

/// A list that is left out where it is empty.
pub fn given<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

/// Taints that pods put up with.
pub fn tolerations(tolerations: &[resources::Toleration]) -> Option<Vec<Toleration>> {
    let toleration = |toleration: &resources::Toleration| Toleration {
        key: toleration.key.clone(),
        operator: toleration.operator.clone(),
        value: toleration.value.clone(),
        effect: toleration.effect.clone(),
        toleration_seconds: toleration.toleration_seconds,
    };
    given(tolerations.iter().map(toleration).collect())
}

/// Labels that hosts must have.
pub fn node_selector(labels: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    Some(labels.clone()).filter(|labels| !labels.is_empty())
}

fn resource_requirements(asked: &resources::ResourceRequirements) -> ResourceRequirements {
    let amounts = |amounts: &BTreeMap<String, resources::ResourceQuantity>| {
        let amounts = amounts.iter().map(|(name, amount)| (name.clone(), Quantity(amount.0.clone())));
        Some(amounts.collect::<BTreeMap<_, _>>()).filter(|amounts| !amounts.is_empty())
    };
    ResourceRequirements {
        requests: amounts(&asked.requests),
        limits: amounts(&asked.limits),
        ..ResourceRequirements::default()
    }
}

fn spread_constraint(
    constraint: &resources::TopologySpreadConstraint,
    peers: &BTreeMap<String, String>,
) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: i32::from(constraint.max_skew),
        topology_key: constraint.topology_key.clone(),
        when_unsatisfiable: format!("{:?}", constraint.when_unsatisfiable),
        min_domains: constraint.min_domains.map(i32::from),
        node_affinity_policy: constraint.node_affinity_policy.map(|policy| format!("{policy:?}")),
        node_taints_policy: constraint.node_taints_policy.map(|policy| format!("{policy:?}")),
        label_selector: Some(label_selector(peers)),
        ..TopologySpreadConstraint::default()
    }
}

/// A container that runs `swiftlet pod … <command>`.
pub fn container(name: &str, image: &str, args: Vec<String>, ports: &[(&str, u16)]) -> Container {
    let all_ports = ports.iter().chain(&[("health", HEALTH_PORT)]);
    Container {
        name: name.to_string(),
        image: Some(image.to_string()),
        // Tags are versions and never move; a node that has the image needs no registry to start.
        image_pull_policy: Some("IfNotPresent".to_string()),
        args: Some(args),
        ports: Some(all_ports.map(|(name, port)| port_named(name, *port)).collect()),
        liveness_probe: Some(probe("/livez", 10)),
        readiness_probe: Some(probe("/readyz", 2)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_string()]), add: None }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

/// The arguments of `swiftlet pod` that storage and proxy pods share.
pub fn arguments(cluster: &str, namespace: &str, ready_ports: &[u16]) -> Vec<String> {
    let mut args = vec![
        "pod".to_string(),
        format!("--rings={RINGS_DIR}"),
        format!("--config={CONFIG_DIR}"),
        format!("--swift-dir={SWIFT_DIR}"),
        format!("--cluster={namespace}/{cluster}"),
        format!("--health-listen=[::]:{HEALTH_PORT}"),
    ];
    args.extend(ready_ports.iter().map(|port| format!("--ready-port={port}")));
    args
}

fn port_named(name: &str, port: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_string()),
        container_port: i32::from(port),
        ..ContainerPort::default()
    }
}

fn probe(path: &str, period_s: i32) -> Probe {
    let http_get = HTTPGetAction {
        path: Some(path.to_string()),
        port: IntOrString::String("health".to_string()),
        ..HTTPGetAction::default()
    };
    Probe {
        http_get: Some(http_get),
        period_seconds: Some(period_s),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

/// The index and every slot of both banks. All are optional: a pod may start before the first generation, and slots
/// that no generation needed yet do not exist.
pub fn rings_volume(cluster: &str, slots: usize) -> Volume {
    let source = |name: String, key: &str, path: String| VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name,
            items: Some(vec![KeyToPath { key: key.to_string(), path, mode: None }]),
            optional: Some(true),
        }),
        ..VolumeProjection::default()
    };
    let banks = Bank::ALL.into_iter().flat_map(|bank| (0..slots).map(move |slot| bank.slot_name(slot)));
    let chunks = banks.map(|slot| source(rings::slot_config_map(cluster, &slot), rings::CHUNK_KEY, slot));
    let index = source(rings::index_config_map(cluster), rings::INDEX_KEY, rings::INDEX_KEY.to_string());
    projected("rings", std::iter::once(index).chain(chunks).collect())
}

/// Configuration files from several objects in one folder.
pub fn config_volume(sources: Vec<VolumeProjection>) -> Volume {
    projected("config", sources)
}

/// Every key of a Secret as a file.
pub fn secret_files(name: &str) -> VolumeProjection {
    let secret = SecretProjection { name: name.to_string(), ..SecretProjection::default() };
    VolumeProjection { secret: Some(secret), ..VolumeProjection::default() }
}

/// One key of a Secret as a file.
pub fn secret_file(name: &str, key: &str, file: &str) -> VolumeProjection {
    let item = KeyToPath { key: key.to_string(), path: file.to_string(), mode: None };
    let secret =
        SecretProjection { name: name.to_string(), items: Some(vec![item]), ..SecretProjection::default() };
    VolumeProjection { secret: Some(secret), ..VolumeProjection::default() }
}

/// Every key of a ConfigMap as a file.
pub fn config_map_files(name: &str) -> VolumeProjection {
    let config_map = ConfigMapProjection { name: name.to_string(), ..ConfigMapProjection::default() };
    VolumeProjection { config_map: Some(config_map), ..VolumeProjection::default() }
}

/// Several objects in one folder.
pub fn projected(name: &str, sources: Vec<VolumeProjection>) -> Volume {
    let projected = ProjectedVolumeSource { sources: Some(sources), default_mode: Some(0o440) };
    Volume { name: name.to_string(), projected: Some(projected), ..Volume::default() }
}

/// An empty folder of the pod's own: in memory, or on the host's disk.
pub fn empty_dir(name: &str, in_memory: bool) -> Volume {
    let source = EmptyDirVolumeSource {
        medium: in_memory.then(|| "Memory".to_string()),
        size_limit: Some(Quantity(MEMORY_DIR_LIMIT.to_string())),
    };
    Volume { name: name.to_string(), empty_dir: Some(source), ..Volume::default() }
}

/// A volume at a path.
pub fn mount(volume: &str, path: impl Into<String>, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.to_string(),
        mount_path: path.into(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}
