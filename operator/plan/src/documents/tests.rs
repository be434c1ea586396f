use super::*;

const CLUSTER: &str = "
apiVersion: swiftlet.io/v1alpha1
kind: SwiftCluster
metadata: {name: demo}
spec:
  rings: {partPower: 8}
  auth: {tempauth: {usersSecretName: users}}
";

fn read(text: &str) -> Result<Desired, String> {
    let mut documents = Documents::default();
    documents.read("c.yaml", text).and_then(|()| documents.desired()).map_err(|e| e.to_string())
}

#[test]
fn reads_a_cluster_with_its_zone_and_secret() {
    let zone = "{apiVersion: swiftlet.io/v1alpha1, kind: Zone, metadata: {name: r1}, \
                spec: {cluster: demo, zone: 1, nodes: 2, devices: [{name: d1, size: 1Gi}]}}";
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: users}, \
                   data: {user_a_b: c2VjcmV0}, stringData: {user_a_c: hidden .admin}}";
    let desired = read(&format!("{CLUSTER}\n---\n{zone}\n---\n{secret}\n---\n")).unwrap();
    assert_eq!(desired.cluster.spec.rings.replicas, 3.0);
    assert_eq!(desired.zones[0].spec.devices[0].weight_percent, 100);
    let users = desired.auth_secret.unwrap();
    assert_eq!((users["user_a_b"].as_str(), users["user_a_c"].as_str()), ("secret", "hidden .admin"));
    assert_eq!(desired.hash_path, None);
}

#[test]
fn a_misspelt_field_is_named_with_file_and_document() {
    let text = CLUSTER.replace("usersSecretName", "userSecretName");
    assert_eq!(
        read(&text).unwrap_err(),
        "c.yaml: SwiftCluster demo: spec.auth.tempauth.userSecretName: there is no such field"
    );
    let text = CLUSTER.replace("{usersSecretName: users}", "{}");
    let error = read(&text).unwrap_err();
    assert_eq!(error, "c.yaml: SwiftCluster demo: spec.auth.tempauth: missing field `usersSecretName`");
    let text = CLUSTER.replace("{partPower: 8}", "{partPower: 8, replica: 2}");
    assert_eq!(
        read(&text).unwrap_err(),
        "c.yaml: SwiftCluster demo: spec.rings.replica: there is no such field"
    );
}

#[test]
fn a_value_of_the_wrong_type_is_named() {
    let text = CLUSTER.replace("partPower: 8", "partPower: big");
    let error = read(&text).unwrap_err();
    assert!(error.starts_with("c.yaml: SwiftCluster demo: spec.rings.partPower: invalid type"), "{error}");
}

#[test]
fn what_kubernetes_adds_is_no_mistake() {
    let text = CLUSTER.replace("{name: demo}", "{name: demo, resourceVersion: '7', managedFields: [{a: 1}]}");
    read(&text).unwrap();
}

#[test]
fn other_kinds_and_sets_are_refused() {
    for (text, expected) in [
        (
            "kind: Pod\nmetadata: {name: x}".to_string(),
            "c.yaml: Pod x: kind: \"Pod\"; SwiftCluster, Zone and Secret are read",
        ),
        ("a: 1".to_string(), "c.yaml: document 1: metadata.name: it is missing"),
        (String::new(), "c.yaml: there is no SwiftCluster"),
        (
            CLUSTER.replace("v1alpha1", "v9"),
            "c.yaml: SwiftCluster demo: apiVersion: \"swiftlet.io/v9\"; this program reads swiftlet.io/v1alpha1",
        ),
    ] {
        assert_eq!(read(&text).unwrap_err(), expected);
    }
}

#[test]
fn secrets_are_not_printed() {
    let text = "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {user_a_b: hidden}}";
    let mut documents = Documents::default();
    documents.read("c.yaml", text).unwrap();
    assert!(!format!("{documents:?}").contains("hidden"));
}

#[test]
fn files_change_what_they_speak_of_and_nothing_else() {
    let mut base = crate::testing::desired(3, 2);
    let drained =
        crate::resources::NodeOverride { ordinal: 1, drain: true, replacement: None, devices: Vec::new() };
    base.zones[0].spec.node_overrides = vec![drained.clone()];
    base.zones[0].metadata.uid = Some("u-1".into());
    let zone = |name: &str, cluster: &str| {
        format!(
            "apiVersion: swiftlet.io/v1alpha1\nkind: Zone\nmetadata: {{name: {name}}}\n\
             spec: {{cluster: {cluster}, zone: 9, nodes: 7, devices: [{{name: d1, size: 1Gi}}]}}\n"
        )
    };
    let read = |text: &str| {
        let mut documents = Documents::default();
        documents.read("changed.yaml", text).map(|()| documents)
    };
    let changed = read(&format!("{}---\n{}", zone("rack1", "demo"), zone("rack9", "demo"))).unwrap();
    let changed = changed.applied_to(&base).unwrap();
    assert_eq!(changed.zones.len(), 4);
    assert_eq!((changed.zones[0].spec.nodes, changed.zones[0].metadata.uid.as_deref()), (7, Some("u-1")));
    assert_eq!(changed.zones[0].spec.node_overrides, [drained], "the manifest does not speak of them");
    assert_eq!(changed.zones[1], base.zones[1]);
    assert_eq!(changed.cluster, base.cluster);
    let error = read(&zone("rack1", "other")).unwrap().applied_to(&base).unwrap_err().to_string();
    assert!(error.contains("Zone rack1: spec.cluster"), "{error}");
}
