//! `swift-container-deleter`: queues the objects of a container, or of a part of it, for the expirer to delete.

use crate::cli::foreground::runtime;
use crate::cli::optparse::{Given, HELP, Known, Program};
use crate::http::{Body, Headers, Method};
use crate::internal_client::{Accepts, Ask, ClientFile, InternalClient, Path};
use anyhow::Context;
use serde_json::json;
use std::ffi::OsString;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use swiftlet_types::conf::{Ini, Options};
use swiftlet_types::python::{int, repr};
use swiftlet_types::{SwiftConf, Timestamp};

const QUEUE_ACCOUNT: &str = ".expiring_objects";
const ASYNC_DELETE_TYPE: &str = "application/async-deleted";
const MD5_OF_NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";
/// Entries that are sent at once.
const OBJECTS_PER_UPDATE: usize = 10_000;
/// How often it is told how far it came.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
const USER_AGENT: &str = "Swift Container Deleter";

const fn valued(name: &'static str) -> Known {
    Known { letter: None, name, has_value: true }
}

const CONFIG: Known = valued("config");
const REQUEST_TRIES: Known = valued("request-tries");
const PREFIX: Known = valued("prefix");
const MARKER: Known = valued("marker");
const END_MARKER: Known = valued("end-marker");
const TIMESTAMP: Known = valued("timestamp");
const PROGRAM: Program = Program {
    name: "swift-container-deleter",
    usage: "swift-container-deleter [options] account container",
    options_help: "  --config=CONFIG       internal-client config file (default: /etc/swift/internal-client.conf)\n  \
                   --request-tries=N     (default: 3)\n  \
                   --prefix=PREFIX       only delete objects with this prefix\n  \
                   --marker=MARKER       only delete objects after this name\n  \
                   --end-marker=NAME     only delete objects before this name\n  \
                   --timestamp=TIME      delete objects as of this time (default: now)",
    known: &[HELP, CONFIG, REQUEST_TRIES, PREFIX, MARKER, END_MARKER, TIMESTAMP],
};

/// What is to be deleted.
struct Job<'a> {
    account: &'a str,
    container: &'a str,
    prefix: &'a str,
    marker: &'a str,
    end_marker: &'a str,
    timestamp: Timestamp,
}

/// Runs it with the arguments that follow its name.
pub(super) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let given = match PROGRAM.parse(arguments) {
        Ok(given) => given,
        Err(code) => return Ok(code),
    };
    let [account, container] = &given.arguments[..] else {
        let mistake = match &given.arguments[..] {
            [] => "the following arguments are required: account, container".to_owned(),
            [_] => "the following arguments are required: container".to_owned(),
            [_, _, others @ ..] => format!("unrecognized arguments: {}", others.join(" ")),
        };
        return Ok(PROGRAM.mistake(&mistake));
    };
    let timestamp = match given.value(TIMESTAMP.name).map(|text| (text, text.parse())) {
        None => Timestamp::now(),
        Some((_, Ok(timestamp))) => timestamp,
        Some((text, Err(_))) => {
            return Ok(
                PROGRAM.mistake(&format!("argument --timestamp: invalid Timestamp value: {}", repr(text)))
            );
        }
    };
    let tries = given.value(REQUEST_TRIES.name).unwrap_or("3");
    if int(tries).is_none() {
        return Ok(PROGRAM.mistake(&format!("argument --request-tries: invalid int value: {}", repr(tries))));
    }
    let text = |option: Known| given.value(option.name).unwrap_or_default();
    let (prefix, marker, end_marker) = (text(PREFIX), text(MARKER), text(END_MARKER));
    let job = Job { account, container, prefix, marker, end_marker, timestamp };
    let client = client(&given, tries)?;
    runtime(Some(1))?.block_on(job.enqueue_all(&client, &mut stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn client(given: &Given, tries: &str) -> anyhow::Result<InternalClient> {
    let path = given.value(CONFIG.name).unwrap_or("/etc/swift/internal-client.conf");
    let swift_dir = Ini::read(path)?.default_options()?.str_or("swift_dir", "/etc/swift");
    let swift = SwiftConf::read(std::path::Path::new(&swift_dir).join("swift.conf"))?;
    let options = Options::new(path, "container-deleter").with("request_tries", tries);
    Ok(InternalClient::load(&ClientFile::At(path.into()), &options, &swift, USER_AGENT)?)
}

impl Job<'_> {
    async fn enqueue_all(&self, client: &InternalClient, out: &mut impl Write) -> anyhow::Result<()> {
        let path = Path::container(self.account, self.container);
        let mut listing = client
            .listing(path, Accepts::SUCCESS_OR_NOT_FOUND)
            .between(self.marker, self.end_marker)
            .with_prefix(self.prefix);
        let (mut marked, mut told) = (0, Instant::now());
        let mut names = Vec::new();
        loop {
            let entry = listing.next().await.context("listing the container")?;
            let is_last = entry.is_none();
            names.extend(entry.map(|entry| entry.name));
            if names.len() < OBJECTS_PER_UPDATE && !is_last {
                continue;
            }
            if let Some(last) = names.last() {
                self.enqueue(client, &names).await?;
                marked += names.len();
                if told.elapsed() > REPORT_INTERVAL {
                    writeln!(out, "Marked {marked} objects for deletion, through {}", repr(last))?;
                    told = Instant::now();
                }
                names.clear();
            }
            if is_last {
                writeln!(out, "Finished. Marked {marked} objects for deletion.")?;
                return Ok(());
            }
        }
    }

    async fn enqueue(&self, client: &InternalClient, names: &[String]) -> anyhow::Result<()> {
        let time = self.timestamp.normal();
        let entry = |object: &String| {
            json!({
                "name": format!("{time}-{}/{}/{object}", self.account, self.container),
                "deleted": 0,
                "created_at": self.timestamp.internal(),
                "etag": MD5_OF_NOTHING,
                "size": 0,
                "storage_policy_index": 0,
                "content_type": ASYNC_DELETE_TYPE,
            })
        };
        let entries: Vec<_> = names.iter().map(entry).collect();
        let body = serde_json::to_vec(&entries)?;
        let queue = Path::container(QUEUE_ACCOUNT, &self.timestamp.seconds().to_string());
        let ask = Ask::new(Method::Update, queue)
            .with("X-Backend-Allow-Private-Methods", "True")
            .with("X-Backend-Storage-Policy-Index", "0")
            .with("X-Timestamp", self.timestamp.internal())
            .with("Content-Length", body.len().to_string())
            .upload(Headers::new(), Body::full(body));
        client.settle(ask, Accepts::SUCCESS).await.context("entering objects into the queue")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::DaemonKind;
    use crate::role::testing::TestCluster;

    #[tokio::test]
    async fn a_part_of_a_container_is_queued_and_the_expirer_deletes_it() {
        let cluster = TestCluster::start().await;
        let client = cluster.client();
        client.put(Path::container("a", "c"), &[], "").await;
        for name in ["a/1", "a/2", "a/3", "a/é", "b"] {
            client.put(Path::object("a", "c", name), &[], "hello").await;
        }
        let timestamp = Timestamp::now();
        let job = |marker, container| Job {
            account: "a",
            container,
            prefix: "a/",
            marker,
            end_marker: "",
            timestamp,
        };
        let mut said = Vec::new();
        job("a/1", "c").enqueue_all(&client, &mut said).await.unwrap();
        job("", "none").enqueue_all(&client, &mut said).await.unwrap();
        assert_eq!(
            String::from_utf8(said).unwrap(),
            "Finished. Marked 3 objects for deletion.\nFinished. Marked 0 objects for deletion.\n"
        );
        let queue = Path::container(QUEUE_ACCOUNT, &timestamp.seconds().to_string());
        let queued = client.entries(queue.clone()).await;
        let names: Vec<_> = queued.iter().map(|entry| entry.name.clone()).collect();
        let time = timestamp.normal();
        assert_eq!(names, ["2", "3", "é"].map(|name| format!("{time}-a/c/a/{name}")));
        assert!(queued.iter().all(|entry| entry.content_type == ASYNC_DELETE_TYPE));
        // accounts hear of the queue's containers from the updater
        cluster.run(DaemonKind::ContainerUpdater, "").await;
        cluster.run(DaemonKind::ObjectExpirer, "dequeue_from_legacy = true").await;
        assert_eq!(client.names(Path::container("a", "c")).await, ["a/1", "b"]);
        assert_eq!(client.names(queue).await, [""; 0]);
    }
}
