//! What the Prometheus operator reads, where it is installed. It is no part of a plan: a cluster serves without, and where
//! it cannot be made that is advice, never a reason to stop.

use super::apply::{Applier, Live};
use super::build::Owner;
use super::build::monitoring::{PodMonitor, PrometheusRule, pod_monitor, prometheus_rule};
use super::{Context, PassError};
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource, ResourceExt, api::ListParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt::Debug;
use swiftlet_plan::resources::MonitoringSpec;
use swiftlet_plan::validate::{Problem, Subject};

/// Kinds of which nothing is there for a SwiftCluster of this uid, nor asked for.
pub type Unmonitored = BTreeSet<(String, &'static str)>;

/// Makes what is asked for and takes away what is not asked for any more. What it gives is advice.
pub async fn follow(
    context: &Context,
    owner: &Owner,
    spec: &MonitoringSpec,
) -> Result<Vec<Problem>, PassError> {
    let monitor = spec.pod_monitor.enabled.then(|| pod_monitor(owner, &spec.pod_monitor));
    let rule = spec.rules.enabled.then(|| prometheus_rule(owner, &spec.rules));
    let follower = Follower { context, owner };
    let advice = [
        follower.follow::<PodMonitor>("PodMonitor", "spec.monitoring.podMonitor", monitor).await?,
        follower.follow::<PrometheusRule>("PrometheusRule", "spec.monitoring.rules", rule).await?,
    ];
    Ok(advice.into_iter().flatten().collect())
}

struct Follower<'a> {
    context: &'a Context,
    owner: &'a Owner,
}

impl Follower<'_> {
    async fn follow<K>(
        &self,
        kind: &'static str,
        path: &str,
        wanted: Option<K>,
    ) -> Result<Option<Problem>, PassError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        let key = (self.owner.uid().to_string(), kind);
        // Nobody asks and nothing is there: then the API is not asked either.
        if wanted.is_none() && self.context.unmonitored.lock().contains(&key) {
            return Ok(None);
        }
        let api: Api<K> = Api::namespaced(self.context.client.clone(), &self.owner.namespace);
        let ours =
            self.owner.labels().iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
        let found = match api.list_metadata(&ListParams::default().labels(&ours.join(","))).await {
            Ok(found) => found.items,
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                if wanted.is_none() {
                    self.context.unmonitored.lock().insert(key);
                    return Ok(None);
                }
                let (reason, why) = match status.code {
                    404 => {
                        ("MonitoringNotInstalled", "the Prometheus operator's resources are not installed")
                    }
                    _ => ("MonitoringForbidden", "the operator may not write it; upgrade its chart"),
                };
                return Ok(Some(self.advice(path, reason, format!("there is no {kind}: {why}"))));
            }
            Err(error) => return Err(PassError::read(kind)(error)),
        };
        let mut live = Live::default();
        live.add(&found);
        let applier = Applier::new(self.context, self.owner, &live);
        let Some(wanted) = wanted else {
            for object in &found {
                applier.delete::<K>(&object.name_any(), None).await?;
            }
            self.context.unmonitored.lock().insert(key);
            return Ok(None);
        };
        self.context.unmonitored.lock().remove(&key);
        Ok(applier
            .apply(&wanted)
            .await
            .err()
            .map(|error| self.advice(path, "MonitoringRefused", error.to_string())))
    }

    fn advice(&self, path: &str, reason: &'static str, message: String) -> Problem {
        let subject = Subject::Cluster(self.owner.cluster.clone());
        Problem { subject, path: path.to_string(), reason, message }
    }
}
