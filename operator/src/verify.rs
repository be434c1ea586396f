//! `swiftlet-operator verify`, what `helm test` runs: whether the operator that is installed can do its work. It asks the
//! operator, and the API server as whom the operator is; it changes nothing.

use crate::http_get;
use anyhow::{Context, bail, ensure};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::Value;
use std::time::Duration;
use swiftlet_plan::resources::{API_VERSION, crds};

/// How long the operator may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Whoever leads renews its Lease within this, also where it has to wait for one before it that went without a word.
const RENEWED_WITHIN: Duration = Duration::from_secs(30);
/// How often the Lease is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What it reads in each namespace: API group and resources.
const READ: [(&str, &[&str]); 7] = [
    ("swiftlet.io", &["swiftclusters", "zones"]),
    ("", WRITTEN[0].1),
    ("", &["pods"]),
    ("apps", WRITTEN[1].1),
    ("policy", WRITTEN[2].1),
    ("networking.k8s.io", WRITTEN[3].1),
    ("autoscaling", WRITTEN[4].1),
];
/// What it writes there.
const WRITTEN: [(&str, &[&str]); 5] = [
    ("", &["configmaps", "secrets", "services", "persistentvolumeclaims"]),
    ("apps", &["statefulsets", "deployments"]),
    ("policy", &["poddisruptionbudgets"]),
    ("networking.k8s.io", &["networkpolicies", "ingresses"]),
    ("autoscaling", &["horizontalpodautoscalers"]),
];

/// What `swiftlet-operator verify` is told.
#[derive(clap::Args)]
pub struct Options {
    /// Where the operator is asked whether it is ready, such as http://swiftlet-operator:8081/readyz
    #[arg(long, value_name = "URL")]
    ready_url: String,
    /// The operator's Lease.
    #[arg(long, value_name = "NAME", default_value = "swiftlet-operator")]
    lease_name: String,
    /// The namespace of the Lease.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// A namespace whose clusters it runs; may be given more than once. None: every namespace.
    #[arg(long, value_name = "NAMESPACE")]
    watch_namespace: Vec<String>,
}

/// Checks one thing after the other, and says each that is well.
///
/// # Errors
/// What is not well, and where to look.
pub async fn run(options: Options) -> anyhow::Result<()> {
    http_get::get(&options.ready_url, ANSWER_TIMEOUT).await.context("the operator is not ready")?;
    println!("the operator is ready");
    let client = Client::try_default().await.context("find the Kubernetes API")?;
    verify_definitions(&client).await?;
    println!("the definitions of {API_VERSION} have every field that this operator knows");
    let namespaces = options.watch_namespace.iter().map(Some);
    let scopes: Vec<Option<&String>> =
        if options.watch_namespace.is_empty() { vec![None] } else { namespaces.collect() };
    for scope in scopes {
        verify_rights(&client, scope).await?;
        println!("it may do its work in {}", scope.map_or("every namespace", String::as_str));
    }
    let holder = verify_leader(&client, &options).await?;
    println!("{holder} leads");
    Ok(())
}

/// The definitions that the API server has may be older than this program: it would drop fields without a word.
async fn verify_definitions(client: &Client) -> anyhow::Result<()> {
    let request = http_request(&format!("/openapi/v3/apis/{API_VERSION}"))?;
    let served: Value = client.request(request).await.with_context(|| {
        format!("there are no definitions of {API_VERSION}; install those of the chart's files/crds")
    })?;
    for crd in crds() {
        let kind = &crd.spec.names.kind;
        let name = format!("io.swiftlet.v1alpha1.{kind}");
        let schema = crd.spec.versions.first().and_then(|version| version.schema.as_ref());
        let known = serde_json::to_value(schema.and_then(|schema| schema.open_api_v3_schema.as_ref()))?;
        let missing = missing_field(&known, &served["components"]["schemas"][&name], kind);
        if let Some(field) = missing {
            bail!("the definition of {kind} has no {field}: it is older than this operator; upgrade it");
        }
    }
    Ok(())
}

/// The first field of `known` that `served` does not have.
fn missing_field(known: &Value, served: &Value, path: &str) -> Option<String> {
    for (name, field) in known["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let Some(found) = served["properties"].get(name) else { return Some(path) };
        if let Some(missing) = missing_field(field, found, &path) {
            return Some(missing);
        }
    }
    let inner = ["items", "additionalProperties"].into_iter().filter(|inner| known[inner].is_object());
    inner.into_iter().find_map(|inner| missing_field(&known[inner], &served[inner], &format!("{path}[]")))
}

async fn verify_rights(client: &Client, namespace: Option<&String>) -> anyhow::Result<()> {
    let reads = READ.iter().map(|what| (what, &["get", "list"][..]));
    let writes = WRITTEN.iter().map(|what| (what, &["create", "patch", "delete"][..]));
    for ((group, resources), verbs) in reads.chain(writes) {
        for (resource, verb) in resources.iter().flat_map(|r| verbs.iter().map(move |verb| (r, verb))) {
            let allowed = may(client, namespace, (group, resource, verb)).await?;
            let place = namespace.map_or("every namespace", String::as_str);
            ensure!(allowed, "it may not {verb} {resource} ({group}) in {place}; look at its Roles");
        }
    }
    Ok(())
}

async fn may(
    client: &Client,
    namespace: Option<&String>,
    (group, resource, verb): (&str, &str, &str),
) -> anyhow::Result<bool> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(group.to_string()),
                resource: Some(resource.to_string()),
                verb: Some(verb.to_string()),
                namespace: namespace.cloned(),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await.context("ask what it may do")?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// Who leads, and renews its Lease while it is looked at: no clocks are compared.
async fn verify_leader(client: &Client, options: &Options) -> anyhow::Result<String> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), &options.namespace);
    let name = &options.lease_name;
    let mut before = None;
    for _ in 0..=RENEWED_WITHIN.as_secs() / LOOK_EVERY.as_secs() {
        let lease = leases.get_opt(name).await.with_context(|| format!("read Lease {name}"))?;
        let now = lease.and_then(|lease| lease.spec).unwrap_or_default();
        match (now.holder_identity, now.renew_time) {
            (Some(holder), Some(renewed)) if before.as_ref().is_some_and(|before| *before != renewed) => {
                return Ok(holder);
            }
            (Some(_), Some(renewed)) => before = Some(renewed),
            _ => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bail!("nobody has renewed Lease {name} for {} s: no operator leads", RENEWED_WITHIN.as_secs())
}

fn http_request(path: &str) -> anyhow::Result<axum::http::Request<Vec<u8>>> {
    axum::http::Request::get(path).body(Vec::new()).with_context(|| format!("ask {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_older_definition_is_told_by_the_field_it_does_not_have() {
        let known = json!({"properties": {"spec": {"properties": {
            "proxies": {"items": {"properties": {"name": {}, "pods": {"properties": {"labels": {}}}}}},
            "config": {"additionalProperties": {"properties": {"a": {}}}},
        }}}});
        assert_eq!(missing_field(&known, &known, "SwiftCluster"), None);
        let mut older = known.clone();
        older["properties"]["spec"]["properties"]["proxies"]["items"]["properties"]["pods"] = json!({});
        let missing = missing_field(&known, &older, "SwiftCluster");
        assert_eq!(missing.as_deref(), Some("SwiftCluster.spec.proxies[].pods.labels"));
        assert!(missing_field(&known, &Value::Null, "SwiftCluster").is_some());
    }

    /// What is asked about is what the chart gives.
    #[test]
    fn the_chart_gives_every_right_that_is_verified() {
        let helpers = include_str!("../../charts/swiftlet-operator/templates/_helpers.tpl");
        let rules = helpers.split_once("{{- define \"swiftlet.rules\" -}}").unwrap().1;
        let rules: Value = serde_norway::from_str(rules.split_once("{{- end }}").unwrap().0).unwrap();
        let gives = |group: &str, resource: &str, verb: &str| {
            let has =
                |rule: &Value, key: &str, word: &str| rule[key].as_array().unwrap().iter().any(|w| w == word);
            let rules = rules.as_array().unwrap().iter();
            rules
                .into_iter()
                .any(|r| has(r, "apiGroups", group) && has(r, "resources", resource) && has(r, "verbs", verb))
        };
        for (table, verbs) in
            [(&READ[..], &["get", "list"][..]), (&WRITTEN[..], &["create", "patch", "delete"][..])]
        {
            for (group, resource) in table.iter().flat_map(|(group, all)| all.iter().map(move |r| (group, r)))
            {
                assert!(verbs.iter().all(|verb| gives(group, resource, verb)), "{group} {resource}");
            }
        }
    }
}
