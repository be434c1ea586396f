//! HorizontalPodAutoscalers: as many proxies as it takes. Once one has scaled a Deployment, how many there are is its
//! own, and nothing here or in the planner says it any more.

use super::{MANAGER, Owner, proxy};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use swiftlet_plan::validate::ProxyPool;

/// The autoscaler of a pool, where one is asked for.
pub fn autoscaler(owner: &Owner, pool: &ProxyPool) -> Option<HorizontalPodAutoscaler> {
    let asked = pool.autoscaling.as_ref()?;
    let count = |replicas: u32| i32::try_from(replicas).unwrap_or(i32::MAX);
    let name = proxy::name(&owner.cluster, &pool.name);
    let target = MetricTarget {
        type_: "Utilization".to_string(),
        average_utilization: Some(count(asked.target_cpu_utilization_percent)),
        ..MetricTarget::default()
    };
    let cpu = MetricSpec {
        type_: "Resource".to_string(),
        resource: Some(ResourceMetricSource { name: "cpu".to_string(), target }),
        ..MetricSpec::default()
    };
    Some(HorizontalPodAutoscaler {
        metadata: owner.owned(&name, proxy::labels(owner, &pool.name)),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_string()),
                kind: "Deployment".to_string(),
                name,
            },
            min_replicas: Some(count(asked.min_replicas)),
            max_replicas: count(asked.max_replicas),
            metrics: Some(vec![cpu]),
            behavior: None,
        }),
        status: None,
    })
}

/// What Kubernetes itself writes for all that an object held before its first apply, where nobody is known to have said it.
const NOBODY: &str = "before-first-apply";

/// Who else than this operator says how many replicas a Deployment has.
pub fn scaled_by(deployment: &Deployment) -> Option<String> {
    let others = deployment.metadata.managed_fields.iter().flatten();
    let by = others
        .filter(|entry| !matches!(entry.manager.as_deref(), Some(MANAGER | NOBODY)))
        .find(|entry| owns_replicas(entry))?;
    Some(by.manager.clone().unwrap_or_default())
}

/// The managed fields of a Deployment without anybody else's claim on its replicas.
pub fn without_others_claim(deployment: &Deployment) -> Vec<ManagedFieldsEntry> {
    let mut entries = deployment.metadata.managed_fields.clone().unwrap_or_default();
    for entry in entries.iter_mut().filter(|entry| entry.manager.as_deref() != Some(MANAGER)) {
        let spec = entry.fields_v1.as_mut().and_then(|fields| fields.0.get_mut("f:spec"));
        if let Some(spec) = spec.and_then(|spec| spec.as_object_mut()) {
            spec.remove("f:replicas");
        }
    }
    // A claim on nothing is none.
    entries.retain(|entry| !entry.fields_v1.as_ref().is_some_and(|fields| is_hollow(&fields.0)));
    entries
}

fn owns_replicas(entry: &ManagedFieldsEntry) -> bool {
    entry.fields_v1.as_ref().is_some_and(|fields| fields.0["f:spec"].get("f:replicas").is_some())
}

fn is_hollow(fields: &serde_json::Value) -> bool {
    let Some(fields) = fields.as_object() else { return false };
    fields.is_empty()
        || fields.len() == 1
            && fields.get("f:spec").and_then(|spec| spec.as_object()).is_some_and(|spec| spec.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::build::tests::{owner, pool};
    use serde_json::json;

    #[test]
    fn it_scales_the_pools_deployment_by_processor_time() {
        assert_eq!(autoscaler(&owner(), &pool("{}")), None);
        let asked = "{autoscaling: {minReplicas: 2, maxReplicas: 9, targetCPUUtilizationPercent: 60}}";
        let autoscaler = serde_json::to_value(autoscaler(&owner(), &pool(asked)).unwrap()).unwrap();
        let spec = json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "demo-proxy"},
            "minReplicas": 2,
            "maxReplicas": 9,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}],
        });
        assert_eq!(autoscaler["spec"], spec);
    }

    fn deployment(managed_fields: serde_json::Value) -> Deployment {
        serde_json::from_value(json!({"metadata": {"name": "demo-proxy", "managedFields": managed_fields}}))
            .unwrap()
    }

    #[test]
    fn who_owns_the_replicas_is_read_from_the_managed_fields() {
        let ours = json!({"manager": MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}}});
        let status = json!({"manager": "kube-controller-manager", "operation": "Update", "subresource": "status",
            "fieldsV1": {"f:status": {"f:replicas": {}}}});
        let scale = json!({"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale",
            "fieldsV1": {"f:spec": {"f:replicas": {}}}});
        let edit = json!({"manager": "kubectl-edit", "operation": "Update",
            "fieldsV1": {"f:metadata": {"f:annotations": {}}, "f:spec": {"f:replicas": {}, "f:paused": {}}}});
        assert_eq!(scaled_by(&deployment(json!([ours, status]))), None);
        assert_eq!(scaled_by(&deployment(json!([]))), None);
        let nobody =
            json!({"manager": NOBODY, "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}});
        assert_eq!(scaled_by(&deployment(json!([nobody, ours]))), None);
        let scaled = deployment(json!([ours, status, scale, edit]));
        assert_eq!(scaled_by(&scaled).as_deref(), Some("kube-controller-manager"));
        let left = Deployment {
            metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                managed_fields: Some(without_others_claim(&scaled)),
                ..Default::default()
            },
            ..Default::default()
        };
        assert_eq!(scaled_by(&left), None);
        let left = left.metadata.managed_fields.unwrap();
        let managers: Vec<&str> = left.iter().filter_map(|entry| entry.manager.as_deref()).collect();
        assert_eq!(managers, [MANAGER, "kube-controller-manager", "kubectl-edit"]);
        assert_eq!(left[2].fields_v1.as_ref().unwrap().0["f:spec"], json!({"f:paused": {}}));
    }
}
