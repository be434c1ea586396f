//! A scenario: what a ring is made of, and rounds of changes to it.

use super::super::{arguments, device_text};
use serde_json::Value;
use swiftlet_ring::DeviceId;
use swiftlet_ring::builder::NewDevice;

/// More than a scenario of ten thousand devices.
pub(super) const MAX_LEN: u64 = 64 << 20;

/// What is done to a ring, and how it begins.
#[derive(Debug, PartialEq)]
pub(super) struct Scenario {
    pub part_power: u32,
    pub replicas: f64,
    pub overload: f64,
    pub random_seed: i64,
    pub rounds: Vec<Vec<Change>>,
}

/// A change of a ring.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    Add(NewDevice),
    Remove(DeviceId),
    SetWeight(DeviceId, f64),
    /// Saves the builder there.
    Save(String),
}

impl Scenario {
    /// Reads one from JSON; the error is what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let raw: Value =
            serde_json::from_str(text).map_err(|error| format!("Invalid JSON in scenario file: {error}"))?;
        if !raw.is_object() {
            return Err("Scenario must be a JSON object, not array or string".to_owned());
        }
        let part_power = number(&raw, "part_power", integer, "not an integer")?;
        if !(1..=32).contains(&part_power) {
            return Err(format!("part_power must be between 1 and 32, but was {part_power}"));
        }
        let replicas = number(&raw, "replicas", float, "not a float")?;
        if replicas.is_nan() || replicas < 1.0 {
            return Err(format!("replicas must be at least 1, but is {replicas:.6}"));
        }
        let overload = number(&raw, "overload", float, "not a float")?;
        if overload.is_nan() || overload < 0.0 {
            return Err(format!("overload must be non-negative, but is {overload:.6}"));
        }
        let random_seed = number(&raw, "random_seed", integer, "not an integer")?;
        let rounds =
            raw.get("rounds").ok_or("rounds missing")?.as_array().ok_or("rounds must be an array")?;
        let rounds = (0..).zip(rounds).map(|(at, round)| parse_round(at, round)).collect::<Result<_, _>>()?;
        Ok(Self { part_power: part_power as u32, replicas, overload, random_seed, rounds })
    }
}

fn number<T>(
    raw: &Value,
    name: &str,
    read: fn(&Value) -> Result<T, String>,
    wrong: &str,
) -> Result<T, String> {
    let value = raw.get(name).ok_or_else(|| format!("{name} missing"))?;
    read(value).map_err(|why| format!("{name} {wrong}: {why}"))
}

/// A number without its fraction, or the text of a whole one.
fn integer(value: &Value) -> Result<i64, String> {
    match (value, value.as_i64(), value.as_f64()) {
        (Value::String(text), ..) => arguments::int(text),
        (_, Some(number), _) => Ok(number),
        (_, _, Some(number)) => Ok(number as i64),
        _ => Err(format!("{value} is no number")),
    }
}

fn float(value: &Value) -> Result<f64, String> {
    match (value, value.as_f64()) {
        (Value::String(text), _) => arguments::float(text),
        (_, Some(number)) => Ok(number),
        _ => Err(format!("{value} is no number")),
    }
}

fn parse_round(round: usize, raw: &Value) -> Result<Vec<Change>, String> {
    let changes = raw.as_array().ok_or_else(|| format!("round {round} not an array"))?;
    (0..).zip(changes).map(|(at, change)| parse_change(round, at, change)).collect()
}

fn parse_change(round: usize, at: usize, raw: &Value) -> Result<Change, String> {
    let invalid = |what: &str, why: String| format!("Invalid {what} (round {round}, command {at}): {why}");
    let words = raw.as_array().map(Vec::as_slice).unwrap_or_default();
    let name = words.first().and_then(Value::as_str).unwrap_or_default();
    let length = |wanted: usize| match words.len() == wanted {
        true => Ok(()),
        false => Err(invalid(
            &format!("{name} command"),
            format!("expected array of length {wanted}, but got {raw}"),
        )),
    };
    let device = |value: &Value| {
        let id = integer(value)
            .and_then(|id| DeviceId::try_from(id).map_err(|_| format!("there is no device {id}")));
        id.map_err(|why| invalid(&format!("device ID in {name}"), why))
    };
    let weight = |value: &Value| {
        let weight = float(value).map_err(|why| invalid("weight", why))?;
        if weight < 0.0 { Err(invalid("weight", "cannot be negative".to_owned())) } else { Ok(weight) }
    };
    match (name, words) {
        ("add", words) => {
            length(3)?;
            let text = words[1].as_str().unwrap_or_default();
            let (new, _) = device_text::new_device(text).map_err(|why| invalid("device specifier", why))?;
            Ok(Change::Add(NewDevice { weight: weight(&words[2])?, ..new }))
        }
        ("remove", words) => {
            length(2)?;
            Ok(Change::Remove(device(&words[1])?))
        }
        ("set_weight", words) => {
            length(3)?;
            Ok(Change::SetWeight(device(&words[1])?, weight(&words[2])?))
        }
        ("save", words) => {
            length(2)?;
            let path = words[1]
                .as_str()
                .ok_or_else(|| invalid("save command", format!("{} is no path", words[1])))?;
            Ok(Change::Save(path.to_owned()))
        }
        _ => Err(format!(
            "Unknown command (round {round}, command {at}): '{name}' should be one of add, remove, set_weight, save"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swiftlet_testing::run_python;

    /// For each scenario `ok`, or what is said of it up to the first colon.
    const PYTHON: &str = "import sys
from swift.cli.ring_builder_analyzer import parse_scenario
for line in sys.stdin:
    try: parse_scenario(line); print('ok')
    except ValueError as e: print(str(e).split(':')[0])";

    #[test]
    fn python_finds_the_same_mistakes() {
        let with = |rounds: &str| {
            format!(
                "{{\"part_power\": \"8\", \"replicas\": 3, \"overload\": 0, \"random_seed\": 1.5, \"rounds\": {rounds}}}"
            )
        };
        let mut scenarios = vec!["{".to_owned(), "[]".into(), "{}".into(), "{\"part_power\": \"x\"}".into()];
        for begun in [
            "\"part_power\": 33",
            "\"part_power\": 8",
            "\"part_power\": 8, \"replicas\": 0.5",
            "\"part_power\": 8, \"replicas\": 3, \"overload\": -1",
            "\"part_power\": 8, \"replicas\": 3, \"overload\": 0",
            "\"part_power\": 8, \"replicas\": 3, \"overload\": 0, \"random_seed\": 1",
        ] {
            scenarios.push(format!("{{{begun}}}"));
        }
        let rounds = [
            "[]",
            "{}",
            "[1]",
            "[[[\"add\", \"z1-1.2.3.4:5/d\", 1], [\"remove\", \"0\"], [\"set_weight\", 0, \"2.5\"], [\"save\", \"x\"]]]",
            "[[[\"grow\", 1]]]",
            "[[[\"add\", \"z1-1.2.3.4:5/d\"]]]",
            "[[[\"add\", \"nonsense\", 1]]]",
            "[[], [[\"add\", \"z1-1.2.3.4:5/d\", -1]]]",
            "[[[\"add\", \"z1-1.2.3.4:5/d\", \"heavy\"]]]",
            "[[[\"remove\", \"first\"]]]",
            "[[[\"set_weight\", \"first\", 1]]]",
        ];
        scenarios.extend(rounds.map(with));
        let python = run_python(PYTHON, &[], &scenarios.join("\n"));
        for (scenario, python) in scenarios.iter().zip(python.lines()) {
            let ours = Scenario::parse(scenario).map_or_else(|why| why, |_| "ok".to_owned());
            assert_eq!(ours.split(':').next().unwrap_or_default(), python, "{scenario}");
        }
        assert_eq!(python.lines().count(), scenarios.len());
    }
}
