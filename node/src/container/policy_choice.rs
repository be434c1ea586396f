//! Which of two replicas of a container has the right storage policy, where they disagree (two proxies may have created
//! the container at once, or one while a node was away).
//!
//! A container that is there beats a deleted one; one that was deleted and made again beats one that never was, and of
//! two such the one put after the latest deletion; otherwise the policy that was set first stands.

use swiftlet_types::Timestamp;

/// What of a replica matters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub put_timestamp: Timestamp,
    pub delete_timestamp: Timestamp,
    pub status_changed_at: Timestamp,
    pub object_count: i64,
}

impl Standing {
    fn is_deleted(&self) -> bool {
        self.delete_timestamp > self.put_timestamp && self.object_count == 0
    }

    fn is_recreated(&self) -> bool {
        self.put_timestamp > self.delete_timestamp && self.delete_timestamp > Timestamp::ZERO
    }
}

/// Whether the remote replica's policy is to be taken.
pub(crate) fn is_remote_right(own: &Standing, remote: &Standing) -> bool {
    match (own.is_deleted(), remote.is_deleted()) {
        // of two that are gone, the one that went last
        (true, true) => return remote.status_changed_at > own.status_changed_at,
        (true, false) => return true,
        (false, true) => return false,
        (false, false) => {}
    }
    match (own.is_recreated(), remote.is_recreated()) {
        (false, true) => return true,
        (true, false) => return false,
        (true, true) => {
            let last_deletion = own.delete_timestamp.max(remote.delete_timestamp);
            if own.put_timestamp < last_deletion {
                return true;
            }
            if remote.put_timestamp < last_deletion {
                return false;
            }
        }
        (false, false) => {}
    }
    own.status_changed_at > remote.status_changed_at
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use swiftlet_testing::run_python;

    const PYTHON: &str = "
import json, sys
from swift.container.reconciler import cmp_policy_info
print(json.dumps([cmp_policy_info(*pair) > 0 for pair in json.load(sys.stdin)]))
";

    fn standing(number: u64) -> Standing {
        let time = |n: u64| Timestamp::from_ticks(n * 100_000).unwrap();
        Standing {
            put_timestamp: time(1 + number % 3),
            delete_timestamp: time(number / 3 % 4),
            status_changed_at: time(1 + number / 12 % 2),
            object_count: (number / 24) as i64,
        }
    }

    fn as_python(of: &Standing) -> Value {
        json!({"put_timestamp": of.put_timestamp.internal(), "delete_timestamp": of.delete_timestamp.internal(),
            "status_changed_at": of.status_changed_at.internal(), "count": of.object_count})
    }

    /// Every order of a few times, with and without objects.
    #[test]
    fn the_choice_is_pythons() {
        let pairs: Vec<_> = (0..48 * 48).map(|n| (standing(n % 48), standing(n / 48))).collect();
        let asked: Vec<_> = pairs.iter().map(|(own, remote)| [as_python(own), as_python(remote)]).collect();
        let theirs: Vec<bool> =
            serde_json::from_str(&run_python(PYTHON, &[], &json!(asked).to_string())).unwrap();
        for ((own, remote), theirs) in pairs.iter().zip(theirs) {
            assert_eq!(is_remote_right(own, remote), theirs, "{own:?} {remote:?}");
        }
    }
}
