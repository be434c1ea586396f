//! What each ring of a cluster is built with.

use super::{Findings, Subject};
use crate::resources::{RingOverrides, RingsSpec, SwiftClusterSpec};

/// What one ring is built with.
#[derive(Clone, Debug, PartialEq)]
pub struct RingSettings {
    /// `account`, `container`, `object` or `object-<index>`: also the stem of its files' names.
    pub name: String,
    /// It has 2^part_power partitions.
    pub part_power: u8,
    /// Copies of everything; may be fractional.
    pub replicas: f64,
    /// Hours for which a partition that moved stays.
    pub min_part_hours: u16,
    /// The overload factor: 0.1 is 10 %.
    pub overload: f64,
}

/// The name of the ring of the policy with `index`.
pub fn policy_ring_name(index: u32) -> String {
    if index == 0 { "object".to_string() } else { format!("object-{index}") }
}

/// The rings that `spec` asks for.
pub(super) fn check(
    spec: &SwiftClusterSpec,
    subject: &Subject,
    findings: &mut Findings,
) -> Vec<RingSettings> {
    let none = RingOverrides::default();
    let rings = &spec.rings;
    let mut settings = vec![
        with_overrides("account", rings, rings.account.as_ref().unwrap_or(&none)),
        with_overrides("container", rings, rings.container.as_ref().unwrap_or(&none)),
    ];
    if spec.policies.is_empty() {
        settings.push(with_overrides("object", rings, &none));
    }
    for policy in &spec.policies {
        let overrides = policy.ring.as_ref().unwrap_or(&none);
        settings.push(with_overrides(&policy_ring_name(policy.index), rings, overrides));
    }
    for ring in &settings {
        check_ring(ring, subject, findings);
    }
    settings
}

fn with_overrides(name: &str, rings: &RingsSpec, overrides: &RingOverrides) -> RingSettings {
    RingSettings {
        name: name.to_string(),
        part_power: overrides.part_power.unwrap_or(rings.part_power),
        replicas: overrides.replicas.unwrap_or(rings.replicas),
        min_part_hours: overrides.min_part_hours.unwrap_or(rings.min_part_hours),
        overload: overrides.overload.unwrap_or(rings.overload) / 100.0,
    }
}

/// The bounds of the schema again: `swiftlet dev` has no API server to check them.
fn check_ring(ring: &RingSettings, subject: &Subject, findings: &mut Findings) {
    let name = &ring.name;
    if !(1..=24).contains(&ring.part_power) {
        let message = format!("{} for ring {name}; it goes from 1 to 24", ring.part_power);
        findings.problem(subject, "spec.rings.partPower", "InvalidRings", message);
    }
    if !(1.0..=16.0).contains(&ring.replicas) {
        let message = format!("{} for ring {name}; it goes from 1 to 16", ring.replicas);
        findings.problem(subject, "spec.rings.replicas", "InvalidRings", message);
    }
    if !(0.0..=10.0).contains(&ring.overload) {
        let message = format!("{} for ring {name}; it goes from 0 to 1000 percent", ring.overload * 100.0);
        findings.problem(subject, "spec.rings.overload", "InvalidRings", message);
    }
}
