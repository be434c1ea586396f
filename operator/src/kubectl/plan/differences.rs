//! What a person changed: the fields of each manifest that are others than before.

use serde::Serialize;
use serde_json::Value;
use std::fmt::Write;
use swiftlet_plan::validate::Desired;

/// Lines of differences that are shown.
const LINES_SHOWN: usize = 20;

/// A line a field.
pub fn text(before: Option<&Desired>, after: &Desired) -> String {
    let Some(before) = before else {
        return format!("swiftcluster/{}: new, {} Zones\n", after.cluster.name(), after.zones.len());
    };
    let mut lines = Vec::new();
    let name = format!("swiftcluster/{}", after.cluster.name());
    compare(&mut lines, &name, "", &json(&before.cluster.spec), &json(&after.cluster.spec));
    for zone in &after.zones {
        let name = format!("zone/{}", zone.name());
        match before.zones.iter().find(|old| old.name() == zone.name()) {
            None => lines.push(format!("{name}: new, {} nodes", zone.spec.nodes)),
            Some(old) if zone.is_deleting() && !old.is_deleting() => lines.push(format!("{name}: deleted")),
            Some(old) => compare(&mut lines, &name, "", &json(&old.spec), &json(&zone.spec)),
        }
    }
    let more = lines.len().saturating_sub(LINES_SHOWN);
    lines.truncate(LINES_SHOWN);
    let mut text = lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    });
    if more > 0 {
        let _ = writeln!(text, "… and {more} more");
    }
    text
}

fn json(spec: &impl Serialize) -> Value {
    serde_json::to_value(spec).unwrap_or_default()
}

/// Adds a line for every field below `path` that differs.
fn compare(lines: &mut Vec<String>, name: &str, path: &str, before: &Value, after: &Value) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let gone = old.keys().filter(|key| !new.contains_key(*key));
            for key in new.keys().chain(gone) {
                let field = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                compare(lines, name, &field, &of(old), &of(new));
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for i in 0..old.len().max(new.len()) {
                let of = |list: &[Value]| list.get(i).cloned().unwrap_or_default();
                compare(lines, name, &format!("{path}[{i}]"), &of(old), &of(new));
            }
        }
        _ => lines.push(format!("{name}: {path} {} -> {}", short(before), short(after))),
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::Null => "none".to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubectl::plan::words::tests::cluster;

    #[test]
    fn fields_that_changed_are_told_by_their_paths() {
        let before = cluster(3, 2);
        assert_eq!(text(Some(&before), &before), "");
        let mut after = before.clone();
        after.zones[0].spec.nodes = 3;
        after.zones[1].spec.devices[1].size = "4Gi".into();
        after.cluster.spec.version = Some("0.2.0".into());
        after.zones.push(cluster(4, 1).zones[3].clone());
        assert_eq!(
            text(Some(&before), &after),
            "swiftcluster/demo: version 0.1.0 -> 0.2.0\nzone/rack1: nodes 2 -> 3\n\
             zone/rack2: devices[1].size 2Gi -> 4Gi\nzone/rack4: new, 1 nodes\n"
        );
        assert_eq!(text(None, &before), "swiftcluster/demo: new, 3 Zones\n");
    }
}
