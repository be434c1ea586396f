//! The same command lines for Python's tool and for ours: same output, same exit codes, same state.

use std::collections::HashMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use swiftlet_ring::builder::file;
use swiftlet_testing::run_python;

use super::*;

/// A console that keeps what it is told and answers what it was given.
#[derive(Default)]
struct Recorder {
    output: String,
    errors: String,
    answer: Option<String>,
}

impl Console for Recorder {
    fn print(&mut self, line: &str) {
        self.output += line;
        self.output.push('\n');
    }

    fn complain(&mut self, line: &str) {
        self.errors += line;
        self.errors.push('\n');
    }

    fn ask(&mut self, question: &str) -> Option<String> {
        self.output += question;
        self.answer.clone()
    }

    fn now_secs(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
    }
}

fn ours(folder: &Path, line: &[String], answer: Option<&str>) -> (String, i64, String) {
    let mut console = Recorder { answer: answer.map(str::to_owned), ..Recorder::default() };
    let line: Vec<String> =
        line.iter().map(|word| word.replace("DIR", folder.to_str().expect("text"))).collect();
    let exit = match execute("swift-ring-builder", &line, &mut console) {
        Exit::Success => 0,
        Exit::Warning => 1,
        Exit::Error => 2,
    };
    (console.output, exit, console.errors)
}

/// Runs command lines with Python's tool and prints output and exit code of each.
const RUN_EACH: &str = r#"
import contextlib, io, json, sys
from swift.cli import ringbuilder
folder = sys.argv[1]
for line in sys.stdin:
    words, answer = json.loads(line)
    out, err = io.StringIO(), io.StringIO()
    sys.stdin = io.StringIO('' if answer is None else answer + '\n')
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            ringbuilder.main(['swift-ring-builder'] + [w.replace('DIR', folder) for w in words])
        code = 0
    except SystemExit as e:
        code = e.code or 0
    except Exception as e:
        code = 2
    print(json.dumps([out.getvalue(), code]))
"#;

fn python(folder: &Path, script: &[(Vec<String>, Option<&str>)]) -> Vec<(String, i64)> {
    let input: String =
        script.iter().map(|line| serde_json::to_string(line).expect("plain data") + "\n").collect();
    let text = run_python(RUN_EACH, &[folder.to_str().expect("text")], &input);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Takes out what differs from run to run: folders, ids, times.
fn masked(text: &str, folder: &Path) -> String {
    let text = text.replace(folder.to_str().expect("text"), "DIR");
    let id = regex::Regex::new(r"id [0-9a-f]{32}").expect("valid");
    let left = regex::Regex::new(r"\(\d+:\d\d:\d\d remaining\)").expect("valid");
    left.replace_all(&id.replace_all(&text, "id ID"), "(TIME remaining)").into_owned()
}

/// What a builder file holds, devices and figures, without the assignment itself.
fn state(path: &Path) -> Option<String> {
    let builder = file::load(path).ok()?;
    let devices: Vec<String> = builder
        .devices()
        .map(|d| format!("{d} {} {} {}", d.weight, builder.parts_held(d.id), builder.is_removed(d.id)))
        .collect();
    Some(format!(
        "{} {:?} {} {} {} {} {} {} {:?}",
        builder.part_power(),
        builder.next_part_power(),
        builder.replicas(),
        builder.min_part_hours(),
        builder.overload(),
        builder.version(),
        builder.devices_changed(),
        builder.is_balanced_once(),
        devices,
    ))
}

/// Runs a script of command lines both ways. Its rings have only one best assignment, or figures would differ. A line is words separated by blanks; `<y` at its end is an answer.
/// Lines that begin with `!` are checked for exit code and state, not for their output: help texts and tracebacks.
fn compare(script: &str) {
    let (our_folder, their_folder) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let mut lines = Vec::new();
    let mut unread = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (line, is_unread) = line.strip_prefix('!').map_or((line, false), |line| (line, true));
        let (line, answer) =
            line.split_once(" <").map_or((line, None), |(line, answer)| (line, Some(answer)));
        lines.push((line.split(' ').map(|word| word.replace('~', " ")).collect::<Vec<String>>(), answer));
        unread.push(is_unread);
    }
    let theirs = python(their_folder.path(), &lines);
    assert_eq!(theirs.len(), lines.len());
    for (((line, answer), (their_output, their_exit)), is_unread) in lines.iter().zip(&theirs).zip(unread) {
        let (our_output, our_exit, errors) = ours(our_folder.path(), line, *answer);
        let context = format!("{line:?}: {our_output}{errors}; Python: {their_output}");
        assert_eq!(our_exit, *their_exit, "{context}");
        if !is_unread {
            assert_eq!(
                masked(&our_output, our_folder.path()),
                masked(their_output, their_folder.path()),
                "{line:?}"
            );
        }
    }
    let mut kept = HashMap::new();
    for folder in [our_folder.path(), their_folder.path()] {
        for entry in std::fs::read_dir(folder).expect("readable").flatten() {
            let name = entry.file_name().into_string().expect("text");
            if name != "script" {
                kept.entry(name).or_insert_with(Vec::new).push(state(&entry.path()));
            }
        }
    }
    for (name, states) in kept {
        assert_eq!(states.len(), 2, "only one program wrote {name}");
        assert_eq!(states[0], states[1], "{name}");
    }
}

#[test]
fn a_ring_is_built_as_python_builds_it() {
    compare(
        "DIR/object.builder create 6 3 1
         DIR/object.builder
         DIR/object.builder add z1-10.0.0.1:6200/sda 50
         DIR/object.builder add r1z1-10.0.0.1:6200/sdb_meta~text 50 r1z2-10.0.0.2:6200R10.1.0.2:6300/sda 100.0
         DIR/object.builder add --region 1 --zone 3 --ip 10.0.0.3 --port 6200 --device sda --weight 100 -m slow
         DIR/object.builder add -r1 -z 4 --ip=[fe80::A:1] -p 6200 -d sdc -w 0
         DIR/object.builder
         DIR/object.ring.gz
         DIR/object.builder rebalance 42
         DIR/object.builder
         DIR/object.builder search z1
         DIR/object.builder search --meta ta~te
         DIR/object.builder search --ip fe80::a:1
         DIR/object.builder search d77
         DIR/object.builder rebalance --seed 7
         DIR/object.builder validate
         DIR/object.builder dispersion
         DIR/object.builder version
         DIR/object.builder set_info d1 10.9.9.9:6999R10.8.8.8:6998/sdz_new
         DIR/object.builder
         DIR/object.builder write_ring --format-version 2
         DIR/object.builder version
         DIR/object.builder write_ring --format-version 2 --dev-id-bytes 4
         DIR/object.builder version
         DIR/object.builder write_ring
         DIR/object.builder",
    );
}

#[test]
fn devices_change_as_in_python() {
    compare(
        "DIR/b create 5 2 0
         DIR/b add r1z1-10.0.0.1:6200/sda 1 r1z1-10.0.0.1:6200/sdb 1 r1z2-10.0.0.2:6200/sda 1 r2z1-10.0.0.3:6200/sda 0
         DIR/b set_weight d0 2.5
         DIR/b set_weight z1 3 <y
         DIR/b set_weight r1 3 <n
         DIR/b set_weight r1 3
         DIR/b set_weight --zone 2 7
         DIR/b set_weight --zone 1 --yes 6
         DIR/b set_weight d9 1
         DIR/b set_weight d0 many
         DIR/b set_region d3 4
         DIR/b set_zone d3 5
         DIR/b set_zone d2 6
         DIR/b set_zone d3 x
         DIR/b set_info d0 _rack~1
         DIR/b set_info d0 10.0.0.2
         DIR/b set_info --device sdb --change-ip Node-7.Example --change-port 7000 --change-meta x
         DIR/b set_info d0 nonsense
         DIR/b search nonsense
         !DIR/b search d0 --zone 1
         DIR/b remove d3
         DIR/b set_weight d3 1
         DIR/b remove r1 <no
         DIR/b remove d17
         DIR/b
         DIR/b rebalance --force
         DIR/b list_parts d0 d1 d2
         DIR/b list_parts d44
         DIR/b add r1z1-10.0.0.2:6200/sda 1
         DIR/b add r1z1-10.0.0.5:6200/sda -1
         DIR/b add r1z1-10.0.0.5/sda 1
         DIR/b add r1z1-10.0.0.5:6200 1
         DIR/b add 10.0.0.5:6200/sda 1
         DIR/b add r1z1-10.0.0.5:6200/ 1
         DIR/b add --region 1 --zone 3 --ip 10.0.0.3
         !DIR/b add r1z1-10.0.0.5:6200/sda
         DIR/b add r1z9-10.0.0.9:6200/sda 1
         DIR/b",
    );
}

#[test]
fn settings_change_as_in_python() {
    compare(
        "DIR/object-1.builder create 4 2.5 1
         DIR/object-1.builder set_replicas 3
         DIR/object-1.builder set_replicas 0.5
         !DIR/object-1.builder set_replicas many
         DIR/object-1.builder set_overload 10%
         DIR/object-1.builder set_overload 0.3
         DIR/object-1.builder set_overload 2
         DIR/object-1.builder set_overload -1%
         !DIR/object-1.builder set_overload some
         DIR/object-1.builder set_min_part_hours 5
         !DIR/object-1.builder set_min_part_hours five
         DIR/object-1.builder rebalance
         DIR/object-1.builder write_ring
         DIR/object-1.builder list_parts d0
         DIR/object-1.builder dispersion
         !DIR/object-1.builder validate
         DIR/object-1.builder add r1z1-10.0.0.1:1/a 1 r1z2-10.0.0.1:1/b 1 r1z3-10.0.0.1:1/c 1 r1z4-10.0.0.1:1/d 1
         DIR/object-1.builder rebalance
         DIR/object-1.builder rebalance
         DIR/object-1.builder pretend_min_part_hours_passed
         DIR/object-1.builder rebalance
         DIR/object-1.builder increase_partition_power
         DIR/object-1.builder prepare_increase_partition_power
         DIR/object-1.builder
         DIR/object-1.builder prepare_increase_partition_power
         DIR/object-1.builder add r1z1-10.0.0.1:1/e 1
         DIR/object-1.builder remove d0
         DIR/object-1.builder rebalance
         DIR/object-1.builder increase_partition_power
         DIR/object-1.builder
         DIR/object-1.builder cancel_increase_partition_power
         DIR/object-1.builder write_ring
         DIR/object-1.builder
         DIR/object-1.builder finish_increase_partition_power
         DIR/object-1.builder finish_increase_partition_power
         DIR/object-1.builder prepare_increase_partition_power
         DIR/object-1.builder cancel_increase_partition_power
         DIR/object-1.builder finish_increase_partition_power
         DIR/container.builder create 4 2 1
         DIR/container.builder prepare_increase_partition_power",
    );
}

#[test]
fn mistakes_are_answered_as_in_python() {
    compare(
        "DIR/none.builder
         DIR/none.builder add r1z1-10.0.0.1:1/a 1
         DIR/none.builder nonsense
         !DIR/none.builder version
         !DIR/none.builder write_builder
         !DIR/a.builder create 4 2
         DIR/a.builder create 33 2 1
         DIR/a.builder create 4 0.5 1
         DIR/a.builder create four 2 1
         DIR/a.builder create 4 two 1
         DIR/a.builder create 4 2 1
         DIR/a.builder nonsense
         !DIR/a.builder add
         !DIR/a.builder search
         !DIR/a.builder rebalance --format-version 3
         !DIR/a.builder rebalance --nonsense
         !DIR/a.builder search --re
         !DIR/a.builder set_weight d0 -5
         DIR/a.builder rebalance
         DIR/a.builder add r1z1-10.0.0.1:1/a 1
         DIR/a.builder rebalance
         DIR/a.builder write_ring",
    );
}

/// A script as [`python`] takes it.
fn lines(script: &str) -> Vec<(Vec<String>, Option<&str>)> {
    let lines = script.lines().map(str::trim);
    lines.map(|line| (line.split(' ').map(str::to_owned).collect(), None)).collect()
}

#[test]
fn pythons_crowded_rings_are_reported_as_by_python() {
    let folder = tempfile::tempdir().expect("a folder");
    let build = "DIR/o.builder create 6 3 1
        DIR/o.builder add r1z1-10.0.0.1:1/a 100 r1z1-10.0.0.1:1/b 100 r1z1-10.0.0.1:1/c 100 r1z2-10.0.0.2:1/a 20
        DIR/o.builder add r1z3-10.0.0.3:1/a 20
        DIR/o.builder rebalance 1";
    assert!(python(folder.path(), &lines(build)).iter().all(|(_, exit)| *exit < 2));
    let reports = lines(
        "DIR/o.builder dispersion
        DIR/o.builder dispersion -v
        DIR/o.builder dispersion r1z\\d+$ -v
        DIR/o.builder dispersion nothing -v
        DIR/o.builder
        DIR/o.builder search r1
        DIR/o.builder list_parts d0 d4",
    );
    for ((line, _), (output, exit)) in reports.iter().zip(python(folder.path(), &reports)) {
        let (our_output, our_exit, errors) = ours(folder.path(), line, None);
        assert_eq!((our_exit, errors.as_str()), (exit, ""), "{line:?}");
        assert_eq!(masked(&our_output, folder.path()), masked(&output, folder.path()), "{line:?}");
    }
}

#[test]
fn a_lost_builder_comes_back_from_its_ring() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        ours(folder.path(), &words, None)
    };
    run("DIR/a.builder create 4 3 1");
    run("DIR/a.builder add r1z1-10.0.0.1:1/a 1 r1z2-10.0.0.1:1/b 1 r1z3-10.0.0.1:1/c 1");
    assert_eq!(run("DIR/a.builder rebalance --seed 1").1, 0);
    let before = file::load(&folder.path().join("a.builder")).expect("a builder");
    assert_eq!(run("DIR/a.ring.gz write_builder 3").1, 2);
    std::fs::remove_file(folder.path().join("a.builder")).expect("removed");
    assert_eq!(run("DIR/a.ring.gz write_builder 3").1, 0);
    let after = file::load(&folder.path().join("a.builder")).expect("a builder");
    assert_eq!((after.ring(), after.min_part_hours()), (before.ring(), 3));
    let backups = std::fs::read_dir(folder.path().join("backups")).expect("made").count();
    assert!(backups >= 2, "{backups} files in backups");
}

#[test]
fn a_file_that_is_no_builder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.builder"), b"not a builder").expect("written");
    let (output, exit, _) = ours(folder.path(), &["DIR/a.builder".into()], None);
    let expected = format!("Ring Builder file is invalid: {}/a.builder\n", folder.path().display());
    assert_eq!((output, exit), (expected, 2));
    let (help, exit, _) = ours(folder.path(), &[], None);
    assert!(help.contains("rebalance") && exit == 0);
}

#[test]
fn the_safe_tool_waits_for_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.builder").to_str().expect("text").to_owned();
    let words: Vec<String> = [&*path, "create", "4", "1", "1"].map(str::to_owned).into();
    assert_eq!(execute("swift-ring-builder-safe", &words, &mut Recorder::default()), Exit::Success);
    assert!(folder.path().join(".lock").exists());
}
