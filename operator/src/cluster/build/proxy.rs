//! A pool of proxies: a Deployment `<cluster>-proxy` (or `<cluster>-proxy-<pool>`).

use super::secrets::{TOKEN_KEY, token_key_secret};
use super::{Component, Owner, label_selector, pod, pod::PodSettings};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Affinity, Lifecycle, LifecycleHandler, PodAffinityTerm, PodAntiAffinity, PodSpec, SleepAction,
    WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;
use swiftlet_plan::conf::{ProxyPlace, TlsPlace};
use swiftlet_plan::resources::proxy_service_name;
use swiftlet_plan::validate::ProxyPool;

/// The port proxies serve on.
pub const PORT: u16 = 8080;
/// The port they serve TLS on, where they do.
pub const TLS_PORT: u16 = 8443;
/// Where the kubelet puts certificate and key, and replaces them.
const TLS_DIR: &str = "/run/swiftlet/tls";
/// The file with the key of tokens, beside the configuration.
const TOKEN_KEY_FILE: &str = "token.key";
/// Label with the pool's name.
pub const POOL_LABEL: &str = "swiftlet.io/proxy";
/// Seconds a proxy that is to stop still serves, until every kube-proxy knows.
const LEAVE_SERVICE_S: i64 = 5;
/// Seconds it then gets to finish requests.
const GRACE_S: i64 = 60;

/// The name of a pool's Deployment, Service, Secret, ….
pub fn name(cluster: &str, pool: &str) -> String {
    proxy_service_name(cluster, pool)
}

/// Where proxies are, for the planner's rendering.
pub fn place(pool: &ProxyPool) -> ProxyPlace {
    let tls = TlsPlace {
        bind_port: TLS_PORT,
        cert_file: format!("{TLS_DIR}/tls.crt"),
        key_file: format!("{TLS_DIR}/tls.key"),
    };
    ProxyPlace {
        bind_ip: "0.0.0.0".to_string(),
        bind_port: PORT,
        tls: pool.tls_secret_name.is_some().then_some(tls),
        swift_dir: pod::SWIFT_DIR.to_string(),
        token_key_path: Some(format!("{}/{TOKEN_KEY_FILE}", pod::SWIFT_DIR)),
        user: None,
    }
}

/// The Deployment, but for how many proxies it has: that changes without a rollout, and others may say it. Another
/// revision rolls it: the template names it.
pub fn deployment(owner: &Owner, pool: &ProxyPool, settings: &PodSettings<'_>) -> Deployment {
    let labels = labels(owner, &pool.name);
    Deployment {
        metadata: owner.owned(&name(&owner.cluster, &pool.name), labels.clone()),
        spec: Some(DeploymentSpec {
            selector: label_selector(&labels),
            // A new proxy serves before an old one leaves.
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_string()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            template: pod::template(
                &labels,
                &labels,
                pod_spec(owner, pool, settings, &labels),
                &pool.pods,
                settings,
            ),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn pod_spec(
    owner: &Owner,
    pool: &ProxyPool,
    settings: &PodSettings<'_>,
    labels: &BTreeMap<String, String>,
) -> PodSpec {
    let ports = ports(pool);
    let ready_ports: Vec<u16> = ports.iter().map(|(_, port)| *port).collect();
    let mut args = pod::arguments(&owner.cluster, &owner.namespace, &ready_ports);
    args.extend([format!("--keep={}", pod::KEEP_DIR), "proxy-server".to_string()]);
    args.push(format!("{}/proxy-server.conf", pod::SWIFT_DIR));
    let mut container = pod::container("proxy", settings.image, args, &ports);
    let mut mounts = vec![
        pod::mount("rings", pod::RINGS_DIR, true),
        pod::mount("config", pod::CONFIG_DIR, true),
        pod::mount("etc-swift", pod::SWIFT_DIR, false),
        pod::mount("keep", pod::KEEP_DIR, false),
    ];
    mounts.extend(pool.tls_secret_name.iter().map(|_| pod::mount("tls", TLS_DIR, true)));
    container.volume_mounts = Some(mounts);
    container.lifecycle = Some(Lifecycle {
        pre_stop: Some(LifecycleHandler {
            sleep: Some(SleepAction { seconds: LEAVE_SERVICE_S }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    });
    let mut volumes = vec![
        pod::rings_volume(&owner.cluster, settings.slots),
        pod::config_volume(vec![
            pod::secret_files(&name(&owner.cluster, &pool.name)),
            pod::secret_file(&token_key_secret(&owner.cluster), TOKEN_KEY, TOKEN_KEY_FILE),
        ]),
        pod::empty_dir("etc-swift", true),
        pod::empty_dir("keep", false),
    ];
    volumes
        .extend(pool.tls_secret_name.iter().map(|name| pod::projected("tls", vec![pod::secret_files(name)])));
    PodSpec {
        containers: vec![container],
        volumes: Some(volumes),
        security_context: Some(pod::security()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(LEAVE_SERVICE_S + GRACE_S),
        affinity: Some(spread(labels)),
        node_selector: pod::node_selector(&pool.placement.node_selector),
        tolerations: pod::tolerations(&pool.placement.tolerations),
        ..PodSpec::default()
    }
}

/// Proxies of a pool go to different hosts where there are enough.
fn spread(labels: &BTreeMap<String, String>) -> Affinity {
    let term = PodAffinityTerm {
        topology_key: "kubernetes.io/hostname".to_string(),
        label_selector: Some(label_selector(labels)),
        ..PodAffinityTerm::default()
    };
    let preferred = vec![WeightedPodAffinityTerm { weight: 100, pod_affinity_term: term }];
    let apart = PodAntiAffinity {
        preferred_during_scheduling_ignored_during_execution: Some(preferred),
        ..PodAntiAffinity::default()
    };
    Affinity { pod_anti_affinity: Some(apart), ..Affinity::default() }
}

/// The ports of a pool with their names.
pub fn ports(pool: &ProxyPool) -> Vec<(&'static str, u16)> {
    let tls = pool.tls_secret_name.iter().map(|_| ("https", TLS_PORT));
    std::iter::once(("http", PORT)).chain(tls).collect()
}

/// Labels of a pool and of all that is its.
pub fn labels(owner: &Owner, pool: &str) -> BTreeMap<String, String> {
    let mut labels = owner.component_labels(Component::Proxy);
    labels.insert(POOL_LABEL.to_string(), pool.to_string());
    labels
}
