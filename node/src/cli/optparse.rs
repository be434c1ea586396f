//! Options as Python's `optparse` reads them: anywhere among the arguments, values attached or apart, long names cut
//! short as long as they stay unique. Help and mistakes end a program as Python's do, with the same exit codes.

use std::ffi::OsString;
use std::process::ExitCode;

/// A program that takes options.
pub(in crate::cli) struct Program {
    /// Its name, as mistakes are told under it.
    pub(in crate::cli) name: &'static str,
    /// What follows `Usage: `.
    pub(in crate::cli) usage: &'static str,
    /// What `--help` says of each option but itself, a line each.
    pub(in crate::cli) options_help: &'static str,
    /// The options, [`HELP`] among them.
    pub(in crate::cli) known: &'static [Known],
}

/// Shows the help.
pub(in crate::cli) const HELP: Known = Known { letter: Some('h'), name: "help", has_value: false };

impl Program {
    /// Reads arguments; where there is nothing more to do, all has been said and the exit code is given.
    pub(in crate::cli) fn parse(&self, arguments: &[OsString]) -> Result<Given, ExitCode> {
        let text = |argument: &OsString| argument.clone().into_string();
        let arguments = arguments.iter().map(text).collect::<Result<Vec<_>, _>>().map_err(|bad| {
            eprintln!("{}: error: an argument is not UTF-8: {}", self.name, bad.display());
            ExitCode::FAILURE
        })?;
        let given = parse(&arguments, self.known).map_err(|mistake| self.mistake(&mistake))?;
        if given.has(HELP.name) {
            self.print_help();
            return Err(ExitCode::SUCCESS);
        }
        Ok(given)
    }

    /// Prints the help on standard output.
    pub(in crate::cli) fn print_help(&self) {
        use std::io::Write;
        let Self { usage, options_help, .. } = self;
        let help = "  -h, --help            show this help message and exit";
        // A closed pipe is the reader's wish to see no more.
        let _ = writeln!(std::io::stdout(), "Usage: {usage}\n\nOptions:\n{help}\n{options_help}");
    }

    /// Tells a mistake on standard error; the exit code that it has.
    pub(in crate::cli) fn mistake(&self, mistake: &str) -> ExitCode {
        eprintln!("Usage: {}\n\n{}: error: {mistake}", self.usage, self.name);
        ExitCode::from(2)
    }
}

/// An option a command knows.
pub(in crate::cli) struct Known {
    /// Its letter, if it has one.
    pub(in crate::cli) letter: Option<char>,
    /// Its long name, without hyphens.
    pub(in crate::cli) name: &'static str,
    /// Whether a value follows.
    pub(in crate::cli) has_value: bool,
}

/// What was given: options by long name, and the other arguments.
#[derive(Debug, Default)]
pub(in crate::cli) struct Given {
    values: Vec<(&'static str, String)>,
    /// What is no option, in order.
    pub(in crate::cli) arguments: Vec<String>,
}

impl Given {
    /// The last value of an option.
    pub(in crate::cli) fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// The last value of an option that takes a whole number; the error is what to complain about.
    pub(in crate::cli) fn int(&self, option: Known, default: i64) -> Result<i64, String> {
        let Some(text) = self.value(option.name) else { return Ok(default) };
        let shown = option.letter.map_or_else(|| format!("--{}", option.name), |letter| format!("-{letter}"));
        text.trim().parse().map_err(|_| format!("option {shown}: invalid integer value: '{text}'"))
    }

    /// Which of `names` was given last.
    pub(in crate::cli) fn last_of(&self, names: &[&str]) -> Option<&'static str> {
        self.values.iter().rev().map(|(given, _)| *given).find(|given| names.contains(given))
    }

    /// Whether an option was given at all.
    pub(in crate::cli) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }
}

/// Reads options; the error is what to complain about.
pub(in crate::cli) fn parse(args: &[String], known: &'static [Known]) -> Result<Given, String> {
    let mut given = Given::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            given.arguments.extend(args.cloned());
            break;
        } else if let Some(long) = arg.strip_prefix("--") {
            let (name, attached) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let option = by_name(name, known)?;
            let value = match (option.has_value, attached) {
                (true, Some(value)) => value,
                (true, None) => {
                    args.next().cloned().ok_or_else(|| lacks_value(&format!("--{}", option.name)))?
                }
                (false, None) => String::new(),
                (false, Some(_)) => return Err(format!("--{} option does not take a value", option.name)),
            };
            given.values.push((option.name, value));
        } else if arg.len() > 1 && arg.starts_with('-') {
            letters(&arg[1..], &mut args, known, &mut given)?;
        } else {
            given.arguments.push(arg.clone());
        }
        if given.has(HELP.name) {
            break; // what follows is not looked at
        }
    }
    Ok(given)
}

/// A group of letters, of which the last may have its value attached or next.
fn letters<'a>(
    group: &str,
    args: &mut impl Iterator<Item = &'a String>,
    known: &'static [Known],
    given: &mut Given,
) -> Result<(), String> {
    for (at, letter) in group.char_indices() {
        let option = known
            .iter()
            .find(|option| option.letter == Some(letter))
            .ok_or_else(|| format!("no such option: -{letter}"))?;
        if !option.has_value {
            given.values.push((option.name, String::new()));
            continue;
        }
        let attached = &group[at + letter.len_utf8()..];
        let value = match attached {
            "" => args.next().cloned().ok_or_else(|| lacks_value(&format!("-{letter}")))?,
            attached => attached.to_owned(),
        };
        given.values.push((option.name, value));
        break;
    }
    Ok(())
}

fn by_name(name: &str, known: &'static [Known]) -> Result<&'static Known, String> {
    if let Some(exact) = known.iter().find(|option| option.name == name) {
        return Ok(exact);
    }
    let matching: Vec<_> = known.iter().filter(|option| option.name.starts_with(name)).collect();
    match &matching[..] {
        [only] => Ok(only),
        [] => Err(format!("no such option: --{name}")),
        several => {
            let mut names: Vec<_> = several.iter().map(|option| format!("--{}", option.name)).collect();
            names.sort();
            Err(format!("ambiguous option: --{name} ({}?)", names.join(", ")))
        }
    }
}

fn lacks_value(option: &str) -> String {
    format!("{option} option requires 1 argument")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Known] = &[
        Known { letter: Some('p'), name: "partition", has_value: true },
        Known { letter: Some('P'), name: "policy-name", has_value: true },
        Known { letter: Some('a'), name: "all", has_value: false },
        HELP,
    ];

    fn read(args: &[&str]) -> Result<Given, String> {
        parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>(), KNOWN)
    }

    #[test]
    fn options_stand_anywhere_and_may_be_short() {
        for args in
            [&["x", "-ap5", "y"][..], &["--al", "x", "--partition=5", "y"], &["-p", "5", "-a", "x", "y"]]
        {
            let given = read(args).unwrap();
            assert_eq!((given.value("partition"), given.has("all")), (Some("5"), true), "{args:?}");
            assert_eq!(given.arguments, ["x", "y"]);
        }
        assert_eq!(read(&["--", "-a"]).unwrap().arguments, ["-a"]);
        assert_eq!(read(&["-p", "-1"]).unwrap().value("partition"), Some("-1"));
    }

    #[test]
    fn mistakes_are_told_in_pythons_words() {
        for (args, words) in [
            (&["-x"][..], "no such option: -x"),
            (&["--no=1"], "no such option: --no"),
            (&["--p", "1"], "ambiguous option: --p (--partition, --policy-name?)"),
            (&["-p"], "-p option requires 1 argument"),
            (&["--all=yes"], "--all option does not take a value"),
        ] {
            assert_eq!(read(args).unwrap_err(), words);
        }
        assert!(read(&["-h", "-x"]).unwrap().has("help"));
    }
}
