//! A resource as a manifest holds it, without a Kubernetes client.

use super::{API_VERSION, SwiftClusterSpec, SwiftClusterStatus, ZoneSpec, ZoneStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A resource: who it is, what is asked, what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest<Spec, Status> {
    /// `swiftlet.io/v1alpha1`.
    pub api_version: String,
    /// `SwiftCluster` or `Zone`.
    pub kind: String,
    /// Who it is.
    pub metadata: ObjectMeta,
    /// What is asked.
    pub spec: Spec,
    /// What was found.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// A `SwiftCluster`.
pub type ClusterManifest = Manifest<SwiftClusterSpec, SwiftClusterStatus>;
/// A `Zone`.
pub type ZoneManifest = Manifest<ZoneSpec, ZoneStatus>;

/// The part of Kubernetes' object metadata that planning needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Its name, once a kind and namespace.
    pub name: String,
    /// Its namespace; manifests may leave it to the context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The identity Kubernetes gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Counts the changes of its spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// When it was made (RFC 3339, UTC, whole seconds, so that text order is time order).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
    /// When its deletion was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// Its labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl ObjectMeta {
    /// The metadata of something called `name`.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

impl ClusterManifest {
    /// A `SwiftCluster` as a person writes it.
    pub fn cluster(name: impl Into<String>, spec: SwiftClusterSpec) -> Self {
        Self::new("SwiftCluster", ObjectMeta::named(name), spec)
    }
}

impl ZoneManifest {
    /// A `Zone` as a person writes it.
    pub fn zone(name: impl Into<String>, spec: ZoneSpec) -> Self {
        Self::new("Zone", ObjectMeta::named(name), spec)
    }
}

impl<Spec, Status> Manifest<Spec, Status> {
    fn new(kind: &str, metadata: ObjectMeta, spec: Spec) -> Self {
        Self { api_version: API_VERSION.to_string(), kind: kind.to_string(), metadata, spec, status: None }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Its namespace, `default` where none is given.
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or("default")
    }

    /// Whether its deletion was asked for.
    pub fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }
}

/// `Option::default` without asking `Status` for one.
fn none<T>() -> Option<T> {
    None
}
