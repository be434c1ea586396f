//! The one grammar of Swift's servers and daemons: `CONFIG [once] [verbose] [-v] [-o | -t]` and options of their
//! own. Long options may be shortened, and stand anywhere; bare words that name an option set it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// An option a program takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag {
    /// `-v`
    pub short: char,
    /// `--verbose`; as a bare word, with `_` for `-`.
    pub long: &'static str,
    /// What `--help` says of it.
    pub help: &'static str,
}

/// Logs to the console, too.
pub(super) const VERBOSE: Flag = Flag { short: 'v', long: "verbose", help: "log to console" };
/// Does one pass and ends.
pub(super) const ONCE: Flag = Flag { short: 'o', long: "once", help: "only run one pass of daemon" };
/// Checks the configuration and ends.
pub(super) const TEST_CONFIG: Flag = Flag {
    short: 't',
    long: "test-config",
    help: "exit after loading and validating config; do not run the daemon",
};

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SwiftOptions {
    /// The configuration, as an absolute path.
    pub config: PathBuf,
    set: Vec<&'static str>,
}

impl SwiftOptions {
    /// Whether the option was given.
    pub(super) fn has(&self, flag: Flag) -> bool {
        self.set.contains(&flag.long)
    }

    /// Parses the arguments of `program`; where they are wrong, says so as Swift does, and gives its exit code.
    pub(super) fn parse(program: &str, flags: &[Flag], arguments: &[OsString]) -> Result<Self, ExitCode> {
        let usage = format!("Usage: {program} CONFIG [options]\n");
        let (mut set, mut words) = (Vec::new(), Vec::new());
        let mut only_words = false;
        for argument in arguments {
            let text = argument.to_string_lossy();
            match (only_words, text.strip_prefix("--"), text.strip_prefix('-')) {
                (false, Some(""), _) => only_words = true,
                (false, Some("help"), _) | (false, None, Some("h")) => {
                    println!("{usage}\n{}", help(flags));
                    return Err(ExitCode::SUCCESS);
                }
                (false, Some(long), _) => {
                    let fits: Vec<_> = flags.iter().filter(|flag| flag.long.starts_with(long)).collect();
                    match (fits.iter().find(|flag| flag.long == long), &fits[..]) {
                        (Some(flag), _) | (None, [flag]) => set.push(flag.long),
                        _ => return Err(bad_option(program, &usage, &text)),
                    }
                }
                (false, None, Some(shorts)) if !shorts.is_empty() => {
                    for short in shorts.chars() {
                        match flags.iter().find(|flag| flag.short == short) {
                            Some(flag) => set.push(flag.long),
                            None => return Err(bad_option(program, &usage, &format!("-{short}"))),
                        }
                    }
                }
                _ => words.push(argument),
            }
        }
        let Some((config, rest)) = words.split_first() else {
            println!("{usage}\nError: missing config path argument");
            return Err(ExitCode::FAILURE);
        };
        let config = std::path::absolute(config).unwrap_or_else(|_| PathBuf::from(config));
        if !config.exists() {
            println!("{usage}\nError: unable to locate {}", config.display());
            return Err(ExitCode::FAILURE);
        }
        let named = |word: &&OsString| {
            flags.iter().find(|flag| word.to_string_lossy().replace('_', "-") == flag.long)
        };
        set.extend(rest.iter().filter_map(named).map(|flag| flag.long));
        Ok(Self { config, set })
    }
}

fn bad_option(program: &str, usage: &str, option: &str) -> ExitCode {
    eprintln!("{usage}\n{program}: error: no such option: {option}");
    ExitCode::from(2)
}

fn help(flags: &[Flag]) -> String {
    let line = |short: char, long: &str, help: &str| format!("  -{short}, --{long:<15}{help}");
    let lines = flags.iter().map(|flag| line(flag.short, flag.long, flag.help));
    let all: Vec<_> =
        std::iter::once(line('h', "help", "show this help message and exit")).chain(lines).collect();
    format!("Options:\n{}", all.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<SwiftOptions, ExitCode> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        SwiftOptions::parse("swift-x", &[VERBOSE, ONCE], &arguments)
    }

    #[test]
    fn options_stand_anywhere_may_be_short_and_may_be_words() {
        for arguments in [
            &["/", "-v", "-o"][..],
            &["-vo", "/"],
            &["/", "once", "verbose"],
            &["/", "--verb", "--on"],
            &["--once", "/", "nonsense", "verbose"],
        ] {
            let options = parse(arguments).unwrap();
            assert!(options.has(VERBOSE) && options.has(ONCE), "{arguments:?}");
            assert_eq!(options.config, PathBuf::from("/"));
        }
        assert!(!parse(&["/", "test_config"]).unwrap().has(TEST_CONFIG));
    }

    #[test]
    fn mistakes_have_swifts_exit_codes() {
        assert_eq!(format!("{:?}", parse(&[])), format!("{:?}", Err::<(), _>(ExitCode::FAILURE)));
        assert_eq!(format!("{:?}", parse(&["/no/such"])), format!("{:?}", Err::<(), _>(ExitCode::FAILURE)));
        assert_eq!(format!("{:?}", parse(&["/", "-x"])), format!("{:?}", Err::<(), _>(ExitCode::from(2))));
    }
}
