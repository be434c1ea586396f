//! Checks of a SwiftCluster: names, policies, users, proxies, upgrades.

use super::{
    Desired, Findings, Policy, Subject, Upgrade, ValidatedCluster, ValidatedZone, auth, config, network,
    pods, proxies, rings, windows, zones,
};
use crate::resources::{API_VERSION, PolicySpec, PolicyType, SwiftClusterSpec, parse_duration_s};
use std::collections::BTreeSet;
use swiftlet_ec::Codec;

/// Checks everything; the result is only good where no problem is the SwiftCluster's.
pub(super) fn check(desired: &Desired, findings: &mut Findings) -> Option<ValidatedCluster> {
    let manifest = &desired.cluster;
    let spec = &manifest.spec;
    let subject = Subject::Cluster(manifest.name().to_string());
    check_name(manifest.name(), &subject, findings);
    if manifest.api_version != API_VERSION {
        let message = format!("{:?}; this version reads {API_VERSION}", manifest.api_version);
        findings.problem(&subject, "apiVersion", "InvalidVersion", message);
    }
    let rings = rings::check(spec, &subject, findings);
    let policies = check_policies(&spec.policies, &subject, findings);
    let auth = auth::check(desired, &subject, findings);
    config::check(&spec.config, &subject, "spec.config", findings);
    pods::check(&spec.storage_pods, &subject, "spec.storagePods", findings);
    let (zones, refused_zones) = zones::check(desired, &rings, findings);
    let upgrade = check_upgrade(spec, &zones, &subject, findings)?;
    Some(ValidatedCluster {
        name: manifest.name().to_string(),
        namespace: manifest.namespace().to_string(),
        version: spec.version.clone(),
        image: spec.image.clone(),
        rings,
        policies,
        auth,
        hash_path: desired.hash_path.clone(),
        zones,
        refused_zones,
        proxies: proxies::check(manifest.name(), spec, &subject, findings),
        network: network::check(desired, &subject, findings),
        config: spec.config.clone(),
        upgrade,
        allow_reduced_separation: spec.rings.allow_reduced_separation,
    })
}

fn check_name(name: &str, subject: &Subject, findings: &mut Findings) {
    if !is_label(name) || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 44 {
        let message =
            format!("{name:?}; a letter, then lower-case letters, digits and -, at most 44 characters");
        findings.problem(subject, "metadata.name", "InvalidName", message);
    }
}

/// Whether `name` can be part of a host name.
pub(super) fn is_label(name: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    !name.is_empty() && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

fn check_policies(specs: &[PolicySpec], subject: &Subject, findings: &mut Findings) -> Vec<Policy> {
    if specs.is_empty() {
        let lone = Policy {
            index: 0,
            name: "Policy-0".into(),
            aliases: vec![],
            default: true,
            deprecated: false,
            erasure_coding: None,
        };
        return vec![lone];
    }
    let mut names = BTreeSet::new();
    let mut indexes = BTreeSet::new();
    for (i, policy) in specs.iter().enumerate() {
        let path = |field: &str| format!("spec.policies[{i}].{field}");
        if !indexes.insert(policy.index) {
            let message = format!("{} is used twice; indexes are unique", policy.index);
            findings.problem(subject, path("index"), "InvalidPolicy", message);
        }
        for (field, name) in std::iter::once(("name", &policy.name))
            .chain(policy.aliases.iter().map(|alias| ("aliases", alias)))
        {
            check_policy_name(name, &mut names, subject, path(field), findings);
        }
        check_erasure_coding(policy, subject, path("erasureCoding"), findings);
        if policy.deprecated && (policy.default || specs.len() == 1) {
            findings.problem(
                subject,
                path("deprecated"),
                "InvalidPolicy",
                "the default policy cannot be deprecated",
            );
        }
    }
    if !indexes.contains(&0) {
        findings.problem(subject, "spec.policies", "InvalidPolicy", "no policy has index 0; one must");
    }
    let defaults = specs.iter().filter(|p| p.default).count();
    if defaults > 1 || defaults == 0 && specs.len() > 1 {
        let message = format!("{defaults} policies are the default one; exactly one must be");
        findings.problem(subject, "spec.policies", "InvalidPolicy", message);
    }
    let mut policies: Vec<Policy> = specs.iter().map(|spec| policy(spec, specs.len() == 1)).collect();
    policies.sort_by_key(|p| p.index);
    policies
}

/// What the API server's rules say of it, for `swiftlet dev` has none; and whether there is such a code.
fn check_erasure_coding(policy: &PolicySpec, subject: &Subject, path: String, findings: &mut Findings) {
    let message = match (policy.type_, &policy.erasure_coding) {
        (PolicyType::Replication, None) => return,
        (PolicyType::Replication, Some(_)) => {
            "a policy of type replication has none; leave it out, or set type: erasureCoding".to_string()
        }
        (PolicyType::ErasureCoding, None) => {
            "a policy of type erasureCoding needs ecType, dataFragments and parityFragments".to_string()
        }
        (PolicyType::ErasureCoding, Some(code)) if !(1..=8).contains(&code.duplication_factor) => {
            format!("duplicationFactor {}; it goes from 1 to 8", code.duplication_factor)
        }
        (PolicyType::ErasureCoding, Some(code)) if !(1..=1 << 30).contains(&code.segment_bytes) => {
            format!("segmentBytes {}; it goes from 1 to {}", code.segment_bytes, 1 << 30)
        }
        (PolicyType::ErasureCoding, Some(code)) => {
            match Codec::new(&code.ec_type, code.data_fragments.into(), code.parity_fragments.into()) {
                Ok(_) => return,
                Err(error) => error.to_string(),
            }
        }
    };
    findings.problem(subject, path, "InvalidPolicy", message);
}

fn check_policy_name(
    name: &str,
    seen: &mut BTreeSet<String>,
    subject: &Subject,
    path: String,
    findings: &mut Findings,
) {
    let lower = name.to_ascii_lowercase();
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        let message = format!("{name:?}; letters, digits and - make a policy's name");
        findings.problem(subject, path, "InvalidPolicy", message);
    } else if !seen.insert(lower) {
        let message =
            format!("{name:?} is used twice; names and aliases are unique, upper and lower case alike");
        findings.problem(subject, path, "InvalidPolicy", message);
    }
}

fn policy(spec: &PolicySpec, alone: bool) -> Policy {
    Policy {
        index: spec.index,
        name: spec.name.clone(),
        aliases: spec.aliases.clone(),
        default: spec.default || alone,
        deprecated: spec.deprecated,
        erasure_coding: spec.erasure_coding.clone(),
    }
}

fn check_upgrade(
    spec: &SwiftClusterSpec,
    zones: &[ValidatedZone],
    subject: &Subject,
    findings: &mut Findings,
) -> Option<Upgrade> {
    let upgrade = &spec.upgrade;
    let windows = windows::check(&upgrade.windows, subject, findings);
    let soak_s = match parse_duration_s(&upgrade.soak) {
        Ok(soak_s) => soak_s,
        Err(error) => {
            findings.problem(subject, "spec.upgrade.soak", "InvalidUpgrade", error.to_string());
            return None;
        }
    };
    let asked = upgrade.canary_zone.iter().chain(&upgrade.order);
    let mut zone_order: Vec<String> = Vec::new();
    for name in asked.chain(zones.iter().map(|zone| &zone.name)) {
        let exists = zones.iter().any(|zone| zone.name == *name);
        if exists && !zone_order.contains(name) {
            zone_order.push(name.clone());
        }
    }
    let max_unavailable = usize::try_from(upgrade.max_unavailable.max(1)).unwrap_or(usize::MAX);
    Some(Upgrade { paused: upgrade.paused, zone_order, max_unavailable, soak_s, windows })
}
