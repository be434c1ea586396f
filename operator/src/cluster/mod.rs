//! The one loop: observe -> validate -> plan -> build -> apply -> status. One pass plans for a SwiftCluster and all its
//! Zones; whatever happens to any of them, or to what was made for them, only asks for another pass.

pub(crate) mod apply;
mod around;
pub(crate) mod build;
mod finalizers;
mod leave;
mod mend;
mod monitoring;
pub(crate) mod observe;
mod pod_status;
pub(crate) mod pods;
mod renderings;
pub(crate) mod rings;
mod status;
mod steps;
mod usage;

use crate::metrics::{ClusterFigures, Metrics};
use apply::{Applier, ApplyError};
use futures_util::StreamExt;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::jiff::Timestamp;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, controller, watcher};
use kube::{Api, Client, ResourceExt};
use parking_lot::Mutex;
use pods::Reach;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use swiftlet_plan::check::check;
use swiftlet_plan::plan::{Plan, plan};
use swiftlet_plan::report::{Findings, Release, report};
use swiftlet_plan::resources::{SwiftCluster, Zone};
use swiftlet_plan::validate::{Problem, Subject, validate};

/// Changes within this are one pass.
const DEBOUNCE: Duration = Duration::from_millis(500);
/// How soon to look again while something is under way.
const BUSY: Duration = Duration::from_secs(2);
/// How soon to look again when all is as asked: pods are asked for their rings this often.
const SETTLED: Duration = Duration::from_secs(30);
/// How soon to try again after an error.
const AFTER_ERROR: Duration = Duration::from_secs(5);

/// What all passes share.
pub struct Context {
    client: Client,
    reach: Reach,
    node_image: String,
    identity: String,
    /// The namespace that the operator runs in.
    namespace: String,
    metrics: Arc<Metrics>,
    /// Rings and builders by SwiftCluster uid, as read or published last.
    published: Mutex<HashMap<String, rings::Stored>>,
    /// What was said last by SwiftCluster uid, so that it is said once.
    said: Mutex<HashMap<String, status::Said>>,
    /// Renderings by SwiftCluster uid, as read last.
    renderings: Mutex<HashMap<String, renderings::Memory>>,
    /// Objects of rings that were found right, by SwiftCluster uid.
    verified: Mutex<HashMap<String, rings::Verified>>,
    /// How full devices are, by SwiftCluster uid.
    usage: Mutex<HashMap<String, usage::Seen>>,
    /// Of which clusters nothing is there for Prometheus.
    unmonitored: Mutex<monitoring::Unmonitored>,
    applied: apply::Memory,
}

/// Why a pass ended early. The next one starts over.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The API could not be read.
    #[error("{what}: {source}")]
    Read {
        /// What was read.
        what: &'static str,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// An object could not be written.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Rings or builders could not be read or published.
    #[error(transparent)]
    Rings(#[from] rings::RingsError),
}

impl PassError {
    fn read(what: &'static str) -> impl FnOnce(kube::Error) -> PassError {
        move |source| PassError::Read { what, source: Box::new(source) }
    }
}

impl Context {
    /// Nothing known yet. Clusters that name no image get `node_image` of their version.
    pub fn new(client: Client, node_image: String, identity: String, metrics: Arc<Metrics>) -> Context {
        Context {
            client,
            reach: Reach::Address,
            node_image,
            identity,
            namespace: String::new(),
            metrics,
            published: Mutex::default(),
            said: Mutex::default(),
            renderings: Mutex::default(),
            usage: Mutex::default(),
            verified: Mutex::default(),
            unmonitored: Mutex::default(),
            applied: apply::Memory::default(),
        }
    }

    /// The same of an operator that runs in `namespace`.
    pub fn in_namespace(self, namespace: String) -> Context {
        Context { namespace, ..self }
    }

    /// The same from outside the cluster, where pods have no address: for one look, or one write, of `identity`.
    pub fn from_outside(client: Client, identity: &str) -> Context {
        let metrics = Arc::new(Metrics::new());
        let context = Context::new(client, String::new(), identity.to_string(), metrics);
        Context { reach: Reach::ApiServer, ..context }
    }
}

/// Runs the clusters of these namespaces (of all, where none is named) for as long as the API can be watched.
pub async fn run(context: Arc<Context>, namespaces: &[String]) {
    let scopes: Vec<Option<&str>> = match namespaces {
        [] => vec![None],
        some => some.iter().map(|namespace| Some(namespace.as_str())).collect(),
    };
    futures_util::future::join_all(scopes.into_iter().map(|scope| run_in(context.clone(), scope))).await;
}

async fn run_in(context: Arc<Context>, namespace: Option<&str>) {
    fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        match namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        }
    }
    let client = &context.client;
    let ours =
        || watcher::Config::default().labels(&format!("app.kubernetes.io/managed-by={}", build::MANAGER));
    let orphans = finalizers::release_orphans(context.clone(), api::<Zone>(client, namespace));
    let clusters = Controller::new(api::<SwiftCluster>(client, namespace), watcher::Config::default())
        .with_config(Config::default().debounce(DEBOUNCE).concurrency(4))
        .watches(api::<Zone>(client, namespace), watcher::Config::default(), |zone: Zone| {
            Some(ObjectRef::new(&zone.spec.cluster).within(&zone.namespace()?))
        })
        .watches(api::<StatefulSet>(client, namespace), ours(), |set| cluster_of(&set))
        .watches(api::<Deployment>(client, namespace), ours(), |deployment| cluster_of(&deployment))
        .watches(api::<PersistentVolumeClaim>(client, namespace), ours(), |claim| cluster_of(&claim))
        .watches(api::<Pod>(client, namespace), ours(), |pod| cluster_of(&pod))
        .watches(api::<PodDisruptionBudget>(client, namespace), ours(), |budget| cluster_of(&budget))
        .watches(api::<Service>(client, namespace), ours(), |service| cluster_of(&service))
        .watches(api::<PartialObjectMeta<ConfigMap>>(client, namespace), ours(), |meta| cluster_of(&meta))
        .watches(api::<PartialObjectMeta<Secret>>(client, namespace), ours(), |meta| cluster_of(&meta))
        .run(pass, after_error, context.clone())
        .for_each(|outcome| {
            if let Err(controller::Error::ObjectNotFound(gone)) = outcome {
                context.metrics.forget(gone.namespace.as_deref().unwrap_or_default(), &gone.name);
            }
            std::future::ready(())
        });
    tokio::join!(clusters, orphans);
}

/// The SwiftCluster that one of our objects belongs to.
fn cluster_of<K: ResourceExt>(object: &K) -> Option<ObjectRef<SwiftCluster>> {
    let cluster = object.labels().get("app.kubernetes.io/instance")?;
    Some(ObjectRef::new(cluster).within(&object.namespace()?))
}

fn after_error(cluster: Arc<SwiftCluster>, error: &PassError, _: Arc<Context>) -> Action {
    tracing::warn!(cluster = cluster.name_any(), namespace = cluster.namespace(), %error, "pass ended early");
    Action::requeue(AFTER_ERROR)
}

async fn pass(cluster: Arc<SwiftCluster>, context: Arc<Context>) -> Result<Action, PassError> {
    let started = Instant::now();
    let result = pass_over(&cluster, &context).await;
    context.metrics.pass(result.is_ok(), started.elapsed());
    result
}

async fn pass_over(cluster: &SwiftCluster, context: &Context) -> Result<Action, PassError> {
    // What is being deleted goes by its owner references; claims, rings and hash path have none and stay.
    if cluster.metadata.deletion_timestamp.is_some() {
        context.metrics.forget(&cluster.namespace().unwrap_or_default(), &cluster.name_any());
        return Ok(Action::await_change());
    }
    let owner = build::Owner::of(cluster);
    let (mut observed, live) = observe::observe(context, &owner, cluster).await?;
    let applier = Applier::new(context, &owner, &live);
    if observed.desired.hash_path.is_none() && !observed.world.has_data {
        observed.desired.hash_path = steps::create_hash_path(&owner, &applier, cluster).await?;
    }
    let now_s = Timestamp::now().as_second();
    let mut validation = validate(&observed.desired);
    let release = release(cluster, &context.node_image);
    let plan = match &validation.cluster {
        Some(valid) => {
            vetted(plan(valid, &observed.world, now_s), valid, &observed, &mut validation.problems)
        }
        None => Plan::default(),
    };
    // From here on nodes have the devices that they keep until those are empty.
    validation.cluster = validation.cluster.map(|valid| plan.completed(&valid));
    let zones: Api<Zone> = Api::namespaced(context.client.clone(), &owner.namespace);
    finalizers::hold(&zones, &observed.zones).await?;
    if let Some(valid) = &validation.cluster {
        validation.advice.extend(around::advice(valid, &observed.world, &observed.kinds));
    }
    let mut done = Vec::new();
    if let Some(valid) = &validation.cluster {
        let executor =
            steps::Executor { context, owner: &owner, applier: &applier, cluster: valid, release: &release };
        let carried_out = executor.carry_out(&plan, &mut observed, &mut done).await;
        for step in &done {
            context.metrics.took(&owner.namespace, &owner.cluster, step.name());
        }
        match carried_out {
            Ok(()) => validation.problems.extend(executor.surround(&observed).await?),
            Err(PassError::Apply(error)) => {
                validation.problems.push(around::refused(&owner.cluster, "", error)?);
            }
            Err(error) => return Err(error),
        }
    }
    validation.advice.extend(monitoring::follow(context, &owner, &cluster.spec.monitoring).await?);
    let findings = Findings {
        desired: &observed.desired,
        validation: &validation,
        world: &observed.world,
        plan: &plan,
        usage: &observed.usage,
        release: &release,
        now_s,
    };
    let report = report(findings);
    context.metrics.saw(&owner.namespace, &owner.cluster, ClusterFigures::of(findings, &report));
    status::write(context, &owner, &observed.desired, &report).await?;
    status::tell(context, cluster, &done, &plan, &validation.problems).await;
    // What waits for a person is not looked at more often than what waits for nothing.
    let under_way = !plan.steps.is_empty() || plan.held.iter().any(|held| !held.reason.needs_a_person());
    let busy = under_way || !observed.world.behind_on_rings().is_empty();
    Ok(Action::requeue(if busy { BUSY } else { SETTLED }))
}

/// The plan, unless it breaks a rule that no plan may break; then there is none, and the rule is a problem.
fn vetted(
    plan: Plan,
    cluster: &swiftlet_plan::validate::ValidatedCluster,
    observed: &observe::Observed,
    problems: &mut Vec<Problem>,
) -> Plan {
    let violations = check(cluster, &observed.world, &plan);
    if violations.is_empty() {
        return plan;
    }
    let subject = Subject::Cluster(cluster.name.clone());
    problems.extend(violations.into_iter().map(|violation| {
        let message = format!("the plan breaks {:?}: {}; nothing is done", violation.rule, violation.message);
        Problem { subject: subject.clone(), path: String::new(), reason: "PlanRefused", message }
    }));
    Plan { steps: Vec::new(), ..plan }
}

/// The version and image of a cluster's pods: what is asked for, else what was resolved when it was made.
fn release(cluster: &SwiftCluster, node_image: &str) -> Release {
    let resolved =
        cluster.status.as_ref().map(|status| status.version.clone()).filter(|version| !version.is_empty());
    let version =
        cluster.spec.version.clone().or(resolved).unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_string());
    let image = cluster.spec.image.clone().unwrap_or_else(|| format!("{node_image}:{version}"));
    Release { version, image }
}
