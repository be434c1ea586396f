//! Reading: everything a pass needs to know of one cluster, in the planner's words.

use super::apply::Live;
use super::build::{
    NODE_LABEL, Owner, RELEASED_ANNOTATION, REPLACEMENT_ANNOTATION, RESTARTED_ANNOTATION,
    REVISION_ANNOTATION, ZONE_LABEL, autoscaling, claim, exposure, proxy, secrets,
};
use super::pods::{self, Reach, SeenPod};
use super::renderings::{self, Renderings};
use super::{Context, PassError, rings};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, PodTemplateSpec, Secret, Service};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ListParams;
use kube::core::{DynamicObject, NamespaceResourceScope};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Instant;
use swiftlet_plan::report::Usage;
use swiftlet_plan::resources::{
    ClusterManifest, RolloutStatus, SwiftCluster, Zone, ZoneManifest, parse_quantity_bytes,
};
use swiftlet_plan::validate::Desired;
use swiftlet_plan::world::{NodeAddress, ObservedDevice, ObservedNode, ObservedProxies, Rollout, World};

/// What one pass knows.
pub struct Observed {
    /// What is asked for.
    pub desired: Desired,
    /// What is.
    pub world: World,
    /// The pods, in more detail than the planner needs.
    pub pods: Vec<SeenPod>,
    /// What nodes and pools were rolled with.
    pub renderings: Renderings,
    /// Bytes in use by Zone, as shown.
    pub usage: BTreeMap<String, Usage>,
    /// The Zones as they are.
    pub zones: Vec<Zone>,
    /// Others' kinds that this Kubernetes has, by name.
    pub kinds: BTreeSet<String>,
}

/// Looks at all that is one cluster's. Lists are fresh: what is disruptive may be decided on them.
pub async fn observe(
    context: &Context,
    owner: &Owner,
    cluster: &SwiftCluster,
) -> Result<(Observed, Live), PassError> {
    let reader = Reader { context, owner };
    let (sets, deployments, services, claims, pods) = tokio::try_join!(
        reader.list::<StatefulSet>("StatefulSets"),
        reader.list::<Deployment>("Deployments"),
        reader.list::<Service>("Services"),
        reader.list::<PersistentVolumeClaim>("PersistentVolumeClaims"),
        reader.list::<Pod>("Pods"),
    )?;
    let (config_maps, secrets) =
        tokio::try_join!(reader.names::<ConfigMap>("ConfigMaps"), reader.names::<Secret>("Secrets"))?;
    let mut live = Live::default();
    let kinds = reader.around(&mut live).await?;
    live.add(&sets);
    live.add(&deployments);
    live.add(&services);
    live.add(&claims);
    live.add(&config_maps);
    live.add(&secrets);

    let pods = pods::poll(context, &owner.namespace, pods.iter().map(SeenPod::from).collect()).await;
    let usage = usage(context, owner, &pods).await;
    let stored = rings::read(context, owner).await?;
    let renderings = renderings::read(context, owner, &secrets).await?;
    let zones = reader.zones().await?;
    let desired = reader.desired(cluster, &zones).await?;
    let world = World {
        has_data: stored.is_some() || !claims.is_empty(),
        rings: stored.and_then(|stored| stored.published),
        nodes: with_removed(sets, renderings.nodes.values().map(|rendering| &rendering.stateful_set))
            .iter()
            .filter_map(|set| node(set, &pods, &claims))
            .collect(),
        proxies: with_removed(deployments, renderings.pools.values().map(|rendering| &rendering.deployment))
            .iter()
            .filter_map(|deployment| proxies(deployment, &pods))
            .collect(),
        volumes: claims.iter().filter_map(volume).collect(),
        addresses: BTreeMap::new(),
        zones_changed_at_s: zones.iter().map(changed_at_s).max().unwrap_or_default(),
        rollout: desired.cluster.status.as_ref().and_then(|status| status.rollout.as_ref()).map(rollout),
    };
    let world = World { addresses: addresses(&desired, &world), ..world };
    Ok((Observed { desired, world, pods, renderings, usage, zones, kinds }, live))
}

async fn usage(context: &Context, owner: &Owner, pods: &[SeenPod]) -> BTreeMap<String, Usage> {
    if context.reach == Reach::ApiServer {
        return BTreeMap::new();
    }
    let mut seen = context.usage.lock().remove(owner.uid()).unwrap_or_default();
    seen.poll(pods, Instant::now()).await;
    let zones = seen.zones(Instant::now());
    context.usage.lock().insert(owner.uid().to_string(), seen);
    zones
}

struct Reader<'a> {
    context: &'a Context,
    owner: &'a Owner,
}

impl Reader<'_> {
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.context.client.clone(), &self.owner.namespace)
    }

    fn ours(&self) -> ListParams {
        let labels: Vec<String> =
            self.owner.labels().iter().map(|(key, value)| format!("{key}={value}")).collect();
        ListParams::default().labels(&labels.join(","))
    }

    async fn list<K>(&self, what: &'static str) -> Result<Vec<K>, PassError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        Ok(self.api::<K>().list(&self.ours()).await.map_err(PassError::read(what))?.items)
    }

    /// Names alone: chunks of rings and secrets are read one by one, and only when needed.
    async fn names<K>(&self, what: &'static str) -> Result<Vec<kube::core::PartialObjectMeta<K>>, PassError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        Ok(self.api::<K>().list_metadata(&self.ours()).await.map_err(PassError::read(what))?.items)
    }

    /// Takes note of what stands around the pods; the names of others' kinds that this Kubernetes has.
    async fn around(&self, live: &mut Live) -> Result<BTreeSet<String>, PassError> {
        live.add(&self.names::<PodDisruptionBudget>("PodDisruptionBudgets").await?);
        live.add(&self.names::<NetworkPolicy>("NetworkPolicies").await?);
        live.add(&self.names::<Ingress>("Ingresses").await?);
        live.add(&self.names::<HorizontalPodAutoscaler>("HorizontalPodAutoscalers").await?);
        let mut kinds = BTreeSet::new();
        for kind in [exposure::http_route_kind(), exposure::certificate_kind()] {
            let namespace = &self.owner.namespace;
            let api = Api::<DynamicObject>::namespaced_with(self.context.client.clone(), namespace, &kind);
            match api.list_metadata(&self.ours()).await {
                Ok(found) => {
                    live.add_foreign(&kind.kind, &found.items);
                    kinds.insert(kind.kind);
                }
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(PassError::read("HTTPRoutes and Certificates")(error)),
            }
        }
        Ok(kinds)
    }

    async fn zones(&self) -> Result<Vec<Zone>, PassError> {
        let all = self.api::<Zone>().list(&ListParams::default()).await.map_err(PassError::read("Zones"))?;
        Ok(all.items.into_iter().filter(|zone| zone.spec.cluster == self.owner.cluster).collect())
    }

    async fn desired(&self, cluster: &SwiftCluster, zones: &[Zone]) -> Result<Desired, PassError> {
        let secrets = self.api::<Secret>();
        let auth_secret = match cluster.spec.auth.secret_name() {
            Some(name) => secrets.get_opt(name).await.map_err(PassError::read("the Secret of spec.auth"))?,
            None => None,
        };
        let hash_path = secrets.get_opt(&secrets::hash_path_secret(cluster)).await;
        let hash_path = hash_path.map_err(PassError::read("the hash path Secret"))?;
        Ok(Desired {
            cluster: ClusterManifest::from(cluster),
            zones: zones.iter().map(ZoneManifest::from).collect(),
            auth_secret: auth_secret.as_ref().map(secrets::read_texts),
            hash_path: hash_path.as_ref().and_then(secrets::read_hash_path),
        })
    }
}

/// What exists, and what only its rendering tells of: somebody removed it, and it comes back.
fn with_removed<'a, K>(mut existing: Vec<K>, rendered: impl Iterator<Item = &'a K>) -> Vec<K>
where
    K: ResourceExt + Clone + 'a,
{
    let removed: Vec<K> = rendered
        .filter(|k| !existing.iter().any(|other| other.name_any() == k.name_any()))
        .cloned()
        .collect();
    existing.extend(removed);
    existing
}

/// A StatefulSet as a node. What a node runs is what its pod was started with, not what its template has become.
fn node(
    set: &StatefulSet,
    pods: &[SeenPod],
    claims: &[PersistentVolumeClaim],
) -> Option<(String, ObservedNode)> {
    let name = set.labels().get(NODE_LABEL)?.clone();
    let zone = set.labels().get(ZONE_LABEL)?.clone();
    let pod = pods.iter().find(|pod| pod.node.as_ref() == Some(&name));
    let template = set.spec.as_ref().map(|spec| &spec.template);
    let rendered = || template.and_then(|template| template.spec.as_ref()).map(pods::claims);
    let mounted = pod.map(|pod| pod.claims.clone()).or_else(rendered).unwrap_or_default();
    let revision =
        pod.map(|pod| pod.revision.clone()).or_else(|| template.map(revision_of)).unwrap_or_default();
    let own = claims.iter().filter(|claim| claim.labels().get(NODE_LABEL) == Some(&name));
    let mut node = ObservedNode {
        zone,
        revision,
        ready: pod.is_some_and(|pod| pod.ready),
        ready_since_s: pod.and_then(|pod| pod.ready_since_s),
        restarted_at_s: set.annotations().get(RESTARTED_ANNOTATION).and_then(|at_s| at_s.parse().ok()),
        devices: own.filter_map(|claim| device(claim, &mounted)).collect(),
        ..ObservedNode::default()
    };
    if let Some(said) = pod.and_then(|pod| pod.says.as_ref()) {
        said.describe(&mut node);
    }
    Some((name, node))
}

/// The node and device that a claim is of.
fn volume(claim: &PersistentVolumeClaim) -> Option<(String, String)> {
    Some((claim.labels().get(NODE_LABEL)?.clone(), claim.labels().get(claim::DEVICE_LABEL)?.clone()))
}

/// A claim as a device. One that was released is nobody's, and one that is on its way out is none any more.
fn device(claim: &PersistentVolumeClaim, mounted: &BTreeSet<String>) -> Option<(String, ObservedDevice)> {
    let name = claim.labels().get(claim::DEVICE_LABEL)?.clone();
    if claim.annotations().contains_key(RELEASED_ANNOTATION) || claim.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let replacement = claim.annotations().get(REPLACEMENT_ANNOTATION);
    let made = claim.metadata.creation_timestamp.as_ref();
    let storage = |sizes: Option<&BTreeMap<String, Quantity>>| {
        sizes.and_then(|sizes| sizes.get("storage")).and_then(|size| parse_quantity_bytes(&size.0).ok())
    };
    let requests = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref()?.requests.as_ref());
    let capacity = claim.status.as_ref().and_then(|status| status.capacity.as_ref());
    let device = ObservedDevice {
        requested_bytes: storage(requests).unwrap_or_default(),
        real_bytes: storage(capacity),
        replacement: replacement.and_then(|count| count.parse().ok()).unwrap_or_default(),
        made_at_s: made.map(|time| time.0.as_second()).unwrap_or_default(),
        mounted: mounted.contains(&claim.name_any()),
        ..ObservedDevice::default()
    };
    Some((name, device))
}

fn proxies(deployment: &Deployment, pods: &[SeenPod]) -> Option<(String, ObservedProxies)> {
    let pool = deployment.labels().get(proxy::POOL_LABEL)?.clone();
    let spec = deployment.spec.as_ref()?;
    let own = pods.iter().filter(|pod| pod.pool.as_ref() == Some(&pool));
    let observed = ObservedProxies {
        revision: revision_of(&spec.template),
        replicas: spec.replicas.and_then(|n| u32::try_from(n).ok()).unwrap_or_default(),
        scaled_by: autoscaling::scaled_by(deployment),
        ready: own.clone().filter(|pod| pod.ready).count().try_into().unwrap_or(u32::MAX),
        ring_generations: own.filter_map(SeenPod::held).collect(),
    };
    Some((pool, observed))
}

fn revision_of(template: &PodTemplateSpec) -> String {
    let annotations = template.metadata.as_ref().and_then(|meta| meta.annotations.as_ref());
    annotations.and_then(|annotations| annotations.get(REVISION_ANNOTATION)).cloned().unwrap_or_default()
}

/// Every node that exists or may be planned for has the address its Service gives it.
pub(crate) fn addresses(desired: &Desired, world: &World) -> BTreeMap<String, NodeAddress> {
    let namespace = desired.cluster.namespace();
    let validation = swiftlet_plan::validate::validate(desired);
    let nodes = validation.cluster.iter().flat_map(|cluster| cluster.nodes());
    let names: BTreeSet<&String> = nodes.map(|(_, node)| &node.name).chain(world.nodes.keys()).collect();
    names.into_iter().map(|name| (name.clone(), NodeAddress::in_kubernetes(name, namespace))).collect()
}

fn rollout(kept: &RolloutStatus) -> Rollout {
    Rollout {
        target: kept.target.clone(),
        async_pendings: kept.async_pendings,
        quarantined: kept.quarantined,
    }
}

/// When somebody last wrote the Zone's spec; its status is ours and does not count.
fn changed_at_s(zone: &Zone) -> i64 {
    let created = zone.metadata.creation_timestamp.iter();
    let written = zone.metadata.managed_fields.iter().flatten().filter(|entry| entry.subresource.is_none());
    created
        .chain(written.filter_map(|entry| entry.time.as_ref()))
        .map(|time| time.0.as_second())
        .max()
        .unwrap_or(0)
}
