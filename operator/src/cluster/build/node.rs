//! A storage node: a StatefulSet of one replica and a headless Service, both of the node's name.

use super::{
    Component, Owner, ZONE_LABEL, claim, label_selector, node_labels, pod, pod::PodSettings, selector,
    zone_labels,
};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::{
    Affinity, PersistentVolumeClaimVolumeSource, PodAffinityTerm, PodAntiAffinity, PodSpec, Service,
    ServicePort, ServiceSpec, Volume, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use swiftlet_plan::resources::{Placement, ServerPorts, ZoneSeparation};
use swiftlet_plan::validate::{ValidatedNode, ValidatedZone};

/// Seconds a node gets to finish requests and close its databases.
const GRACE_S: i64 = 120;
/// A preferred rule among others: as strong as one may be.
const FULL_WEIGHT: i32 = 100;

/// The ports of a node's servers with their names.
pub fn ports() -> [(&'static str, u16); 3] {
    let ports = ServerPorts::default();
    [("object", ports.object), ("container", ports.container), ("account", ports.account)]
}

/// The StatefulSet. It has no volumeClaimTemplates: the template names the claims, so that a device more or less is a
/// change of this node alone.
pub fn stateful_set(
    owner: &Owner,
    zone: &ValidatedZone,
    node: &ValidatedNode,
    settings: &PodSettings<'_>,
) -> StatefulSet {
    let labels = node_labels(owner, &zone.name, &node.name);
    let spec = pod_spec(owner, zone, node, settings);
    let template = pod::template(&labels, &zone_labels(owner, &zone.name), spec, &zone.pods, settings);
    StatefulSet {
        metadata: owner.owned(&node.name, labels.clone()),
        spec: Some(StatefulSetSpec {
            replicas: Some(1),
            service_name: Some(node.name.clone()),
            selector: label_selector(&labels),
            // The operator restarts nodes itself, one zone at a time.
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_string()),
                rolling_update: None,
            }),
            template,
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

fn pod_spec(
    owner: &Owner,
    zone: &ValidatedZone,
    node: &ValidatedNode,
    settings: &PodSettings<'_>,
) -> PodSpec {
    let ready_ports = ports().map(|(_, port)| port);
    let mut args = pod::arguments(&owner.cluster, &owner.namespace, &ready_ports);
    args.extend([
        format!("--node={}", node.name),
        format!("--volumes={}", pod::VOLUMES_DIR),
        format!("--devices={}", pod::DEVICES_DIR),
    ]);
    args.extend(["storage", pod::SWIFT_DIR].map(String::from));
    let mut container = pod::container("storage", settings.image, args, &ports());
    let devices = || node.devices.iter().map(|device| (format!("device-{}", device.name), &device.name));
    let mut mounts = vec![
        pod::mount("rings", pod::RINGS_DIR, true),
        pod::mount("config", pod::CONFIG_DIR, true),
        pod::mount("etc-swift", pod::SWIFT_DIR, false),
        pod::mount("devices", pod::DEVICES_DIR, false),
        pod::mount("recon", pod::RECON_DIR, false),
    ];
    mounts.extend(
        devices().map(|(volume, name)| pod::mount(&volume, format!("{}/{name}", pod::VOLUMES_DIR), false)),
    );
    container.volume_mounts = Some(mounts);
    let mut volumes = vec![
        pod::rings_volume(&owner.cluster, settings.slots),
        pod::config_volume(vec![pod::secret_files(&node.name), pod::config_map_files(&node.name)]),
        pod::empty_dir("etc-swift", true),
        pod::empty_dir("devices", true),
        pod::empty_dir("recon", false),
    ];
    volumes.extend(devices().map(|(volume, name)| claim_volume(volume, claim::name(name, &node.name))));
    PodSpec {
        containers: vec![container],
        volumes: Some(volumes),
        security_context: Some(pod::security()),
        automount_service_account_token: Some(false),
        // No service links: hundreds of nodes would be thousands of environment variables.
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE_S),
        affinity: Some(affinity(owner, &zone.name, &zone.placement)),
        node_selector: pod::node_selector(&zone.placement.node_selector),
        tolerations: pod::tolerations(&zone.placement.tolerations),
        ..PodSpec::default()
    }
}

fn claim_volume(volume: String, claim: String) -> Volume {
    let source = PersistentVolumeClaimVolumeSource { claim_name: claim, read_only: None };
    Volume { name: volume, persistent_volume_claim: Some(source), ..Volume::default() }
}

/// No host carries two Zones of a cluster (as far as `placement` asks), and a Zone's nodes spread over its hosts.
fn affinity(owner: &Owner, zone: &str, placement: &Placement) -> Affinity {
    let other_zones = host_term(owner, "NotIn", zone);
    let same_zone = WeightedPodAffinityTerm { weight: 1, pod_affinity_term: host_term(owner, "In", zone) };
    let (required, preferred) = match placement.zone_separation {
        ZoneSeparation::Required => (Some(vec![other_zones]), vec![same_zone]),
        ZoneSeparation::Preferred => {
            let apart = WeightedPodAffinityTerm { weight: FULL_WEIGHT, pod_affinity_term: other_zones };
            (None, vec![apart, same_zone])
        }
        ZoneSeparation::None => (None, vec![same_zone]),
    };
    let apart = PodAntiAffinity {
        required_during_scheduling_ignored_during_execution: required,
        preferred_during_scheduling_ignored_during_execution: Some(preferred),
    };
    Affinity { pod_anti_affinity: Some(apart), ..Affinity::default() }
}

fn host_term(owner: &Owner, operator: &str, zone: &str) -> PodAffinityTerm {
    let zone = LabelSelectorRequirement {
        key: ZONE_LABEL.to_string(),
        operator: operator.to_string(),
        values: Some(vec![zone.to_string()]),
    };
    PodAffinityTerm {
        topology_key: "kubernetes.io/hostname".to_string(),
        label_selector: Some(LabelSelector {
            match_labels: Some(selector(&owner.component_labels(Component::Storage))),
            match_expressions: Some(vec![zone]),
        }),
        ..PodAffinityTerm::default()
    }
}

/// The headless Service that gives the node its name in the rings. It answers for a pod that is not ready too: whether
/// a node is asked is Swift's to decide, by trying.
pub fn service(owner: &Owner, zone: &str, node: &str) -> Service {
    let labels = node_labels(owner, zone, node);
    let port = |(name, port): (&str, u16)| ServicePort {
        name: Some(name.to_string()),
        port: i32::from(port),
        target_port: Some(IntOrString::String(name.to_string())),
        ..ServicePort::default()
    };
    Service {
        metadata: owner.owned(node, labels.clone()),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_string()),
            publish_not_ready_addresses: Some(true),
            selector: Some(selector(&labels)),
            ports: Some(ports().into_iter().map(port).collect()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}
