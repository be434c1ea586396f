//! Kubernetes objects from what the planner says: pure functions, one file a kind of thing. What an object holds is
//! decided here and in the planner; whether it is written is `apply`'s to decide.

pub mod autoscaling;
pub mod claim;
pub mod configuration;
#[cfg(test)]
mod conformance;
pub mod disruption;
pub mod exposure;
pub mod monitoring;
pub mod network;
pub mod node;
pub mod plan;
pub mod pod;
pub mod proxy;
pub mod rendering;
pub mod rings;
pub mod secrets;
#[cfg(test)]
pub(super) mod tests;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::Resource;
use kube::api::ListParams;
use std::collections::BTreeMap;
use swiftlet_plan::resources::SwiftCluster;

/// Who manages everything made here, in labels and as the field manager.
pub const MANAGER: &str = "swiftlet-operator";
/// Label with the Zone of what belongs to one.
pub const ZONE_LABEL: &str = "swiftlet.io/zone";
/// Label with the node of what belongs to one.
pub const NODE_LABEL: &str = "swiftlet.io/node";

/// Annotation of a pod template, and so of its pods: what they were started with, in the planner's word.
pub const REVISION_ANNOTATION: &str = "swiftlet.io/revision";
/// Annotation of a node's StatefulSet: when the node was last restarted for a new revision (Unix time).
pub const RESTARTED_ANNOTATION: &str = "swiftlet.io/restarted-at";
/// Annotation of a pod: the newest rings. Changing it makes the kubelet bring the pod's volumes up to date at once.
pub const GENERATION_ANNOTATION: &str = "swiftlet.io/ring-generation";

/// Annotation of a claim: its device left the cluster, and nothing of it is asked for any more.
pub const RELEASED_ANNOTATION: &str = "swiftlet.io/released";
/// Annotation of a claim: how often the volume in its place was replaced.
pub const REPLACEMENT_ANNOTATION: &str = "swiftlet.io/replacement";
/// Finalizer of a Zone: it is drained before it goes.
pub const DRAIN_FINALIZER: &str = "swiftlet.io/drain";

/// What a labelled object is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// Storage nodes.
    Storage,
    /// Proxies.
    Proxy,
    /// Rings and builders.
    Rings,
}

impl Component {
    fn label(self) -> &'static str {
        match self {
            Component::Storage => "storage",
            Component::Proxy => "proxy",
            Component::Rings => "rings",
        }
    }
}

/// Whose objects are made: the cluster's name and place, and who owns what may go with it.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The SwiftCluster's name.
    pub cluster: String,
    /// Its namespace.
    pub namespace: String,
    reference: OwnerReference,
}

impl Owner {
    /// The owner that a SwiftCluster read from the API is.
    pub fn of(cluster: &SwiftCluster) -> Owner {
        let reference = OwnerReference {
            api_version: SwiftCluster::api_version(&()).into_owned(),
            kind: SwiftCluster::kind(&()).into_owned(),
            name: cluster.metadata.name.clone().unwrap_or_default(),
            uid: cluster.metadata.uid.clone().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: None,
        };
        let namespace = cluster.metadata.namespace.clone().unwrap_or_default();
        Owner { cluster: reference.name.clone(), namespace, reference }
    }

    /// Whoever will be the owner, of a SwiftCluster that is not there yet: of what outlives it alone.
    pub fn of_absent(cluster: &str, namespace: &str) -> Owner {
        let reference = OwnerReference { name: cluster.to_string(), ..OwnerReference::default() };
        Owner { cluster: cluster.to_string(), namespace: namespace.to_string(), reference }
    }

    /// The SwiftCluster's uid.
    pub fn uid(&self) -> &str {
        &self.reference.uid
    }

    /// Labels that everything of this cluster carries; the selector of all of it.
    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            ("app.kubernetes.io/name", "swiftlet"),
            ("app.kubernetes.io/instance", self.cluster.as_str()),
            ("app.kubernetes.io/managed-by", MANAGER),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
    }

    /// What lists everything of this cluster.
    pub fn everything(&self) -> ListParams {
        let labels: Vec<String> = self.labels().iter().map(|(key, value)| format!("{key}={value}")).collect();
        ListParams::default().labels(&labels.join(","))
    }

    fn component_labels(&self, component: Component) -> BTreeMap<String, String> {
        let mut labels = self.labels();
        labels.insert("app.kubernetes.io/component".to_string(), component.label().to_string());
        labels
    }

    /// Metadata of an object that goes when the SwiftCluster goes.
    fn owned(&self, name: &str, labels: BTreeMap<String, String>) -> ObjectMeta {
        ObjectMeta { owner_references: Some(vec![self.reference.clone()]), ..self.outliving(name, labels) }
    }

    /// Metadata of an object that stays when the SwiftCluster goes: hash path, rings, builders, claims.
    fn outliving(&self, name: &str, labels: BTreeMap<String, String>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_string()),
            namespace: Some(self.namespace.clone()),
            labels: Some(labels),
            ..ObjectMeta::default()
        }
    }
}

/// Labels of a Zone's nodes and of all that is theirs.
fn zone_labels(owner: &Owner, zone: &str) -> BTreeMap<String, String> {
    let mut labels = owner.component_labels(Component::Storage);
    labels.insert(ZONE_LABEL.to_string(), zone.to_string());
    labels
}

/// Labels of a node and of all that is its.
fn node_labels(owner: &Owner, zone: &str, node: &str) -> BTreeMap<String, String> {
    let mut labels = zone_labels(owner, zone);
    labels.insert(NODE_LABEL.to_string(), node.to_string());
    labels
}

/// A selector takes the labels that never change: no version, no manager.
fn selector(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut selector = labels.clone();
    selector.remove("app.kubernetes.io/managed-by");
    selector
}

fn label_selector(labels: &BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(selector(labels)), match_expressions: None }
}

fn revision(word: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(REVISION_ANNOTATION.to_string(), word.to_string())])
}
