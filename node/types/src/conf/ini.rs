//! Reading INI files the way Python's `configparser` does for Swift.

use super::{ConfError, Options};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Larger than any sane configuration; a bound on what a mistaken path can make us read.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// How deep `%(name)s` may refer on.
const MAX_INTERPOLATION_DEPTH: usize = 10;

/// The sections of a configuration file, or of every `*.conf` of a directory in order of name (later ones win).
#[derive(Debug, Clone, Default)]
pub struct Ini {
    path: PathBuf,
    defaults: BTreeMap<String, String>,
    sections: Vec<(String, BTreeMap<String, String>)>,
    /// Whether a file was no UTF-8 and was read as Latin-1.
    latin1: bool,
}

impl Ini {
    /// Reads a file, or a directory of them.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ConfError> {
        let path = path.as_ref();
        let fail = |error| ConfError::Read { path: path.to_owned(), error };
        let mut ini = Self { path: path.to_owned(), ..Self::default() };
        if !path.is_dir() {
            ini.read_file(path)?;
            return Ok(ini);
        }
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(path).map_err(fail)? {
            let file = entry.map_err(fail)?.path();
            let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if name.ends_with(".conf") && !name.starts_with('.') {
                files.push(file);
            }
        }
        files.sort();
        for file in files {
            ini.read_file(&file)?;
        }
        Ok(ini)
    }

    /// Reads `text` as if it were the file `path`.
    pub fn parse(path: impl Into<PathBuf>, text: &str) -> Result<Self, ConfError> {
        let path = path.into();
        let mut ini = Self { path: path.clone(), ..Self::default() };
        ini.merge(&path, text)?;
        Ok(ini)
    }

    /// The file or directory it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A value's bytes as they stand in the file.
    pub fn bytes_of(&self, value: &str) -> Vec<u8> {
        // Every char of a Latin-1 file is below 256.
        if self.latin1 { value.chars().map(|c| c as u8).collect() } else { value.into() }
    }

    /// The names of the sections in order, `DEFAULT` aside.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|(name, _)| name.as_str())
    }

    /// Whether there is a section of that name.
    pub fn has_section(&self, name: &str) -> bool {
        self.own(name).is_some()
    }

    /// The options of a section as daemons and `swift.conf` read them: `[DEFAULT]` inherited, own values win.
    pub fn daemon(&self, section: &str) -> Result<Options, ConfError> {
        let own = self.own(section).ok_or_else(|| self.no_section(section))?;
        let mut merged = self.defaults.clone();
        merged.extend(own.clone());
        self.options(section, &merged, |key| own.contains_key(key))
    }

    /// The options of `[DEFAULT]` alone.
    pub fn default_options(&self) -> Result<Options, ConfError> {
        self.options("DEFAULT", &self.defaults, |_| true)
    }

    pub(super) fn own(&self, section: &str) -> Option<&BTreeMap<String, String>> {
        self.sections.iter().find(|(name, _)| name == section).map(|(_, options)| options)
    }

    pub(super) fn defaults(&self) -> &BTreeMap<String, String> {
        &self.defaults
    }

    pub(super) fn no_section(&self, section: &str) -> ConfError {
        ConfError::NoSection { path: self.path.clone(), section: section.to_owned() }
    }

    /// Options with `%(name)s` resolved among `values`; `is_own` tells which keys the section itself holds.
    pub(super) fn options(
        &self,
        section: &str,
        values: &BTreeMap<String, String>,
        is_own: impl Fn(&str) -> bool,
    ) -> Result<Options, ConfError> {
        let here = self.path.parent().unwrap_or(Path::new(".")).to_string_lossy().into_owned();
        let mut scope = values.clone();
        scope.entry("here".to_owned()).or_insert(here);
        scope.entry("__file__".to_owned()).or_insert_with(|| self.path.to_string_lossy().into_owned());
        let mut options = Options::new(self.path.clone(), section);
        for (key, value) in values {
            let value =
                interpolate(value, &scope, MAX_INTERPOLATION_DEPTH).map_err(|name| ConfError::Paste {
                    path: self.path.clone(),
                    section: section.to_owned(),
                    why: format!("{key}: %({name})s refers to no option, or to itself"),
                })?;
            options.insert(key, value, is_own(key));
        }
        Ok(options)
    }

    fn read_file(&mut self, path: &Path) -> Result<(), ConfError> {
        let fail = |error| ConfError::Read { path: path.to_owned(), error };
        if std::fs::metadata(path).map_err(fail)?.len() > MAX_FILE_BYTES {
            return Err(fail(std::io::Error::other("larger than 16 MiB")));
        }
        let text = String::from_utf8(std::fs::read(path).map_err(fail)?).unwrap_or_else(|error| {
            self.latin1 = true;
            error.into_bytes().iter().map(|b| char::from(*b)).collect()
        });
        self.merge(path, &text)
    }

    fn merge(&mut self, path: &Path, text: &str) -> Result<(), ConfError> {
        let mut parser = Parser { path, seen: Vec::new(), current: None, last_key: None };
        for (index, line) in text.lines().enumerate() {
            parser.line(self, index + 1, line)?;
        }
        Ok(())
    }

    fn section_mut(&mut self, name: &str) -> &mut BTreeMap<String, String> {
        if name == "DEFAULT" {
            return &mut self.defaults;
        }
        let at = self.sections.iter().position(|(n, _)| n == name).unwrap_or_else(|| {
            self.sections.push((name.to_owned(), BTreeMap::new()));
            self.sections.len() - 1
        });
        &mut self.sections[at].1
    }
}

/// What the lines of one file have said so far.
struct Parser<'a> {
    path: &'a Path,
    /// (section, option) pairs of this file: a second one is an error, as in Python.
    seen: Vec<(String, String)>,
    current: Option<String>,
    /// The option that an indented line continues, and its own indentation.
    last_key: Option<(String, usize)>,
}

impl Parser<'_> {
    fn line(&mut self, ini: &mut Ini, number: usize, line: &str) -> Result<(), ConfError> {
        let fail = |why: &str| {
            Err(ConfError::Syntax { path: self.path.to_owned(), line: number, why: why.to_owned() })
        };
        let text = line.trim();
        if text.starts_with('#') || text.starts_with(';') {
            return Ok(());
        }
        let indent = line.len() - line.trim_start().len();
        if let (Some(section), Some((key, key_indent))) = (&self.current, &self.last_key)
            && (text.is_empty() || indent > *key_indent)
        {
            if let Some(value) = ini.section_mut(section).get_mut(key)
                && !text.is_empty()
            {
                value.push('\n');
                value.push_str(text);
            }
            return Ok(());
        }
        if text.is_empty() {
            return Ok(());
        }
        if let Some(rest) = text.strip_prefix('[') {
            let Some((name, _)) = rest.rsplit_once(']') else {
                return fail("a section without its closing bracket");
            };
            if self.seen.iter().any(|(s, k)| s == name && k.is_empty()) {
                return fail(&format!("section [{name}] is here twice"));
            }
            self.seen.push((name.to_owned(), String::new()));
            ini.section_mut(name);
            self.current = Some(name.to_owned());
            self.last_key = None;
            return Ok(());
        }
        let Some(section) = self.current.clone() else { return fail("an option before the first section") };
        let Some(at) = text.find(['=', ':']) else { return fail("neither a section nor `option = value`") };
        let key = text[..at].trim().to_owned();
        let pair = (section.clone(), key.clone());
        if self.seen.contains(&pair) {
            return fail(&format!("option {key} is in section [{section}] twice"));
        }
        self.seen.push(pair);
        ini.section_mut(&section).insert(key.clone(), text[at + 1..].trim().to_owned());
        self.last_key = Some((key, indent));
        Ok(())
    }
}

/// Resolves `%(name)s` in `value`; text without `%(` is left as it is (so `1%` is fine). The error is the name.
fn interpolate(value: &str, scope: &BTreeMap<String, String>, depth: usize) -> Result<String, String> {
    if !value.contains("%(") {
        return Ok(value.to_owned());
    }
    let mut result = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('%') {
        result.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('%') {
            result.push('%');
            rest = tail;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|t| t.split_once(")s")) {
            let found = scope.get(name).filter(|_| depth > 0).ok_or_else(|| name.to_owned())?;
            result.push_str(&interpolate(found, scope, depth - 1)?);
            rest = tail;
        } else {
            return Err(after.chars().take(32).collect());
        }
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ini(text: &str) -> Ini {
        Ini::parse("x.conf", text).expect("parses")
    }

    #[test]
    fn reads_sections_comments_and_continuations() {
        let ini = ini(
            "# c\n[DEFAULT]\na = 1\n[s]\nb: two\n  three\n; c\nc=\n\n[t]\nb=%(a)s%%-%(c)s\nc = x\nd=1%\n",
        );
        let s = ini.daemon("s").expect("there");
        assert_eq!(s.str("b"), Some("two\nthree"));
        assert_eq!(s.str("a"), Some("1"));
        assert_eq!(s.str("c"), Some(""));
        let t = ini.daemon("t").expect("there");
        assert_eq!(t.str("b"), Some("1%-x"));
        assert_eq!(t.str("d"), Some("1%"));
        assert!(ini.daemon("u").is_err());
    }

    #[test]
    fn names_file_and_line_of_what_is_wrong() {
        for (text, why) in [
            ("a = 1\n", "x.conf:1: an option before the first section"),
            ("[s]\na = 1\na = 2\n", "x.conf:3: option a is in section [s] twice"),
            ("[s]\n[s]\n", "x.conf:2: section [s] is here twice"),
            ("[s\n", "x.conf:1: a section without its closing bracket"),
            ("[s]\nword\n", "x.conf:2: neither a section nor `option = value`"),
        ] {
            assert_eq!(Ini::parse("x.conf", text).expect_err(text).to_string(), why);
        }
        assert!(ini("[s]\na = %(a)s\n").daemon("s").is_err());
        assert!(ini("[s]\na = %(b)s\n").daemon("s").is_err());
    }
}
