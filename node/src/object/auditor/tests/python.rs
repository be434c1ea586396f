//! Beside Python Swift's auditor: each passes what the other's programs stored, and both set the same aside in the same
//! place.

use super::damage::Damage;
use super::{Node, names};
use crate::object::auditor::plan::{Counts, Scan};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use swiftlet_testing::run_python;
use swiftlet_types::Timestamp;

const PROGRAM: &str = include_str!("auditor.py");

fn devices(root: &Path) -> String {
    root.join("node").display().to_string()
}

/// What Python's auditor finds.
fn python_scan(root: &Path, scan: Scan) -> Counts {
    let printed = run_python(PROGRAM, &[&devices(root), "audit", scan.name()], "");
    let (passes, quarantined, errors, bytes) = serde_json::from_str(&printed).unwrap();
    Counts { passes, quarantined, errors, bytes }
}

#[tokio::test]
async fn each_passes_what_the_other_stored() {
    let node = Node::new();
    run_python(PROGRAM, &[&devices(node.root.path()), "put"], "");
    for number in 0..10 {
        let object = format!("öurs{number}");
        node.put("sda", &object, &vec![b'y'; number * 400_000], &[("X-Object-Meta-Colour", "blü")]);
        if number % 3 == 2 {
            node.delete("sda", &object, Timestamp::now());
        }
    }
    let ours = node.scan(Scan::All).await;
    assert_eq!((ours.passes, ours.quarantined, ours.errors), (20, 0, 0));
    assert!(ours.bytes > 10_000_000, "{ours:?}");
    for scan in Scan::BOTH {
        assert_eq!(python_scan(node.root.path(), scan), node.scan(scan).await, "{scan:?}");
    }
    assert!(node.quarantined().is_empty());
}

/// Every file and folder below `dir` by its path, with what it holds where that says what was done.
fn tree(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(folder) = waiting.pop() {
        for name in names(&folder) {
            let path = folder.join(&name);
            let content = match name.as_str() {
                "hashes.invalid" => {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let mut lines: Vec<&str> = text.lines().collect();
                    lines.sort_unstable();
                    lines.join(" ")
                }
                _ => String::new(),
            };
            let is_dir = std::fs::symlink_metadata(&path).unwrap().is_dir();
            found.push((path.strip_prefix(dir).unwrap().to_owned(), content));
            if is_dir {
                waiting.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A node with an object for each damage, and what else an auditor meets.
fn damaged() -> Node {
    // a tombstone that is too old is kept until it is audited
    let node = Node::with(&[("reclaim_age", "315360000")]);
    // Without a name Python's auditor fails over it, time and again; its object server sets it aside, as we do.
    for damage in Damage::ALL.into_iter().filter(|damage| *damage != Damage::NoName) {
        damage.apply(&node.put("sda", &format!("large {damage:?}"), &vec![b'x'; 1 << 20], &[]));
        damage.apply(&node.put("sda", &format!("small {damage:?}"), b"hello", &[]));
    }
    let old = Timestamp::from_ticks(Timestamp::now().ticks() - 30 * 86_400 * 100_000).unwrap();
    node.delete("sda", "long gone", old);
    Damage::NoPickle.apply(&node.delete("sda", "damaged tombstone", Timestamp::now()));
    node.put("sda", "expired", b"hello", &[("X-Delete-At", "1402464677")]);
    let (moved, to) = (node.put("sda", "moved", b"hello", &[]), node.location("sda", "not here").dir);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::rename(moved, to).unwrap();
    let dir = node.put("sda", "rsync", b"hello", &[]);
    for (name, age_s) in [(".1402464677.00000.data.x7Kd_0", 200), (".1402464677.00000.data.x7Kd_1", 10)] {
        let file = std::fs::File::create(dir.join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age_s)).unwrap();
    }
    node
}

#[tokio::test]
async fn both_set_the_same_aside_in_the_same_place() {
    for scan in Scan::BOTH {
        let ours = damaged();
        let theirs = tempfile::tempdir().unwrap();
        let copied = std::process::Command::new("cp")
            .args(["-a", &devices(ours.root.path()), &devices(theirs.path())])
            .status();
        assert!(copied.unwrap().success());
        let ours = Node::at(ours.root, &[("rsync_tempfile_timeout", "100")]);
        let (found, by_python) = (ours.scan(scan).await, python_scan(theirs.path(), scan));
        assert!(found.quarantined > 20, "{found:?}");
        assert_eq!((found.passes, found.quarantined), (by_python.passes, by_python.quarantined), "{scan:?}");
        assert_eq!(found, by_python, "{scan:?}");
        assert_eq!(tree(&ours.root.path().join("node")), tree(&theirs.path().join("node")), "{scan:?}");
    }
}
