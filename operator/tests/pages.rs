//! Pages for people: their links lead somewhere, and the tests that they name exist.

use clap::Parser;
use std::path::{Path, PathBuf};
use swiftlet_operator::kubectl::Cli;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The pages of `docs`, and those beside the code that they lead to.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("node/METRICS.md"), root().join("operator/METRICS.md")];
    for folder in ["docs", "docs/runbooks"] {
        let files = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    pages
}

/// What a heading is linked to as.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.contains("://") {
                continue;
            }
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            if !fragment.is_empty() {
                let target = std::fs::read_to_string(target).unwrap();
                let headings = target.lines().filter(|line| line.starts_with('#'));
                assert!(headings.map(anchor).any(|a| a == fragment), "{}: {link}", page.display());
            }
        }
    }
}

/// A paragraph that says `Shown by` names a file, then the tests in it, then perhaps another file: all as code.
#[test]
fn tests_that_pages_name_exist() {
    let mut named = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for shown in text.split("Shown by ").skip(1) {
            let paragraph = shown.split("\n\n").next().unwrap().split("Missing:").next().unwrap();
            let mut source = (String::new(), String::new());
            for word in paragraph.split('`').skip(1).step_by(2) {
                if word.ends_with(".rs") || word.ends_with(".py") {
                    let text = std::fs::read_to_string(root().join(word));
                    source = (word.to_string(), text.unwrap_or_else(|error| panic!("{word}: {error}")));
                } else if word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && word.contains('_') {
                    let (path, text) = &source;
                    let is_there =
                        ["fn", "def"].iter().any(|keyword| text.contains(&format!("{keyword} {word}(")));
                    assert!(is_there, "{}: there is no {word} in {path:?}", page.display());
                    named += 1;
                }
            }
        }
    }
    assert!(named > 30, "{named}");
}

/// A command of the plugin is written with its cluster: `kubectl swift -n … -c … drain …`, up to a comment or a backtick.
#[test]
fn commands_of_the_plugin_are_ones_that_it_takes() {
    let mut commands = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for rest in text.split("kubectl swift -n ").skip(1) {
            let line = rest.split(['`', '\n']).next().unwrap().split(" #").next().unwrap();
            let words = ["kubectl-swift", "-n"].into_iter().chain(line.split_whitespace());
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{}: kubectl swift -n {line}: {error}", page.display());
            }
            commands += 1;
        }
    }
    assert!(commands > 15, "{commands}");
}
