//! Edits of `spec.nodeOverrides`, on JSON: fields that this program does not know stay as they are.

use serde_json::{Map, Value, json};

/// The ordinals that run: the first `nodes` that are not marked drained.
pub fn live(spec: &Value) -> Vec<u64> {
    let nodes = nodes(spec);
    let count = usize::try_from(nodes).unwrap_or(usize::MAX);
    (0..).filter(|ordinal| !is_draining(spec, *ordinal)).take(count).collect()
}

/// `spec.nodes`.
pub fn nodes(spec: &Value) -> u64 {
    spec.get("nodes").and_then(Value::as_u64).unwrap_or(0)
}

/// Whether a node is marked to leave.
pub fn is_draining(spec: &Value, ordinal: u64) -> bool {
    find(spec, ordinal).and_then(|entry| entry.get("drain")).and_then(Value::as_bool).unwrap_or(false)
}

/// The names of the devices that every node has.
pub fn device_names(spec: &Value) -> Vec<String> {
    let devices = spec.get("devices").and_then(Value::as_array).into_iter().flatten();
    devices.filter_map(|device| Some(device.get("name")?.as_str()?.to_string())).collect()
}

/// Marks a node to leave, or to stay.
pub fn set_drain(spec: &mut Value, ordinal: u64, drain: bool) {
    change(spec, ordinal, |entry| {
        if drain {
            entry.insert("drain".into(), true.into());
        } else {
            entry.remove("drain");
        }
    });
}

/// Asks for another replacement of a node's volumes; which one it is.
pub fn replace_node(spec: &mut Value, ordinal: u64) -> u64 {
    let mut count = 0;
    change(spec, ordinal, |entry| count = raise(entry));
    count
}

/// Asks for another replacement of a device's volume, which is dead or works; which one it is.
pub fn replace_device(spec: &mut Value, ordinal: u64, device: &str, failed: bool) -> u64 {
    let mut count = 0;
    change_device(spec, ordinal, device, |entry| {
        if failed {
            entry.insert("state".into(), "Failed".into());
        } else if entry.contains_key("replacement") {
            // The disk that was said to be dead is not this one: that was replaced.
            entry.remove("state");
        }
        count = raise(entry);
    });
    count
}

fn raise(entry: &mut Map<String, Value>) -> u64 {
    let count = entry.get("replacement").and_then(Value::as_u64).unwrap_or(0) + 1;
    entry.insert("replacement".into(), count.into());
    count
}

fn find(spec: &Value, ordinal: u64) -> Option<&Value> {
    let entries = spec.get("nodeOverrides")?.as_array()?;
    entries.iter().find(|entry| entry.get("ordinal").and_then(Value::as_u64) == Some(ordinal))
}

/// Changes the entry of a node; one that then says nothing goes, and so does a list without entries.
fn change(spec: &mut Value, ordinal: u64, edit: impl FnOnce(&mut Map<String, Value>)) {
    let Some(spec) = spec.as_object_mut() else { return };
    let entries = spec.entry("nodeOverrides").or_insert_with(|| json!([]));
    if let Some(entries) = entries.as_array_mut() {
        change_entry(entries, "ordinal", &ordinal.into(), edit);
        entries.sort_by_key(|entry| entry.get("ordinal").and_then(Value::as_u64));
        if entries.is_empty() {
            spec.remove("nodeOverrides");
        }
    }
}

fn change_device(spec: &mut Value, ordinal: u64, device: &str, edit: impl FnOnce(&mut Map<String, Value>)) {
    change(spec, ordinal, |entry| {
        let devices = entry.entry("devices").or_insert_with(|| json!([]));
        if let Some(devices) = devices.as_array_mut() {
            change_entry(devices, "name", &device.into(), edit);
        }
    });
}

fn change_entry(
    entries: &mut Vec<Value>,
    key: &str,
    value: &Value,
    edit: impl FnOnce(&mut Map<String, Value>),
) {
    let found = entries.iter().position(|entry| entry.get(key) == Some(value)).unwrap_or_else(|| {
        entries.push(json!({key: value}));
        entries.len() - 1
    });
    if let Some(entry) = entries[found].as_object_mut() {
        edit(entry);
        let says_something = entry.iter().any(|(field, value)| field != key && *value != Value::Bool(false));
        if !says_something {
            entries.remove(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(overrides: Value) -> Value {
        json!({"nodes": 3, "devices": [{"name": "d1"}, {"name": "d2"}], "nodeOverrides": overrides})
    }

    #[test]
    fn the_first_nodes_that_do_not_leave_run() {
        assert_eq!(live(&spec(json!([]))), [0, 1, 2]);
        assert_eq!(live(&spec(json!([{"ordinal": 1, "drain": true}]))), [0, 2, 3]);
        assert_eq!(live(&spec(json!([{"ordinal": 1, "drain": false}]))), [0, 1, 2]);
        assert_eq!(live(&json!({"nodes": 0})), [0u64; 0]);
    }

    #[test]
    fn a_drain_keeps_what_others_wrote_and_undraining_leaves_no_trace() {
        let others = json!([{"ordinal": 0, "replacement": 2, "later": "kept"}]);
        let mut changed = spec(others.clone());
        set_drain(&mut changed, 1, true);
        assert_eq!(
            changed["nodeOverrides"],
            json!([{"ordinal": 0, "replacement": 2, "later": "kept"}, {"ordinal": 1, "drain": true}])
        );
        set_drain(&mut changed, 1, false);
        assert_eq!(changed, spec(others));
        let mut none = json!({"nodes": 1});
        set_drain(&mut none, 0, true);
        set_drain(&mut none, 0, false);
        assert_eq!(none, json!({"nodes": 1}));
    }

    #[test]
    fn undraining_a_node_with_more_to_say_keeps_the_rest() {
        let mut changed = spec(json!([{"ordinal": 2, "drain": true, "replacement": 1}]));
        set_drain(&mut changed, 2, false);
        assert_eq!(changed["nodeOverrides"], json!([{"ordinal": 2, "replacement": 1}]));
    }

    #[test]
    fn replacements_are_counted_and_a_failed_device_is_told() {
        let mut changed = spec(json!([{"ordinal": 2, "devices": [{"name": "d1", "replacement": 4}]}]));
        assert_eq!(replace_device(&mut changed, 2, "d1", false), 5);
        assert_eq!(replace_device(&mut changed, 2, "d2", true), 1);
        assert_eq!(replace_node(&mut changed, 0), 1);
        assert_eq!(replace_node(&mut changed, 0), 2);
        assert_eq!(
            changed["nodeOverrides"],
            json!([
                {"ordinal": 0, "replacement": 2},
                {"ordinal": 2, "devices": [
                    {"name": "d1", "replacement": 5}, {"name": "d2", "state": "Failed", "replacement": 1}]},
            ])
        );
        assert_eq!(device_names(&changed), ["d1", "d2"]);
    }

    #[test]
    fn a_dead_disk_stays_dead_until_it_is_replaced_and_its_successor_works() {
        let said = |state: &str, replacement: Value| {
            let mut device = json!({"name": "d1", "state": state});
            if replacement != Value::Null {
                device["replacement"] = replacement;
            }
            spec(json!([{"ordinal": 0, "devices": [device]}]))
        };
        let mut dead = said("Failed", Value::Null);
        replace_device(&mut dead, 0, "d1", false);
        assert_eq!(dead["nodeOverrides"], said("Failed", json!(1))["nodeOverrides"]);
        replace_device(&mut dead, 0, "d1", false);
        assert_eq!(
            dead["nodeOverrides"],
            json!([{"ordinal": 0, "devices": [{"name": "d1", "replacement": 2}]}])
        );
    }
}
