//! What stands around the pods: how they are reached, and who may disturb them. It follows from the spec and the world
//! alone, is made again at every pass and written where it differs; no pod restarts for it.

use super::PassError;
use super::apply::{Applier, ApplyError};
use super::build::disruption;
use super::observe::Observed;
use super::steps::Executor;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

impl Executor<'_> {
    /// Makes it what the spec and the world ask for.
    pub(super) async fn surround(&self, observed: &Observed) -> Result<(), PassError> {
        let budgets = disruption::budgets(self.owner, self.cluster, &observed.world);
        replace_all::<PodDisruptionBudget>(self.applier, &budgets).await?;
        Ok(())
    }
}

/// Writes what is wanted, then removes what there is beside it: of two budgets of which one takes the other's place, the
/// stricter one counts in between.
async fn replace_all<K>(applier: &Applier<'_>, wanted: &[K]) -> Result<(), ApplyError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    for object in wanted {
        applier.apply(object).await?;
    }
    for name in applier.names::<K>().filter(|name| !wanted.iter().any(|object| object.name_any() == **name)) {
        applier.delete::<K>(name, None).await?;
    }
    Ok(())
}
