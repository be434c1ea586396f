//! What a Zone says of single nodes and devices: they leave, are dead, or are replaced.

use super::{Findings, Subject, ValidatedDevice};
use crate::resources::{DeviceOverride, DeviceState, NodeOverride, ZoneSpec};
use std::collections::{BTreeMap, BTreeSet};

/// The highest ordinal of a node.
const ORDINAL_MAX: u32 = 9999;

/// Checks what is said of single nodes.
pub(super) fn check(spec: &ZoneSpec, subject: &Subject, findings: &mut Findings) {
    let mut ordinals = BTreeSet::new();
    for (i, node) in spec.node_overrides.iter().enumerate() {
        let path = |field: &str| format!("spec.nodeOverrides[{i}].{field}");
        if node.ordinal > ORDINAL_MAX {
            let message = format!("{}; ordinals go up to {ORDINAL_MAX}", node.ordinal);
            findings.problem(subject, path("ordinal"), "InvalidOverride", message);
        } else if !ordinals.insert(node.ordinal) {
            let message = format!("{} is given twice; put all about a node into one entry", node.ordinal);
            findings.problem(subject, path("ordinal"), "InvalidOverride", message);
        }
        let mut names = BTreeSet::new();
        for (j, device) in node.devices.iter().enumerate() {
            if !names.insert(&device.name) {
                let message = format!("{:?} is given twice", device.name);
                findings.problem(subject, path(&format!("devices[{j}].name")), "InvalidOverride", message);
            }
        }
    }
}

/// The ordinals of nodes that may run: all that are not drained.
pub(super) fn live_ordinals(spec: &ZoneSpec) -> impl Iterator<Item = u32> {
    (0..=ORDINAL_MAX).filter(|ordinal| !of_node(spec, *ordinal).is_some_and(|node| node.drain))
}

/// The devices of one node: `devices` with what is said of them.
pub(super) fn applied(spec: &ZoneSpec, ordinal: u32, devices: &[ValidatedDevice]) -> Vec<ValidatedDevice> {
    let Some(node) = of_node(spec, ordinal) else { return devices.to_vec() };
    let whole = node.replacement.unwrap_or_default();
    let with = |device: &ValidatedDevice| {
        let said = node.devices.iter().find(|said| said.name == device.name);
        let dead = said.is_some_and(|said| said.state == DeviceState::Failed);
        let replacement = said.and_then(|said| said.replacement);
        ValidatedDevice {
            replacement: whole + replacement.unwrap_or_default(),
            failed: said.is_some_and(is_lost),
            replaced_dead: dead && replacement.is_some(),
            ..device.clone()
        }
    };
    devices.iter().map(with).collect()
}

/// The devices that are said to be dead without a replacement, by node.
pub(super) fn lost(cluster: &str, zone: &str, spec: &ZoneSpec) -> BTreeMap<String, BTreeSet<String>> {
    let of = |node: &NodeOverride| {
        let devices: BTreeSet<String> =
            node.devices.iter().filter(|said| is_lost(said)).map(|said| said.name.clone()).collect();
        (!devices.is_empty()).then(|| (format!("{cluster}-{zone}-{}", node.ordinal), devices))
    };
    spec.node_overrides.iter().filter_map(of).collect()
}

fn is_lost(said: &DeviceOverride) -> bool {
    said.state == DeviceState::Failed && said.replacement.is_none()
}

fn of_node(spec: &ZoneSpec, ordinal: u32) -> Option<&NodeOverride> {
    spec.node_overrides.iter().find(|node| node.ordinal == ordinal)
}
