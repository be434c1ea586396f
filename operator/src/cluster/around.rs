//! What stands around the pods: how they are reached, who may reach and who may disturb them, who says how many there
//! are. It follows from the spec and the world alone, is made again at every pass and written where it differs; no pod
//! restarts for it.

use super::PassError;
use super::apply::{Applier, ApplyError};
use super::build::{autoscaling, disruption, exposure, network, proxy};
use super::observe::Observed;
use super::steps::Executor;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::jiff::Timestamp;
use kube::core::{ApiResource, DynamicObject, NamespaceResourceScope};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Debug;
use swiftlet_plan::validate::{Problem, ProxyPool, Subject, ValidatedCluster};
use swiftlet_plan::world::World;

impl Executor<'_> {
    /// Makes it what the spec and the world ask for. What Kubernetes refuses is told, and the rest is made all the same.
    pub(super) async fn surround(&self, observed: &Observed) -> Result<Vec<Problem>, PassError> {
        let (owner, applier, pools) = (self.owner, self.applier, &self.cluster.proxies);
        let mut problems = Vec::new();
        let mut tell = |path: &str, made: Result<(), ApplyError>| -> Result<(), PassError> {
            if let Err(error) = made {
                problems.push(refused(&owner.cluster, path, error)?);
            }
            Ok(())
        };
        let budgets = disruption::budgets(owner, self.cluster, &observed.world, Timestamp::now().as_second());
        tell("spec", replace_all::<PodDisruptionBudget>(applier, &budgets).await)?;
        for (i, pool) in pools.iter().enumerate() {
            let service = exposure::service(owner, pool);
            tell(&format!("spec.proxies[{i}].service"), applier.apply(&service).await)?;
        }
        let policies = network::policies(owner, self.cluster, &self.context.namespace);
        tell("spec.networkPolicy", replace_all::<NetworkPolicy>(applier, &policies).await)?;
        let ingresses: Vec<_> = pools.iter().filter_map(|pool| exposure::ingress(owner, pool)).collect();
        tell("spec.proxies", replace_all::<Ingress>(applier, &ingresses).await)?;
        self.take_replicas_back().await?;
        let autoscalers: Vec<_> =
            pools.iter().filter_map(|pool| autoscaling::autoscaler(owner, pool)).collect();
        tell("spec.proxies", replace_all::<HorizontalPodAutoscaler>(applier, &autoscalers).await)?;
        let foreign = [
            (exposure::http_route_kind(), all(self, exposure::http_route)),
            (exposure::certificate_kind(), all(self, exposure::certificate)),
        ];
        for (kind, wanted) in foreign.iter().filter(|(kind, _)| observed.kinds.contains(&kind.kind)) {
            tell("spec.proxies", replace_all_foreign(applier, kind, wanted).await)?;
        }
        Ok(problems)
    }

    /// How many proxies there are is ours again once nobody asks for the autoscaler that we made. Its claim goes before
    /// it does: killed in between, we still know whose it was.
    async fn take_replicas_back(&self) -> Result<(), PassError> {
        for pool in self.cluster.proxies.iter().filter(|pool| pool.autoscaling.is_none()) {
            let name = proxy::name(&self.owner.cluster, &pool.name);
            if !self.applier.exists::<HorizontalPodAutoscaler>(&name) {
                continue;
            }
            let found = self.applier.api::<Deployment>().get_opt(&name).await;
            let Some(found) = found.map_err(PassError::read("a Deployment"))? else { continue };
            let managed_fields = autoscaling::without_others_claim(&found);
            let version = found.metadata.resource_version;
            let patch = json!({"metadata": {"resourceVersion": version, "managedFields": managed_fields}});
            self.applier.merge::<Deployment>(&name, &patch).await?;
        }
        Ok(())
    }
}

/// What is wrong where Kubernetes takes an object as little as it stands; any other error is the pass's.
pub fn refused(cluster: &str, path: &str, error: ApplyError) -> Result<Problem, PassError> {
    let (reason, message) = match error {
        ApplyError::NameTaken { kind, name } => {
            ("NameTaken", format!("{kind} {name} exists and belongs to somebody else; rename or remove it"))
        }
        ApplyError::Api { kind, name, source, verb } => match *source {
            kube::Error::Api(status) if is_refusal(status.code) => {
                ("Refused", format!("Kubernetes refuses {kind} {name}: {}", status.message))
            }
            other => return Err(ApplyError::Api { verb, kind, name, source: Box::new(other) }.into()),
        },
        error => return Err(error.into()),
    };
    Ok(Problem { subject: Subject::Cluster(cluster.to_string()), path: path.to_string(), reason, message })
}

/// Whether asking again would get the same answer: it is not valid, or forbidden.
fn is_refusal(code: u16) -> bool {
    matches!(code, 400 | 403 | 422)
}

fn all(
    executor: &Executor<'_>,
    object: impl Fn(&super::build::Owner, &ProxyPool) -> Option<DynamicObject>,
) -> Vec<DynamicObject> {
    executor.cluster.proxies.iter().filter_map(|pool| object(executor.owner, pool)).collect()
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
    for name in beside(applier, &K::kind(&()), wanted) {
        applier.delete::<K>(name, None).await?;
    }
    Ok(())
}

/// The same for somebody else's kind.
async fn replace_all_foreign(
    applier: &Applier<'_>,
    kind: &ApiResource,
    wanted: &[DynamicObject],
) -> Result<(), ApplyError> {
    for object in wanted {
        applier.apply_foreign(kind, object).await?;
    }
    for name in beside(applier, &kind.kind, wanted) {
        applier.delete_foreign(kind, name).await?;
    }
    Ok(())
}

fn beside<'a, K: ResourceExt>(applier: &'a Applier<'_>, kind: &str, wanted: &[K]) -> Vec<&'a String> {
    let mut names = applier.names(kind);
    names.retain(|name| !wanted.iter().any(|object| object.name_any() == **name));
    names
}

/// What a person should know of it: what is asked for and cannot be made here, and what is asked for and left to others.
pub fn advice(cluster: &ValidatedCluster, world: &World, kinds: &BTreeSet<String>) -> Vec<Problem> {
    let mut advice = Vec::new();
    let mut advise = |i: usize, field: &str, reason: &'static str, message: String| {
        let subject = Subject::Cluster(cluster.name.clone());
        advice.push(Problem { subject, path: format!("spec.proxies[{i}].{field}"), reason, message });
    };
    let has = |kind: &ApiResource| kinds.contains(&kind.kind);
    let missing = |kind: ApiResource, whose: &str| {
        let ApiResource { kind, api_version, .. } = kind;
        format!("this Kubernetes has no {kind} ({api_version}); install {whose}, and it is made")
    };
    for (i, pool) in cluster.proxies.iter().enumerate() {
        if pool.http_route.is_some() && !has(&exposure::http_route_kind()) {
            let message = missing(exposure::http_route_kind(), "the Gateway API's definitions");
            advise(i, "httpRoute", "NoGatewayApi", message);
        }
        if pool.certificate.is_some() && !has(&exposure::certificate_kind()) {
            let message = missing(exposure::certificate_kind(), "cert-manager");
            advise(i, "tls.certificate", "NoCertManager", message);
        }
        let seen = world.proxies.get(&pool.name);
        let Some((seen, by)) = seen.and_then(|seen| Some((seen, seen.scaled_by.as_ref()?))) else { continue };
        if pool.autoscaling.is_none() && seen.replicas != pool.replicas {
            let name = proxy::name(&cluster.name, &pool.name);
            let message = format!(
                "{} are asked for and there are {}: {by} scaled Deployment {name}, and has the say; to take it back: kubectl \
                 patch deployment {name} --type=merge -p '{{\"metadata\":{{\"managedFields\":[{{}}]}}}}'",
                pool.replicas, seen.replicas
            );
            advise(i, "replicas", "ScaledElsewhere", message);
        }
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::build::tests::{example, pool};
    use swiftlet_plan::world::ObservedProxies;

    fn reasons(manifest: &str, kinds: &[&str], seen: ObservedProxies) -> Vec<(&'static str, String)> {
        let mut cluster = example();
        cluster.proxies = vec![pool(manifest)];
        let world = World { proxies: [("default".to_string(), seen)].into(), ..World::default() };
        let kinds = kinds.iter().map(ToString::to_string).collect();
        advice(&cluster, &world, &kinds).into_iter().map(|problem| (problem.reason, problem.path)).collect()
    }

    #[test]
    fn what_kubernetes_refuses_is_told_and_what_may_pass_is_tried_again() {
        let answer = |code: u16| ApplyError::Api {
            verb: "apply",
            kind: "Service".to_string(),
            name: "demo-proxy".to_string(),
            source: Box::new(kube::Error::Api(Box::new(
                kube::core::Status::failure("port is already allocated", "Invalid").with_code(code),
            ))),
        };
        let told = refused("demo", "spec.proxies[0].service", answer(422)).unwrap();
        assert_eq!((told.reason, told.path.as_str()), ("Refused", "spec.proxies[0].service"));
        assert!(told.message.starts_with("Kubernetes refuses Service demo-proxy: "), "{}", told.message);
        assert!(told.message.contains("port is already allocated"), "{}", told.message);
        assert!([409, 429, 500, 503].into_iter().all(|code| refused("demo", "", answer(code)).is_err()));
    }

    #[test]
    fn what_this_kubernetes_does_not_have_is_said_and_where_it_is_asked_for() {
        let asked = "{tls: {certificate: {issuerRef: {name: ca}}}, httpRoute: {parentRefs: [{name: g}]}}";
        let seen = ObservedProxies::default;
        let no_gateway = ("NoGatewayApi", "spec.proxies[0].httpRoute".to_string());
        let no_cert_manager = ("NoCertManager", "spec.proxies[0].tls.certificate".to_string());
        assert_eq!(reasons(asked, &[], seen()), [no_gateway, no_cert_manager.clone()]);
        assert_eq!(reasons(asked, &["HTTPRoute"], seen()), [no_cert_manager]);
        assert_eq!(reasons(asked, &["HTTPRoute", "Certificate"], seen()), []);
        assert_eq!(reasons("{}", &[], seen()), []);
    }

    #[test]
    fn replicas_that_somebody_else_says_are_told_apart_from_those_asked_for() {
        let seen = |replicas: u32| ObservedProxies {
            replicas,
            scaled_by: Some("kubectl".to_string()),
            ..ObservedProxies::default()
        };
        let said = reasons("{replicas: 2}", &[], seen(5));
        assert_eq!(said, [("ScaledElsewhere", "spec.proxies[0].replicas".to_string())]);
        assert_eq!(reasons("{replicas: 5}", &[], seen(5)), []);
        let scaled = "{autoscaling: {minReplicas: 2, maxReplicas: 9}}";
        assert_eq!(reasons(scaled, &[], seen(5)), [], "it is asked for");
    }
}
