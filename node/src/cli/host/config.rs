//! `swift-config`: what a server is configured with, as its file says it, or as its filters and app get it. Options are
//! shown in the order of their names.

use super::init::{Places, RUN_DIR, ServerName};
use crate::cli::optparse::{Given, HELP, Known, Program};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use swiftlet_types::conf::{Factory, Ini, Options};

const CONFIG_NUM: Known = Known { letter: Some('c'), name: "config-num", has_value: true };
const SECTION: Known = Known { letter: Some('s'), name: "section", has_value: true };
const WSGI: Known = Known { letter: Some('w'), name: "wsgi", has_value: false };

const PROGRAM: Program = Program {
    name: "swift-config",
    usage: "swift-config [options] SERVER|FILE...",
    options_help: "  -c N, --config-num=N  only the Nth configuration of the server
  -s SECTION, --section=SECTION
                        only this section
  -w, --wsgi            what filters and app get, instead of what the file says",
    known: &[HELP, CONFIG_NUM, SECTION, WSGI],
};

/// Runs it with the arguments that follow its name.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let (given, number) = match PROGRAM.parse(arguments).and_then(|given| {
        let number = given.int(CONFIG_NUM, 0).map_err(|mistake| PROGRAM.mistake(&mistake))?;
        Ok((given, number))
    }) {
        Ok(read) => read,
        Err(code) => return code,
    };
    if given.arguments.is_empty() {
        eprintln!("ERROR: specify type of server or conf_path");
        return ExitCode::FAILURE;
    }
    let places = Places::with_run_dir(RUN_DIR);
    let mut out = io::stdout();
    super::ended(PROGRAM.name, show(&places, &given, number, &mut out))
}

fn show(places: &Places, given: &Given, number: i64, out: &mut impl Write) -> anyhow::Result<()> {
    for argument in &given.arguments {
        if Path::new(argument).exists() {
            show_file(argument, given, out)?;
            continue;
        }
        let name = ServerName::parse(argument);
        let confs = places.conf_files(&name);
        let chosen = Places::numbered(&confs, number);
        match (chosen.is_empty(), number) {
            (true, 0) => writeln!(out, "Unable to locate config for {}", name.server)?,
            (true, _) => writeln!(out, "Unable to locate config number {number} for {}", name.server)?,
            (false, _) => {}
        }
        chosen.iter().try_for_each(|conf| show_file(conf, given, out))?;
    }
    Ok(())
}

fn show_file(path: &str, given: &Given, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "# {path}")?;
    let ini = Ini::read(path)?;
    let only = given.value(SECTION.name);
    let is_shown = |section: &str| only.is_none_or(|only| only == section);
    if given.has(WSGI.name) {
        let passed_on = passed_on(&ini, path)?;
        for (section, lines) in passed_on.iter().filter(|(section, _)| is_shown(section)) {
            show_section(section, lines, out)?;
        }
        return Ok(writeln!(out)?);
    }
    for section in ini.sections().filter(|section| is_shown(section)) {
        show_section(section, &lines_of(&ini.daemon(section)?), out)?;
    }
    if only.is_none() {
        writeln!(out, "# log_name = None\n# __file__ = {path}")?;
    }
    Ok(writeln!(out)?)
}

type Lines = Vec<(String, String)>;

fn lines_of(options: &Options) -> Lines {
    options.iter().map(|(option, value)| (option.to_owned(), value.to_owned())).collect()
}

fn show_section(section: &str, lines: &Lines, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "[{section}]")?;
    lines.iter().try_for_each(|(option, value)| writeln!(out, "{option} = {value}"))?;
    writeln!(out)
}

/// What paste.deploy hands to the pipeline, each filter once and the app, with the names that it adds.
fn passed_on(ini: &Ini, path: &str) -> anyhow::Result<Vec<(String, Lines)>> {
    let pipeline = ini.pipeline("main")?;
    let app = [&pipeline.app];
    let chain = || pipeline.filters.iter().chain(app);
    let path = std::path::absolute(path)?;
    let here = path.parent().unwrap_or(Path::new("/")).display().to_string();
    let told = |name: &str, options: &Options, own: Lines| {
        let added =
            [("here", here.clone()), ("__file__", path.display().to_string()), ("__name__", name.to_owned())];
        let mut lines: Lines = added.map(|(option, value)| (option.to_owned(), value)).into();
        lines.extend(
            lines_of(options)
                .into_iter()
                .filter(|(option, _)| !["use", "pipeline"].contains(&option.as_str())),
        );
        lines.extend(own);
        lines
    };
    let mut sections = Vec::new();
    if ini.has_section("pipeline:main") {
        let words: Vec<_> = chain().map(|factory| factory.entry_point.as_str()).collect();
        let own = vec![("pipeline".to_owned(), words.join(" "))];
        sections.push(("pipeline:main".to_owned(), told("main", &ini.paste("pipeline:main")?, own)));
    }
    let mut add = |kind: &str, Factory { name, options, .. }: &Factory| {
        let section = format!("{kind}:{name}");
        if sections.iter().all(|(known, _)| *known != section) {
            sections.push((section, told(name, options, Lines::new())));
        }
    };
    pipeline.filters.iter().for_each(|filter| add("filter", filter));
    add("application", &pipeline.app);
    Ok(sections)
}
