//! Options as Python's `optparse` reads them: anywhere among the arguments, values attached or apart, long names cut
//! short as long as they stay unique.

/// An option a command knows.
pub(super) struct Known {
    /// Its letter, if it has one.
    pub(super) letter: Option<char>,
    /// Its long name, without hyphens.
    pub(super) name: &'static str,
    /// Whether a value follows.
    pub(super) has_value: bool,
}

/// What was given: options by long name, and the other arguments.
#[derive(Debug, Default)]
pub(super) struct Given {
    values: Vec<(&'static str, String)>,
    pub(super) arguments: Vec<String>,
}

impl Given {
    /// The last value of an option.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// Whether an option was given at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }
}

/// Reads options; the error is what to complain about.
pub(super) fn parse(args: &[String], known: &'static [Known]) -> Result<Given, String> {
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
    let mut matching = known.iter().filter(|option| option.name.starts_with(name));
    match (matching.next(), matching.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(format!("ambiguous option: --{name}")),
        _ => Err(format!("no such option: --{name}")),
    }
}

fn lacks_value(option: &str) -> String {
    format!("{option} option requires 1 argument")
}
