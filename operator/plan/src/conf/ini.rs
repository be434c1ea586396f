//! An INI file in the making: sections in order, options in order, Swift's two rules of precedence kept.

use crate::resources::ConfigFiles;
use std::fmt::Write as _;

/// A configuration file that is put together layer by layer.
#[derive(Debug)]
pub(super) struct IniFile {
    name: &'static str,
    sections: Vec<(String, Vec<(String, String)>)>,
}

impl IniFile {
    /// An empty file; `name` is what `config` calls it.
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, sections: Vec::new() }
    }

    /// Sets one option, in place of an earlier value.
    pub(super) fn set(&mut self, section: &str, option: &str, value: impl Into<String>) -> &mut Self {
        let options = self.section(section);
        let value = value.into();
        match options.iter_mut().find(|(name, _)| name == option) {
            Some((_, old)) => *old = value,
            None => options.push((option.to_string(), value)),
        }
        self
    }

    /// Sets several options of one section.
    pub(super) fn set_all(&mut self, section: &str, options: &[(&str, &str)]) -> &mut Self {
        self.section(section);
        for (option, value) in options {
            self.set(section, option, *value);
        }
        self
    }

    /// Lays the part of `config` that is about this file over what is there.
    pub(super) fn overlay(&mut self, config: &ConfigFiles) -> &mut Self {
        for (section, options) in config.get(self.name).into_iter().flatten() {
            self.section(section);
            for (option, value) in options {
                // Whether `set` is needed is ours to find out.
                self.set(section, option.strip_prefix("set ").unwrap_or(option), value);
            }
        }
        self
    }

    fn section(&mut self, name: &str) -> &mut Vec<(String, String)> {
        let at = self.sections.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.sections.push((name.to_string(), Vec::new()));
            self.sections.len() - 1
        });
        &mut self.sections[at].1
    }

    /// The file's text.
    pub(super) fn render(&self) -> String {
        let defaults = self.sections.iter().find(|(name, _)| name == "DEFAULT").map(|(_, options)| options);
        let in_defaults =
            |option: &str| defaults.is_some_and(|all| all.iter().any(|(name, _)| name == option));
        let mut text = String::new();
        for (section, options) in &self.sections {
            if !text.is_empty() {
                text.push('\n');
            }
            // Writing to a String cannot fail.
            let _ = writeln!(text, "[{section}]");
            for (option, value) in options {
                let set = if is_paste(section) && in_defaults(option) { "set " } else { "" };
                let _ = writeln!(text, "{set}{option} = {}", escape(value));
            }
        }
        text
    }
}

/// Whether paste.deploy reads the section: there `[DEFAULT]` wins over an option that is not written `set option`.
fn is_paste(section: &str) -> bool {
    ["app:", "filter:", "composite:"].iter().any(|prefix| section.starts_with(prefix))
}

/// Swift interpolates a value exactly when it holds `%(`.
fn escape(value: &str) -> String {
    if value.contains("%(") { value.replace('%', "%%") } else { value.to_string() }
}
