//! Taking away: nodes that hold nothing any more, devices that left, volumes that are replaced.

use super::PassError;
use super::build::{RELEASED_ANNOTATION, claim, rendering};
use super::observe::Observed;
use super::pods::SeenPod;
use super::steps::Executor;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, PersistentVolumeClaim, Pod, Secret, Service};
use k8s_openapi::jiff::Timestamp;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use serde_json::json;
use swiftlet_plan::plan::ReplaceStep;
use swiftlet_plan::validate::{ValidatedDevice, ValidatedNode, ValidatedZone};

/// A pod whose host is gone is on its way out for ever; it is helped along after this.
const HOST_GONE_AFTER_S: i64 = 30;
/// Taint by which an administrator says that a host is off and will not write any more.
const OUT_OF_SERVICE_TAINT: &str = "node.kubernetes.io/out-of-service";

impl Executor<'_> {
    /// Makes a device's claim where there is none. One that exists is not touched but for what says that it was given
    /// up: sizes only grow, by a step of their own.
    pub(super) async fn ensure_claim(
        &self,
        (zone, node): (&ValidatedZone, &ValidatedNode),
        device: &ValidatedDevice,
    ) -> Result<(), PassError> {
        let name = claim::name(&device.name, &node.name);
        if !self.applier.exists::<PersistentVolumeClaim>(&name) {
            return Ok(self.applier.apply(&claim::claim(self.owner, &zone.name, &node.name, device)).await?);
        }
        let found = self.applier.api::<PersistentVolumeClaim>().get_metadata_opt(&name).await;
        let found = found.map_err(PassError::read("a claim"))?;
        if found.is_some_and(|found| found.annotations().contains_key(RELEASED_ANNOTATION)) {
            let patch = json!({"metadata": {"annotations": {RELEASED_ANNOTATION: null}}});
            self.applier.merge::<PersistentVolumeClaim>(&name, &patch).await?;
        }
        Ok(())
    }

    /// Gives a volume up: it goes, or stays as nobody's.
    pub(super) async fn release(&self, claim: &str, delete: bool) -> Result<(), PassError> {
        if delete {
            return Ok(self.applier.delete::<PersistentVolumeClaim>(claim, None).await?);
        }
        Ok(self.applier.annotate::<PersistentVolumeClaim>(claim, RELEASED_ANNOTATION, "true").await?)
    }

    /// Volumes first: killed in between, the node is still there to be removed. Of the node, what would bring it back
    /// goes first, and its name in the rings last.
    pub(super) async fn remove_node(
        &self,
        node: &str,
        devices: &[String],
        delete_volumes: bool,
    ) -> Result<(), PassError> {
        for device in devices {
            self.release(&claim::name(device, node), delete_volumes).await?;
        }
        self.applier.delete::<Secret>(&rendering::secret_name(node), None).await?;
        self.applier.delete::<StatefulSet>(node, None).await?;
        self.applier.delete::<ConfigMap>(node, None).await?;
        self.applier.delete::<Secret>(node, None).await?;
        Ok(self.applier.delete::<Service>(node, None).await?)
    }

    /// New volumes in place of old ones. What is there goes with the pod that uses it; what is gone is made anew, by a
    /// later pass where it takes a while to go.
    pub(super) async fn replace_devices(
        &self,
        step: &ReplaceStep,
        observed: &Observed,
    ) -> Result<(), PassError> {
        let Some((zone, node)) = self.find(&step.node) else { return Ok(()) };
        let pod = observed.pods.iter().find(|pod| pod.node.as_ref() == Some(&step.node));
        let claims = self.applier.api::<PersistentVolumeClaim>();
        let mut uses_old = false;
        for device in node.devices.iter().filter(|device| step.devices.contains_key(&device.name)) {
            let name = claim::name(&device.name, &node.name);
            let found = claims.get_metadata_opt(&name).await.map_err(PassError::read("a claim"))?;
            match found {
                None => {
                    let claim = claim::claim(self.owner, &zone.name, &node.name, device);
                    self.applier.create(&claim).await?;
                }
                Some(found) => {
                    uses_old |= pod.is_some_and(|pod| pod.claims.contains(&name));
                    if found.metadata.deletion_timestamp.is_none() {
                        self.applier.delete::<PersistentVolumeClaim>(&name, found.uid()).await?;
                    }
                }
            }
        }
        match pod {
            Some(pod) if uses_old => self.delete_pod(pod).await,
            _ => Ok(()),
        }
    }

    /// Deletes a pod; by force where its host is gone and nobody would ever say that it stopped.
    pub(super) async fn delete_pod(&self, pod: &SeenPod) -> Result<(), PassError> {
        match pod.leaving_since_s {
            None => Ok(self.applier.delete::<Pod>(&pod.name, pod.uid.clone()).await?),
            Some(since_s) if Timestamp::now().as_second() - since_s < HOST_GONE_AFTER_S => Ok(()),
            Some(_) => self.help_along(pod).await,
        }
    }

    async fn help_along(&self, pod: &SeenPod) -> Result<(), PassError> {
        let Some(host) = &pod.host else { return Ok(()) };
        let hosts: Api<Node> = Api::all(self.context.client.clone());
        let is_gone = match hosts.get_opt(host).await.map_err(PassError::read("a host"))? {
            None => true,
            Some(host) => {
                let taints = host.spec.and_then(|spec| spec.taints).unwrap_or_default();
                taints.iter().any(|taint| taint.key == OUT_OF_SERVICE_TAINT)
            }
        };
        if !is_gone {
            return Ok(());
        }
        tracing::warn!(pod = pod.name, host, "deleted by force: its host is gone");
        let params = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        match self.applier.api::<Pod>().delete(&pod.name, &params).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(PassError::read("a pod, to be deleted")(error)),
        }
    }
}
