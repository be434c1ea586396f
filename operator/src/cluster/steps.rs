//! Carrying out a plan: each of the planner's steps becomes objects (`build`) that are written (`apply`).

use super::apply::Applier;
use super::build::pod::PodSettings;
use super::build::{Owner, claim, proxy, rendering, secrets};
use super::observe::Observed;
use super::pods::{self, SeenPod};
use super::{Context, PassError, finalizers, mend, rings};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use serde_json::json;
use swiftlet_plan::plan::{NodeStep, Plan, ProxyStep, Step};
use swiftlet_plan::report::Release;
use swiftlet_plan::resources::SwiftCluster;
use swiftlet_plan::validate::{HashPath, ProxyPool, ValidatedCluster, ValidatedNode, ValidatedZone};
use swiftlet_plan::world::ObservedProxies;
use swiftlet_ring::distribution::slots_needed;

/// Carries out plans for one cluster during one pass.
pub struct Executor<'a> {
    /// What all passes share.
    pub context: &'a Context,
    /// Whose objects.
    pub owner: &'a Owner,
    /// How they are written.
    pub applier: &'a Applier<'a>,
    /// What is asked for.
    pub cluster: &'a ValidatedCluster,
    /// What pods are given.
    pub release: &'a Release,
}

/// Makes the hash path of a cluster of which nothing exists yet.
pub async fn create_hash_path(
    owner: &Owner,
    applier: &Applier<'_>,
    cluster: &SwiftCluster,
) -> Result<Option<HashPath>, PassError> {
    let secret = secrets::hash_path(owner, &secrets::hash_path_secret(cluster), &rand::random());
    applier.create(&secret).await?;
    Ok(secrets::read_hash_path(&secret))
}

impl Executor<'_> {
    /// Takes the steps in order; `done` says which were taken, however it ends.
    pub async fn carry_out(
        &self,
        plan: &Plan,
        observed: &mut Observed,
        done: &mut Vec<Step>,
    ) -> Result<(), PassError> {
        self.write_plan(plan).await?;
        for step in &plan.steps {
            self.take(step, observed).await?;
            tracing::info!(cluster = self.owner.cluster, %step, "done");
            done.push(step.clone());
        }
        // What the steps have just written, this pass has not read: the next one mends it, should it have to.
        if plan.steps.is_empty() {
            self.mend(observed).await?;
        }
        if let Some(rings) = &observed.world.rings {
            pods::annotate(self.applier, &observed.pods, rings.generation).await?;
        }
        Ok(())
    }

    async fn take(&self, step: &Step, observed: &mut Observed) -> Result<(), PassError> {
        match step {
            Step::PublishRings(next) => {
                let published =
                    rings::publish(self.context, self.owner, self.applier, next, self.slots()).await?;
                observed.world.rings = Some(published);
                Ok(())
            }
            Step::GrowDevice { node, device, .. } => self.grow(node, device).await,
            Step::StartNode(step) => self.start_node(step, None).await,
            Step::RestartNode(step) => self.restart_node(step).await,
            Step::ReplaceDevices(step) => self.replace_devices(step, observed).await,
            Step::RemoveNode { node, devices, delete_volumes, .. } => {
                self.remove_node(node, devices, *delete_volumes).await
            }
            Step::RemoveDevice { node, device, delete_volume, .. } => {
                self.release(&claim::name(device, node), *delete_volume).await
            }
            Step::ReleaseZone { zone } => finalizers::release(&self.applier.api(), zone).await,
            Step::StartProxies(step) | Step::RestartProxies(step) => {
                self.start_proxies(step, observed.world.proxies.get(&step.pool)).await
            }
            Step::ScaleProxies(step) => {
                let name = proxy::name(&self.owner.cluster, &step.pool);
                let replicas = json!({"spec": {"replicas": step.replicas}});
                Ok(self.applier.merge::<Deployment>(&name, &replicas).await?)
            }
            Step::StopProxies { pool } => {
                let name = proxy::name(&self.owner.cluster, pool);
                self.applier.delete::<Secret>(&rendering::secret_name(&name), None).await?;
                self.applier.delete::<Deployment>(&name, None).await?;
                self.applier.delete::<Service>(&name, None).await?;
                Ok(self.applier.delete::<Secret>(&name, None).await?)
            }
        }
    }

    fn slots(&self) -> usize {
        slots_needed(self.cluster.rings.iter().map(|ring| (ring.part_power, ring.replicas)))
    }

    pub(super) fn find(&self, name: &str) -> Option<(&ValidatedZone, &ValidatedNode)> {
        self.cluster.nodes().find(|(_, node)| node.name == name)
    }

    async fn grow(&self, node: &str, device: &str) -> Result<(), PassError> {
        let Some((zone, node)) = self.find(node) else { return Ok(()) };
        let Some(device) = node.devices.iter().find(|d| d.name == device) else { return Ok(()) };
        Ok(self.applier.apply(&claim::claim(self.owner, &zone.name, &node.name, device)).await?)
    }

    /// Volumes and configuration first: a pod without them would only fail to start.
    async fn start_node(&self, step: &NodeStep, restarted_at_s: Option<i64>) -> Result<(), PassError> {
        let Some((zone, node)) = self.find(&step.node) else { return Ok(()) };
        for device in &node.devices {
            self.ensure_claim((zone, node), device).await?;
        }
        self.roll_node((zone, node), &step.revision, restarted_at_s).await
    }

    /// What is kept of it comes first: killed in between, the rest is written from there.
    pub(super) async fn roll_node(
        &self,
        (zone, node): (&ValidatedZone, &ValidatedNode),
        revision: &str,
        restarted_at_s: Option<i64>,
    ) -> Result<(), PassError> {
        let Some(hash_path) = &self.cluster.hash_path else { return Ok(()) };
        let settings = self.pod_settings(revision);
        let rendering = rendering::node(self.owner, self.cluster, (zone, node), hash_path, &settings)
            .restarted_at(restarted_at_s);
        self.applier.apply(&rendering.kept(self.owner)).await?;
        Ok(mend::write_node(self.applier, &rendering).await?)
    }

    fn pod_settings<'a>(&'a self, revision: &'a str) -> PodSettings<'a> {
        PodSettings { image: &self.release.image, slots: self.slots(), revision }
    }

    /// The new template first, then the old pod goes, if a look at this very moment finds every other Zone whole.
    async fn restart_node(&self, step: &NodeStep) -> Result<(), PassError> {
        let pods = self.applier.api::<Pod>().list(&self.storage_pods()).await;
        let pods: Vec<SeenPod> =
            pods.map_err(PassError::read("Pods"))?.items.iter().map(SeenPod::from).collect();
        let own = pods.iter().find(|pod| pod.node.as_deref() == Some(&step.node));
        let elsewhere = pods.iter().find(|pod| pod.zone.as_deref() != Some(&step.zone) && !pod.ready);
        if let (Some(down), true) = (elsewhere, own.is_some_and(|own| own.ready)) {
            tracing::info!(
                node = step.node,
                down = down.name,
                "not restarted: a node of another Zone just went down"
            );
            return Ok(());
        }
        self.start_node(step, Some(Timestamp::now().as_second())).await?;
        match own {
            Some(own) if own.revision != step.revision => {
                Ok(self.applier.delete::<Pod>(&own.name, own.uid.clone()).await?)
            }
            _ => Ok(()),
        }
    }

    fn storage_pods(&self) -> ListParams {
        let instance = &self.owner.cluster;
        let labels = format!("app.kubernetes.io/instance={instance},app.kubernetes.io/component=storage");
        ListParams::default().labels(&labels)
    }

    async fn start_proxies(&self, step: &ProxyStep, seen: Option<&ObservedProxies>) -> Result<(), PassError> {
        let Some(pool) = self.cluster.proxies.iter().find(|pool| pool.name == step.pool) else {
            return Ok(());
        };
        self.roll_proxies(pool, &step.revision, seen).await
    }

    /// As with nodes.
    pub(super) async fn roll_proxies(
        &self,
        pool: &ProxyPool,
        revision: &str,
        seen: Option<&ObservedProxies>,
    ) -> Result<(), PassError> {
        let Some(hash_path) = &self.cluster.hash_path else { return Ok(()) };
        self.ensure_token_key().await?;
        let settings = self.pod_settings(revision);
        let rendering = rendering::proxies(self.owner, self.cluster, pool, hash_path, &settings);
        self.applier.apply(&rendering.kept(self.owner)).await?;
        Ok(mend::write_proxies(self.applier, &rendering, pool.wanted_replicas(seen)).await?)
    }

    /// The key with which every proxy checks every proxy's tokens; made once.
    pub(super) async fn ensure_token_key(&self) -> Result<(), PassError> {
        let name = secrets::token_key_secret(&self.owner.cluster);
        let found = self.applier.api::<Secret>().get_metadata_opt(&name).await;
        match found.map_err(PassError::read("the token key"))? {
            Some(_) => Ok(()),
            None => Ok(self.applier.create(&secrets::token_key(self.owner, &rand::random())).await?),
        }
    }
}
