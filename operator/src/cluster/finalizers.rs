//! The finalizer by which a Zone that is deleted alone is drained before it goes. With its SwiftCluster it goes at once:
//! pods stop, volumes stay.

use super::build::DRAIN_FINALIZER;
use super::{Context, PassError};
use futures_util::StreamExt;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::{Action, Config};
use kube::runtime::{Controller, watcher};
use kube::{Api, ResourceExt};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_plan::resources::{SwiftCluster, Zone};

/// How soon a Zone that is being deleted is looked at again: its SwiftCluster may go after it.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Gives every Zone that lives the finalizer.
pub async fn hold(zones: &Api<Zone>, all: &[Zone]) -> Result<(), PassError> {
    let lives = |zone: &&Zone| zone.metadata.deletion_timestamp.is_none() && !is_held(zone);
    for zone in all.iter().filter(lives) {
        let finalizers = zone.finalizers().iter().map(String::as_str).chain([DRAIN_FINALIZER]);
        write(zones, zone, finalizers.collect()).await?;
    }
    Ok(())
}

/// Lets a Zone go.
pub async fn release(zones: &Api<Zone>, name: &str) -> Result<(), PassError> {
    match zones.get_opt(name).await.map_err(PassError::read("a Zone"))? {
        Some(zone) if is_held(&zone) => {
            let others =
                zone.finalizers().iter().map(String::as_str).filter(|other| *other != DRAIN_FINALIZER);
            write(zones, &zone, others.collect()).await
        }
        _ => Ok(()),
    }
}

fn is_held(zone: &Zone) -> bool {
    zone.finalizers().iter().any(|finalizer| finalizer == DRAIN_FINALIZER)
}

async fn write(zones: &Api<Zone>, zone: &Zone, finalizers: Vec<&str>) -> Result<(), PassError> {
    // With its resourceVersion: somebody else's finalizer must not get lost.
    let metadata = json!({"finalizers": finalizers, "resourceVersion": zone.resource_version()});
    let patch = Patch::Merge(json!({"metadata": metadata}));
    match zones.patch(&zone.name_any(), &PatchParams::default(), &patch).await {
        Ok(_) => Ok(()),
        // It went, or somebody else wrote it: the next pass looks again.
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(PassError::read("a Zone's finalizers, to be written")(error)),
    }
}

/// Lets Zones go whose SwiftCluster is gone, or goes: no pass over a cluster comes by there any more.
pub async fn release_orphans(context: Arc<Context>, zones: Api<Zone>) {
    Controller::new(zones, watcher::Config::default())
        .with_config(Config::default().concurrency(2))
        .run(look_at, |_, _, _| Action::requeue(LOOK_AGAIN), context)
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn look_at(zone: Arc<Zone>, context: Arc<Context>) -> Result<Action, PassError> {
    if zone.metadata.deletion_timestamp.is_none() || !is_held(&zone) {
        return Ok(Action::await_change());
    }
    let namespace = zone.namespace().unwrap_or_default();
    let clusters: Api<SwiftCluster> = Api::namespaced(context.client.clone(), &namespace);
    let cluster = clusters.get_metadata_opt(&zone.spec.cluster).await;
    let cluster = cluster.map_err(PassError::read("a Zone's SwiftCluster"))?;
    if cluster.is_none_or(|cluster| cluster.metadata.deletion_timestamp.is_some()) {
        let zones: Api<Zone> = Api::namespaced(context.client.clone(), &namespace);
        tracing::info!(zone = zone.name_any(), namespace, "released: its SwiftCluster is gone");
        release(&zones, &zone.name_any()).await?;
        return Ok(Action::await_change());
    }
    Ok(Action::requeue(LOOK_AGAIN))
}
