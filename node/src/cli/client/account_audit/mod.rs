//! `swift-account-audit`: asks every server of accounts, containers and objects, and tells where they disagree.
//!
//! `servers` asks, `audit` compares, `tally` counts.

mod audit;
mod servers;
mod tally;

use crate::cli::foreground::runtime;
use anyhow::Context;
use audit::{Audit, Job};
use servers::Servers;
use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "
Usage!

swift-account-audit [options] [url 1] [url 2] ...
    -c [concurrency]      How many are looked at at once, default 50
    -r [ring dir]         Where the rings are, default /etc/swift
    -e [filename]         File to which inconsistent urls are added
    -d                    Also read objects and check their MD5

A url is ACCOUNT, ACCOUNT/CONTAINER or ACCOUNT/CONTAINER/OBJECT. More of them are read from standard
input where that is no terminal, one a line: what -e wrote can be looked at again.
";

/// What the options say.
#[derive(Debug, PartialEq)]
struct Options {
    concurrency: usize,
    swift_dir: PathBuf,
    error_file: Option<PathBuf>,
    is_deep: bool,
    urls: Vec<String>,
}

/// Runs it with the arguments that follow its name.
pub(super) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let text = |argument: &OsString| {
        argument.clone().into_string().map_err(|bad| anyhow::anyhow!("not UTF-8: {}", bad.display()))
    };
    let arguments = arguments.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let mut options = match Options::parse(&arguments) {
        Ok(options) => options,
        Err(mistake) => {
            writeln!(io::stdout(), "{mistake}\n{USAGE}")?;
            return Ok(ExitCode::from(2));
        }
    };
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        for line in stdin.lock().lines() {
            options.urls.push(line.context("standard input")?);
        }
    } else if options.urls.is_empty() {
        writeln!(io::stdout(), "{USAGE}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let jobs = options.urls.iter().map(|url| Job::of(url)).collect::<anyhow::Result<Vec<_>>>()?;
    let servers = Servers::load(&options.swift_dir)?;
    let audit = Audit::new(servers, options.is_deep, options.error_file);
    runtime(Some(1))?.block_on(audit.run(jobs, options.concurrency));
    audit.tally().print(&mut io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

impl Options {
    /// Reads them as `getopt` does: letters, up to the first word that is none. The error is a mistake, in its words.
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            concurrency: 50,
            swift_dir: PathBuf::from("/etc/swift"),
            error_file: None,
            is_deep: false,
            urls: Vec::new(),
        };
        let mut left = arguments.iter();
        while let Some(word) = left.as_slice().first().filter(|word| word.len() > 1 && word.starts_with('-'))
        {
            left.next();
            if word == "--" {
                break;
            }
            for (at, letter) in word.char_indices().skip(1) {
                if letter == 'd' {
                    options.is_deep = true;
                    continue;
                }
                if !matches!(letter, 'c' | 'r' | 'e') {
                    return Err(format!("option -{letter} not recognized"));
                }
                let attached = word.get(at + 1..).unwrap_or_default();
                let value =
                    if attached.is_empty() { left.next().map(String::as_str) } else { Some(attached) };
                let value = value.ok_or_else(|| format!("option -{letter} requires argument"))?;
                options.set(letter, value)?;
                break;
            }
        }
        options.urls = left.cloned().collect();
        Ok(options)
    }

    fn set(&mut self, letter: char, value: &str) -> Result<(), String> {
        match letter {
            'r' => self.swift_dir = Path::new(value).to_owned(),
            'e' => self.error_file = Some(value.into()),
            _ => {
                let count = value.trim().parse().ok().filter(|count| *count > 0);
                self.concurrency = count.ok_or_else(|| format!("option -{letter}: {value:?} is no count"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options, String> {
        Options::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_as_getopt_does() {
        let options = parse(&["-dc", "7", "-r/etc/s", "-e", "f", "a", "-d"]).unwrap();
        assert_eq!((options.is_deep, options.concurrency), (true, 7));
        assert_eq!((options.swift_dir, options.error_file), ("/etc/s".into(), Some("f".into())));
        assert_eq!(options.urls, ["a", "-d"]);
        assert_eq!(parse(&["-x"]).unwrap_err(), "option -x not recognized");
        assert_eq!(parse(&["-c"]).unwrap_err(), "option -c requires argument");
        assert!(parse(&["-c", "0"]).unwrap_err().contains("no count"));
        assert_eq!(parse(&["--", "-d"]).unwrap().urls, ["-d"]);
    }
}
