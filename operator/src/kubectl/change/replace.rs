//! `kubectl swift replace`: new volumes in the place of dead ones.

use super::node_name::{self, NodeName};
use super::{change_zone, overrides};
use crate::kubectl::target::Where;
use serde_json::Value;

/// What `replace` is told.
#[derive(clap::Args)]
pub struct Options {
    /// `<zone>/<n>`, or the node's name, `<cluster>-<zone>-<n>`.
    node: String,
    /// One device alone; without it all volumes of the node are replaced.
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Its volume is dead: the rings do without it at once, whatever else is waited for.
    #[arg(long)]
    failed: bool,
    /// Say what would happen and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Raises a replacement's count.
pub async fn run(place: &Where, options: Options) -> anyhow::Result<()> {
    let target = place.target().await?;
    let node = node_name::find(&target.name(), &target.zones().await?, &options.node)?;
    let device = options.device.as_deref();
    change_zone(&target, &node.zone, options.dry_run, |spec| edit(spec, &node, device, options.failed)).await
}

fn edit(spec: &mut Value, node: &NodeName, device: Option<&str>, failed: bool) -> Result<String, String> {
    let (ordinal, name) = (u64::from(node.ordinal), &node.node);
    let live = overrides::live(spec);
    if !live.contains(&ordinal) {
        let runs: Vec<String> = live.iter().map(ToString::to_string).collect();
        return Err(format!("Zone {} has no node {ordinal}; its nodes are {}", node.zone, runs.join(", ")));
    }
    let all = overrides::device_names(spec);
    let devices = match device {
        None => all,
        Some(device) if all.iter().any(|name| name == device) => vec![device.to_string()],
        Some(device) => {
            return Err(format!("node {name} has no device {device:?}; its devices are {}", all.join(", ")));
        }
    };
    let what = match device {
        None => format!("all volumes of node {name}"),
        Some(device) => format!("volume {device}-{name}"),
    };
    let count = match (device, failed) {
        (None, false) => overrides::replace_node(spec, ordinal),
        // That a disk is dead is said of it alone, and so must be that it is replaced.
        _ => {
            let counts =
                devices.iter().map(|device| overrides::replace_device(spec, ordinal, device, failed));
            counts.max().unwrap_or(0)
        }
    };
    let claims: Vec<String> = devices.iter().map(|device| format!("{device}-{name}")).collect();
    let mut lines = vec![format!("{what} replaced by new (replacement {count}):")];
    if failed {
        lines.push(format!("- {} is marked Failed: what it held is given up", devices.join(", ")));
    }
    lines.push(format!(
        "- claim {} is deleted and made again: what the volume holds is lost",
        claims.join(", ")
    ));
    lines.push("- the pod restarts with it; no other Zone's pod is taken down meanwhile".to_string());
    lines.push("- replication fills it from the other replicas, in the same place of the rings".to_string());
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec() -> Value {
        json!({"nodes": 2, "devices": [{"name": "d1"}, {"name": "d2"}], "nodeOverrides": [{"ordinal": 0, "drain": true}]})
    }

    fn node(ordinal: u32) -> NodeName {
        NodeName { zone: "rack1".into(), ordinal, node: format!("demo-rack1-{ordinal}") }
    }

    #[test]
    fn a_device_or_a_whole_node_is_replaced() {
        let mut changed = spec();
        let words = edit(&mut changed, &node(1), Some("d2"), false).unwrap();
        assert!(words.contains("volume d2-demo-rack1-1 replaced by new (replacement 1)"), "{words}");
        assert_eq!(
            changed["nodeOverrides"],
            json!([{"ordinal": 0, "drain": true}, {"ordinal": 1, "devices": [{"name": "d2", "replacement": 1}]}])
        );
        let mut changed = spec();
        let words = edit(&mut changed, &node(2), None, false).unwrap();
        assert!(words.contains("d1-demo-rack1-2, d2-demo-rack1-2"), "{words}");
        assert_eq!(changed["nodeOverrides"][1], json!({"ordinal": 2, "replacement": 1}));
    }

    #[test]
    fn a_failed_node_has_all_its_devices_marked() {
        let mut changed = spec();
        edit(&mut changed, &node(1), None, true).unwrap();
        assert_eq!(
            changed["nodeOverrides"][1],
            json!({"ordinal": 1, "devices": [
                {"name": "d1", "state": "Failed", "replacement": 1}, {"name": "d2", "state": "Failed", "replacement": 1}]})
        );
    }

    #[test]
    fn what_is_not_there_is_refused_and_nothing_changes() {
        let mut changed = spec();
        assert!(edit(&mut changed, &node(0), None, false).unwrap_err().contains("its nodes are 1, 2"));
        assert!(
            edit(&mut changed, &node(1), Some("d9"), true).unwrap_err().contains("its devices are d1, d2")
        );
        assert_eq!(changed, spec());
    }
}
