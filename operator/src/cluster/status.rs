//! Telling: both resources' status where it changed, and events for what was done and for what newly waits.

use super::build::{MANAGER, Owner};
use super::{Context, PassError};
use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Debug;
use swiftlet_plan::plan::{Plan, Step};
use swiftlet_plan::report::Report;
use swiftlet_plan::resources::{API_VERSION, SwiftCluster, Zone};
use swiftlet_plan::validate::{Desired, Problem};

/// An event's note holds 1024 bytes.
const NOTE_CHARS_MAX: usize = 1000;
/// An event's action holds 128 bytes.
const ACTION_CHARS_MAX: usize = 120;

/// What was said last about a cluster: reasons and subjects, not the figures in the messages.
pub type Said = BTreeSet<(&'static str, String)>;

/// Writes each status that is not what it was.
pub async fn write(
    context: &Context,
    owner: &Owner,
    desired: &Desired,
    report: &Report,
) -> Result<(), PassError> {
    if desired.cluster.status.as_ref() != Some(&report.cluster) {
        patch::<SwiftCluster>(context, owner, &owner.cluster, &report.cluster).await?;
    }
    for zone in &desired.zones {
        match report.zones.get(zone.name()) {
            Some(status) if zone.status.as_ref() != Some(status) => {
                patch::<Zone>(context, owner, zone.name(), status).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

async fn patch<K>(
    context: &Context,
    owner: &Owner,
    name: &str,
    status: &impl Serialize,
) -> Result<(), PassError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(context.client.clone(), &owner.namespace);
    let body = json!({"apiVersion": API_VERSION, "kind": K::kind(&()), "metadata": {"name": name}, "status": status});
    match api.patch_status(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&body)).await {
        Ok(_) => context.metrics.wrote(&K::kind(&())),
        // It was deleted during the pass.
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(PassError::read("a status, to be written")(error)),
    }
    Ok(())
}

/// Says what was done, and once each what waits or is wrong. An event that cannot be written is no reason to stop.
pub async fn tell(
    context: &Context,
    cluster: &SwiftCluster,
    done: &[Step],
    plan: &Plan,
    problems: &[Problem],
) {
    let waits =
        plan.held.iter().map(|held| (held.reason.as_str(), held.subject.clone(), held.message.clone()));
    let wrong = problems.iter().map(|p| (p.reason, format!("{} {}", p.subject, p.path), p.to_string()));
    let now: Vec<(&'static str, String, String)> = waits.chain(wrong).collect();
    let saying: Said = now.iter().map(|(reason, subject, _)| (*reason, subject.clone())).collect();
    let uid = cluster.metadata.uid.clone().unwrap_or_default();
    let said = context.said.lock().insert(uid, saying).unwrap_or_default();

    let reporter = Reporter { controller: MANAGER.to_string(), instance: Some(context.identity.clone()) };
    let recorder = Recorder::new(context.client.clone(), reporter);
    let news = now.iter().filter(|(reason, subject, _)| !said.contains(&(*reason, subject.clone())));
    let news = news.map(|(reason, _, message)| (EventType::Warning, *reason, message.clone()));
    let steps = done.iter().map(|step| (EventType::Normal, step.name(), step.to_string()));
    for (type_, reason, message) in steps.chain(news) {
        let event = Event {
            type_,
            reason: reason.to_string(),
            note: Some(message.chars().take(NOTE_CHARS_MAX).collect()),
            // Events that differ in their note alone would be counted as one.
            action: message.chars().filter(char::is_ascii).take(ACTION_CHARS_MAX).collect(),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, &cluster.object_ref(&())).await {
            tracing::warn!(%error, reason, "event not written");
        }
    }
}
