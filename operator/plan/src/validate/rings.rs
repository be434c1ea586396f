//! What each ring of a cluster is built with.

use super::{Findings, Subject};
use crate::resources::{PolicySpec, PolicyType, RingOverrides, RingsSpec, SwiftClusterSpec};

/// What one ring is built with.
#[derive(Clone, Debug, PartialEq)]
pub struct RingSettings {
    /// `account`, `container`, `object` or `object-<index>`: also the stem of its files' names.
    pub name: String,
    /// It has 2^part_power partitions.
    pub part_power: u8,
    /// Copies of everything, may be fractional; or the fragments of an object.
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
pub fn ring_settings(spec: &SwiftClusterSpec) -> Vec<RingSettings> {
    let none = RingOverrides::default();
    let rings = &spec.rings;
    let mut settings = vec![
        with_overrides("account", rings, rings.account.as_ref().unwrap_or(&none)),
        with_overrides("container", rings, rings.container.as_ref().unwrap_or(&none)),
    ];
    if spec.policies.is_empty() {
        settings.push(with_overrides("object", rings, &none));
    }
    for policy in spec.policies.iter().filter(|policy| fragments_of(policy).is_none()) {
        let overrides = policy.ring.as_ref().unwrap_or(&none);
        settings.push(with_overrides(&policy_ring_name(policy.index), rings, overrides));
    }
    for policy in &spec.policies {
        let Some(replicas) = fragments_of(policy) else { continue };
        let overrides = policy.ring.as_ref().unwrap_or(&none);
        let ring = with_overrides(&policy_ring_name(policy.index), rings, overrides);
        settings.push(RingSettings { replicas, ..ring });
    }
    settings
}

/// The rings that `spec` asks for, checked.
pub(super) fn check(
    spec: &SwiftClusterSpec,
    subject: &Subject,
    findings: &mut Findings,
) -> Vec<RingSettings> {
    let settings = ring_settings(spec);
    let mut in_fragments = Vec::new();
    for (i, policy) in spec.policies.iter().enumerate() {
        let Some(replicas) = fragments_of(policy) else { continue };
        let asked = policy.ring.as_ref().and_then(|ring| ring.replicas);
        check_fragments(replicas, asked, subject, i, findings);
        in_fragments.push(policy_ring_name(policy.index));
    }
    for ring in settings.iter().filter(|ring| !in_fragments.contains(&ring.name)) {
        check_replicas(ring, subject, findings);
    }
    for ring in &settings {
        check_ring(ring, subject, findings);
    }
    settings
}

/// How many fragments are kept of an object, where it is kept in fragments.
fn fragments_of(policy: &PolicySpec) -> Option<f64> {
    let code = policy.erasure_coding.as_ref().filter(|_| policy.type_ == PolicyType::ErasureCoding);
    code.map(|code| f64::from(code.fragment_count()))
}

/// A fragment for each replica of the ring, no more and no less.
fn check_fragments(
    fragments: f64,
    asked: Option<f64>,
    subject: &Subject,
    policy: usize,
    findings: &mut Findings,
) {
    if let Some(asked) = asked.filter(|asked| *asked != fragments) {
        let message = format!(
            "{asked}, but this policy keeps {fragments} fragments of an object: data and parity, times duplicationFactor; leave it out"
        );
        findings.problem(subject, format!("spec.policies[{policy}].ring.replicas"), "InvalidRings", message);
    }
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
    if !(0.0..=10.0).contains(&ring.overload) {
        let message = format!("{} for ring {name}; it goes from 0 to 1000 percent", ring.overload * 100.0);
        findings.problem(subject, "spec.rings.overload", "InvalidRings", message);
    }
}

/// Of a ring whose replicas are copies.
fn check_replicas(ring: &RingSettings, subject: &Subject, findings: &mut Findings) {
    if !(1.0..=16.0).contains(&ring.replicas) {
        let message = format!("{} for ring {}; it goes from 1 to 16", ring.replicas, ring.name);
        findings.problem(subject, "spec.rings.replicas", "InvalidRings", message);
    }
}
