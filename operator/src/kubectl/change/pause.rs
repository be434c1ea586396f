//! `kubectl swift pause` and `resume`.

use super::writer;
use crate::kubectl::target::Where;
use anyhow::Context as _;
use kube::api::Patch;
use serde_json::json;
use swiftlet_plan::resources::SwiftCluster;

/// What `pause` and `resume` are told.
#[derive(clap::Args)]
pub struct Options {
    /// Say what would happen and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Sets `spec.upgrade.paused`.
pub async fn run(place: &Where, options: Options, paused: bool) -> anyhow::Result<()> {
    let target = place.target().await?;
    let name = target.name();
    let words = if paused {
        "no pod restarts for a change of image or configuration until kubectl swift resume; rings and drains go on"
    } else {
        "restarts for a change of image or configuration go on, one Zone at a time"
    };
    say!("swiftcluster/{name}: {words}");
    if target.cluster.spec.upgrade.paused == paused {
        say!("It is so already. {}", super::NOTHING_CHANGED);
    } else if options.dry_run {
        say!("{}", super::NOTHING_CHANGED);
    } else {
        let patch = json!({"spec": {"upgrade": {"paused": paused}}});
        let patched = target.api::<SwiftCluster>().patch(&name, &writer(), &Patch::Merge(&patch)).await;
        patched.with_context(|| format!("change SwiftCluster {name}"))?;
    }
    Ok(())
}
