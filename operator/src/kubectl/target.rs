//! Which cluster a command is about, and how its nodes are asked.

use crate::cluster::build::{NODE_LABEL, Owner, pod::HEALTH_PORT, proxy::POOL_LABEL};
use crate::cluster::pods;
use crate::pod_status::PodStatus;
use anyhow::{Context as _, bail};
use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Config, Resource, ResourceExt};
use swiftlet_plan::resources::{SwiftCluster, Zone};

/// Pods asked at once.
const ASKED_AT_ONCE: usize = 16;
/// Who writes, in `managedFields`.
pub const FIELD_MANAGER: &str = "kubectl-swift";

/// Where to look.
#[derive(clap::Args)]
pub struct Where {
    /// The kubeconfig's context to use in place of its current one.
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// The namespace, in place of the context's.
    #[arg(short, long, global = true, value_name = "NAME")]
    namespace: Option<String>,
    /// The SwiftCluster; by default the only one in the namespace.
    #[arg(short, long, global = true, value_name = "NAME")]
    pub cluster: Option<String>,
}

/// A Kubernetes and a namespace in it.
#[derive(Clone)]
pub struct Connection {
    /// Asks its API.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
}

/// A cluster that exists.
pub struct Target {
    /// Where it is.
    pub connection: Connection,
    /// What its SwiftCluster says.
    pub cluster: SwiftCluster,
}

impl Where {
    /// Finds the Kubernetes that the kubeconfig names.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        let config = match &self.context {
            None => Config::infer().await.context("find a Kubernetes (KUBECONFIG, ~/.kube/config)")?,
            Some(context) => {
                let options = KubeConfigOptions { context: Some(context.clone()), ..Default::default() };
                let kubeconfig = Kubeconfig::read().context("read the kubeconfig")?;
                let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
                config.with_context(|| format!("use context {context:?} of the kubeconfig"))?
            }
        };
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).context("use the kubeconfig")?;
        Ok(Connection { client, namespace })
    }

    /// Finds the cluster that is meant.
    pub async fn target(&self) -> anyhow::Result<Target> {
        let connection = self.connect().await?;
        let cluster = connection.cluster(self.cluster.as_deref()).await?;
        Ok(Target { connection, cluster })
    }
}

impl Connection {
    /// The API for one kind in the namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// All clusters of the namespace.
    pub async fn clusters(&self) -> anyhow::Result<Vec<SwiftCluster>> {
        match self.api::<SwiftCluster>().list(&ListParams::default()).await {
            Ok(list) => Ok(list.items),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                bail!("this Kubernetes knows no SwiftClusters: install the operator (helm install …) first")
            }
            Err(error) => Err(error).with_context(|| format!("list SwiftClusters in {}", self.namespace)),
        }
    }

    /// The cluster of this name, or the only one there is.
    pub async fn cluster(&self, name: Option<&str>) -> anyhow::Result<SwiftCluster> {
        pick(self.clusters().await?, name, &self.namespace).map_err(anyhow::Error::msg)
    }

    /// What a pod answers to a GET, asked through the API server: whoever may read the cluster may be far from its pods.
    pub async fn ask_pod(&self, pod: &str, port: u16, path: &str) -> Result<String, String> {
        let answer = pods::ask_through_api(&self.client, &self.namespace, pod, (port, path)).await?;
        String::from_utf8(answer).map_err(|_| "its answer is no text".to_string())
    }
}

/// The one that is meant, of `clusters` in `namespace`.
fn pick(
    mut clusters: Vec<SwiftCluster>,
    name: Option<&str>,
    namespace: &str,
) -> Result<SwiftCluster, String> {
    let names = clusters.iter().map(ResourceExt::name_any).collect::<Vec<_>>().join(", ");
    match (name, clusters.len()) {
        (_, 0) => Err(format!("there is no SwiftCluster in namespace {namespace}; give another with -n")),
        (None, 1) => Ok(clusters.remove(0)),
        (None, _) => {
            Err(format!("there are SwiftClusters {names} in namespace {namespace}; pick one with -c"))
        }
        (Some(name), _) => clusters.into_iter().find(|cluster| cluster.name_any() == name).ok_or_else(|| {
            format!("there is no SwiftCluster {name} in namespace {namespace}; there is {names}")
        }),
    }
}

impl Target {
    /// The cluster's name.
    pub fn name(&self) -> String {
        self.cluster.name_any()
    }

    /// Whose objects are read and written.
    pub fn owner(&self) -> Owner {
        Owner::of(&self.cluster)
    }

    /// The API for one kind in the cluster's namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        self.connection.api()
    }

    /// Its Zones, by name.
    pub async fn zones(&self) -> anyhow::Result<Vec<Zone>> {
        let all = self.api::<Zone>().list(&ListParams::default()).await.context("list Zones")?;
        let name = self.name();
        let mut zones: Vec<Zone> = all.items.into_iter().filter(|zone| zone.spec.cluster == name).collect();
        zones.sort_by_key(ResourceExt::name_any);
        Ok(zones)
    }

    /// Its pods, nodes' and proxies', by name.
    pub async fn pods(&self) -> anyhow::Result<Vec<Pod>> {
        let list = self.api::<Pod>().list(&self.owner().everything()).await;
        let mut pods = list.context("list Pods")?.items;
        pods.retain(|pod| pod.labels().contains_key(NODE_LABEL) || pod.labels().contains_key(POOL_LABEL));
        pods.sort_by_key(ResourceExt::name_any);
        Ok(pods)
    }

    /// What each of `pods` says of itself, in their order; a reason where one does not answer.
    pub async fn ask_all(&self, pods: &[Pod]) -> Vec<Result<PodStatus, String>> {
        let names: Vec<String> = pods.iter().map(ResourceExt::name_any).collect();
        let asked = names.into_iter().map(|name| async move {
            let answer = self.connection.ask_pod(&name, HEALTH_PORT, "status").await?;
            serde_json::from_str(&answer).map_err(|error| format!("its status cannot be read: {error}"))
        });
        stream::iter(asked).buffered(ASKED_AT_ONCE).collect().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str) -> SwiftCluster {
        let spec =
            serde_json::json!({"rings": {"partPower": 10}, "auth": {"tempauth": {"usersSecretName": "u"}}});
        SwiftCluster::new(name, serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn the_only_cluster_needs_no_name_and_of_two_one_is_picked() {
        let two = || vec![cluster("demo"), cluster("other")];
        assert_eq!(pick(vec![cluster("demo")], None, "ns").unwrap().name_any(), "demo");
        assert_eq!(pick(two(), Some("other"), "ns").unwrap().name_any(), "other");
        for (clusters, name, told) in [
            (vec![], None, "no SwiftCluster in namespace ns"),
            (vec![], Some("demo"), "no SwiftCluster in namespace ns"),
            (two(), None, "demo, other in namespace ns; pick one with -c"),
            (two(), Some("x"), "no SwiftCluster x in namespace ns; there is demo, other"),
        ] {
            let error = pick(clusters, name, "ns").unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
