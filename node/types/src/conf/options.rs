//! The options of one section: typed getters, errors that name the place, and a record of what was asked for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;

/// An option whose value cannot be right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path} [{section}] {option}: {value:?} {why}", path = path.display())]
pub struct OptionError {
    /// Which file.
    pub path: PathBuf,
    /// Which section, without brackets.
    pub section: String,
    /// Which option.
    pub option: String,
    /// What it says; empty where saying it would reveal a secret.
    pub value: String,
    /// What would be right, as in "is not a number of seconds".
    pub why: String,
}

/// The options of one section.
#[derive(Debug, Clone)]
pub struct Options {
    path: PathBuf,
    section: String,
    values: BTreeMap<String, Entry>,
    asked: RefCell<BTreeSet<String>>,
}

#[derive(Clone)]
struct Entry {
    value: String,
    /// Whether the section holds it itself, rather than inheriting it from `[DEFAULT]`.
    own: bool,
}

impl std::fmt::Debug for Entry {
    /// Values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry(own: {})", self.own)
    }
}

/// Swift's truth: true, 1, yes, on, t, y in any case.
pub fn is_true(text: &str) -> bool {
    ["true", "1", "yes", "on", "t", "y"].iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}

impl Options {
    /// No options, for the section `section` of `path`: every getter gives its default.
    pub fn new(path: impl Into<PathBuf>, section: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            section: section.into(),
            values: BTreeMap::new(),
            asked: RefCell::default(),
        }
    }

    pub(super) fn insert(&mut self, key: &str, value: String, own: bool) {
        self.values.insert(key.to_owned(), Entry { value, own });
    }

    /// The same section with `option` set to `value`, as its own.
    pub fn with(mut self, option: &str, value: &str) -> Self {
        self.insert(option, value.to_owned(), true);
        self
    }

    /// The file it came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The section's name, without brackets.
    pub fn section(&self) -> &str {
        &self.section
    }

    /// Every option and its value, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(key, entry)| (key.as_str(), entry.value.as_str()))
    }

    /// The options whose names start with `prefix`: the rest of the name, and the value.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values.iter().filter_map(move |(key, entry)| {
            let rest = key.strip_prefix(prefix)?;
            self.asked.borrow_mut().insert(key.clone());
            Some((rest, entry.value.as_str()))
        })
    }

    /// The value of `option`, if it is given.
    pub fn str(&self, option: &str) -> Option<&str> {
        self.asked.borrow_mut().insert(option.to_owned());
        self.values.get(option).map(|entry| entry.value.as_str())
    }

    /// The value of `option`, or `default`.
    pub fn str_or(&self, option: &str, default: &str) -> String {
        self.str(option).unwrap_or(default).to_owned()
    }

    /// A boolean; anything that is not one of Swift's words for true is false.
    pub fn bool(&self, option: &str, default: bool) -> bool {
        self.str(option).map_or(default, is_true)
    }

    /// A whole number.
    pub fn int<T: FromStr>(&self, option: &str, default: T) -> Result<T, OptionError> {
        self.parsed(option, default, "is not a whole number in its range", |text| text.parse().ok())
    }

    /// A whole number, or the computed default where the value is `auto` or missing.
    pub fn int_or_auto<T: FromStr>(&self, option: &str, auto: T) -> Result<T, OptionError> {
        match self.str(option) {
            Some(text) if text.trim().eq_ignore_ascii_case("auto") => Ok(auto),
            _ => self.parsed(option, auto, "is neither `auto` nor a whole number", |text| text.parse().ok()),
        }
    }

    /// A finite number.
    pub fn float(&self, option: &str, default: f64) -> Result<f64, OptionError> {
        self.parsed(option, default, "is not a number", |t| t.parse().ok().filter(|n: &f64| n.is_finite()))
    }

    /// Seconds, with decimals.
    pub fn seconds(&self, option: &str, default: f64) -> Result<Duration, OptionError> {
        let default = Duration::from_secs_f64(default);
        self.parsed(option, default, "is not a number of seconds", |text| {
            Duration::try_from_secs_f64(text.parse().ok()?).ok()
        })
    }

    /// A percentage between 0 and 100, with or without `%`.
    pub fn percent(&self, option: &str, default: f64) -> Result<f64, OptionError> {
        self.parsed(option, default, "is not a percentage between 0 and 100", |text| {
            let number: f64 = text.trim_end_matches('%').trim().parse().ok()?;
            (0.0..=100.0).contains(&number).then_some(number)
        })
    }

    /// A comma-separated list; empty items are left out.
    pub fn list(&self, option: &str, default: &str) -> Vec<String> {
        let text = self.str(option).unwrap_or(default);
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// A list of words between white space.
    pub fn words(&self, option: &str, default: &str) -> Vec<String> {
        self.str(option).unwrap_or(default).split_whitespace().map(str::to_owned).collect()
    }

    /// Whatever `parse` makes of the trimmed value; `why` says what would be right.
    pub fn parsed<T>(
        &self,
        option: &str,
        default: T,
        why: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, OptionError> {
        match self.str(option) {
            None => Ok(default),
            Some(text) => parse(text.trim()).ok_or_else(|| self.error(option, why)),
        }
    }

    /// The error that `option`'s value `why`.
    pub fn error(&self, option: &str, why: impl Into<String>) -> OptionError {
        OptionError {
            path: self.path.clone(),
            section: self.section.clone(),
            option: option.to_owned(),
            value: self.values.get(option).map(|entry| entry.value.clone()).unwrap_or_default(),
            why: why.into(),
        }
    }

    /// The section's own options that no getter has asked for yet: nobody knows them.
    pub fn unknown(&self) -> Vec<String> {
        let asked = self.asked.borrow();
        let unknown = self.values.iter().filter(|(key, entry)| entry.own && !asked.contains(*key));
        unknown.map(|(key, _)| key.clone()).collect()
    }

    /// A line for each unknown option that names file, section and option.
    pub fn warnings(&self) -> Vec<String> {
        let place = format!("{} [{}]", self.path.display(), self.section);
        self.unknown()
            .into_iter()
            .map(|option| format!("{place} {option}: no such option, ignored"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::Ini;

    fn options(text: &str) -> Options {
        Ini::parse("s.conf", &format!("[DEFAULT]\ninherited = 1\n[s]\n{text}")).unwrap().daemon("s").unwrap()
    }

    #[test]
    fn typed_getters_and_their_errors() {
        let o = options("a = 3x\nb = 1.5\nc = YES\nd = a, b,,c\ne = 1%\nf = auto\ng = -1\n");
        assert_eq!(
            o.seconds("a", 1.0).expect_err("bad").to_string(),
            "s.conf [s] a: \"3x\" is not a number of seconds"
        );
        assert_eq!(o.seconds("b", 1.0), Ok(Duration::from_millis(1500)));
        assert_eq!(o.seconds("missing", 0.5), Ok(Duration::from_millis(500)));
        assert!(o.bool("c", false));
        assert_eq!(o.list("d", ""), ["a", "b", "c"]);
        assert_eq!(o.percent("e", 0.0), Ok(1.0));
        assert_eq!(o.int_or_auto("f", 7_u32), Ok(7));
        assert!(o.int("g", 1_u32).is_err());
        assert!(o.seconds("g", 1.0).is_err());
    }

    #[test]
    fn tells_what_nobody_asked_for() {
        let o = options("a = 1\nbb = 2\n");
        assert_eq!(o.str("a"), Some("1"));
        assert_eq!(o.warnings(), ["s.conf [s] bb: no such option, ignored"]);
    }
}
