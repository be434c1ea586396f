//! What the queue asks for: which of its containers are due, what an entry means, and in which order. Pure.

use super::super::config::EXPIRER_CONTAINERS;
use super::config::Delays;
use crate::daemon::Share;
use crate::internal_client::Entry;
use md5::{Digest, Md5};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use swiftlet_types::Timestamp;
use swiftlet_types::names::split_path;
use swiftlet_types::timestamp::TICKS_A_SECOND;

/// The content type of entries that stand for a deletion, not for an end of time.
const ASYNC_DELETE_TYPE: &str = "application/async-deleted";

/// One object to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    /// The queue's container that its entry is in.
    pub queue: String,
    /// The entry's name.
    pub entry: String,
    /// When the object is to go, or was to.
    pub delete_at: Timestamp,
    pub account: String,
    pub container: String,
    pub object: String,
    /// Whether it is deleted whatever its own time says.
    pub is_async: bool,
}

impl Task {
    /// Reads an entry of the container `queue`; `None` where it is none of the queue's.
    pub(super) fn parse(queue: &str, entry: &Entry) -> Option<Self> {
        let (time, path) = entry.name.split_once('-')?;
        let path = format!("/{path}");
        let names = split_path(path.as_bytes(), 3, 3, true)?;
        let name = |at: usize| names.get(at).and_then(|name| String::from_utf8(name.to_vec()).ok());
        Some(Self {
            queue: queue.to_owned(),
            entry: entry.name.clone(),
            delete_at: time.parse().ok()?,
            account: name(0)?,
            container: name(1)?,
            object: name(2)?,
            is_async: entry.content_type == ASYNC_DELETE_TYPE,
        })
    }

    /// What is to be done with it at `now` by the process whose share is `share`.
    pub(super) fn judge(&self, delays: &Delays, share: Share, now: Timestamp) -> Judgement {
        if self.delete_at > now {
            return Judgement::TooEarly;
        }
        let Some(turn) = share.turn(hash_of(&self.queue, &self.entry)) else {
            return Judgement::AnotherProcess;
        };
        let delay = if self.is_async { Duration::ZERO } else { delays.of(&self.account, &self.container) };
        let overdue_s = now.as_secs_f64() - self.delete_at.as_secs_f64() - delay.as_secs_f64();
        match overdue_s {
            early if early < 0.0 => Judgement::Delayed,
            overdue if overdue < turn.as_secs_f64() => Judgement::AnotherProcess,
            _ => Judgement::Due,
        }
    }
}

/// What is to be done with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is done.
    Due,
    /// It and all that follow it are for a later pass.
    TooEarly,
    /// It is for a later pass.
    Delayed,
    /// Another process does it.
    AnotherProcess,
}

/// What decides whose a task is, as Swift's expirers reckon it.
fn hash_of(queue: &str, entry: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(format!("{queue}/{entry}")).into())
}

/// The second that a container of the queue is named by; `None` where it is none of the queue's.
pub(super) fn queue_second(name: &str) -> Option<u64> {
    name.parse::<Timestamp>().ok().map(Timestamp::seconds)
}

/// Whether a container of that second is one that the queue's own division makes.
pub(super) fn is_expected(second: u64, divisor: u64) -> bool {
    let rest = (second + divisor - 1) % divisor;
    divisor - rest <= EXPIRER_CONTAINERS
}

/// Whether a container of that second may hold what is due.
pub(super) fn is_due(second: u64, now: Timestamp) -> bool {
    second.saturating_mul(TICKS_A_SECOND) <= now.ticks()
}

/// Tasks that wait to be done a container of objects after the other, so that none of those is kept busy alone.
#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    by_container: BTreeMap<(String, String), VecDeque<Task>>,
    count: usize,
}

impl RoundRobin {
    /// Adds a task; how many wait.
    pub(super) fn push(&mut self, task: Task) -> usize {
        let container = (task.account.clone(), task.container.clone());
        self.by_container.entry(container).or_default().push_back(task);
        self.count += 1;
        self.count
    }

    /// Takes all of them, in turn.
    pub(super) fn take(&mut self) -> Vec<Task> {
        let mut tasks = Vec::with_capacity(std::mem::take(&mut self.count));
        let mut waiting = std::mem::take(&mut self.by_container);
        while !waiting.is_empty() {
            waiting.retain(|_, queue| {
                tasks.extend(queue.pop_front());
                !queue.is_empty()
            });
        }
        tasks
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::ExpirerConfig;
    use super::*;
    use crate::daemon::HowToRun;
    use swiftlet_types::conf::Options;

    fn task(name: &str, content_type: &str) -> Option<Task> {
        let entry = Entry { name: name.into(), content_type: content_type.into(), ..Entry::default() };
        Task::parse("1000", &entry)
    }

    #[test]
    fn entries_name_a_time_and_an_object() {
        let parsed = task("0000001234-a/c/o/p-q", ASYNC_DELETE_TYPE).unwrap();
        assert_eq!((parsed.account.as_str(), parsed.container.as_str()), ("a", "c"));
        assert_eq!((parsed.object.as_str(), parsed.delete_at), ("o/p-q", "1234".parse().unwrap()));
        assert!(parsed.is_async);
        assert!(!task("1402464677.04188-a/c/o", "text/plain").unwrap().is_async);
        for none in ["1234", "x-a/c/o", "1234-a/c", "1234-a//o", "1234-/c/o", "-a/c/o"] {
            assert_eq!(task(none, "text/plain"), None, "{none}");
        }
    }

    #[test]
    fn a_task_is_due_when_its_time_and_delay_are_over() {
        let options = Options::new("x.conf", "object-expirer").with("delay_reaping_a/slow", "10");
        let config = ExpirerConfig::from_options(&options, &HowToRun::default()).unwrap();
        let judge = |name: &str, content_type: &str, now: &str| {
            let alone = Share::of_node(Some("n"), vec!["n"], Duration::ZERO);
            task(name, content_type).unwrap().judge(&config.delays, alone, now.parse().unwrap())
        };
        assert_eq!(judge("0000001234-a/c/o", "", "1233.99999"), Judgement::TooEarly);
        assert_eq!(judge("0000001234-a/c/o", "", "1234"), Judgement::Due);
        assert_eq!(judge("0000001234-a/slow/o", "", "1243"), Judgement::Delayed);
        assert_eq!(judge("0000001234-a/slow/o", ASYNC_DELETE_TYPE, "1243"), Judgement::Due);
        assert_eq!(judge("0000001234-a/slow/o", "", "1244"), Judgement::Due);
    }

    #[test]
    fn tasks_are_shared_as_swift_reckons() {
        // int(md5(b'1000/0000001234-a/c/o').hexdigest(), 16)
        assert_eq!(hash_of("1000", "0000001234-a/c/o"), 294796146675376752014747738048598045254);
        let task = task("0000001234-a/c/o", "").unwrap();
        let judge = |own, now: u64| {
            let share = Share::of_node(Some(own), vec!["n1", "n2"], Duration::from_secs(60));
            task.judge(&Delays::default(), share, now.to_string().parse().unwrap())
        };
        let [owner, other] = ["n1", "n2"];
        assert_eq!((judge(owner, 1233), judge(owner, 1234)), (Judgement::TooEarly, Judgement::Due));
        assert_eq!((judge(other, 1293), judge(other, 1294)), (Judgement::AnotherProcess, Judgement::Due));
    }

    #[test]
    fn queue_containers_are_the_hundred_seconds_before_a_span() {
        let expected: Vec<u64> = (86_200..=86_500).filter(|second| is_expected(*second, 86_400)).collect();
        assert_eq!((expected.first(), expected.last(), expected.len()), (Some(&86_301), Some(&86_400), 100));
        assert!(is_due(1234, "1234".parse().unwrap()) && !is_due(1235, "1234.99999".parse().unwrap()));
        assert_eq!((queue_second("0000001234"), queue_second("x")), (Some(1234), None));
    }

    #[test]
    fn containers_take_turns() {
        let mut waiting = RoundRobin::default();
        for name in ["1-a/c/1", "1-a/c/2", "1-a/c/3", "1-a/d/1", "1-b/c/1", "1-a/d/2"] {
            waiting.push(task(name, "").unwrap());
        }
        let order: Vec<String> = waiting.take().into_iter().map(|task| task.entry).collect();
        assert_eq!(order, ["1-a/c/1", "1-a/d/1", "1-b/c/1", "1-a/c/2", "1-a/d/2", "1-a/c/3"]);
        assert_eq!((waiting.take(), waiting.push(task("1-a/c/1", "").unwrap())), (vec![], 1));
    }
}
