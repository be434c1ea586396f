//! The resources a platform team writes: `SwiftCluster` and `Zone`, group `swiftlet.io`, version `v1alpha1`.
//!
//! Plain serde structs with bounded JSON schemas, so that `swiftlet dev` reads the very manifests Kubernetes
//! gets, without a Kubernetes client. With the cargo feature `kube` the same specs derive kube's
//! `CustomResource` and [`crds`] yields their definitions. Rules that the API server can judge by itself are
//! CEL rules beside the field they rule; everything else is `validate`'s.

mod auth;
mod cluster;
mod condition;
#[cfg(feature = "kube")]
mod crds;
mod duration;
mod exposure;
mod manifest;
mod monitoring;
mod network;
mod pods;
mod proxies;
mod quantity;
mod zone;

pub use auth::*;
pub use cluster::*;
pub use condition::*;
#[cfg(feature = "kube")]
pub use crds::crds;
pub use duration::{DurationError, parse_duration_s};
pub use exposure::*;
pub use manifest::*;
pub use monitoring::*;
pub use network::*;
pub use pods::*;
pub use proxies::*;
pub use quantity::{QuantityError, ResourceQuantity, parse_quantity_bytes};
pub use zone::*;

use std::collections::BTreeMap;

/// The API group of both resources.
pub const GROUP: &str = "swiftlet.io";
/// The only version there is.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of both resources.
pub const API_VERSION: &str = "swiftlet.io/v1alpha1";
/// The longest `<cluster>-<zone>`: room for `-<ordinal>` and a StatefulSet's own suffixes in 63 characters.
pub const MAX_CLUSTER_ZONE_NAME_CHARS: usize = 46;
/// Where the name of a device, a policy, … must fit: a DNS label.
pub const MAX_LABEL_CHARS: usize = 63;

/// Options by file, by section, by key, as in Swift's own files.
///
/// `{"object-server.conf": {"object-replicator": {"concurrency": "2"}}}`
pub type ConfigFiles = BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>;

/// The schema of [`ConfigFiles`], each level bounded.
fn config_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "description": "Swift's own options: by file, by section, by option, as in Swift's files.",
        "default": {},
        "maxProperties": 16,
        "additionalProperties": {
            "type": "object",
            "maxProperties": 64,
            "additionalProperties": {
                "type": "object",
                "maxProperties": 128,
                "additionalProperties": {"type": "string", "maxLength": 4096},
            },
        },
    })
}
