//! Alerts, their pages and the dashboard, held to the figures that there are: those of METRICS.md of node and operator,
//! which tests beside the code hold to the code.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Labels that the scrape gives, as `build/monitoring.rs` asks for it.
const SCRAPED: [&str; 5] = ["namespace", "cluster", "zone", "node", "pool"];
/// What every page about an alert tells.
const SECTIONS: [&str; 5] = ["What it means", "What is at risk", "Look here", "Do this", "When to worry"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The labels of every figure, by its name. Lines are `| name | labels | meaning |`.
fn figures() -> BTreeMap<String, BTreeSet<String>> {
    let mut figures = BTreeMap::new();
    for (page, of_all) in [("node/METRICS.md", Some("server")), ("operator/METRICS.md", None)] {
        for line in read(page).lines().filter(|line| line.starts_with("| `swiftlet_")) {
            let cells: Vec<&str> = line.split('|').collect();
            let name = cells[1].trim().trim_matches('`').to_string();
            let labels = cells[2].split_whitespace().map(|label| label.trim_matches('`')).chain(of_all);
            figures.insert(name, labels.map(String::from).collect());
        }
    }
    figures
}

/// Alerts by name.
fn alerts() -> BTreeMap<String, Value> {
    let rules: Value = serde_norway::from_str(&read("deploy/monitoring/rules.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    let all: Vec<Value> =
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
    let named: BTreeMap<String, Value> =
        all.iter().map(|alert| (alert["alert"].as_str().unwrap().to_string(), alert.clone())).collect();
    assert_eq!(named.len(), all.len(), "an alert is there twice");
    named
}

/// What is wrong with an expression: figures and labels that do not exist.
fn mistakes(expression: &str, figures: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut known: BTreeSet<String> = SCRAPED.map(String::from).into();
    let mut rest = expression;
    while let Some(start) = rest.find("swiftlet_") {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = rest[start..].find(|c| !is_name(c)).unwrap_or(rest.len() - start);
        let (name, after) = rest[start..].split_at(length);
        rest = after;
        let buckets = name.strip_suffix("_bucket");
        let Some(labels) = figures.get(buckets.unwrap_or(name)) else {
            mistakes.push(format!("there is no {name}"));
            continue;
        };
        known.extend(labels.iter().cloned().chain(buckets.map(|_| "le".to_string())));
        let matchers = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(m, _)| m);
        for label in labels_of(matchers) {
            if !labels.contains(&label) && !SCRAPED.contains(&label.as_str()) {
                mistakes.push(format!("{name} has no label {label}"));
            }
        }
    }
    for grouped in expression.split("by (").skip(1) {
        let labels = grouped.split(')').next().unwrap().split(',').map(str::trim);
        mistakes
            .extend(labels.filter(|l| !known.contains(*l)).map(|label| format!("nothing has label {label}")));
    }
    mistakes
}

/// The labels of `a="x", b=~"y|z"`.
fn labels_of(matchers: &str) -> Vec<String> {
    let outside_quotes = matchers.split('"').step_by(2);
    let before_operators = outside_quotes.filter_map(|part| part.split(['=', '!']).next());
    before_operators
        .map(|label| label.trim_matches([',', ' ']).to_string())
        .filter(|l| !l.is_empty())
        .collect()
}

#[test]
fn expressions_ask_for_figures_and_labels_that_exist() {
    let figures = figures();
    assert!(figures.len() > 50, "{figures:?}");
    for (name, alert) in alerts() {
        assert_eq!(mistakes(alert["expr"].as_str().unwrap(), &figures), [""; 0], "{name}");
    }
    assert_eq!(mistakes("swiftlet_nothing > 0", &figures), ["there is no swiftlet_nothing"]);
    let wrong = r#"sum by (mood) (rate(swiftlet_requests_total{zone="a", colour=~"b,c"}[5m]))"#;
    let found = mistakes(wrong, &figures);
    assert_eq!(found, ["swiftlet_requests_total has no label colour", "nothing has label mood"]);
}

/// The texts of the planner's sources, which write names of steps and reasons as they are shown.
fn sources_below(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = entries.map(|path| {
        if path.is_dir() { sources_below(&path) } else { std::fs::read_to_string(path).unwrap() }
    });
    texts.collect()
}

#[test]
fn steps_and_reasons_that_are_waited_for_are_the_planners() {
    let sources = sources_below(&root().join("operator/plan/src"));
    let mut seen = BTreeSet::new();
    for (name, alert) in alerts() {
        let expression = alert["expr"].as_str().unwrap();
        let matchers = expression.split(['{', ',']).map(str::trim);
        let about_work = matchers.filter(|m| m.starts_with("step") || m.starts_with("reason"));
        for words in about_work.filter_map(|matcher| matcher.split('"').nth(1)) {
            for word in words.split('|') {
                // `Restart.*` stands for all names that begin so.
                let quoted =
                    word.strip_suffix(".*").map_or(format!("\"{word}\""), |begin| format!("\"{begin}"));
                assert!(sources.contains(&quoted), "{name}: the planner says no {word}");
                seen.insert(word.to_string());
            }
        }
    }
    assert!(seen.contains("GateFailed") && seen.contains("RemoveNode"), "{seen:?}");
}

#[test]
fn an_alert_says_how_bad_it_is_and_where_to_read_on() {
    for (name, alert) in alerts() {
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        let page = format!("{}/docs/runbooks/{name}.md", env!("CARGO_PKG_REPOSITORY"));
        assert_eq!(alert["annotations"]["runbook_url"], page.as_str());
        let expression = alert["expr"].as_str().unwrap();
        for annotation in ["summary", "description"] {
            let text =
                alert["annotations"][annotation].as_str().unwrap_or_else(|| panic!("{name}: {annotation}"));
            assert!(!text.is_empty(), "{name}");
            for label in text.split("$labels.").skip(1) {
                let label = label.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap();
                assert!(is_kept(expression, label), "{name}: {label} is not there any more");
            }
        }
    }
}

/// Whether what an expression gives has this label: where it sums up, it must be named.
fn is_kept(expression: &str, label: &str) -> bool {
    match expression.split_once("by (") {
        Some((_, by)) => by.split(')').next().unwrap().split(',').any(|kept| kept.trim() == label),
        None => SCRAPED.contains(&label) || figures().values().any(|labels| labels.contains(label)),
    }
}

#[test]
fn every_alert_has_its_page_and_every_page_its_alert() {
    let alerts = alerts();
    let index = read("docs/runbooks/README.md");
    let pages = std::fs::read_dir(root().join("docs/runbooks")).unwrap();
    let pages: BTreeSet<String> = pages
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .filter_map(|page| page.strip_suffix(".md").map(String::from))
        .filter(|page| page != "README")
        .collect();
    assert_eq!(pages, alerts.keys().cloned().collect());
    for (name, alert) in alerts {
        let page = read(&format!("docs/runbooks/{name}.md"));
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(page.starts_with(&format!("# {name}\n\n*{severity}*, when ")), "{name}");
        let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(sections, SECTIONS, "{name}");
        assert!(
            index.contains(&format!("| [{name}]({name}.md) | {severity} |")),
            "{name} is not in the index"
        );
    }
}

#[test]
fn the_dashboard_asks_for_figures_and_variables_that_exist() {
    let figures = figures();
    let dashboard: Value = serde_json::from_str(&read("deploy/monitoring/dashboard.json")).unwrap();
    let variables: Vec<&Value> = dashboard["templating"]["list"].as_array().unwrap().iter().collect();
    let names: Vec<&str> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "namespace", "cluster"]);
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let of_panels = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions = of_panels
        .map(|target| &target["expr"])
        .chain(dashboard["annotations"]["list"].as_array().unwrap().iter().map(|list| &list["expr"]));
    let mut shown = BTreeSet::new();
    for expression in expressions.map(|expression| expression.as_str().unwrap()) {
        assert_eq!(mistakes(expression, &figures), [""; 0], "{expression}");
        for variable in expression.split('$').skip(1) {
            let name = variable.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap();
            assert!(names.contains(&name) || name == "__rate_interval", "{expression}");
        }
        shown.extend(figures.keys().filter(|figure| expression.contains(figure.as_str())));
    }
    let hidden: Vec<&String> = figures.keys().filter(|figure| !shown.contains(figure)).collect();
    assert!(hidden.len() < figures.len() / 4, "the dashboard leaves out {hidden:?}");
}
