//! Conditions, as Kubernetes' `metav1.Condition` writes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One statement about a resource: whether it holds, since when, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the statement is about (`Ready`, `RingConverged`, …), once a resource.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: String,
    /// Whether it holds: True, False or Unknown.
    pub status: ConditionStatus,
    /// Why, in one CamelCase word.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// Why, for a person: which figure, where, what happens next, what can be done.
    #[schemars(length(max = 32768))]
    pub message: String,
    /// When `status` last changed (RFC 3339).
    #[schemars(length(max = 64))]
    pub last_transition_time: String,
    /// The `metadata.generation` this was said about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Whether a [`Condition`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be told.
    Unknown,
}

/// The condition types of both resources.
pub mod condition_type {
    /// The resource does what its spec asks.
    pub const READY: &str = "Ready";
    /// Work is under way.
    pub const PROGRESSING: &str = "Progressing";
    /// Something that should work does not.
    pub const DEGRADED: &str = "Degraded";
    /// Every node and proxy holds the current rings, and they are balanced.
    pub const RING_CONVERGED: &str = "RingConverged";
    /// Nothing is wrong, but a person should know.
    pub const ADVICE: &str = "Advice";
}
