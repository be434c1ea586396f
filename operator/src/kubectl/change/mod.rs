//! Commands that change what is declared. They write a Zone's or SwiftCluster's spec, as a person with an editor would,
//! and leave everything else to the operator.

pub mod drain;
pub mod node_name;
pub mod overrides;
pub mod pause;
pub mod replace;

use super::target::{FIELD_MANAGER, Target};
use anyhow::{Context as _, bail};
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use serde_json::{Value, json};
use swiftlet_plan::resources::Zone;

/// How often a change is tried again where somebody else wrote in between.
const TRIES: usize = 5;
/// What is said where only the words were asked for.
const NOTHING_CHANGED: &str = "Nothing has been changed.";

/// Changes the spec of a Zone as it is at this very moment, fields unknown to this program included. `edit` says what
/// will happen, or why it must not; where it leaves the spec as it is nothing is written.
async fn change_zone(
    target: &Target,
    zone: &str,
    dry_run: bool,
    edit: impl Fn(&mut Value) -> Result<String, String>,
) -> anyhow::Result<()> {
    let api: Api<DynamicObject> = Api::namespaced_with(
        target.connection.client.clone(),
        &target.connection.namespace,
        &ApiResource::erase::<Zone>(&()),
    );
    for _ in 0..TRIES {
        let found = api.get(zone).await.with_context(|| format!("read Zone {zone}"))?;
        let before = found.data.get("spec").cloned().unwrap_or_default();
        let mut spec = before.clone();
        let words = edit(&mut spec).map_err(anyhow::Error::msg)?;
        let mut patch = difference(&before, &spec);
        if patch.as_object().is_none_or(serde_json::Map::is_empty) || dry_run {
            say!("{words}\n{NOTHING_CHANGED}");
            return Ok(());
        }
        patch = json!({"metadata": {"resourceVersion": found.metadata.resource_version}, "spec": patch});
        match api.patch(zone, &writer(), &Patch::Merge(&patch)).await {
            Ok(_) => {
                say!("{words}\nDeclared. kubectl swift status --watch shows how far it is.");
                return Ok(());
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(error).with_context(|| format!("change Zone {zone}")),
        }
    }
    bail!("Zone {zone} is written by others all the time; nothing was changed, try again")
}

fn writer() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_string()), ..PatchParams::default() }
}

/// The top-level fields that differ, as a merge patch: those that went are null.
fn difference(before: &Value, after: &Value) -> Value {
    let field = |value: &Value, key: &str| value.get(key).cloned().unwrap_or(Value::Null);
    let keys = [before, after].into_iter().filter_map(Value::as_object).flat_map(|map| map.keys());
    let changed = keys.filter(|key| field(before, key) != field(after, key));
    Value::Object(changed.map(|key| (key.clone(), field(after, key))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_holds_what_changed_and_nothing_else() {
        let before = json!({"nodes": 3, "cluster": "demo", "nodeOverrides": [{"ordinal": 1}]});
        let after = json!({"nodes": 2, "cluster": "demo", "config": {}});
        assert_eq!(difference(&before, &after), json!({"nodes": 2, "nodeOverrides": null, "config": {}}));
        assert_eq!(difference(&before, &before), json!({}));
    }
}
