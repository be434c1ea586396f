//! The queue of misplaced objects, as replicators fill it and the reconciler works it off: an account with a container for
//! each hour, and in it an entry for each object that is in another storage policy than its container.

pub use crate::database::target::MISPLACED_OBJECTS_ACCOUNT as QUEUE_ACCOUNT;

use swiftlet_types::Timestamp;
use swiftlet_types::timestamp::EncodedTimestamps;

/// How many seconds share one of its containers.
const SPAN_SECONDS: u64 = 3600;

/// What was done in the wrong policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// An object was stored.
    Put,
    /// It was deleted.
    Delete,
}

impl Operation {
    /// The content type of an entry that tells of it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Put => "application/x-put",
            Self::Delete => "application/x-delete",
        }
    }

    /// What an entry of this content type tells of.
    pub fn of_content_type(text: &str) -> Option<Self> {
        [Self::Put, Self::Delete].into_iter().find(|operation| operation.content_type() == text)
    }
}

/// The queue's container for what was changed at `timestamp`.
pub fn container_of(timestamp: Timestamp) -> String {
    (timestamp.seconds() / SPAN_SECONDS * SPAN_SECONDS).to_string()
}

/// The queue's container for an object whose row has this `created_at`: by when it was changed last in any way.
pub fn container_of_row(created_at: &str) -> String {
    let changed = EncodedTimestamps::parse(created_at).map_or(Timestamp::ZERO, |times| times.resolved().2);
    container_of(changed)
}

/// The name of the entry for an object of `<account>/<container>` that is in this policy.
pub fn entry_name(policy_index: impl std::fmt::Display, container: &str, object: &str) -> String {
    format!("{policy_index}:/{container}/{object}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_pythons() {
        assert_eq!(container_of_row("1402464677.04188"), "1402462800");
        // its metadata was posted an hour and a second later
        let posted = "1402464677.04188+0+14c4e3a80";
        let python = "from swift.container.reconciler import get_reconciler_container_name as name\n\
                      import sys\nprint(name(sys.argv[1]))";
        let theirs = swiftlet_testing::run_python(python, &[posted], "");
        assert_eq!(container_of_row(posted), theirs.trim());
        assert_eq!(container_of_row("nonsense"), "0");
        assert_eq!(entry_name(1, "a/c", "o/p"), "1:/a/c/o/p");
    }
}
