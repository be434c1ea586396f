//! `swift-reconciler-enqueue`: enters an object by hand into the queue of those in the wrong storage policy.

use super::foreground::runtime;
use super::optparse::{HELP, Known, Program};
use crate::container::misplaced::Operation;
use crate::container::reconciler::Misplaced;
use crate::direct_client::DirectClient;
use crate::http::{Client, ClientOptions};
use anyhow::{Context, bail};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use swiftlet_ring::SharedRing;
use swiftlet_types::names::split_path;
use swiftlet_types::timestamp::EncodedTimestamps;
use swiftlet_types::{SwiftConf, Timestamp};

/// Swift's tool looks nowhere else.
const SWIFT_DIR: &str = "/etc/swift";
const OP: Known = Known { letter: Some('X'), name: "op", has_value: true };
const FORCE: Known = Known { letter: Some('f'), name: "force", has_value: false };
const PROGRAM: Program = Program {
    name: "swift-reconciler-enqueue",
    usage: "swift-reconciler-enqueue <policy_index> </a/c/o> <timestamp> [options]",
    options_help: "  -X OP, --op=OP        what was done in the wrong policy: PUT (the default) or DELETE\n  \
                   -f, --force           enter it again, even if it was taken out before",
    known: &[HELP, OP, FORCE],
};

/// Runs it with the arguments that follow its name.
pub fn run(arguments: &[OsString]) -> ExitCode {
    let given = match PROGRAM.parse(arguments) {
        Ok(given) => given,
        Err(code) => return code,
    };
    let [policy, path, timestamp] = &given.arguments[..] else {
        PROGRAM.print_help();
        return ExitCode::SUCCESS;
    };
    let operation = match given.value(OP.name) {
        None | Some("PUT") => Operation::Put,
        Some("DELETE") => Operation::Delete,
        Some(other) => {
            return PROGRAM
                .mistake(&format!("option -X: invalid choice: '{other}' (choose from 'PUT', 'DELETE')"));
        }
    };
    let entered = enqueue(Path::new(SWIFT_DIR), (policy, path, timestamp), operation, given.has(FORCE.name));
    match entered {
        Ok(container) => {
            println!("{container}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ERROR: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Enters the object; the queue's container that it is in then.
fn enqueue(
    swift_dir: &Path,
    (policy, path, timestamp): (&str, &str, &str),
    operation: Operation,
    force: bool,
) -> anyhow::Result<String> {
    let swift = SwiftConf::read(swift_dir.join("swift.conf"))?;
    let index = policy.trim().parse().ok().filter(|index| swift.policies.by_index(*index).is_some());
    let Some(policy_index) = index else { bail!("invalid storage policy index: {policy}") };
    let Some(names) = split_path(path.as_bytes(), 3, 3, true) else { bail!("Invalid path: {path}") };
    let name = |at: usize| String::from_utf8_lossy(names.get(at).copied().unwrap_or_default()).into_owned();
    let timestamp =
        EncodedTimestamps::parse(timestamp).with_context(|| format!("timestamp {timestamp:?}"))?.data;
    let item = Misplaced {
        policy_index,
        account: name(0),
        container: name(1),
        object: name(2),
        operation,
        timestamp,
        entered: if force { Timestamp::now() } else { timestamp },
    };
    let ring = Arc::new(SharedRing::load(swift_dir.join("container.ring.gz"))?);
    let entering = async {
        let direct = DirectClient::new(Client::new(ClientOptions::default()), ring, swift.hash.clone());
        item.enqueue(&direct).await
    };
    runtime(Some(1))?.block_on(entering).context("unable to enqueue!")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::internal_client::Path as Name;
    use crate::role::testing::TestCluster;

    #[tokio::test]
    async fn an_object_is_entered_and_what_is_none_is_refused() {
        let cluster = TestCluster::start().await;
        let dir = cluster.dir().to_owned();
        let enter = async |policy: &'static str, path: &'static str, time: &'static str| {
            let dir = dir.clone();
            let work = move || enqueue(&dir, (policy, path, time), Operation::Put, false);
            tokio::task::spawn_blocking(work).await.unwrap().map_err(|error| format!("{error:#}"))
        };
        assert_eq!(enter("1", "/a/c/o/p", "1402464677.04188").await, Ok("1402462800".to_owned()));
        let queued = cluster.client().names(Name::container(".misplaced_objects", "1402462800")).await;
        assert_eq!(queued, ["1:/a/c/o/p"]);
        assert_eq!(enter("7", "/a/c/o", "1").await, Err("invalid storage policy index: 7".to_owned()));
        assert_eq!(enter("1", "/a/c", "1").await, Err("Invalid path: /a/c".to_owned()));
        assert!(enter("1", "/a/c/o", "x").await.unwrap_err().starts_with("timestamp \"x\""));
    }
}
