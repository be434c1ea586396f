//! How clients reach a pool of proxies: the Service, an Ingress, a route of the Gateway API, a certificate of
//! cert-manager. The last two are others' kinds, which a Kubernetes may or may not have.

use super::{Owner, proxy, selector};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend,
    IngressSpec, IngressTLS, ServiceBackendPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use swiftlet_plan::resources::ServiceType;
use swiftlet_plan::validate::ProxyPool;

/// The kind of a Gateway's route.
pub fn http_route_kind() -> ApiResource {
    let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute");
    ApiResource::from_gvk_with_plural(&kind, "httproutes")
}

/// The kind of cert-manager's certificates.
pub fn certificate_kind() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate"),
        "certificates",
    )
}

/// The Service that clients use.
pub fn service(owner: &Owner, pool: &ProxyPool) -> Service {
    let asked = &pool.service;
    let node_ports = BTreeMap::from([(proxy::PORT, asked.node_port), (proxy::TLS_PORT, asked.tls_node_port)]);
    let port = |(name, port): (&str, u16)| ServicePort {
        name: Some(name.to_string()),
        port: i32::from(port),
        target_port: Some(IntOrString::String(name.to_string())),
        node_port: node_ports.get(&port).copied().flatten().map(i32::from),
        ..ServicePort::default()
    };
    let spec = ServiceSpec {
        selector: Some(selector(&proxy::labels(owner, &pool.name))),
        ports: Some(proxy::ports(pool).into_iter().map(port).collect()),
        type_: (asked.type_ != ServiceType::default()).then(|| format!("{:?}", asked.type_)),
        load_balancer_class: asked.load_balancer_class.clone(),
        load_balancer_source_ranges: super::pod::given(asked.load_balancer_source_ranges.clone()),
        external_traffic_policy: asked.external_traffic_policy.map(|policy| format!("{policy:?}")),
        ..ServiceSpec::default()
    };
    Service { metadata: metadata(owner, pool, &asked.annotations), spec: Some(spec), status: None }
}

/// The Ingress before it, where one is asked for.
pub fn ingress(owner: &Owner, pool: &ProxyPool) -> Option<Ingress> {
    let asked = pool.ingress.as_ref()?;
    let service = IngressServiceBackend {
        name: proxy::name(&owner.cluster, &pool.name),
        port: Some(ServiceBackendPort { number: Some(i32::from(proxy::PORT)), name: None }),
    };
    let path = HTTPIngressPath {
        path: Some("/".to_string()),
        path_type: "Prefix".to_string(),
        backend: IngressBackend { service: Some(service), resource: None },
    };
    let rule = IngressRule {
        host: Some(asked.host.clone()),
        http: Some(HTTPIngressRuleValue { paths: vec![path] }),
    };
    let tls = |secret: &String| IngressTLS {
        hosts: Some(vec![asked.host.clone()]),
        secret_name: Some(secret.clone()),
    };
    let spec = IngressSpec {
        ingress_class_name: asked.class_name.clone(),
        rules: Some(vec![rule]),
        tls: asked.tls_secret_name.as_ref().map(|secret| vec![tls(secret)]),
        default_backend: None,
    };
    Some(Ingress { metadata: metadata(owner, pool, &asked.annotations), spec: Some(spec), status: None })
}

/// The route to it, where one is asked for.
pub fn http_route(owner: &Owner, pool: &ProxyPool) -> Option<DynamicObject> {
    let asked = pool.http_route.as_ref()?;
    let backend = json!({"name": proxy::name(&owner.cluster, &pool.name), "port": proxy::PORT});
    let mut spec = json!({"parentRefs": asked.parent_refs, "rules": [{"backendRefs": [backend]}]});
    if !asked.hostnames.is_empty() {
        spec["hostnames"] = json!(asked.hostnames);
    }
    Some(foreign(owner, pool, &http_route_kind(), spec))
}

/// The certificate that the pool serves, where one is asked for.
pub fn certificate(owner: &Owner, pool: &ProxyPool) -> Option<DynamicObject> {
    let asked = pool.certificate.as_ref()?;
    let service = proxy::name(&owner.cluster, &pool.name);
    let namespace = &owner.namespace;
    let mut names = vec![
        service.clone(),
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
    ];
    let others = asked.dns_names.iter().chain(pool.ingress.iter().map(|ingress| &ingress.host));
    names.extend(others.chain(pool.http_route.iter().flat_map(|route| &route.hostnames)).cloned());
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    let spec = json!({
        "secretName": pool.tls_secret_name,
        "dnsNames": names,
        "issuerRef": asked.issuer_ref,
        "privateKey": {"rotationPolicy": "Always"},
    });
    Some(foreign(owner, pool, &certificate_kind(), spec))
}

fn foreign(owner: &Owner, pool: &ProxyPool, kind: &ApiResource, spec: Value) -> DynamicObject {
    let mut object = DynamicObject::new("", kind).data(json!({ "spec": spec }));
    object.metadata = metadata(owner, pool, &BTreeMap::new());
    object
}

fn metadata(owner: &Owner, pool: &ProxyPool, annotations: &BTreeMap<String, String>) -> ObjectMeta {
    let name = proxy::name(&owner.cluster, &pool.name);
    ObjectMeta {
        annotations: Some(annotations.clone()).filter(|annotations| !annotations.is_empty()),
        ..owner.owned(&name, proxy::labels(owner, &pool.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::build::tests::{owner, pool};

    #[test]
    fn a_service_is_what_it_is_asked_to_be() {
        let plain = service(&owner(), &pool("{}"));
        assert_eq!((plain.spec.as_ref().unwrap().type_.as_deref(), plain.metadata.annotations), (None, None));
        let asked = "{tls: {secretName: t}, service: {type: LoadBalancer, annotations: {a.example.com/internal: 'true'},
            loadBalancerClass: internal, loadBalancerSourceRanges: [10.0.0.0/8], externalTrafficPolicy: Local, tlsNodePort: 30443}}";
        let service = service(&owner(), &pool(asked));
        assert_eq!(service.metadata.annotations.unwrap()["a.example.com/internal"], "true");
        let spec = service.spec.unwrap();
        assert_eq!(spec.type_.as_deref(), Some("LoadBalancer"));
        assert_eq!(spec.load_balancer_class.as_deref(), Some("internal"));
        assert_eq!(spec.load_balancer_source_ranges.unwrap(), ["10.0.0.0/8"]);
        assert_eq!(spec.external_traffic_policy.as_deref(), Some("Local"));
        let ports: Vec<_> = spec.ports.unwrap().into_iter().map(|port| (port.port, port.node_port)).collect();
        assert_eq!(ports, [(8080, None), (8443, Some(30443))]);
    }

    #[test]
    fn an_ingress_leads_to_the_pools_plain_port() {
        assert_eq!(ingress(&owner(), &pool("{}")), None);
        let asked = "{name: edge, ingress: {className: nginx, host: s3.example.com, tlsSecretName: s3, annotations: {a/b: c}}}";
        let ingress = ingress(&owner(), &pool(asked)).unwrap();
        assert_eq!(ingress.metadata.name.as_deref(), Some("demo-proxy-edge"));
        assert_eq!(ingress.metadata.annotations.unwrap()["a/b"], "c");
        let spec = serde_json::to_value(ingress.spec.unwrap()).unwrap();
        assert_eq!(spec["ingressClassName"], "nginx");
        assert_eq!(spec["tls"], json!([{"hosts": ["s3.example.com"], "secretName": "s3"}]));
        let path = &spec["rules"][0]["http"]["paths"][0];
        assert_eq!((&path["path"], &path["pathType"]), (&json!("/"), &json!("Prefix")));
        assert_eq!(path["backend"]["service"], json!({"name": "demo-proxy-edge", "port": {"number": 8080}}));
    }

    #[test]
    fn a_route_names_its_gateway_and_the_service() {
        assert!(http_route(&owner(), &pool("{}")).is_none());
        let asked = "{httpRoute: {parentRefs: [{name: public, namespace: infra, sectionName: https}], hostnames: [o.example.com]}}";
        let route = serde_json::to_value(http_route(&owner(), &pool(asked)).unwrap()).unwrap();
        assert_eq!(
            (&route["apiVersion"], &route["kind"]),
            (&json!("gateway.networking.k8s.io/v1"), &json!("HTTPRoute"))
        );
        assert_eq!(route["metadata"]["ownerReferences"][0]["uid"], "u-1");
        let spec = json!({
            "parentRefs": [{"name": "public", "namespace": "infra", "sectionName": "https"}],
            "hostnames": ["o.example.com"],
            "rules": [{"backendRefs": [{"name": "demo-proxy", "port": 8080}]}],
        });
        assert_eq!(route["spec"], spec);
    }

    #[test]
    fn a_certificate_is_for_every_name_the_pool_is_reached_by_once() {
        let asked = "{tls: {certificate: {issuerRef: {name: ca, kind: ClusterIssuer}, dnsNames: [o.example.com, demo-proxy]}},
            ingress: {host: i.example.com}, httpRoute: {parentRefs: [{name: g}], hostnames: [o.example.com]}}";
        let certificate = serde_json::to_value(certificate(&owner(), &pool(asked)).unwrap()).unwrap();
        let spec = &certificate["spec"];
        assert_eq!(spec["secretName"], "demo-proxy-tls");
        let issuer = json!({"name": "ca", "kind": "ClusterIssuer", "group": "cert-manager.io"});
        assert_eq!(spec["issuerRef"], issuer);
        let names = json!([
            "demo-proxy",
            "demo-proxy.default",
            "demo-proxy.default.svc",
            "demo-proxy.default.svc.cluster.local",
            "o.example.com",
            "i.example.com"
        ]);
        assert_eq!(spec["dnsNames"], names);
    }
}
