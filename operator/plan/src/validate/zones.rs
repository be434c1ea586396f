//! Checks of Zones: names, places in the ring, devices.

use super::cluster::is_label;
use super::{
    Desired, Findings, RingSettings, Subject, ValidatedDevice, ValidatedNode, ValidatedZone, config,
    overrides, pods,
};
use crate::resources::{
    ClusterManifest, DeviceSpec, MAX_CLUSTER_ZONE_NAME_CHARS, ZoneManifest, parse_quantity_bytes,
};
use std::collections::{BTreeMap, BTreeSet};

/// The smallest device that a ring counts: 0.01 GiB.
const MIN_DEVICE_BYTES: u64 = 10 << 20;

/// The most nodes a Zone has.
const NODES_MAX: u32 = 200;

/// No Zone is called so, or so and `-…`: its nodes' objects would have the names of proxies', rings' or builders'.
const RESERVED_NAMES: [&str; 3] = ["proxy", "rings", "builders"];

/// The Zones that can be planned for, by name, and the names of the others.
pub(super) fn check(
    desired: &Desired,
    rings: &[RingSettings],
    findings: &mut Findings,
) -> (Vec<ValidatedZone>, BTreeSet<String>) {
    let mut zones: Vec<&ZoneManifest> =
        desired.zones.iter().filter(|zone| zone.spec.cluster == desired.cluster.name()).collect();
    // Oldest first, so that of two Zones with one place the younger one is refused.
    zones.sort_by_key(|zone| (&zone.metadata.creation_timestamp, zone.name()));
    let mut places: BTreeMap<(u32, u32), &str> = BTreeMap::new();
    let mut good = Vec::new();
    let mut refused = BTreeSet::new();
    for zone in zones {
        let before = findings.problems.len();
        let subject = Subject::Zone(zone.name().to_string());
        let validated = check_zone(&desired.cluster, zone, &subject, rings, findings);
        if let Some(other) = places.get(&(zone.spec.region, zone.spec.zone)) {
            let message = format!(
                "region {} zone {} is Zone {other}'s already; every Zone has a place of its own in the rings",
                zone.spec.region, zone.spec.zone
            );
            findings.problem(&subject, "spec.zone", "DuplicateZone", message);
        }
        if findings.problems.len() > before {
            refused.insert(zone.name().to_string());
            continue;
        }
        places.insert((zone.spec.region, zone.spec.zone), zone.name());
        good.push(validated);
    }
    good.sort_by(|a, b| a.name.cmp(&b.name));
    advise_on_separation(desired, &good, rings, findings);
    (good, refused)
}

fn check_zone(
    manifest: &ClusterManifest,
    zone: &ZoneManifest,
    subject: &Subject,
    rings: &[RingSettings],
    findings: &mut Findings,
) -> ValidatedZone {
    let (cluster, spec) = (manifest.name(), &zone.spec);
    check_name(cluster, zone.name(), subject, findings);
    for (field, value) in [("region", spec.region), ("zone", spec.zone)] {
        if !(1..=9999).contains(&value) {
            let message = format!("{value}; it goes from 1 to 9999");
            findings.problem(subject, format!("spec.{field}"), "InvalidZone", message);
        }
    }
    if spec.nodes > NODES_MAX {
        let message = format!("{}; a Zone has at most 200", spec.nodes);
        findings.problem(subject, "spec.nodes", "InvalidZone", message);
    }
    if !spec.external.is_empty() {
        findings.problem(subject, "spec.external", "NotBuilt", "nodes outside Kubernetes are not built yet");
    }
    overrides::check(spec, subject, findings);
    config::check(&spec.config, subject, "spec.config", findings);
    pods::check(&spec.pods, subject, "spec.pods", findings);
    let devices = check_devices(&spec.devices, subject, rings, findings);
    let node = |ordinal: u32| ValidatedNode {
        name: format!("{cluster}-{}-{ordinal}", zone.name()),
        ordinal,
        devices: overrides::applied(spec, ordinal, &devices),
    };
    // What a Zone that is being deleted has leaves as a whole.
    let wanted = if zone.is_deleting() { 0 } else { spec.nodes.min(NODES_MAX) };
    ValidatedZone {
        name: zone.name().to_string(),
        region: spec.region,
        zone: spec.zone,
        nodes: overrides::live_ordinals(spec).take(wanted as usize).map(node).collect(),
        config: spec.config.clone(),
        placement: spec.placement.clone(),
        pods: spec.pods.over(&manifest.spec.storage_pods),
        volume_claim_deletion: spec.volume_claim_deletion,
        deleting: zone.is_deleting(),
        lost: overrides::lost(cluster, zone.name(), spec),
    }
}

fn check_name(cluster: &str, name: &str, subject: &Subject, findings: &mut Findings) {
    if !is_label(name) {
        let message = format!("{name:?}; lower-case letters, digits and -, as it becomes part of host names");
        findings.problem(subject, "metadata.name", "InvalidName", message);
    }
    if let Some(word) = RESERVED_NAMES.iter().find(|word| name.split('-').next() == Some(word)) {
        let message = format!("{word} is reserved for objects of the cluster's own; choose another name");
        findings.problem(subject, "metadata.name", "InvalidName", message);
    }
    let chars = cluster.len() + 1 + name.len();
    if chars > MAX_CLUSTER_ZONE_NAME_CHARS {
        let message =
            format!("{cluster}-{name} has {chars} characters; {MAX_CLUSTER_ZONE_NAME_CHARS} at most");
        findings.problem(subject, "metadata.name", "InvalidName", message);
    }
}

fn check_devices(
    specs: &[DeviceSpec],
    subject: &Subject,
    rings: &[RingSettings],
    findings: &mut Findings,
) -> Vec<ValidatedDevice> {
    let mut names = BTreeSet::new();
    let mut devices = Vec::new();
    if specs.is_empty() || specs.len() > 64 {
        findings.problem(
            subject,
            "spec.devices",
            "InvalidDevice",
            format!("{}; a node has 1 to 64 devices", specs.len()),
        );
    }
    for (i, spec) in specs.iter().enumerate() {
        let path = |field: &str| format!("spec.devices[{i}].{field}");
        if !is_label(&spec.name) || spec.name.len() > 16 {
            let message = format!("{:?}; lower-case letters, digits and -, at most 16 characters", spec.name);
            findings.problem(subject, path("name"), "InvalidDevice", message);
        } else if !names.insert(&spec.name) {
            let message = format!("{:?} is used twice; device names are unique on a node", spec.name);
            findings.problem(subject, path("name"), "InvalidDevice", message);
        }
        let size_bytes = parse_quantity_bytes(&spec.size).unwrap_or_else(|error| {
            findings.problem(subject, path("size"), "InvalidDevice", error.to_string());
            MIN_DEVICE_BYTES
        });
        if size_bytes < MIN_DEVICE_BYTES {
            let message = format!("{}; a device has at least 10Mi", spec.size);
            findings.problem(subject, path("size"), "InvalidDevice", message);
        }
        for ring in spec.rings.iter().flatten() {
            if !rings.iter().any(|r| r.name == *ring) {
                let known: Vec<&str> = rings.iter().map(|r| r.name.as_str()).collect();
                let message = format!("there is no ring {ring:?}; the rings are {}", known.join(", "));
                findings.problem(subject, path("rings"), "InvalidDevice", message);
            }
        }
        devices.push(ValidatedDevice {
            name: spec.name.clone(),
            size_bytes,
            size: spec.size.clone(),
            storage_class_name: spec.storage_class_name.clone(),
            weight_percent: spec.weight_percent,
            rings: spec.rings.as_ref().map(|rings| rings.iter().cloned().collect()),
            replacement: 0,
            failed: false,
            replaced_dead: false,
        });
    }
    devices
}

/// Few Zones is no error: a person may have one rack. But they should know what a lost Zone costs.
fn advise_on_separation(
    desired: &Desired,
    zones: &[ValidatedZone],
    rings: &[RingSettings],
    findings: &mut Findings,
) {
    let most = rings.iter().map(|ring| ring.replicas.ceil()).fold(1.0, f64::max);
    let with_nodes = zones.iter().filter(|zone| !zone.nodes.is_empty()).count();
    if with_nodes > 0 && (with_nodes as f64) < most {
        let message = format!(
            "{most} replicas share {with_nodes} Zone{}: losing one Zone loses more than one replica; {most} Zones keep them apart",
            if with_nodes == 1 { "" } else { "s" }
        );
        let subject = Subject::Cluster(desired.cluster.name().to_string());
        findings.advise(&subject, "spec.rings.replicas", "FewZones", message);
    }
}
