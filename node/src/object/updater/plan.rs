//! Which of a folder's update files to send, and what an attempt makes of an update. Pure.

use super::super::container_update::Outcome;
use swiftlet_storage::object::async_pending::{AsyncPending, parse_file_name};
use swiftlet_types::Timestamp;

/// What is to be done with the files of one suffix folder of `async_pending`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FolderPlan {
    /// The newest update of each object.
    pub send: Vec<String>,
    /// Updates that newer ones have made useless.
    pub remove: Vec<String>,
    /// Names that are none of an update's.
    pub unexpected: Vec<String>,
}

/// Plans for the files called `names`.
pub(super) fn plan_folder(mut names: Vec<String>) -> FolderPlan {
    // newest first within each object: times sort as text
    names.sort_unstable_by(|a, b| b.cmp(a));
    let mut plan = FolderPlan::default();
    let mut last_hash = String::new();
    for name in names {
        match parse_file_name(&name) {
            None => plan.unexpected.push(name),
            Some((hash, _)) if hash == last_hash => plan.remove.push(name),
            Some((hash, _)) => {
                last_hash = hash.to_owned();
                plan.send.push(name);
            }
        }
    }
    plan
}

/// What becomes of an update once the nodes have answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every replica has it: its file can go.
    Done,
    /// Send it again now, to where it was redirected.
    Redirected,
    /// Some have it and some do not; whether the file has to be written anew to remember which.
    Failed { changed: bool },
}

/// Takes the answers of the nodes with these ids into account.
pub(super) fn settle(update: &mut AsyncPending, answers: Vec<(i64, Outcome)>) -> Verdict {
    let mut redirect: Option<(Timestamp, String)> = None;
    let (mut failed, mut changed) = (false, false);
    for (id, outcome) in answers {
        match outcome {
            Outcome::Done => {
                update.successes.push(id);
                changed = true;
            }
            Outcome::Failed => failed = true,
            Outcome::Redirected(path, since) => {
                failed = true;
                redirect = redirect.max(Some((since, path)));
            }
        }
    }
    let Some((_, path)) = redirect else {
        return if failed { Verdict::Failed { changed } } else { Verdict::Done };
    };
    // the shard's replicas have not been told yet
    update.successes.clear();
    if update.redirect_history.contains(&path) {
        // going round in circles: the root container knows best
        update.container_path = None;
        update.redirect_history.clear();
    } else {
        update.redirect_history.push(path.clone());
        update.container_path = Some(path);
    }
    Verdict::Redirected
}

#[cfg(test)]
mod tests {
    use super::*;
    use swiftlet_storage::object::ObjectPath;

    fn update() -> AsyncPending {
        AsyncPending {
            op: "PUT".into(),
            path: ObjectPath { account: "a".into(), container: "c".into(), object: "o".into() },
            headers: vec![],
            db_state: None,
            container_path: None,
            successes: vec![],
            redirect_history: vec![],
        }
    }

    fn to(path: &str, since: &str) -> Outcome {
        Outcome::Redirected(path.into(), since.parse().unwrap())
    }

    #[test]
    fn only_the_newest_update_of_an_object_is_sent() {
        let names = ["aa-1402464677.00000", "bb-1402464677.00000", "aa-1402464678.00000", "junk"];
        let plan = plan_folder(names.map(str::to_owned).to_vec());
        assert_eq!(plan.send, ["bb-1402464677.00000", "aa-1402464678.00000"]);
        assert_eq!(plan.remove, ["aa-1402464677.00000"]);
        assert_eq!(plan.unexpected, ["junk"]);
    }

    #[test]
    fn an_update_is_done_when_every_node_took_it() {
        assert_eq!(settle(&mut update(), vec![(1, Outcome::Done), (2, Outcome::Done)]), Verdict::Done);
        let mut partly = update();
        let verdict = settle(&mut partly, vec![(1, Outcome::Done), (2, Outcome::Failed)]);
        assert_eq!(verdict, Verdict::Failed { changed: true });
        assert_eq!(partly.successes, [1]);
        assert_eq!(settle(&mut partly, vec![(2, Outcome::Failed)]), Verdict::Failed { changed: false });
    }

    #[test]
    fn redirects_go_to_the_newest_and_never_in_circles() {
        let mut update = update();
        let answers = vec![(1, to(".shards_a/c-1", "1")), (2, to(".shards_a/c-2", "2")), (3, Outcome::Done)];
        assert_eq!(settle(&mut update, answers), Verdict::Redirected);
        assert_eq!(update.container_path.as_deref(), Some(".shards_a/c-2"));
        assert!(update.successes.is_empty());
        assert_eq!(settle(&mut update, vec![(1, to(".shards_a/c-2", "3"))]), Verdict::Redirected);
        assert_eq!((update.container_path, update.redirect_history), (None, vec![]));
    }
}
