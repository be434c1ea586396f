//! What the Prometheus operator reads, where it is installed. It is no part of a plan: a cluster serves without, and where
//! it cannot be made that is advice, never a reason to stop.

use super::apply::{Applier, Live};
use super::build::Owner;
use super::build::monitoring::{pod_monitor, pod_monitor_kind, prometheus_rule, prometheus_rule_kind};
use super::{Context, PassError};
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::{Api, ResourceExt};
use std::collections::BTreeSet;
use swiftlet_plan::resources::MonitoringSpec;
use swiftlet_plan::validate::{Problem, Subject};

/// Kinds of which nothing is there for a SwiftCluster of this uid, nor asked for.
pub type Unmonitored = BTreeSet<(String, String)>;

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
        follower.follow(pod_monitor_kind(), "spec.monitoring.podMonitor", monitor).await?,
        follower.follow(prometheus_rule_kind(), "spec.monitoring.rules", rule).await?,
    ];
    Ok(advice.into_iter().flatten().collect())
}

struct Follower<'a> {
    context: &'a Context,
    owner: &'a Owner,
}

impl Follower<'_> {
    async fn follow(
        &self,
        kind: ApiResource,
        path: &str,
        wanted: Option<DynamicObject>,
    ) -> Result<Option<Problem>, PassError> {
        let key = (self.owner.uid().to_string(), kind.kind.clone());
        // Nobody asks and nothing is there: then the API is not asked either.
        if wanted.is_none() && self.context.unmonitored.lock().contains(&key) {
            return Ok(None);
        }
        let found = match self.found(&kind).await {
            Ok(found) => found,
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                return Ok(match wanted {
                    Some(_) => Some(self.missing(path, &kind, status.code)),
                    None => {
                        self.context.unmonitored.lock().insert(key);
                        None
                    }
                });
            }
            Err(error) => return Err(PassError::read("PodMonitors and PrometheusRules")(error)),
        };
        let mut live = Live::default();
        live.add_foreign(&kind.kind, &found);
        let applier = Applier::new(self.context, self.owner, &live);
        let Some(wanted) = wanted else {
            for object in &found {
                applier.delete_foreign(&kind, &object.name_any()).await?;
            }
            self.context.unmonitored.lock().insert(key);
            return Ok(None);
        };
        self.context.unmonitored.lock().remove(&key);
        let refused = applier.apply_foreign(&kind, &wanted).await.err();
        Ok(refused.map(|error| self.advice(path, "MonitoringRefused", error.to_string())))
    }

    /// Those that are there of this cluster.
    async fn found(&self, kind: &ApiResource) -> kube::Result<Vec<PartialObjectMeta<DynamicObject>>> {
        let client = self.context.client.clone();
        let api = Api::<DynamicObject>::namespaced_with(client, &self.owner.namespace, kind);
        let labels = self.owner.labels();
        let ours: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        Ok(api.list_metadata(&ListParams::default().labels(&ours.join(","))).await?.items)
    }

    fn missing(&self, path: &str, kind: &ApiResource, code: u16) -> Problem {
        let (reason, why) = match code {
            404 => ("MonitoringNotInstalled", "the Prometheus operator's resources are not installed"),
            _ => ("MonitoringForbidden", "the operator may not write it; upgrade its chart"),
        };
        self.advice(path, reason, format!("there is no {}: {why}", kind.kind))
    }

    fn advice(&self, path: &str, reason: &'static str, message: String) -> Problem {
        let subject = Subject::Cluster(self.owner.cluster.clone());
        Problem { subject, path: path.to_string(), reason, message }
    }
}
