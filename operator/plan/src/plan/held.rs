//! What waits, and why.

use std::fmt;

/// Something that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What waits, in the words of [`super::Step`]: `PublishRings`, `RestartNode`, `RemoveNode`, ….
    pub step: &'static str,
    /// What it would be done to: a node, a pool, the rings.
    pub subject: String,
    /// The Zone it is about, where it is about one.
    pub zone: Option<String>,
    /// Why it waits.
    pub reason: HoldReason,
    /// Why, for a person: which figure, where, what happens next, what can be done.
    pub message: String,
}

/// Why a step waits. The names are conditions' and events' reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldReason {
    /// The Zones cannot hold all replicas yet.
    WaitingForZones,
    /// Zones changed a moment ago; more may be on the way.
    WaitingForQuiet,
    /// Nodes that shall be in the rings do not serve yet.
    WaitingForNodes,
    /// Nodes or proxies do not hold the current rings yet.
    RingNotInStep,
    /// Partitions moved too recently.
    MinPartHours,
    /// Nodes whose data would move are down.
    Unhealthy,
    /// New volumes are refilled first.
    Refilling,
    /// Replication has not brought the data after the current rings yet.
    RingConverging,
    /// What leaves still holds data, which is moving away.
    Draining,
    /// What leaves cannot tell whether it still holds data.
    DrainUnseen,
    /// What stays cannot take what would leave.
    DrainRefused,
    /// The hash path or the builders are gone while data exists.
    IdentityMissing,
    /// The rings cannot be built or published.
    RingRefused,
    /// The upgrade is paused.
    Paused,
    /// A node of another Zone is down.
    OtherZoneDown,
    /// As many nodes of the Zone are down as may be.
    MaxUnavailable,
    /// Another Zone's turn comes first.
    OtherZoneFirst,
    /// The Zone done last is still watched.
    Soaking,
    /// A figure got worse since the rollout began.
    GateFailed,
    /// Nodes would run versions too far apart.
    VersionSkew,
    /// No maintenance window is open.
    OutsideWindow,
    /// Nodes come before proxies.
    NodesFirst,
}

impl HoldReason {
    /// The reason as conditions and events write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WaitingForZones => "WaitingForZones",
            Self::WaitingForQuiet => "WaitingForQuiet",
            Self::WaitingForNodes => "WaitingForNodes",
            Self::RingNotInStep => "RingNotInStep",
            Self::MinPartHours => "MinPartHours",
            Self::Unhealthy => "Unhealthy",
            Self::Refilling => "Refilling",
            Self::RingConverging => "RingConverging",
            Self::Draining => "Draining",
            Self::DrainUnseen => "DrainUnseen",
            Self::DrainRefused => "DrainRefused",
            Self::IdentityMissing => "IdentityMissing",
            Self::RingRefused => "RingRefused",
            Self::Paused => "Paused",
            Self::OtherZoneDown => "OtherZoneDown",
            Self::MaxUnavailable => "MaxUnavailable",
            Self::OtherZoneFirst => "OtherZoneFirst",
            Self::Soaking => "Soaking",
            Self::GateFailed => "GateFailed",
            Self::VersionSkew => "VersionSkew",
            Self::OutsideWindow => "OutsideWindow",
            Self::NodesFirst => "NodesFirst",
        }
    }

    /// Whether waiting alone will not do.
    pub fn needs_a_person(self) -> bool {
        matches!(
            self,
            Self::DrainRefused
                | Self::DrainUnseen
                | Self::IdentityMissing
                | Self::RingRefused
                | Self::GateFailed
                | Self::VersionSkew
        )
    }
}

/// A point in time for a message. Never what is left until then: a message that changes by itself would be written
/// again and again.
pub(crate) fn time_of_day(unix_s: i64) -> String {
    // Only a clock beyond the year 9999 has no such form.
    jiff::Timestamp::from_second(unix_s).map(|time| time.to_string()).unwrap_or_default()
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
