//! What a node, or a pool of proxies, is rolled with: everything its pods start from, rendered together and kept as one
//! Secret, because `swift.conf` is in it. What somebody changes or removes by hand is brought back from there, so that
//! it comes back as it was rolled, whatever the spec asks by now and whichever operator runs.

use super::{NODE_LABEL, Owner, RESTARTED_ANNOTATION, configuration, node, pod::PodSettings, proxy};
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use swiftlet_plan::conf::{node_files, proxy_files, swift_conf};
use swiftlet_plan::validate::{HashPath, ProxyPool, ValidatedCluster, ValidatedNode, ValidatedZone};

/// Key of the objects, as JSON.
const OBJECTS_KEY: &str = "objects.json";
/// What the Secret's name ends with. No name of a node or a pool holds a dot.
const NAME_SUFFIX: &str = ".rendering";

/// A node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRendering {
    /// Its `swift.conf`.
    pub secret: Secret,
    /// Its servers' files.
    pub config_map: ConfigMap,
    /// The name it has in the rings.
    pub service: Service,
    /// Its pod.
    pub stateful_set: StatefulSet,
}

/// A pool of proxies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyRendering {
    /// `swift.conf` and `proxy-server.conf`.
    pub secret: Secret,
    /// Their pods, but for how many: that is no part of how they are rolled.
    pub deployment: Deployment,
}

/// The name of the Secret that keeps the rendering of `subject`: of a node, or of a pool's Deployment.
pub fn secret_name(subject: &str) -> String {
    format!("{subject}{NAME_SUFFIX}")
}

/// Whether a Secret of this name keeps a rendering.
pub fn is_rendering(secret_name: &str) -> bool {
    secret_name.ends_with(NAME_SUFFIX)
}

/// All objects of a node but its volumes.
pub fn node(
    owner: &Owner,
    cluster: &ValidatedCluster,
    (zone, node): (&ValidatedZone, &ValidatedNode),
    hash_path: &HashPath,
    settings: &PodSettings<'_>,
) -> NodeRendering {
    let place = configuration::node_place(&node.name, &owner.namespace);
    let files = node_files(cluster, zone, &place);
    let conf = swift_conf(cluster, &zone.config, hash_path);
    NodeRendering {
        secret: configuration::node_secret(owner, &zone.name, &node.name, &conf),
        config_map: configuration::node_config_map(owner, &zone.name, &node.name, &files),
        service: node::service(owner, &zone.name, &node.name),
        stateful_set: node::stateful_set(owner, zone, node, settings),
    }
}

/// All objects of a pool of proxies but the key of tokens, which all pools share.
pub fn proxies(
    owner: &Owner,
    cluster: &ValidatedCluster,
    pool: &ProxyPool,
    hash_path: &HashPath,
    settings: &PodSettings<'_>,
) -> ProxyRendering {
    let mut files = proxy_files(cluster, pool, &proxy::place(pool));
    files.insert("swift.conf", swift_conf(cluster, &pool.config, hash_path));
    ProxyRendering {
        secret: configuration::proxy_secret(owner, &pool.name, &files),
        deployment: proxy::deployment(owner, pool, settings),
    }
}

impl NodeRendering {
    /// The same for a node that was last restarted for a new revision at `restarted_at_s` (Unix time).
    pub fn restarted_at(mut self, restarted_at_s: Option<i64>) -> Self {
        let annotation = restarted_at_s.map(|at_s| (RESTARTED_ANNOTATION.to_string(), at_s.to_string()));
        self.stateful_set.annotations_mut().extend(annotation);
        self
    }

    /// The Secret that keeps it.
    pub fn kept(&self, owner: &Owner) -> Secret {
        kept(owner, &self.stateful_set.name_any(), self.stateful_set.labels(), self)
    }

    /// The node.
    pub fn node(&self) -> Option<&str> {
        self.stateful_set.labels().get(NODE_LABEL).map(String::as_str)
    }
}

impl ProxyRendering {
    /// The Secret that keeps it.
    pub fn kept(&self, owner: &Owner) -> Secret {
        kept(owner, &self.deployment.name_any(), self.deployment.labels(), self)
    }

    /// The pool.
    pub fn pool(&self) -> Option<&str> {
        self.deployment.labels().get(proxy::POOL_LABEL).map(String::as_str)
    }
}

fn kept(
    owner: &Owner,
    subject: &str,
    labels: &BTreeMap<String, String>,
    rendering: &impl Serialize,
) -> Secret {
    // Plain data always has a JSON form; were it not so, an empty rendering would be found unreadable and made again.
    let json = serde_json::to_vec(rendering).unwrap_or_default();
    Secret {
        metadata: owner.owned(&secret_name(subject), labels.clone()),
        data: Some(BTreeMap::from([(OBJECTS_KEY.to_string(), ByteString(json))])),
        ..Secret::default()
    }
}

/// The rendering in a Secret, if it holds one that can be read.
pub fn read<T: DeserializeOwned>(secret: &Secret) -> Option<T> {
    serde_json::from_slice(&secret.data.as_ref()?.get(OBJECTS_KEY)?.0).ok()
}
