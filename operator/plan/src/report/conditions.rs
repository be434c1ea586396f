//! Conditions in the making: the time of the last transition is kept as long as the status stays.

use super::words::Phase;
use crate::plan::Plan;
use crate::resources::{Condition, ConditionStatus, condition_type};
use crate::validate::Problem;
use crate::world::World;

/// The longest message a condition may have is 32 KiB; this is what a person reads.
const MAX_MESSAGE_CHARS: usize = 1024;

/// A resource's conditions, said anew.
pub(super) struct Conditions<'a> {
    old: &'a [Condition],
    new: Vec<Condition>,
    observed_generation: Option<i64>,
    now: String,
}

impl<'a> Conditions<'a> {
    /// Starts from the conditions said before.
    pub(super) fn new(old: &'a [Condition], observed_generation: Option<i64>, now_s: i64) -> Self {
        // Only a clock beyond the year 9999 has no such form.
        let now = jiff::Timestamp::from_second(now_s).map(|t| t.to_string()).unwrap_or_default();
        Self { old, new: Vec::new(), observed_generation, now }
    }

    /// `Ready`: true with an empty phase.
    pub(super) fn set_ready(&mut self, phase: &Phase) {
        let ready = phase.word.is_empty();
        let reason = if ready { "AsAsked" } else { phase.reason };
        self.set(condition_type::READY, ready, reason, &phase.message);
    }

    /// `Progressing`: there is something to do, or to wait for.
    pub(super) fn set_progressing(&mut self, plan: &Plan) {
        let steps = plan.steps.iter().map(ToString::to_string);
        let held =
            plan.held.iter().map(|held| format!("{} {} waits: {}", held.step, held.subject, held.message));
        let all: Vec<String> = steps.chain(held).collect();
        let reason = match (plan.steps.first(), plan.held.first()) {
            (Some(step), _) => step.name().to_string(),
            (None, Some(held)) => held.reason.to_string(),
            (None, None) => "Settled".to_string(),
        };
        self.set(condition_type::PROGRESSING, !plan.is_settled(), &reason, &all.join("; "));
    }

    /// `Degraded`: these nodes or proxies are down.
    pub(super) fn set_degraded(&mut self, down: &[String]) {
        let reason = if down.is_empty() { "AllUp" } else { "Down" };
        let message = if down.is_empty() { String::new() } else { format!("down: {}", down.join(", ")) };
        self.set(condition_type::DEGRADED, !down.is_empty(), reason, &message);
    }

    /// `RingConverged`: everybody holds the current rings, and they are as the spec asks.
    pub(super) fn set_ring_converged(&mut self, world: &World, plan: &Plan) {
        let held = plan.held.iter().find(|held| held.step == "PublishRings");
        let step = plan.steps.iter().find(|step| step.name() == "PublishRings");
        let behind = world.behind_on_rings();
        let (converged, reason, message) = match (held, step, &world.rings) {
            (Some(held), _, _) => (false, held.reason.to_string(), held.message.clone()),
            (None, Some(step), _) => (false, "Publishing".to_string(), step.to_string()),
            (None, None, None) => (false, "NoRings".to_string(), "there are no rings yet".to_string()),
            (None, None, Some(_)) if !behind.is_empty() => {
                (false, "RingNotInStep".to_string(), format!("not there yet: {}", behind.join(", ")))
            }
            (None, None, Some(rings)) => {
                (true, "InStep".to_string(), format!("generation {}", rings.generation))
            }
        };
        self.set(condition_type::RING_CONVERGED, converged, &reason, &message);
    }

    /// `Advice`: nothing is wrong, but a person should know.
    pub(super) fn set_advice(&mut self, advice: &[&Problem]) {
        let message: Vec<String> = advice.iter().map(|p| format!("{}: {}", p.path, p.message)).collect();
        let reason = advice.first().map_or("None", |p| p.reason);
        self.set(condition_type::ADVICE, !advice.is_empty(), reason, &message.join("; "));
    }

    /// All that was said.
    pub(super) fn done(self) -> Vec<Condition> {
        self.new
    }

    fn set(&mut self, type_: &str, holds: bool, reason: &str, message: &str) {
        let status = if holds { ConditionStatus::True } else { ConditionStatus::False };
        let since = self.old.iter().find(|old| old.type_ == type_ && old.status == status);
        self.new.push(Condition {
            type_: type_.to_string(),
            status,
            reason: reason.to_string(),
            message: message.chars().take(MAX_MESSAGE_CHARS).collect(),
            last_transition_time: since
                .map_or_else(|| self.now.clone(), |old| old.last_transition_time.clone()),
            observed_generation: self.observed_generation,
        });
    }
}
