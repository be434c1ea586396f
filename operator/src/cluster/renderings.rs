//! Reading the renderings that nodes and pools were rolled with; each Secret is read again only when it changed.

use super::build::Owner;
use super::build::proxy::POOL_LABEL;
use super::build::rendering::{self, NodeRendering, ProxyRendering};
use super::{Context, PassError};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What nodes and pools were rolled with, by their names.
#[derive(Clone, Default)]
pub struct Renderings {
    /// By node.
    pub nodes: BTreeMap<String, Arc<NodeRendering>>,
    /// By pool.
    pub pools: BTreeMap<String, Arc<ProxyRendering>>,
}

/// Renderings read before: by the Secret's name, with the resourceVersion it had.
pub type Memory = HashMap<String, (String, Kept)>;

/// One rendering.
#[derive(Clone)]
pub enum Kept {
    /// Of a node.
    Node(Arc<NodeRendering>),
    /// Of a pool.
    Proxies(Arc<ProxyRendering>),
}

/// Reads all renderings of a cluster; `secrets` are all its Secrets. One that cannot be read is as good as none.
pub async fn read(
    context: &Context,
    owner: &Owner,
    secrets: &[PartialObjectMeta<Secret>],
) -> Result<Renderings, PassError> {
    let before = context.renderings.lock().remove(owner.uid()).unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &owner.namespace);
    let mut memory = Memory::new();
    // What another SwiftCluster of this name left behind is on its way out, and what it made with it.
    let own = |meta: &&PartialObjectMeta<Secret>| {
        let uids = meta.metadata.owner_references.iter().flatten().map(|owner| owner.uid.as_str());
        rendering::is_rendering(&meta.name_any()) && uids.collect::<Vec<_>>() == [owner.uid()]
    };
    for meta in secrets.iter().filter(own) {
        let (name, version) = (meta.name_any(), meta.resource_version().unwrap_or_default());
        let kept = match before.get(&name) {
            Some((known, kept)) if *known == version => Some(kept.clone()),
            _ => {
                let secret = api.get_opt(&name).await.map_err(PassError::read("a rendering"))?;
                secret.as_ref().and_then(parse)
            }
        };
        if let Some(kept) = kept {
            memory.insert(name, (version, kept));
        }
    }
    let mut renderings = Renderings::default();
    for (_, kept) in memory.values() {
        renderings.add(kept);
    }
    context.renderings.lock().insert(owner.uid().to_string(), memory);
    Ok(renderings)
}

fn parse(secret: &Secret) -> Option<Kept> {
    if secret.labels().contains_key(POOL_LABEL) {
        rendering::read(secret).map(|rendering| Kept::Proxies(Arc::new(rendering)))
    } else {
        rendering::read(secret).map(|rendering| Kept::Node(Arc::new(rendering)))
    }
}

impl Renderings {
    fn add(&mut self, kept: &Kept) {
        match kept {
            Kept::Node(rendering) => {
                let name = rendering.node().map(str::to_string);
                self.nodes.extend(name.map(|name| (name, rendering.clone())));
            }
            Kept::Proxies(rendering) => {
                let name = rendering.pool().map(str::to_string);
                self.pools.extend(name.map(|name| (name, rendering.clone())));
            }
        }
    }
}
