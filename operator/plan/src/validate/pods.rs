//! Checks of what pods carry and ask for: words that Kubernetes takes, and none that the operator needs for itself.

use super::{Findings, Subject};
use crate::resources::{PodSettings, ResourceQuantity, ResourceRequirements};
use std::collections::BTreeMap;

/// Labels by which the operator, its Services and Kubernetes' controllers find pods.
const OWN_LABELS: [&str; 6] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/managed-by",
    "pod-template-hash",
    "controller-revision-hash",
];
/// What such labels begin with.
const OWN_LABEL_PREFIXES: [&str; 3] = ["swiftlet.io/", "apps.kubernetes.io/", "statefulset.kubernetes.io/"];
/// What the operator's own annotations begin with.
const OWN_ANNOTATION_PREFIX: &str = "swiftlet.io/";
/// All annotations of an object have at most 256 KiB; the operator's own are few.
const ANNOTATIONS_MAX_BYTES: usize = 200 << 10;

/// Checks `settings`, found at `path`.
pub(super) fn check(settings: &PodSettings, subject: &Subject, path: &str, findings: &mut Findings) {
    for (key, value) in &settings.labels {
        if let Some(message) = refused_label(key, value) {
            findings.problem(subject, format!("{path}.labels.{key}"), "InvalidPods", message);
        }
    }
    for key in settings.annotations.keys() {
        let message = if key.starts_with(OWN_ANNOTATION_PREFIX) {
            "annotations of swiftlet.io are the operator's own; choose another prefix"
        } else if !is_qualified_name(key) {
            "this is no annotation's name: an optional prefix and /, then at most 63 letters, digits, -, _ and ."
        } else {
            continue;
        };
        findings.problem(subject, format!("{path}.annotations.{key}"), "InvalidPods", message);
    }
    let bytes: usize = settings.annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > ANNOTATIONS_MAX_BYTES {
        let message = format!("{bytes} bytes; all of them together have at most {ANNOTATIONS_MAX_BYTES}");
        findings.problem(subject, format!("{path}.annotations"), "InvalidPods", message);
    }
    if let Some(resources) = &settings.resources {
        check_resources(resources, subject, &format!("{path}.resources"), findings);
    }
    for (i, constraint) in settings.topology_spread_constraints.iter().enumerate() {
        let path = |field: &str| format!("{path}.topologySpreadConstraints[{i}].{field}");
        if !is_qualified_name(&constraint.topology_key) {
            let message = format!("{:?} is no label's name", constraint.topology_key);
            findings.problem(subject, path("topologyKey"), "InvalidPods", message);
        }
        let soft =
            constraint.when_unsatisfiable == crate::resources::UnsatisfiableConstraintAction::ScheduleAnyway;
        if constraint.min_domains.is_some() && soft {
            let message = "it counts with whenUnsatisfiable: DoNotSchedule alone; leave it out";
            findings.problem(subject, path("minDomains"), "InvalidPods", message);
        }
    }
}

fn refused_label(key: &str, value: &str) -> Option<String> {
    if OWN_LABELS.contains(&key) || OWN_LABEL_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        return Some(
            "pods are found by this label, so it cannot be set here; choose another name".to_string(),
        );
    }
    if !is_qualified_name(key) {
        return Some(
            "this is no label's name: an optional prefix and /, then at most 63 letters, digits, -, _ and ."
                .to_string(),
        );
    }
    let fits = value.is_empty() || is_name(value);
    (!fits).then(|| format!("{value:?}; a label's value has at most 63 letters, digits, -, _ and ."))
}

/// `prefix/name` or `name`, as labels and annotations are called.
pub(super) fn is_qualified_name(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => {
            prefix.len() <= 253 && prefix.split('.').all(super::cluster::is_label) && is_name(name)
        }
        None => is_name(key),
    }
}

/// At most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn is_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let at_ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    name.len() <= 63 && name.bytes().all(inner) && at_ends(bytes.first()) && at_ends(bytes.last())
}

fn check_resources(resources: &ResourceRequirements, subject: &Subject, path: &str, findings: &mut Findings) {
    let amounts = |kind: &str, amounts: &BTreeMap<String, ResourceQuantity>, findings: &mut Findings| {
        for (name, amount) in amounts {
            let at = format!("{path}.{kind}.{name}");
            if !is_qualified_name(name) {
                let message = "this is no resource's name; cpu, memory and ephemeral-storage are";
                findings.problem(subject, &at, "InvalidPods", message);
            }
            if let Err(error) = amount.thousandths() {
                findings.problem(subject, &at, "InvalidPods", error.to_string());
            }
        }
    };
    amounts("requests", &resources.requests, findings);
    amounts("limits", &resources.limits, findings);
    for (name, request) in &resources.requests {
        let limit = resources.limits.get(name);
        if let (Ok(asked), Some(Ok(most))) = (request.thousandths(), limit.map(ResourceQuantity::thousandths))
            && asked > most
        {
            let limit = limit.map(ToString::to_string).unwrap_or_default();
            let message = format!("{request} is more than the limit of {limit}; raise the limit");
            findings.problem(subject, format!("{path}.requests.{name}"), "InvalidPods", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Problem, tests::desired, validate};

    fn problems(pods: &str) -> Vec<String> {
        let desired = desired(|text| text.replacen("config: {}", &format!("storagePods: {pods}"), 1));
        validate(&desired).problems.iter().map(Problem::to_string).collect()
    }

    #[test]
    fn what_kubernetes_takes_is_taken() {
        let found = problems(
            "{labels: {team: storage, example.com/cost-centre: '42'}, annotations: {a.b/c: any text at all},
              resources: {requests: {cpu: 1, memory: 512Mi}, limits: {cpu: 2000m, memory: 1Gi}},
              imagePullSecrets: [{name: registry}], imagePullPolicy: Always, priorityClassName: high,
              topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, minDomains: 3}]}",
        );
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_field() {
        for (pods, expected) in [
            (
                "{labels: {swiftlet.io/zone: x}}",
                "spec.storagePods.labels.swiftlet.io/zone: pods are found by",
            ),
            ("{labels: {app.kubernetes.io/name: x}}", "pods are found by this label"),
            ("{labels: {'a b': x}}", "no label's name"),
            ("{labels: {a: 'x y'}}", "a label's value"),
            ("{annotations: {swiftlet.io/revision: x}}", "the operator's own"),
            ("{resources: {requests: {cpu: 1.5.1}}}", "spec.storagePods.resources.requests.cpu"),
            (
                "{resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}}",
                "2Gi is more than the limit of 1Gi",
            ),
            (
                "{topologySpreadConstraints: [{maxSkew: 1, topologyKey: 'a b', whenUnsatisfiable: ScheduleAnyway}]}",
                "topologySpreadConstraints[0].topologyKey: \"a b\"",
            ),
        ] {
            let found = problems(pods);
            assert!(found.iter().any(|p| p.contains(expected)), "{pods}: {found:?}");
        }
    }

    #[test]
    fn a_zone_says_what_is_different_about_its_pods() {
        let text =
            "storagePods: {labels: {a: '1', b: '1'}, priorityClassName: low, serviceAccountName: swift}";
        let desired = desired(|manifest| {
            manifest.replacen("config: {}", text, 1).replacen(
                "zone: 2, nodes: 1,",
                "zone: 2, nodes: 1, pods: {labels: {b: '2'}, priorityClassName: high},",
                1,
            )
        });
        let validation = validate(&desired);
        assert_eq!(validation.problems, []);
        let zones = validation.cluster.unwrap().zones;
        assert_eq!(zones[0].pods, desired.cluster.spec.storage_pods);
        let pods = &zones[1].pods;
        assert_eq!(pods.labels, [("a".into(), "1".into()), ("b".into(), "2".into())].into());
        assert_eq!(pods.priority_class_name.as_deref(), Some("high"));
        assert_eq!(pods.service_account_name.as_deref(), Some("swift"));
    }
}
