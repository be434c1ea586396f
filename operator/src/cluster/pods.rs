//! The pods of a cluster: which are up, what they run, and which rings they say they hold.

use super::apply::Applier;
use super::build::{
    GENERATION_ANNOTATION, NODE_LABEL, REVISION_ANNOTATION, ZONE_LABEL, pod::HEALTH_PORT, proxy::POOL_LABEL,
};
use super::{Context, PassError};
use crate::http_get;
use crate::pod_status::PodStatus;
use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kube::{Client, ResourceExt};
use std::collections::BTreeSet;
use std::time::Duration;

/// Pods asked at once.
const POLLED_AT_ONCE: usize = 16;
/// A pod that does not answer within this counts as not answering.
const POLL_TIMEOUT: Duration = Duration::from_secs(2);

/// A pod as this pass has seen it.
#[derive(Clone, Debug, Default)]
pub struct SeenPod {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: Option<String>,
    /// The storage node it is, if it is one.
    pub node: Option<String>,
    /// The Zone of that node.
    pub zone: Option<String>,
    /// The pool of proxies it is of, if it is one.
    pub pool: Option<String>,
    /// What it was started with.
    pub revision: String,
    /// Whether it is ready and not on its way out.
    pub ready: bool,
    /// Since when (Unix time).
    pub ready_since_s: Option<i64>,
    /// The generation that its annotation names.
    pub annotated: Option<String>,
    /// What it says of itself; `None`: it does not answer.
    pub says: Option<PodStatus>,
    /// The claims it mounts.
    pub claims: BTreeSet<String>,
    /// The host it runs on.
    pub host: Option<String>,
    /// Since when it is on its way out (Unix time).
    pub leaving_since_s: Option<i64>,
    address: Option<String>,
}

impl From<&Pod> for SeenPod {
    fn from(pod: &Pod) -> SeenPod {
        let label = |key: &str| pod.labels().get(key).cloned();
        let annotation = |key: &str| pod.annotations().get(key).cloned();
        let status = pod.status.as_ref();
        let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let ready = conditions.iter().find(|c| c.type_ == "Ready" && c.status == "True");
        let leaving = pod.metadata.deletion_timestamp.is_some();
        SeenPod {
            name: pod.name_any(),
            uid: pod.uid(),
            node: label(NODE_LABEL),
            zone: label(ZONE_LABEL),
            pool: label(POOL_LABEL),
            revision: annotation(REVISION_ANNOTATION).unwrap_or_default(),
            ready: ready.is_some() && !leaving,
            ready_since_s: ready.and_then(|c| c.last_transition_time.as_ref()).map(|time| time.0.as_second()),
            annotated: annotation(GENERATION_ANNOTATION),
            says: None,
            claims: pod.spec.as_ref().map(claims).unwrap_or_default(),
            host: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            leaving_since_s: pod.metadata.deletion_timestamp.as_ref().map(|time| time.0.as_second()),
            address: status.and_then(|status| status.pod_ip.clone()).filter(|_| !leaving),
        }
    }
}

/// The claims that a pod of this spec mounts.
pub fn claims(spec: &PodSpec) -> BTreeSet<String> {
    let sources = spec.volumes.iter().flatten().filter_map(|volume| volume.persistent_volume_claim.as_ref());
    sources.map(|source| source.claim_name.clone()).collect()
}

impl SeenPod {
    /// The generation it says it holds; `None`: it does not answer.
    pub fn held(&self) -> Option<u64> {
        self.says.as_ref()?.generation
    }

    /// Where one of its ports is asked; `None` while it has no address.
    pub fn url(&self, port: u16, path: &str) -> Option<String> {
        let address = self.address.as_ref()?;
        let host = if address.contains(':') { format!("[{address}]") } else { address.clone() };
        Some(format!("http://{host}:{port}/{path}"))
    }
}

/// The way to the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Their own addresses: from inside the cluster.
    Address,
    /// The API server asks them: from anywhere else.
    ApiServer,
}

/// Asks every pod that has an address what it holds.
pub async fn poll(context: &Context, namespace: &str, pods: Vec<SeenPod>) -> Vec<SeenPod> {
    let asked = stream::iter(pods).map(|mut pod| async move {
        pod.says = said_by(context, namespace, &pod).await;
        pod
    });
    let mut pods: Vec<SeenPod> = asked.buffer_unordered(POLLED_AT_ONCE).collect().await;
    pods.sort_by(|a, b| a.name.cmp(&b.name));
    pods
}

async fn said_by(context: &Context, namespace: &str, pod: &SeenPod) -> Option<PodStatus> {
    let url = pod.url(HEALTH_PORT, "status")?;
    let answer = match context.reach {
        Reach::Address => http_get::get(&url, POLL_TIMEOUT).await.map_err(|error| error.to_string()),
        Reach::ApiServer => {
            ask_through_api(&context.client, namespace, &pod.name, (HEALTH_PORT, "status")).await
        }
    };
    match answer {
        Ok(body) => serde_json::from_slice(&body).ok(),
        Err(error) => {
            tracing::debug!(pod = pod.name, %error, "does not tell what it holds");
            None
        }
    }
}

/// What a pod answers to a GET of `port` and path, when the API server asks it.
pub async fn ask_through_api(
    client: &Client,
    namespace: &str,
    pod: &str,
    (port, path): (u16, &str),
) -> Result<Vec<u8>, String> {
    let uri = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/{path}");
    let request = http::Request::get(uri).body(Vec::new()).map_err(|error| error.to_string())?;
    match tokio::time::timeout(POLL_TIMEOUT, client.request_text(request)).await {
        Ok(Ok(answer)) => Ok(answer.into_bytes()),
        Ok(Err(kube::Error::Api(status))) => Err(format!("{} ({})", status.message, status.code)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", POLL_TIMEOUT.as_secs())),
    }
}

/// Names the current generation on every pod: the change makes the kubelet look at the pod's volumes now, not at its
/// next round a minute later.
pub async fn annotate(applier: &Applier<'_>, pods: &[SeenPod], generation: u64) -> Result<(), PassError> {
    let generation = generation.to_string();
    for pod in pods.iter().filter(|pod| pod.annotated.as_deref() != Some(&generation)) {
        applier.annotate::<Pod>(&pod.name, GENERATION_ANNOTATION, &generation).await?;
    }
    Ok(())
}
