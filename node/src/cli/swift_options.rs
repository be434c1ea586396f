//! The one grammar of Swift's servers and daemons: `CONFIG [once] [verbose] [-v] [-o | -t]` and options of their
//! own. Long options may be shortened, and stand anywhere; bare words that name an option set it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// An option a program takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag {
    /// `-v`, or [`NO_SHORT`].
    pub short: char,
    /// `--verbose`; as a bare word, with `_` for `-`.
    pub long: &'static str,
    /// Whether a value follows it.
    pub takes_value: bool,
    /// What `--help` says of it.
    pub help: &'static str,
}

/// That an option has its long form alone: no argument can hold this.
pub(super) const NO_SHORT: char = '\0';

/// Logs to the console, too.
pub(super) const VERBOSE: Flag =
    Flag { short: 'v', long: "verbose", takes_value: false, help: "log to console" };
/// Does one pass and ends.
pub(super) const ONCE: Flag =
    Flag { short: 'o', long: "once", takes_value: false, help: "only run one pass of daemon" };
/// Checks the configuration and ends.
pub(super) const TEST_CONFIG: Flag = Flag {
    short: 't',
    long: "test-config",
    takes_value: false,
    help: "exit after loading and validating config; do not run the daemon",
};

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SwiftOptions {
    /// The configuration, as an absolute path.
    pub config: PathBuf,
    set: Vec<Set>,
}

/// An option that was given: its long name, and its value where it takes one.
type Set = (&'static str, Option<String>);

impl SwiftOptions {
    /// Whether the option was given.
    pub(super) fn has(&self, flag: Flag) -> bool {
        self.set.iter().any(|(long, _)| *long == flag.long)
    }

    /// The value that the option was given last.
    pub(super) fn value(&self, flag: Flag) -> Option<&str> {
        self.set.iter().rev().find(|(long, _)| *long == flag.long)?.1.as_deref()
    }

    /// Parses the arguments of `program`; where they are wrong, says so as Swift does, and gives its exit code.
    pub(super) fn parse(program: &str, flags: &[Flag], arguments: &[OsString]) -> Result<Self, ExitCode> {
        let usage = format!("Usage: {program} CONFIG [options]\n");
        let (mut set, mut words) = (Vec::new(), Vec::new());
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let text = argument.to_string_lossy();
            let mut value = || arguments.next().map(|value| value.to_string_lossy().into_owned());
            let parsed = match (text.strip_prefix("--"), text.strip_prefix('-')) {
                (Some(""), _) => {
                    words.extend(arguments.by_ref());
                    Ok(())
                }
                (Some("help"), _) | (None, Some("h")) => {
                    println!("{usage}\n{}", help(flags));
                    return Err(ExitCode::SUCCESS);
                }
                (Some(long), _) => parse_long(flags, long, &mut value).map(|option| set.push(option)),
                (None, Some(shorts)) if !shorts.is_empty() => {
                    parse_shorts(flags, shorts, &mut value).map(|options| set.extend(options))
                }
                _ => {
                    words.push(argument);
                    Ok(())
                }
            };
            parsed.map_err(|why| {
                eprintln!("{usage}\n{program}: error: {why}");
                ExitCode::from(2)
            })?;
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
            let word = word.to_string_lossy().replace('_', "-");
            flags.iter().find(|flag| !flag.takes_value && word == flag.long)
        };
        set.extend(rest.iter().filter_map(named).map(|flag| (flag.long, None)));
        Ok(Self { config, set })
    }
}

/// `--long`, `--lon`, `--long=value` or `--long value`.
fn parse_long(flags: &[Flag], text: &str, next: &mut impl FnMut() -> Option<String>) -> Result<Set, String> {
    let (long, given) = match text.split_once('=') {
        Some((long, value)) => (long, Some(value.to_owned())),
        None => (text, None),
    };
    let fits: Vec<_> = flags.iter().filter(|flag| flag.long.starts_with(long)).collect();
    let flag = match (fits.iter().find(|flag| flag.long == long), &fits[..]) {
        (Some(flag), _) | (None, [flag]) => flag,
        _ => return Err(format!("no such option: --{long}")),
    };
    match (flag.takes_value, given) {
        (false, None) => Ok((flag.long, None)),
        (false, Some(_)) => Err(format!("--{} option does not take a value", flag.long)),
        (true, given) => match given.or_else(next) {
            Some(value) => Ok((flag.long, Some(value))),
            None => Err(format!("--{} option requires 1 argument", flag.long)),
        },
    }
}

/// `-v`, `-vo`, `-z7`, `-z 7`.
fn parse_shorts(
    flags: &[Flag],
    shorts: &str,
    next: &mut impl FnMut() -> Option<String>,
) -> Result<Vec<Set>, String> {
    let mut set = Vec::new();
    for (at, short) in shorts.char_indices() {
        let flag = flags.iter().find(|flag| flag.short == short);
        let flag = flag.ok_or_else(|| format!("no such option: -{short}"))?;
        if !flag.takes_value {
            set.push((flag.long, None));
            continue;
        }
        let rest = &shorts[at + short.len_utf8()..];
        let value = if rest.is_empty() { next() } else { Some(rest.to_owned()) };
        let value = value.ok_or_else(|| format!("-{short} option requires 1 argument"))?;
        set.push((flag.long, Some(value)));
        break;
    }
    Ok(set)
}

fn help(flags: &[Flag]) -> String {
    let line = |short: char, long: &str, help: &str| match short {
        NO_SHORT => format!("  --{long:<19}{help}"),
        _ => format!("  -{short}, --{long:<15}{help}"),
    };
    let lines = flags.iter().map(|flag| line(flag.short, flag.long, flag.help));
    let all: Vec<_> =
        std::iter::once(line('h', "help", "show this help message and exit")).chain(lines).collect();
    format!("Options:\n{}", all.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICES: Flag = Flag { short: 'd', long: "devices", takes_value: true, help: "some devices" };

    fn parse(arguments: &[&str]) -> Result<SwiftOptions, ExitCode> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        SwiftOptions::parse("swift-x", &[VERBOSE, ONCE, DEVICES], &arguments)
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
    fn values_follow_or_are_joined_on() {
        for arguments in [
            &["/", "-d", "sda"][..],
            &["/", "-vdsda"],
            &["-d", "sdb", "/", "--devices=sda"],
            &["--dev", "sda", "/"],
            &["-d", "sda", "--", "/", "-d"],
        ] {
            let options = parse(arguments).unwrap();
            assert_eq!(
                (options.value(DEVICES), options.config.to_str()),
                (Some("sda"), Some("/")),
                "{arguments:?}"
            );
        }
        assert_eq!(parse(&["/", "devices"]).unwrap().value(DEVICES), None);
        for arguments in [&["/", "-d"][..], &["/", "--devices"], &["/", "--verbose=yes"]] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn mistakes_have_swifts_exit_codes() {
        assert_eq!(format!("{:?}", parse(&[])), format!("{:?}", Err::<(), _>(ExitCode::FAILURE)));
        assert_eq!(format!("{:?}", parse(&["/no/such"])), format!("{:?}", Err::<(), _>(ExitCode::FAILURE)));
        assert_eq!(format!("{:?}", parse(&["/", "-x"])), format!("{:?}", Err::<(), _>(ExitCode::from(2))));
    }
}
