//! Arguments as swauth's commands take them: options anywhere between the words, an admin key that is asked for.

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

const ADMIN_URL: &str = "http://127.0.0.1:8080/auth/";
const SUPER_ADMIN: &str = ".super_admin";

/// An option of some commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    short: Option<char>,
    long: &'static str,
    takes_value: bool,
    help: &'static str,
}

impl Flag {
    pub const ADMIN: Self = Self::set('a', "admin", "make the user an admin of the account");
    pub const RESELLER_ADMIN: Self =
        Self::set('r', "reseller-admin", "make the user an admin of all accounts (only .super_admin can)");
    pub const SUFFIX: Self = Self::value(
        's',
        "suffix",
        "what follows the reseller prefix in a new storage account [default: a UUID]",
    );
    pub const HASHED: Self =
        Self::set('e', "hashed", "the password is given as it is stored: sha512:SALT$HASH");
    pub const PLAIN_TEXT: Self = Self::set('p', "plain-text", "print names, one a line, instead of JSON");
    pub const TOKEN_LIFE: Self =
        Self::value('t', "token-life", "look at tokens changed more seconds ago than this [default: 86400]");
    pub const SLEEP: Self = Self::value('s', "sleep", "seconds to sleep between tokens [default: 0.1]");
    pub const VERBOSE: Self = Self::set('v', "verbose", "print everything that is done");
    pub const PURGE: Self = Self {
        short: None,
        ..Self::value('-', "purge", "delete every token of this account, expired or not")
    };
    pub const PURGE_ALL: Self =
        Self { short: None, ..Self::set('-', "purge-all", "delete every token, expired or not") };

    const fn set(short: char, long: &'static str, help: &'static str) -> Self {
        Self { short: Some(short), long, takes_value: false, help }
    }

    const fn value(short: char, long: &'static str, help: &'static str) -> Self {
        Self { short: Some(short), long, takes_value: true, help }
    }

    fn arg(&self) -> Arg {
        let action = if self.takes_value { ArgAction::Set } else { ArgAction::SetTrue };
        let arg = Arg::new(self.long).long(self.long).help(self.help).action(action);
        match self.short {
            Some(short) => arg.short(short),
            None => arg,
        }
    }
}

/// What was given.
pub struct Arguments {
    /// The words beside the options, in order; as many as the command takes.
    pub words: Vec<String>,
    /// Where the service is, with a slash at its end.
    pub admin_url: String,
    /// Who asks.
    pub admin_user: String,
    /// Their key.
    pub admin_key: String,
    options: BTreeMap<&'static str, String>,
}

/// What to do next.
pub enum Outcome {
    /// The command's work.
    Run(Arguments),
    /// Nothing: help was shown, or a mistake.
    Exit(ExitCode),
}

impl Arguments {
    /// Reads `given` for the command `name` that takes `words` and `flags`.
    pub fn parse(
        name: &'static str,
        words: &'static [&'static str],
        flags: &'static [Flag],
        given: &[OsString],
    ) -> Outcome {
        let mut command = command(name, words, flags);
        if given.is_empty() {
            // Nobody may be there to read it.
            let _ = command.print_help();
            return Outcome::Exit(ExitCode::SUCCESS);
        }
        let matches = match command.try_get_matches_from_mut(given) {
            Ok(matches) => matches,
            Err(error) => {
                let _ = error.print();
                let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
                return Outcome::Exit(if asked { ExitCode::SUCCESS } else { ExitCode::from(2) });
            }
        };
        let text = |id: &str| matches.get_one::<String>(id).cloned();
        let given_words: Vec<String> = matches.get_many("words").into_iter().flatten().cloned().collect();
        let required = words.iter().filter(|word| word.starts_with('<')).count();
        if given_words.len() < required || given_words.len() > words.len() {
            let _ = command.print_help();
            return Outcome::Exit(ExitCode::SUCCESS);
        }
        let mut options = BTreeMap::new();
        for flag in flags {
            match flag.takes_value {
                true => options.extend(text(flag.long).map(|value| (flag.long, value))),
                false if matches.get_flag(flag.long) => drop(options.insert(flag.long, String::new())),
                false => {}
            }
        }
        let admin_url = text("admin-url").unwrap_or_else(|| ADMIN_URL.to_owned());
        Outcome::Run(Self {
            words: given_words,
            admin_url: if admin_url.ends_with('/') { admin_url } else { admin_url + "/" },
            admin_user: text("admin-user").unwrap_or_else(|| SUPER_ADMIN.to_owned()),
            admin_key: text("admin-key").unwrap_or_else(ask_for_key),
            options,
        })
    }

    /// Whether `flag` was given.
    pub fn is_set(&self, flag: Flag) -> bool {
        self.options.contains_key(flag.long)
    }

    /// The value of `flag`, unless it is empty.
    pub fn value(&self, flag: Flag) -> Option<&str> {
        self.options.get(flag.long).map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn command(name: &'static str, words: &[&str], flags: &[Flag]) -> Command {
    let option = |id: &'static str, short: char, help: String| {
        Arg::new(id).short(short).long(id).help(help).action(ArgAction::Set)
    };
    let usage = std::iter::once("[options]").chain(words.iter().copied()).collect::<Vec<_>>().join(" ");
    Command::new(name)
        .no_binary_name(true)
        .infer_long_args(true)
        .override_usage(format!("{name} {usage}"))
        .args(flags.iter().map(Flag::arg))
        .arg(option("admin-url", 'A', format!("the URL of the auth service [default: {ADMIN_URL}]")))
        .arg(option("admin-user", 'U', format!("who asks [default: {SUPER_ADMIN}]")))
        .arg(option("admin-key", 'K', "the key of who asks; asked for where it is missing".into()))
        .arg(Arg::new("words").num_args(0..).hide(true))
}

/// Asks for the key, without showing it where standard input is a terminal.
fn ask_for_key() -> String {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let stdin = std::io::stdin();
    eprint!("Password: ");
    let _ = std::io::stderr().flush();
    let shown = stdin.is_terminal().then(|| tcgetattr(&stdin).ok()).flatten();
    if let Some(shown) = &shown {
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        let _ = tcsetattr(&stdin, OptionalActions::Flush, &hidden);
    }
    let mut key = String::new();
    // At the end of input the key is empty, and the service says that it is wrong.
    let _ = stdin.read_line(&mut key);
    if let Some(shown) = &shown {
        let _ = tcsetattr(&stdin, OptionalActions::Flush, shown);
        eprintln!();
    }
    key.trim_end_matches(['\r', '\n']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[Flag::ADMIN, Flag::SUFFIX];

    fn parse(given: &[&str]) -> Outcome {
        let given: Vec<OsString> = given.iter().map(OsString::from).collect();
        Arguments::parse("swauth-test", &["<account>", "[user]"], FLAGS, &given)
    }

    #[test]
    fn options_stand_anywhere() {
        let given = ["a", "-A", "https://o.example.jp/auth", "-U", "r:g", "-K", "k", "-s", "x", "u", "-a"];
        let Outcome::Run(arguments) = parse(&given) else { panic!("it is right") };
        assert_eq!(arguments.words, ["a", "u"]);
        assert_eq!(arguments.admin_url, "https://o.example.jp/auth/");
        assert_eq!((arguments.admin_user.as_str(), arguments.admin_key.as_str()), ("r:g", "k"));
        assert_eq!(arguments.value(Flag::SUFFIX), Some("x"));
        assert!(arguments.is_set(Flag::ADMIN));
        let Outcome::Run(arguments) = parse(&["--admin-k", "k", "a"]) else { panic!("it is right") };
        assert_eq!((arguments.admin_url.as_str(), arguments.admin_user.as_str()), (ADMIN_URL, SUPER_ADMIN));
    }

    #[test]
    fn mistakes_end_as_swauths_do() {
        for (given, code) in [
            (&[][..], ExitCode::SUCCESS),
            (&["-h"], ExitCode::SUCCESS),
            (&["-K", "k"], ExitCode::SUCCESS),
            (&["-K", "k", "a", "b", "c"], ExitCode::SUCCESS),
            (&["-x", "a"], ExitCode::from(2)),
        ] {
            let Outcome::Exit(got) = parse(given) else { panic!("{given:?}") };
            assert_eq!(format!("{got:?}"), format!("{code:?}"), "{given:?}");
        }
    }
}
