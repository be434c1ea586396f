//! `swift-ring-builder-analyzer`: how well partitions are assigned while devices come, change and go, as a scenario says.

mod scenario;

use clap::Parser;
use scenario::{Change, Scenario};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use swiftlet_ring::builder::{Builder, BuilderError, MAX_BALANCE, Rebalanced, file};
use thiserror::Error;

/// A ring whose balance changes by less, in percent, has settled.
const SETTLED: f64 = 1.0;

/// Rebalances a ring, round after round of changes, until it settles, and shows how that went
#[derive(Debug, Parser)]
#[command(name = "swift-ring-builder-analyzer", infer_long_args = true)]
struct Arguments {
    /// Only read the scenario
    #[arg(long, short)]
    check: bool,
    /// The scenario, in JSON
    scenario_path: PathBuf,
}

/// Why a scenario was not carried out.
#[derive(Debug, Error)]
enum AnalyzeError {
    #[error("Error opening scenario {path}: {source}")]
    Open { path: PathBuf, source: io::Error },
    #[error("Invalid scenario {path}: {why}")]
    Invalid { path: PathBuf, why: String },
    #[error("round {round}: {source}")]
    Ring { round: usize, source: BuilderError },
    #[error("cannot save {path}: {source}")]
    Save { path: String, source: io::Error },
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Runs it with the arguments that follow its name.
pub fn run(arguments: &[OsString]) -> ExitCode {
    let named =
        std::iter::once(OsString::from("swift-ring-builder-analyzer")).chain(arguments.iter().cloned());
    let arguments = match Arguments::try_parse_from(named) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help is an "error" too. Nobody may be there to read either.
            let _ = error.print();
            return ExitCode::from(error.exit_code().clamp(0, 255) as u8);
        }
    };
    match analyze(&arguments, &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn analyze(arguments: &Arguments, out: &mut impl Write) -> Result<(), AnalyzeError> {
    let path = &arguments.scenario_path;
    let text = read(path).map_err(|source| AnalyzeError::Open { path: path.clone(), source })?;
    let scenario = Scenario::parse(&text).map_err(|why| AnalyzeError::Invalid { path: path.clone(), why })?;
    if arguments.check { Ok(()) } else { play(scenario, out) }
}

fn read(path: &Path) -> io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(scenario::MAX_LEN).read_to_string(&mut text)?;
    Ok(text)
}

fn play(scenario: Scenario, out: &mut impl Write) -> Result<(), AnalyzeError> {
    let in_round = |round| move |source| AnalyzeError::Ring { round, source };
    let seed = scenario.random_seed.to_string();
    let mut builder = Builder::new(scenario.part_power, scenario.replicas, 1).map_err(in_round(0))?;
    builder.set_overload(scenario.overload).map_err(in_round(0))?;
    for (round, changes) in (1..).zip(scenario.rounds) {
        writeln!(out, "Round {round}")?;
        for change in changes {
            apply(&mut builder, change, round)?;
        }
        let mut last: Option<f64> = None;
        for number in 1.. {
            let done = builder.rebalance(now_secs(), &seed).map_err(in_round(round))?;
            builder.pretend_min_part_hours_passed();
            let Rebalanced { moved, balance, removed_devices } = done;
            writeln!(
                out,
                "\tRebalance {number}: moved {moved} parts, balance is {balance:.6}, {removed_devices} removed devs"
            )?;
            if last.is_some_and(|last| has_settled(last, &done)) {
                break;
            }
            last = Some(balance);
        }
    }
    Ok(())
}

fn apply(builder: &mut Builder, change: Change, round: usize) -> Result<(), AnalyzeError> {
    let done = match change {
        Change::Add(device) => builder.add(device).map(drop),
        Change::Remove(id) => builder.remove(id),
        Change::SetWeight(id, weight) => builder.set_weight(id, weight),
        Change::Save(path) => {
            builder.assign_id(super::new_id);
            return file::save(Path::new(&path), builder)
                .map_err(|source| AnalyzeError::Save { path, source });
        }
    };
    done.map_err(|source| AnalyzeError::Ring { round, source })
}

fn has_settled(last: f64, done: &Rebalanced) -> bool {
    let is_hopeless = last == MAX_BALANCE && done.balance == MAX_BALANCE;
    let is_still = done.moved == 0 && done.removed_devices == 0;
    is_still || ((done.balance - last).abs() < SETTLED && !is_hopeless)
}

fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;
    use swiftlet_testing::run_python;

    const SCENARIO: &str = r#"{"part_power": 8, "replicas": 3, "overload": "0.1", "random_seed": 7, "rounds": [
        [["add", "r1z1-10.0.0.1:6200/sda", 100], ["add", "z2-10.0.0.2:6200/sdb", 100.0],
         ["add", "r1z3-10.0.0.3:6200R10.1.0.3:6300/sdc_m", "100"], ["add", "r1z4-10.0.0.4:6200/sdd", 100]],
        [["set_weight", 3, 50], ["add", "r1z4-10.0.0.4:6200/sde", 50]],
        [["remove", 0], ["save", "DIR/x.builder"]]]}"#;

    fn arguments(path: &Path, check: bool) -> Arguments {
        Arguments { check, scenario_path: path.to_owned() }
    }

    /// What is printed, without how much was moved: which rebalance moves what is each program's own.
    fn shape(out: &str) -> Vec<String> {
        let first = out.lines().filter(|line| line.starts_with("Round") || line.contains("Rebalance 1:"));
        let figures = Regex::new(r"moved \d+ parts, balance is \d+\.\d{6}, ").unwrap();
        first.map(|line| figures.replace(line, "moved N parts, balance is F, ").into_owned()).collect()
    }

    #[test]
    fn a_scenario_is_played_as_python_plays_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scenario.json");
        std::fs::write(&path, SCENARIO.replace("DIR", dir.path().to_str().unwrap())).unwrap();
        let mut out = Vec::new();
        analyze(&arguments(&path, true), &mut out).unwrap();
        assert!(out.is_empty());
        analyze(&arguments(&path, false), &mut out).unwrap();
        let ours = String::from_utf8(out).unwrap();
        let builder = file::load(&dir.path().join("x.builder")).unwrap();
        assert_eq!((builder.devices().count(), builder.id().is_some()), (5, true));
        let program = "import sys; from swift.cli.ring_builder_analyzer import main; main(sys.argv[1:])";
        let python = run_python(program, &[path.to_str().unwrap()], "");
        assert_eq!(shape(&ours), shape(&python), "{ours}\n{python}");
        let first = "Round 1\n\tRebalance 1: moved 768 parts, balance is 0.000000, 0 removed devs\n\t\
                     Rebalance 2: moved 0 parts, balance is 0.000000, 0 removed devs\nRound 2\n";
        assert!(ours.starts_with(first) && python.starts_with(first), "{ours}\n{python}");
    }

    #[test]
    fn a_ring_without_devices_to_remove_from_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scenario.json");
        let text = r#"{"part_power": 4, "replicas": 1, "overload": 0, "random_seed": 1, "rounds": [[["remove", 9]]]}"#;
        std::fs::write(&path, text).unwrap();
        let error = analyze(&arguments(&path, false), &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "round 1: there is no device with id 9");
        let error = analyze(&arguments(&dir.path().join("none"), true), &mut Vec::new()).unwrap_err();
        assert!(matches!(error, AnalyzeError::Open { .. }));
    }
}
