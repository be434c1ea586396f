use super::*;
use crate::documents::Documents;

/// A cluster of three Zones of one node; `edit` changes the manifest's text first.
pub(super) fn desired(edit: impl Fn(String) -> String) -> Desired {
    let mut text = "
apiVersion: swiftlet.io/v1alpha1
kind: SwiftCluster
metadata: {name: demo}
spec:
  rings: {partPower: 8}
  policies: []
  config: {}
  auth: {tempauth: {usersSecretName: users}}
---
{apiVersion: v1, kind: Secret, metadata: {name: users}, stringData: {user_test_tester: testing .admin}}
"
    .to_string();
    for n in 1..=3 {
        text += &format!(
            "---
apiVersion: swiftlet.io/v1alpha1
kind: Zone
metadata: {{name: rack{n}, creationTimestamp: '2026-01-0{n}T00:00:00Z'}}
spec: {{cluster: demo, region: 1, zone: {n}, nodes: 1, devices: [{{name: d1, size: 1Gi}}, {{name: d2, size: 2Gi}}]}}
"
        );
    }
    let mut documents = Documents::default();
    documents.read("test", &edit(text)).unwrap();
    documents.desired().unwrap()
}

fn problems(edit: impl Fn(String) -> String) -> Vec<String> {
    validate(&desired(edit)).problems.iter().map(Problem::to_string).collect()
}

#[test]
fn a_good_cluster_has_its_defaults_filled_in() {
    let validation = validate(&desired(|text| text));
    assert_eq!(validation.problems, vec![]);
    let cluster = validation.cluster.unwrap();
    let rings: Vec<&str> = cluster.rings.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(rings, ["account", "container", "object"]);
    assert_eq!(cluster.rings[0].overload, 0.1);
    assert_eq!(cluster.policies[0].name, "Policy-0");
    assert_eq!(
        cluster.nodes().map(|(_, n)| n.name.as_str()).collect::<Vec<_>>(),
        ["demo-rack1-0", "demo-rack2-0", "demo-rack3-0"]
    );
    assert_eq!(cluster.upgrade.soak_s, 600);
}

#[test]
fn every_mistake_is_found_at_once_with_its_field() {
    let found = problems(|text| {
        text.replacen("name: d2", "name: d1", 1)
            .replacen("size: 1Gi", "size: big", 1)
            .replace("partPower: 8", "partPower: 40")
    });
    assert!(
        found.contains(
            &"Zone rack1: spec.devices[1].name: \"d1\" is used twice; device names are unique on a node"
                .to_string()
        ),
        "{found:?}"
    );
    assert!(
        found.iter().any(|p| p.starts_with("Zone rack1: spec.devices[0].size: \"big\" is not a size")),
        "{found:?}"
    );
    assert!(found.iter().any(|p| p.starts_with("SwiftCluster demo: spec.rings.partPower: 40")), "{found:?}");
}

#[test]
fn of_two_zones_with_one_place_the_younger_is_left_out() {
    let validation = validate(&desired(|text| text.replace("zone: 3", "zone: 1")));
    let cluster = validation.cluster.unwrap();
    assert_eq!(cluster.zones.len(), 2);
    assert!(cluster.refused_zones.contains("rack3"));
    assert_eq!(validation.problems[0].reason, "DuplicateZone");
    assert_eq!(validation.advice[0].reason, "FewZones");
}

#[test]
fn policies_follow_swifts_rules() {
    for (policies, expected) in [
        ("[{index: 1, name: a}]", "no policy has index 0"),
        ("[{index: 0, name: a}, {index: 1, name: b}]", "0 policies are the default one"),
        ("[{index: 0, name: a, default: true}, {index: 1, name: A}]", "is used twice"),
        ("[{index: 0, name: a b}]", "letters, digits and -"),
        ("[{index: 0, name: a, deprecated: true}]", "cannot be deprecated"),
    ] {
        let found = problems(|text| text.replace("policies: []", &format!("policies: {policies}")));
        assert!(found.iter().any(|p| p.contains(expected)), "{policies}: {found:?}");
    }
}

#[test]
fn an_erasure_coded_policy_has_a_replica_for_each_fragment() {
    let code = "ecType: liberasurecode_rs_vand, dataFragments: 4, parityFragments: 2";
    let policies = |more: &str| {
        format!("policies: [{{index: 0, name: a, type: erasureCoding, erasureCoding: {{{code}}}{more}}}]")
    };
    let validation =
        validate(&desired(|text| text.replace("policies: []", &policies(", ring: {replicas: 6}"))));
    assert_eq!(validation.problems, []);
    let cluster = validation.cluster.unwrap();
    assert_eq!(cluster.rings.iter().find(|ring| ring.name == "object").unwrap().replicas, 6.0);
    assert_eq!(cluster.policies[0].erasure_coding.as_ref().unwrap().fragment_count(), 6);

    let found = |policies: String| problems(|text| text.replace("policies: []", &policies));
    let expected = "SwiftCluster demo: spec.policies[0].ring.replicas: 3, but this policy keeps 6 fragments of an object: \
                    data and parity, times duplicationFactor; leave it out";
    assert_eq!(found(policies(", ring: {replicas: 3}")), [expected]);
    for (was, becomes, expected) in [
        (
            "liberasurecode_rs_vand",
            "jerasure_rs_vand",
            "supported are: liberasurecode_rs_vand, isa_l_rs_vand",
        ),
        ("dataFragments: 4", "dataFragments: 40", "no more than 32 together"),
        ("parityFragments: 2", "parityFragments: 2, duplicationFactor: 9", "it goes from 1 to 8"),
        ("type: erasureCoding, ", "", "set type: erasureCoding"),
        (&format!(", erasureCoding: {{{code}}}"), "", "needs ecType, dataFragments and parityFragments"),
    ] {
        let found = found(policies("").replacen(was, becomes, 1));
        assert!(found.len() == 1 && found[0].contains(expected), "{becomes}: {found:?}");
    }
}

#[test]
fn config_refuses_what_follows_from_the_resources() {
    for (config, expected) in [
        (
            "{object-server.conf: {DEFAULT: {devices: /srv}}}",
            "spec.config.object-server.conf.DEFAULT.devices: this option follows",
        ),
        ("{object-server.conf: {'app:object-server': {set bind_port: '1'}}}", "follows from the resources"),
        ("{swift.conf: {swift-hash: {swift_hash_path_suffix: x}}}", "hashPathSecretName"),
        ("{swift.conf: {'storage-policy:0': {name: x}}}", "spec.policies"),
        ("{rsyncd.conf: {object: {path: /}}}", "there is no such file"),
        ("{proxy-server.conf: {'filter:tempauth': {user_a_b: c}}}", "users are kept in the Secret"),
        ("{object-server.conf: {object-replicator: {interval: \"1\\n[x]\"}}}", "more than one line"),
    ] {
        let found = problems(|text| text.replace("config: {}", &format!("config: {config}")));
        assert!(found.iter().any(|p| p.contains(expected)), "{config}: {found:?}");
    }
}

#[test]
fn what_is_said_of_single_nodes_is_said_once() {
    let said = |overrides: &str| {
        problems(|text| text.replacen("nodes: 1,", &format!("nodes: 1, nodeOverrides: {overrides},"), 1))
    };
    assert_eq!(said("[{ordinal: 0, drain: true}]"), [""; 0]);
    let found = said("[{ordinal: 3, drain: true}, {ordinal: 3}]");
    assert_eq!(
        found,
        ["Zone rack1: spec.nodeOverrides[1].ordinal: 3 is given twice; put all about a node into one entry"]
    );
    let found = said("[{ordinal: 0, devices: [{name: d1}, {name: d1, state: Failed}]}]");
    assert_eq!(found, ["Zone rack1: spec.nodeOverrides[0].devices[1].name: \"d1\" is given twice"]);
}

#[test]
fn users_need_their_secret_and_a_password_is_not_repeated() {
    let found = problems(|text| text.replace("name: users}, stringData", "name: other}, stringData"));
    assert!(found[0].contains("there is no Secret users"), "{found:?}");
    let found = problems(|text| text.replace("user_test_tester: testing", "tester: hidden"));
    assert!(found[0].contains("\"tester\"") && !found[0].contains("hidden"), "{found:?}");
}
