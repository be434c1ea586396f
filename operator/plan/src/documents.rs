//! Manifests as files hold them: YAML documents of SwiftClusters, Zones and Secrets.
//!
//! A misspelt field, which a Kubernetes client would be warned of, is an error here that names file, document
//! and field.

mod secret;

pub use secret::Secret;

use crate::resources::{API_VERSION, ClusterManifest, SwiftClusterSpec, ZoneManifest};
use crate::validate::{Desired, HashPath, Subject};
use serde::de::DeserializeOwned;
use serde_norway::Value;
use std::collections::BTreeMap;
use thiserror::Error;

/// The longest manifest file that is read.
const MAX_FILE_BYTES: usize = 4 << 20;
/// The key of the hash path's prefix in its Secret, named as in swift.conf.
pub const HASH_PATH_PREFIX_KEY: &str = "swift_hash_path_prefix";
/// The key of the hash path's suffix in its Secret.
pub const HASH_PATH_SUFFIX_KEY: &str = "swift_hash_path_suffix";

/// A file of manifests that cannot be used: where, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// One document has a mistake.
    #[error("{file}: {document}: {message}")]
    Document {
        /// The file.
        file: String,
        /// The document, by kind and name where it has them: `Zone rack1`, `document 3`.
        document: String,
        /// What is wrong.
        message: String,
    },
    /// The documents do not make one cluster.
    #[error("{file}: {message}")]
    Set {
        /// The file or files.
        file: String,
        /// What is wrong.
        message: String,
    },
}

/// What files of manifests held.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    files: Vec<String>,
    origins: BTreeMap<Subject, String>,
    clusters: Vec<ClusterManifest>,
    zones: Vec<ZoneManifest>,
    secrets: Vec<Secret>,
}

/// The kinds that manifests of a cluster hold.
const KINDS: &str = "SwiftCluster, Zone and Secret";

impl Documents {
    /// Reads one more file's `text`; `file` names it in errors.
    pub fn read(&mut self, file: &str, text: &str) -> Result<(), DocumentError> {
        if text.len() > MAX_FILE_BYTES {
            let message = format!("{} bytes; a manifest has at most {MAX_FILE_BYTES}", text.len());
            return Err(DocumentError::Set { file: file.to_string(), message });
        }
        self.files.push(file.to_string());
        for (i, document) in serde_norway::Deserializer::from_str(text).enumerate() {
            let value: Value = serde::Deserialize::deserialize(document)
                .map_err(|error| mistake(file, &format!("document {}", i + 1), error.to_string()))?;
            if !value.is_null() {
                self.add(file, i + 1, value)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, file: &str, number: usize, value: Value) -> Result<(), DocumentError> {
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_string);
        let kind = text(&value, "kind").unwrap_or_default();
        let document = match value.get("metadata").and_then(|meta| text(meta, "name")) {
            Some(name) => format!("{kind} {name}"),
            None => return Err(mistake(file, &format!("document {number}"), "metadata.name: it is missing")),
        };
        let version = text(&value, "apiVersion").unwrap_or_default();
        match (kind.as_str(), version.as_str()) {
            ("SwiftCluster", API_VERSION) => {
                let cluster: ClusterManifest = read_strictly(file, &document, value)?;
                self.origins.insert(Subject::Cluster(cluster.name().to_string()), file.to_string());
                self.clusters.push(cluster);
            }
            ("Zone", API_VERSION) => {
                let zone: ZoneManifest = read_strictly(file, &document, value)?;
                self.origins.insert(Subject::Zone(zone.name().to_string()), file.to_string());
                self.zones.push(zone);
            }
            ("Secret", "v1") => self.secrets.push(read_strictly(file, &document, value)?),
            ("SwiftCluster" | "Zone", other) => {
                let message = format!("apiVersion: {other:?}; this program reads {API_VERSION}");
                return Err(mistake(file, &document, message));
            }
            (other, _) => return Err(mistake(file, &document, format!("kind: {other:?}; {KINDS} are read"))),
        }
        Ok(())
    }

    /// The file that a resource was read from.
    pub fn file_of(&self, subject: &Subject) -> Option<&str> {
        self.origins.get(subject).map(String::as_str)
    }

    /// The one cluster that the files describe.
    pub fn desired(&self) -> Result<Desired, DocumentError> {
        let file = self.files.join(", ");
        let refuse = |message: String| DocumentError::Set { file: file.clone(), message };
        if self.clusters.len() > 1 {
            let names: Vec<&str> = self.clusters.iter().map(ClusterManifest::name).collect();
            return Err(refuse(format!("SwiftClusters {}; one is run at a time", names.join(", "))));
        }
        let cluster =
            self.clusters.first().cloned().ok_or_else(|| refuse("there is no SwiftCluster".into()))?;
        for (i, zone) in self.zones.iter().enumerate() {
            if zone.spec.cluster != cluster.name() {
                let message = format!("spec.cluster: there is no SwiftCluster {:?} here", zone.spec.cluster);
                return Err(mistake(&file, &format!("Zone {}", zone.name()), message));
            }
            if self.zones[..i].iter().any(|other| other.name() == zone.name()) {
                return Err(refuse(format!("Zone {} is there twice", zone.name())));
            }
        }
        let secret = |name: &str| self.secrets.iter().find(|secret| secret.metadata.name == name);
        let read = |secret: &Secret| {
            let document = format!("Secret {}", secret.metadata.name);
            secret.values().map_err(|message| mistake(&file, &document, message))
        };
        let auth_secret = cluster.spec.auth.secret_name().and_then(secret).map(read).transpose()?;
        let hash_path =
            secret(&hash_path_secret_name(cluster.name(), &cluster.spec)).map(read).transpose()?;
        Ok(Desired {
            cluster,
            zones: self.zones.clone(),
            auth_secret,
            hash_path: hash_path.map(|values| hash_path_of(&values)),
        })
    }
}

impl Documents {
    /// The name of the SwiftCluster among them, or of the one that their Zones are of.
    pub fn cluster_name(&self) -> Option<&str> {
        let of_zones = || self.zones.first().map(|zone| zone.spec.cluster.as_str());
        self.clusters.first().map(ClusterManifest::name).or_else(of_zones)
    }

    /// The cluster that `base` becomes once these files are applied to it: their SwiftCluster and Zones in place of those
    /// of the same name, what they do not speak of as it is. `nodeOverrides` that a file leaves out stay, as they do when
    /// it is applied: they are written by others than the manifest's author.
    pub fn applied_to(&self, base: &Desired) -> Result<Desired, DocumentError> {
        let file = self.files.join(", ");
        let mut desired = base.clone();
        for cluster in &self.clusters {
            if cluster.name() != base.cluster.name() {
                let (found, wanted) = (cluster.name(), base.cluster.name());
                let message =
                    format!("SwiftCluster {found}; what is looked at is {wanted} (-c {found} for the other)");
                return Err(DocumentError::Set { file, message });
            }
            desired.cluster.spec = cluster.spec.clone();
        }
        for zone in &self.zones {
            if zone.spec.cluster != base.cluster.name() {
                let message = format!("spec.cluster: there is no SwiftCluster {:?} here", zone.spec.cluster);
                return Err(mistake(&file, &format!("Zone {}", zone.name()), message));
            }
            match desired.zones.iter_mut().find(|old| old.name() == zone.name()) {
                None => desired.zones.push(zone.clone()),
                Some(old) => {
                    let overrides = std::mem::take(&mut old.spec.node_overrides);
                    old.spec = zone.spec.clone();
                    if old.spec.node_overrides.is_empty() {
                        old.spec.node_overrides = overrides;
                    }
                }
            }
        }
        let users = desired.cluster.spec.auth.secret_name();
        if let Some(secret) = self.secrets.iter().find(|secret| Some(secret.metadata.name.as_str()) == users)
        {
            let document = format!("Secret {}", secret.metadata.name);
            desired.auth_secret =
                Some(secret.values().map_err(|message| mistake(&file, &document, message))?);
        }
        Ok(desired)
    }
}

/// The name of the Secret that holds a cluster's hash path.
pub fn hash_path_secret_name(cluster: &str, spec: &SwiftClusterSpec) -> String {
    spec.hash_path_secret_name.clone().unwrap_or_else(|| format!("{cluster}-hash-path"))
}

/// The hash path that a Secret's `values` hold.
pub fn hash_path_of(values: &BTreeMap<String, String>) -> HashPath {
    let value = |key: &str| values.get(key).cloned().unwrap_or_default();
    HashPath { prefix: value(HASH_PATH_PREFIX_KEY), suffix: value(HASH_PATH_SUFFIX_KEY) }
}

/// Reads `value` as a `T`; a field that `T` does not have is an error.
fn read_strictly<T: DeserializeOwned>(file: &str, document: &str, value: Value) -> Result<T, DocumentError> {
    let mut unknown: Option<String> = None;
    let mut note = |path: serde_ignored::Path<'_>| {
        unknown.get_or_insert_with(|| path.to_string().replace(".?", ""));
    };
    let mut track = serde_path_to_error::Track::new();
    let watched = serde_ignored::Deserializer::new(value, &mut note);
    let parsed = T::deserialize(serde_path_to_error::Deserializer::new(watched, &mut track));
    // A misspelt field is also why another is missing: it is what a person has to mend.
    match (unknown.filter(|path| !is_left_to_kubernetes(path)), parsed) {
        (Some(path), _) => Err(mistake(file, document, format!("{path}: there is no such field"))),
        (None, Err(error)) => Err(mistake(file, document, format!("{}: {error}", track.path()))),
        (None, Ok(parsed)) => Ok(parsed),
    }
}

/// Whether Kubernetes writes this field, so that it is in manifests that were read back from a cluster.
fn is_left_to_kubernetes(path: &str) -> bool {
    const FIELDS: [&str; 5] =
        ["managedFields", "ownerReferences", "finalizers", "resourceVersion", "selfLink"];
    path.strip_prefix("metadata.").is_some_and(|field| FIELDS.iter().any(|known| field.starts_with(known)))
}

fn mistake(file: &str, document: &str, message: impl Into<String>) -> DocumentError {
    DocumentError::Document {
        file: file.to_string(),
        document: document.to_string(),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests;
