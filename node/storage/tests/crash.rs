//! kill -9 at any instant leaves the old object or the new one, whole; never half of one, never an acknowledged
//! write undone.
//!
//! The process dies here, not the machine: what the kernel holds survives. That the syncs which a power loss needs
//! are made, and in which order, is `writer.rs`'s to keep; this shows that no order of its steps lets a reader see
//! an unfinished state.

mod common;

use common::{location, put, store_at};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use swiftlet_storage::object::{OpenError, OpenOptions, hashes};
use swiftlet_types::Timestamp;

/// Set for the child process: where its devices are, and the first time to write at.
const CHILD: &str = "SWIFTLET_TEST_CRASH_CHILD";
const ROUNDS: usize = 40;
const OBJECTS: u64 = 3;
const PARTITION: u64 = 1;
/// Long enough that large metadata takes its side file where the file system needs one.
const LONG: [u8; 5000] = [b'm'; 5000];

/// Not a test of its own: the writer that the test below kills. Says each write's number when it is durable.
#[test]
fn child_writes_until_it_is_killed() {
    let Ok(config) = std::env::var(CHILD) else { return };
    let (root, first) = config.split_once(' ').expect("folder and time");
    let store = store_at(root.into());
    let first: u64 = first.parse().expect("ticks");
    for n in 0.. {
        let at = location(&store, PARTITION, &format!("o{}", n % OBJECTS));
        let time = Timestamp::from_ticks(first + n).expect("in range");
        if n % 7 == 6 {
            store.delete(&at, time, None).expect("deleted");
        } else {
            let body = body_of(first + n);
            put(&store, &at, &time.internal(), &body, &[("X-Object-Sysmeta-Long", &LONG)]).expect("put");
        }
        println!("\nwritten {n}");
    }
}

fn body_of(ticks: u64) -> Vec<u8> {
    ticks.to_string().repeat(1 + ticks as usize % 3000).into_bytes()
}

#[test]
fn killed_at_any_instant_every_object_is_old_or_new() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("sda")).unwrap();
    let mut first = Timestamp::now().ticks();
    let mut written = 0;
    for round in 0..ROUNDS {
        let last = run_and_kill(root.path(), first, Duration::from_micros(2_000 + 3_700 * round as u64));
        written += last.map_or(0, |n| n + 1);
        check(root.path(), first, last);
        first += 1_000_000;
    }
    assert!(written > ROUNDS as u64, "{written} writes in {ROUNDS} rounds");
    // what the killed writers noted is enough for the suffixes' hashes
    let get = || {
        hashes::get_hashes(&root.path().join("sda"), 0, PARTITION, &[], Duration::from_secs(86_400))
            .unwrap()
            .1
    };
    let incremental = get();
    std::fs::remove_file(root.path().join("sda/objects/1/hashes.pkl")).unwrap();
    assert_eq!(get(), incremental);
}

/// The number of the last write that was acknowledged.
fn run_and_kill(root: &Path, first: u64, patience: Duration) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child_writes_until_it_is_killed", "--nocapture"])
        .env(CHILD, format!("{} {first}", root.display()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let number = |line: &str| line.strip_prefix("written ").and_then(|n| n.parse().ok());
    let mut last = None;
    while last.is_none() {
        last = number(&lines.next().expect("it writes").expect("text"));
    }
    std::thread::sleep(patience);
    child.kill().expect("killed");
    child.wait().expect("dead");
    // a line cut off by the kill is no acknowledgement
    for line in lines.map_while(Result::ok) {
        last = number(&line).or(last);
    }
    last
}

/// Each object is at its last acknowledged write or at the one after it that was under way.
fn check(root: &Path, first: u64, last: Option<u64>) {
    let store = store_at(root.into());
    let last = last.expect("at least one");
    for object in 0..OBJECTS {
        let Some(acknowledged) = (0..=last).rev().find(|n| n % OBJECTS == object) else { continue };
        let at = location(&store, PARTITION, &format!("o{object}"));
        let expected: Vec<u64> = [acknowledged, acknowledged + OBJECTS].map(|n| first + n).to_vec();
        match store.open(&at, OpenOptions { now: Timestamp::now(), open_expired: false }) {
            Ok(opened) => {
                let ticks = opened.state.timestamp.ticks();
                assert!(expected.contains(&ticks), "o{object} is of {ticks}, acknowledged {expected:?}");
                assert_eq!(
                    opened.state.metadata.get("X-Object-Sysmeta-Long").map(|m| m.len()),
                    Some(LONG.len())
                );
                let (_, mut reader) = opened.into_reader(&store, true, true);
                assert!(reader.read(1 << 20).unwrap() == body_of(ticks), "the bytes of {ticks}");
            }
            Err(OpenError::Deleted { timestamp }) => assert!(expected.contains(&timestamp.ticks())),
            Err(error) => panic!("o{object}: {error}"),
        }
    }
    assert!(!root.join("sda/quarantined").exists());
}
