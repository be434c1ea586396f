//! What this crate's tests plan for.

pub(crate) mod data;
pub(crate) mod simulation;

use crate::documents::Documents;
use crate::validate::{Desired, HashPath, ValidatedCluster, validate};

/// A cluster called `demo` of `zones` Zones, `rack1` and on, of `nodes` nodes with two devices each.
pub(crate) fn desired(zones: u32, nodes: u32) -> Desired {
    let mut text = "
apiVersion: swiftlet.io/v1alpha1
kind: SwiftCluster
metadata: {name: demo, generation: 1}
spec:
  version: 0.1.0
  rings: {partPower: 6, minPartHours: 0}
  auth: {tempauth: {usersSecretName: users}}
---
{apiVersion: v1, kind: Secret, metadata: {name: users}, stringData: {user_test_tester: testing .admin}}
"
    .to_string();
    for n in 1..=zones {
        text += &format!(
            "---
apiVersion: swiftlet.io/v1alpha1
kind: Zone
metadata: {{name: rack{n}, generation: 1, creationTimestamp: '2026-01-01T00:00:{n:02}Z'}}
spec: {{cluster: demo, zone: {n}, nodes: {nodes}, devices: [{{name: d1, size: 1Gi}}, {{name: d2, size: 2Gi}}]}}
"
        );
    }
    let mut documents = Documents::default();
    documents.read("test", &text).expect("the test's own text");
    let desired = documents.desired().expect("the test's own text");
    Desired { hash_path: Some(hash_path()), ..desired }
}

/// The same, validated.
pub(crate) fn cluster(zones: u32, nodes: u32) -> ValidatedCluster {
    validate(&desired(zones, nodes)).cluster.expect("the test's own cluster")
}

/// A hash path.
pub(crate) fn hash_path() -> HashPath {
    HashPath { prefix: String::new(), suffix: "changeme".into() }
}
