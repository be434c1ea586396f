//! The whole plan as a ConfigMap, for people and programs: what is being done, and what waits for what. Statuses and
//! conditions hold only what a column or a line shows of it.

use super::Owner;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::Serialize;
use std::collections::BTreeMap;
use swiftlet_plan::plan::{Held, Plan, Step};

/// Key of the plan, as YAML.
const PLAN_KEY: &str = "plan.yaml";
/// A ConfigMap holds 1 MiB: what waits beyond this many is told by number.
const ENTRIES_MAX: usize = 1000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    steps: Vec<StepLine>,
    held: Vec<HeldLine<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    held_left_out: usize,
}

#[derive(Serialize)]
struct StepLine {
    step: &'static str,
    what: String,
}

#[derive(Serialize)]
struct HeldLine<'a> {
    step: &'static str,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<&'a str>,
    reason: &'static str,
    message: &'a str,
}

/// The name of the ConfigMap.
pub fn name(cluster: &str) -> String {
    format!("{cluster}-plan")
}

/// The plan as of this pass. It is the same text as long as the plan is the same.
pub fn config_map(owner: &Owner, plan: &Plan) -> ConfigMap {
    let page = Page {
        steps: plan.steps.iter().map(step_line).collect(),
        held: plan.held.iter().take(ENTRIES_MAX).map(held_line).collect(),
        held_left_out: plan.held.len().saturating_sub(ENTRIES_MAX),
    };
    // Plain text and numbers always have a YAML form.
    let text = serde_norway::to_string(&page).unwrap_or_default();
    ConfigMap {
        metadata: owner.owned(&name(&owner.cluster), owner.labels()),
        data: Some(BTreeMap::from([(PLAN_KEY.to_string(), text)])),
        ..ConfigMap::default()
    }
}

/// The page that a ConfigMap holds; `None` where it holds none.
pub fn read(config_map: &ConfigMap) -> Option<serde_json::Value> {
    serde_norway::from_str(config_map.data.as_ref()?.get(PLAN_KEY)?).ok()
}

fn step_line(step: &Step) -> StepLine {
    StepLine { step: step.name(), what: step.to_string() }
}

fn held_line(held: &Held) -> HeldLine<'_> {
    HeldLine {
        step: held.step,
        subject: &held.subject,
        zone: held.zone.as_deref(),
        reason: held.reason.as_str(),
        message: &held.message,
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::build::tests::owner;
    use swiftlet_plan::plan::HoldReason;

    #[test]
    fn it_says_what_is_done_and_what_waits_and_why() {
        let held = Held {
            step: "RestartNode",
            subject: "demo-rack2-0".into(),
            zone: Some("rack2".into()),
            reason: HoldReason::OtherZoneFirst,
            message: "Zone rack1 is done first".into(),
        };
        let steps = vec![Step::StopProxies { pool: "old".into() }];
        let plan = Plan { steps, held: vec![held], ..Plan::default() };
        let page = config_map(&owner(), &plan);
        assert_eq!(page.metadata.name.as_deref(), Some("demo-plan"));
        let read = read(&page).unwrap();
        assert_eq!(read["steps"][0]["what"], "StopProxies old");
        assert_eq!(read["held"][0]["reason"], "OtherZoneFirst");
        assert_eq!(read.get("heldLeftOut"), None);
    }
}
