//! `kubectl swift recon`: what a node's `/recon/…` answers.

use super::target::Where;
use crate::cluster::build::NODE_LABEL;
use anyhow::bail;
use futures_util::{StreamExt, stream};
use kube::ResourceExt;
use serde_json::{Map, Value};
use swiftlet_plan::resources::ServerPorts;

/// Nodes asked at once.
const ASKED_AT_ONCE: usize = 16;
/// What `recon` is told.
#[derive(clap::Args)]
#[command(after_help = "WHAT is in Swift's words: async, auditor/object, diskusage, mem, quarantined, \
    replication/object, ringmd5, time, unmounted, updater/object, version, ….")]
pub struct Options {
    /// A node, and what it is asked; without a node all are asked.
    #[arg(value_name = "[NODE] WHAT", num_args = 1..=2, required = true)]
    words: Vec<String>,
}

/// Prints what nodes answer, as JSON.
pub async fn run(place: &Where, options: Options) -> anyhow::Result<()> {
    let (node, what) = match options.words.as_slice() {
        [what] => (None, what.trim_start_matches("/recon/")),
        [node, what, ..] => (Some(node), what.trim_start_matches("/recon/")),
        [] => bail!("say what shall be told, such as diskusage"),
    };
    if what.is_empty() || !what.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte)) {
        bail!(
            "recon tells nothing called {what:?}; it tells diskusage, async, replication/object and more (--help)"
        );
    }
    let target = place.target().await?;
    let mut nodes: Vec<(String, String)> = Vec::new();
    for pod in target.pods().await? {
        if let Some(node) = pod.labels().get(NODE_LABEL) {
            nodes.push((node.clone(), pod.name_any()));
        }
    }
    if let Some(name) = node {
        let zones = target.zones().await?;
        let wanted = super::change::node_name::find(&target.name(), &zones, name)?;
        nodes.retain(|(node, _)| *node == wanted.node);
        if nodes.is_empty() {
            bail!("node {} has no pod; kubectl swift status shows those that run", wanted.node);
        }
    }
    let port = ServerPorts::default().object;
    let connection = &target.connection;
    let asked = nodes.into_iter().map(|(node, pod)| async move {
        let answer = connection.ask_pod(&pod, port, &format!("recon/{what}")).await;
        (node, answer.and_then(|text| serde_json::from_str::<Value>(&text).map_err(|e| e.to_string())))
    });
    let answers: Vec<(String, Result<Value, String>)> =
        stream::iter(asked).buffered(ASKED_AT_ONCE).collect().await;
    let mut told = Map::new();
    let mut silent = Vec::new();
    for (node, answer) in answers {
        match answer {
            Ok(value) => drop(told.insert(node, value)),
            Err(error) => silent.push(format!("{node}: {error}")),
        }
    }
    say!("{}", serde_json::to_string_pretty(&told)?);
    if !silent.is_empty() {
        bail!("no answer from {}", silent.join("; "));
    }
    Ok(())
}
