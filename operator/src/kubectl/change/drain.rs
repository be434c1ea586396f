//! `kubectl swift drain` and `undrain`: a node leaves, or stays.

use super::{change_zone, node_name, overrides};
use crate::kubectl::target::Where;
use serde_json::Value;

/// What `drain` is told.
#[derive(clap::Args)]
pub struct Options {
    /// `<zone>/<n>`, or the node's name, `<cluster>-<zone>-<n>`.
    node: String,
    /// Have one node less in the Zone: none is started in its place.
    #[arg(long)]
    shrink: bool,
    /// Say what would happen and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What `undrain` is told.
#[derive(clap::Args)]
pub struct UndrainOptions {
    /// `<zone>/<n>`, or the node's name, `<cluster>-<zone>-<n>`.
    node: String,
    /// Have one node more in the Zone: what `drain --shrink` took.
    #[arg(long)]
    grow: bool,
    /// Say what would happen and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Marks a node to leave.
pub async fn drain(place: &Where, options: Options) -> anyhow::Result<()> {
    let target = place.target().await?;
    let node = node_name::find(&target.name(), &target.zones().await?, &options.node)?;
    let min_part_hours = target.cluster.spec.rings.min_part_hours;
    change_zone(&target, &node.zone, options.dry_run, |spec| {
        edit_drain(spec, &node, options.shrink, min_part_hours)
    })
    .await
}

/// Marks a node to stay.
pub async fn undrain(place: &Where, options: UndrainOptions) -> anyhow::Result<()> {
    let target = place.target().await?;
    let node = node_name::find(&target.name(), &target.zones().await?, &options.node)?;
    change_zone(&target, &node.zone, options.dry_run, |spec| edit_undrain(spec, &node, options.grow)).await
}

fn edit_drain(
    spec: &mut Value,
    node: &node_name::NodeName,
    shrink: bool,
    min_part_hours: u16,
) -> Result<String, String> {
    let (ordinal, name) = (u64::from(node.ordinal), &node.node);
    if overrides::is_draining(spec, ordinal) {
        return Ok(format!("{name} is marked to leave already."));
    }
    let before = overrides::live(spec);
    if !before.contains(&ordinal) {
        let runs: Vec<String> = before.iter().map(ToString::to_string).collect();
        return Err(format!("Zone {} has no node {ordinal}; its nodes are {}", node.zone, runs.join(", ")));
    }
    if shrink {
        spec["nodes"] = (overrides::nodes(spec) - 1).into();
    }
    overrides::set_drain(spec, ordinal, true);
    let started = overrides::live(spec).into_iter().filter(|n| !before.contains(n));
    let started: Vec<String> = started.map(|n| node.sibling(n)).collect();
    let mut lines = vec![format!("node {name} of Zone {} leaves:", node.zone)];
    lines.push(match started.as_slice() {
        [] => format!("- nobody takes its place: spec.nodes goes to {}", overrides::nodes(spec)),
        new => format!(
            "- {} starts in its place, as spec.nodes stays {}; --shrink has one node less instead",
            new.join(", "),
            overrides::nodes(spec)
        ),
    });
    let devices = overrides::device_names(spec).join(", ");
    let pace = match min_part_hours {
        0 => "as fast as replication brings them".to_string(),
        hours => {
            format!("one replica of each every {hours} h (minPartHours), as fast as replication brings them")
        }
    };
    lines.push(format!("- the weight of {devices} goes to 0; their partitions move away, {pace}"));
    let claims = match spec.get("volumeClaimDeletion").and_then(Value::as_str) {
        Some("Delete") => "its volumes are deleted (volumeClaimDeletion: Delete)",
        _ => "its volumes stay (volumeClaimDeletion: Retain)",
    };
    lines.push(format!("- once it reports no partitions it leaves the rings, its pod stops, and {claims}"));
    lines.push(format!("- kubectl swift undrain {name} changes your mind, at any time"));
    Ok(lines.join("\n"))
}

fn edit_undrain(spec: &mut Value, node: &node_name::NodeName, grow: bool) -> Result<String, String> {
    let (ordinal, name) = (u64::from(node.ordinal), &node.node);
    if !overrides::is_draining(spec, ordinal) {
        return Ok(format!("{name} is not marked to leave."));
    }
    let before = overrides::live(spec);
    if grow {
        spec["nodes"] = (overrides::nodes(spec) + 1).into();
    }
    overrides::set_drain(spec, ordinal, false);
    let after = overrides::live(spec);
    let leaving: Vec<String> =
        before.iter().filter(|n| !after.contains(n)).map(|n| node.sibling(*n)).collect();
    let mut lines = Vec::new();
    if after.contains(&ordinal) {
        lines.push(format!("node {name} of Zone {} stays, or starts again, with its full weight", node.zone));
    } else {
        lines.push(format!(
            "node {name} of Zone {} is no longer marked, and still leaves: spec.nodes is {}; --grow has one node more",
            node.zone,
            overrides::nodes(spec)
        ));
    }
    if !leaving.is_empty() {
        let names = leaving.join(", ");
        lines.push(format!("- {names}, which took its place, leaves instead; --grow keeps it"));
    }
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(ordinal: u32) -> node_name::NodeName {
        node_name::NodeName { zone: "rack1".into(), ordinal, node: format!("demo-rack1-{ordinal}") }
    }

    fn spec() -> Value {
        json!({"nodes": 3, "devices": [{"name": "d1"}, {"name": "d2"}]})
    }

    #[test]
    fn a_drained_node_is_replaced_by_the_next_unless_the_zone_shrinks() {
        let mut drained = spec();
        let words = edit_drain(&mut drained, &node(1), false, 24).unwrap();
        assert_eq!(drained["nodeOverrides"], json!([{"ordinal": 1, "drain": true}]));
        assert_eq!(drained["nodes"], 3);
        assert!(words.contains("demo-rack1-3 starts in its place"), "{words}");
        assert!(words.contains("d1, d2") && words.contains("24 h"), "{words}");

        let mut shrunk = spec();
        let words = edit_drain(&mut shrunk, &node(1), true, 0).unwrap();
        assert_eq!((overrides::live(&shrunk), shrunk["nodes"].clone()), (vec![0, 2], json!(2)));
        assert!(words.contains("nobody takes its place: spec.nodes goes to 2"), "{words}");
        assert!(!words.contains("minPartHours"), "{words}");
    }

    #[test]
    fn what_leaves_already_is_left_alone_and_what_is_not_there_is_refused() {
        let mut drained = spec();
        edit_drain(&mut drained, &node(1), false, 24).unwrap();
        let before = drained.clone();
        edit_drain(&mut drained, &node(1), true, 24).unwrap();
        assert_eq!(drained, before, "no second node less for a second try");
        let error = edit_drain(&mut drained, &node(7), false, 24).unwrap_err();
        assert!(error.contains("its nodes are 0, 2, 3"), "{error}");
        assert_eq!(drained, before);
    }

    #[test]
    fn undrain_takes_back_what_drain_did() {
        for shrink in [false, true] {
            let mut changed = spec();
            edit_drain(&mut changed, &node(0), shrink, 24).unwrap();
            let words = edit_undrain(&mut changed, &node(0), shrink).unwrap();
            assert_eq!(changed, spec());
            assert_eq!(words.contains("demo-rack1-3"), !shrink, "{words}");
        }
        let mut unchanged = spec();
        edit_undrain(&mut unchanged, &node(0), true).unwrap();
        assert_eq!(unchanged, spec());
    }

    #[test]
    fn undrain_of_the_last_node_of_a_shrunk_zone_says_that_it_leaves_all_the_same() {
        let mut changed = spec();
        edit_drain(&mut changed, &node(2), true, 24).unwrap();
        let words = edit_undrain(&mut changed, &node(2), false).unwrap();
        assert!(words.contains("still leaves") && words.contains("--grow"), "{words}");
    }
}
