//! Bringing back what somebody changed or removed by hand, as it was. Nothing here is a decision: nodes and pools get
//! what they were rolled with once more, rings what their index says. No pod is restarted by it.

use super::apply::{Applier, ApplyError};
use super::build::rendering::{NodeRendering, ProxyRendering};
use super::build::{plan as plan_page, secrets};
use super::observe::Observed;
use super::steps::Executor;
use super::{PassError, rings};
use k8s_openapi::api::core::v1::Secret;
use swiftlet_plan::plan::Plan;
use swiftlet_plan::revision;

impl Executor<'_> {
    /// Makes everything again what it was meant to be, as far as it is not.
    pub(super) async fn mend(&self, observed: &Observed) -> Result<(), PassError> {
        for rendering in observed.renderings.nodes.values() {
            write_node(self.applier, rendering).await?;
        }
        for (pool, rendering) in &observed.renderings.pools {
            let Some(wanted) = self.cluster.proxies.iter().find(|wanted| wanted.name == *pool) else {
                continue;
            };
            let replicas = wanted.wanted_replicas(observed.world.proxies.get(pool));
            write_proxies(self.applier, rendering, replicas).await?;
        }
        self.render_unrecorded(observed).await?;
        let token_key = secrets::token_key_secret(&self.owner.cluster);
        if !observed.renderings.pools.is_empty() && !self.applier.exists::<Secret>(&token_key) {
            self.ensure_token_key().await?;
        }
        rings::repair(self.context, self.owner, self.applier).await
    }

    /// A rendering that is gone while its subject still runs what is asked for is rendered anew. Where something else is
    /// asked for by now, the next rollout does it.
    async fn render_unrecorded(&self, observed: &Observed) -> Result<(), PassError> {
        for (zone, node) in self.cluster.nodes() {
            let Some(seen) = observed.world.nodes.get(&node.name) else { continue };
            let current = revision::of_node(self.cluster, zone, node);
            if !observed.renderings.nodes.contains_key(&node.name) && seen.revision == current {
                self.roll_node((zone, node), &current, seen.restarted_at_s).await?;
            }
        }
        for pool in &self.cluster.proxies {
            let Some(seen) = observed.world.proxies.get(&pool.name) else { continue };
            let current = revision::of_proxies(self.cluster, pool);
            if !observed.renderings.pools.contains_key(&pool.name) && seen.revision == current {
                self.roll_proxies(pool, &current, Some(seen)).await?;
            }
        }
        Ok(())
    }

    /// Writes the plan down where it is another than before.
    pub(super) async fn write_plan(&self, plan: &Plan) -> Result<(), PassError> {
        Ok(self.applier.apply(&plan_page::config_map(self.owner, plan)).await?)
    }
}

/// Writes what differs; configuration first: a pod without it would only fail to start.
pub(super) async fn write_node(applier: &Applier<'_>, rendering: &NodeRendering) -> Result<(), ApplyError> {
    applier.apply(&rendering.secret).await?;
    applier.apply(&rendering.config_map).await?;
    applier.apply(&rendering.service).await?;
    applier.apply(&rendering.stateful_set).await
}

/// Writes what differs; configuration first. `replicas`: how many; `None` where somebody else says it.
pub(super) async fn write_proxies(
    applier: &Applier<'_>,
    rendering: &ProxyRendering,
    replicas: Option<u32>,
) -> Result<(), ApplyError> {
    applier.apply(&rendering.secret).await?;
    let mut deployment = rendering.deployment.clone();
    if let Some(spec) = &mut deployment.spec {
        spec.replicas = replicas.and_then(|replicas| i32::try_from(replicas).ok());
    }
    applier.apply(&deployment).await
}
