//! Entries of the queue of misplaced objects (`container::misplaced`).

use crate::container::misplaced::{Operation, QUEUE_ACCOUNT, container_of, entry_name};
use crate::daemon::Share;
use crate::direct_client::DirectClient;
use crate::http::Headers;
use crate::internal_client::Entry;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use swiftlet_types::names::split_path;
use swiftlet_types::timestamp::EncodedTimestamps;
use swiftlet_types::{HashConf, Timestamp};

/// An object in the wrong policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misplaced {
    /// The policy that it is in.
    pub policy_index: u32,
    /// Its account.
    pub account: String,
    /// Its container.
    pub container: String,
    /// Its name.
    pub object: String,
    /// What was done to it there.
    pub operation: Operation,
    /// When.
    pub timestamp: Timestamp,
    /// When it was entered into the queue: the same, unless it was entered again by hand.
    pub entered: Timestamp,
}

impl Misplaced {
    /// Reads an entry; `None` where it is none of the queue's.
    pub(super) fn parse(entry: &Entry) -> Option<Self> {
        let (policy, path) = entry.name.split_once(':')?;
        let names = split_path(path.as_bytes(), 3, 3, true)?;
        let name = |at: usize| names.get(at).and_then(|name| String::from_utf8(name.to_vec()).ok());
        Some(Self {
            policy_index: policy.parse().ok()?,
            account: name(0)?,
            container: name(1)?,
            object: name(2)?,
            operation: Operation::of_content_type(&entry.content_type)?,
            timestamp: EncodedTimestamps::parse(&entry.hash).ok()?.data,
            entered: time_of_listing(&entry.last_modified)?,
        })
    }

    /// The name of its entry.
    pub(super) fn entry(&self) -> String {
        let Self { policy_index, account, container, object, .. } = self;
        entry_name(policy_index, &format!("{account}/{container}"), object)
    }

    /// As messages name it.
    pub(super) fn shown(&self) -> String {
        let Self { account, container, object, timestamp, .. } = self;
        format!("'/{account}/{container}/{object}' ({})", timestamp.internal())
    }

    /// Whether at `now` it falls to the process whose share is `share`.
    pub(super) fn is_for(&self, share: Share, hash: &HashConf, now: Timestamp) -> bool {
        let hash = hash.object(&self.account, &self.container, &self.object);
        let waits_s = now.as_secs_f64() - self.entered.as_secs_f64();
        // at once also where clocks differ
        share
            .turn(u128::from_be_bytes(hash.0))
            .is_some_and(|turn| turn.is_zero() || waits_s >= turn.as_secs_f64())
    }

    /// Enters it into the queue; the container that it is in then, or `None` where too few of that one's servers took
    /// it.
    pub async fn enqueue(&self, direct: &DirectClient) -> Option<String> {
        let mut headers = Headers::new();
        headers.set("X-Size", "0");
        headers.set("X-Etag", self.timestamp.internal());
        headers.set("X-Timestamp", self.entered.internal());
        headers.set("X-Content-Type", self.operation.content_type());
        let container = container_of(self.timestamp);
        let taken = direct.put_entry(QUEUE_ACCOUNT, &container, &self.entry(), &headers).await;
        taken.then_some(container)
    }
}

/// A moment as listings show it.
fn time_of_listing(text: &str) -> Option<Timestamp> {
    let moment = text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Timestamp::from_ticks(u64::try_from(moment.as_microsecond() / 10).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            name: "1:/a/c/o/p".into(),
            hash: "1402464677.04188_0000000000000002+1".into(),
            content_type: "application/x-delete".into(),
            last_modified: "2014-06-11T05:31:17.041880".into(),
        }
    }

    #[test]
    fn entries_name_an_object_its_policy_and_what_was_done() {
        let item = Misplaced::parse(&entry()).unwrap();
        assert_eq!((item.policy_index, item.operation), (1, Operation::Delete));
        assert_eq!((item.container.as_str(), item.object.as_str()), ("c", "o/p"));
        assert_eq!(item.timestamp.internal(), "1402464677.04188_0000000000000002");
        assert_eq!(item.entered.internal(), "1402464677.04188");
        assert_eq!((item.entry(), container_of(item.timestamp)), ("1:/a/c/o/p".into(), "1402462800".into()));
        for broken in [
            Entry { name: "/a/c/o".into(), ..entry() },
            Entry { name: "x:/a/c/o".into(), ..entry() },
            Entry { name: "1:/a/c".into(), ..entry() },
            Entry { hash: "x".into(), ..entry() },
            Entry { content_type: "text/plain".into(), ..entry() },
            Entry { last_modified: "lately".into(), ..entry() },
        ] {
            assert_eq!(Misplaced::parse(&broken), None, "{broken:?}");
        }
    }
}
