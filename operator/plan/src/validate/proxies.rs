//! Checks of pools of proxies: names, what their pods carry, and how clients reach them.

use super::cluster::is_label;
use super::network::is_cidr;
use super::{Findings, Subject, config, pods};
use crate::resources::{
    AutoscalingSpec, CertificateSpec, ConfigFiles, HttpRouteSpec, IngressSpec, PodSettings, ProxyPlacement,
    ProxyServiceSpec, ProxySpec, SwiftClusterSpec, proxy_service_name,
};
use crate::world::ObservedProxies;
use std::collections::BTreeSet;

/// A pool of proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyPool {
    /// Its name.
    pub name: String,
    /// The Secret with the certificate they serve TLS with; `None`: they do not.
    pub tls_secret_name: Option<String>,
    /// The certificate that is put into that Secret; `None`: somebody else sees to it.
    pub certificate: Option<CertificateSpec>,
    /// How many, as long as nobody else says how many.
    pub replicas: u32,
    /// Within what somebody else says it.
    pub autoscaling: Option<AutoscalingSpec>,
    /// The Service before them.
    pub service: ProxyServiceSpec,
    /// An Ingress before that.
    pub ingress: Option<IngressSpec>,
    /// A Gateway's route to it.
    pub http_route: Option<HttpRouteSpec>,
    /// Options for them.
    pub config: ConfigFiles,
    /// Where their pods may run.
    pub placement: ProxyPlacement,
    /// What their pods carry and ask for.
    pub pods: PodSettings,
}

impl ProxyPool {
    /// How many there shall be, where there are those `observed`; `None`: somebody else says how many, and has the say.
    pub fn wanted_replicas(&self, observed: Option<&ObservedProxies>) -> Option<u32> {
        let scaled_elsewhere = observed.is_some_and(|observed| observed.scaled_by.is_some());
        let there_are = observed.map_or(self.replicas, |observed| observed.replicas);
        let wanted = match &self.autoscaling {
            Some(bounds) => {
                there_are.clamp(bounds.min_replicas, bounds.max_replicas.max(bounds.min_replicas))
            }
            None => self.replicas,
        };
        (!scaled_elsewhere).then_some(wanted)
    }
}

/// Checks every pool.
pub(super) fn check(
    cluster: &str,
    spec: &SwiftClusterSpec,
    subject: &Subject,
    findings: &mut Findings,
) -> Vec<ProxyPool> {
    let mut names = BTreeSet::new();
    for (i, pool) in spec.proxies.iter().enumerate() {
        let path = format!("spec.proxies[{i}]");
        if !is_label(&pool.name) || pool.name.len() > 16 {
            let message = format!("{:?}; lower-case letters, digits and -, at most 16 characters", pool.name);
            findings.problem(subject, format!("{path}.name"), "InvalidName", message);
        } else if !names.insert(&pool.name) {
            findings.problem(
                subject,
                format!("{path}.name"),
                "InvalidName",
                format!("{:?} is used twice", pool.name),
            );
        }
        config::check(&pool.config, subject, &format!("{path}.config"), findings);
        pods::check(&pool.pods, subject, &format!("{path}.pods"), findings);
        check_exposure(pool, subject, &path, findings);
    }
    if spec.proxies.is_empty() {
        let message = "there is none; leave it out for the default pool";
        findings.problem(subject, "spec.proxies", "InvalidProxies", message);
    }
    spec.proxies.iter().map(|pool| validated(cluster, pool)).collect()
}

fn validated(cluster: &str, pool: &ProxySpec) -> ProxyPool {
    let secret_name = |tls: &crate::resources::ProxyTlsSpec| {
        tls.secret_name.clone().unwrap_or_else(|| format!("{}-tls", proxy_service_name(cluster, &pool.name)))
    };
    ProxyPool {
        name: pool.name.clone(),
        tls_secret_name: pool.tls.as_ref().map(secret_name),
        certificate: pool.tls.as_ref().and_then(|tls| tls.certificate.clone()),
        replicas: pool.replicas,
        autoscaling: pool.autoscaling.clone(),
        service: pool.service.clone(),
        ingress: pool.ingress.clone(),
        http_route: pool.http_route.clone(),
        config: pool.config.clone(),
        placement: pool.placement.clone(),
        pods: pool.pods.clone(),
    }
}

fn check_exposure(pool: &ProxySpec, subject: &Subject, path: &str, findings: &mut Findings) {
    for (i, range) in pool.service.load_balancer_source_ranges.iter().enumerate() {
        if !is_cidr(range) {
            let at = format!("{path}.service.loadBalancerSourceRanges[{i}]");
            let message = format!("{range:?} is no network; write it like 10.0.0.0/8");
            findings.problem(subject, at, "InvalidProxies", message);
        }
    }
    if let Some(tls) = &pool.tls
        && tls.secret_name.is_none()
        && tls.certificate.is_none()
    {
        let message = "neither secretName nor certificate is given; one of them is needed";
        findings.problem(subject, format!("{path}.tls"), "InvalidProxies", message);
    }
    if pool.service.tls_node_port.is_some() && pool.tls.is_none() {
        let message = "the pool speaks no TLS; give tls, or leave this out";
        findings.problem(subject, format!("{path}.service.tlsNodePort"), "InvalidProxies", message);
    }
    let Some(autoscaling) = &pool.autoscaling else { return };
    if autoscaling.min_replicas > autoscaling.max_replicas {
        let message =
            format!("{} is more than maxReplicas, {}", autoscaling.min_replicas, autoscaling.max_replicas);
        findings.problem(subject, format!("{path}.autoscaling.minReplicas"), "InvalidProxies", message);
    }
    let requests_cpu =
        pool.pods.resources.as_ref().is_some_and(|resources| resources.requests.contains_key("cpu"));
    if !requests_cpu {
        let message = "the share of what proxies request is what scales them, and they request no cpu; set \
                       pods.resources.requests.cpu, unless a LimitRange does";
        findings.advise(subject, format!("{path}.autoscaling"), "NoCpuRequest", message);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Problem, Validation, tests::desired, validate};
    use super::*;

    fn validation(pool: &str) -> Validation {
        validate(&desired(|text| text.replacen("config: {}", &format!("proxies: [{pool}]"), 1)))
    }

    #[test]
    fn a_certificate_needs_no_name_of_a_secret() {
        let pools = |pool: &str| validation(pool).cluster.unwrap().proxies;
        let certificate = "tls: {certificate: {issuerRef: {name: ca}}}";
        assert_eq!(
            pools(&format!("{{{certificate}}}"))[0].tls_secret_name.as_deref(),
            Some("demo-proxy-tls")
        );
        let pool = &pools(&format!("{{name: edge, {certificate}}}"))[0];
        assert_eq!(pool.tls_secret_name.as_deref(), Some("demo-proxy-edge-tls"));
        let issuer = &pool.certificate.as_ref().unwrap().issuer_ref;
        assert_eq!((issuer.kind.as_str(), issuer.group.as_str()), ("Issuer", "cert-manager.io"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_field() {
        for (pool, expected) in [
            (
                "{service: {type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8, 10.0.0.0]}}",
                "spec.proxies[0].service.loadBalancerSourceRanges[1]: \"10.0.0.0\" is no network",
            ),
            ("{tls: {}}", "spec.proxies[0].tls: neither secretName nor certificate"),
            ("{service: {type: NodePort, tlsNodePort: 30443}}", "the pool speaks no TLS"),
            ("{autoscaling: {minReplicas: 4, maxReplicas: 2}}", "4 is more than maxReplicas, 2"),
        ] {
            let problems: Vec<String> = validation(pool).problems.iter().map(Problem::to_string).collect();
            assert!(problems.iter().any(|p| p.contains(expected)), "{pool}: {problems:?}");
        }
    }

    #[test]
    fn scaling_by_what_is_not_requested_is_advised_against() {
        let autoscaling = "autoscaling: {minReplicas: 2, maxReplicas: 9}";
        assert_eq!(validation(&format!("{{{autoscaling}}}")).advice[0].reason, "NoCpuRequest");
        let pool = format!("{{{autoscaling}, pods: {{resources: {{requests: {{cpu: 500m}}}}}}}}");
        assert_eq!(validation(&pool).advice, []);
    }

    #[test]
    fn who_scales_a_pool_has_the_say() {
        let mut pool = validation("{replicas: 3}").cluster.unwrap().proxies.remove(0);
        let there = |replicas: u32, by: Option<&str>| ObservedProxies {
            replicas,
            scaled_by: by.map(String::from),
            ..ObservedProxies::default()
        };
        assert_eq!(pool.wanted_replicas(None), Some(3));
        assert_eq!(pool.wanted_replicas(Some(&there(5, None))), Some(3));
        assert_eq!(pool.wanted_replicas(Some(&there(5, Some("keda")))), None);
        pool.autoscaling =
            Some(AutoscalingSpec { min_replicas: 2, max_replicas: 4, target_cpu_utilization_percent: 80 });
        assert_eq!(pool.wanted_replicas(None), Some(3));
        assert_eq!(pool.wanted_replicas(Some(&there(9, None))), Some(4));
        assert_eq!(pool.wanted_replicas(Some(&there(0, None))), Some(2));
    }
}
