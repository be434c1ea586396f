//! `swift-ring-builder`: makes and changes rings from the command line.
//!
//! The grammar, the printed lines, the exit codes and the files written are those of Swift 2.38. All that decides
//! anything is in `swiftlet-ring`; here are arguments, text and files.

pub mod analyzer;
mod arguments;
mod balance;
mod change;
mod console;
pub(in crate::cli) mod device_text;
mod devices;
mod help;
mod report;
mod ring_file;
mod settings;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use swiftlet_ring::builder::{Builder, file};

use console::{Console, Standard};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success,
    /// Done, or refused, with something to look at.
    Warning,
    /// Failed.
    Error,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Success => 0,
            Exit::Warning => 1,
            Exit::Error => 2,
        })
    }
}

/// Why a command stops before its end: what to print, and how to exit.
enum Stop {
    /// A refusal, printed on standard output as Swift does.
    Refused(String),
    /// Something went wrong that is not of the command's making; printed on standard error.
    Failed(String),
    /// All has been said.
    Silent(Exit),
}

type Outcome = Result<Exit, Stop>;

/// Runs `swift-ring-builder` with the arguments after the program's name.
pub fn run(program_name: &str, args: Vec<OsString>) -> ExitCode {
    let args: Vec<String> = args.into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    execute(program_name, &args, &mut Standard).into()
}

/// Runs one command line against a console.
fn execute(program_name: &str, args: &[String], console: &mut dyn Console) -> Exit {
    match try_execute(program_name, args, console) {
        Ok(exit) | Err(Stop::Silent(exit)) => exit,
        Err(Stop::Refused(message)) => {
            console.print(&message);
            Exit::Error
        }
        Err(Stop::Failed(message)) => {
            console.complain(&message);
            Exit::Error
        }
    }
}

fn try_execute(program_name: &str, args: &[String], console: &mut dyn Console) -> Outcome {
    let Some((file_arg, rest)) = args.split_first() else {
        console.print(&help::all());
        return Ok(Exit::Success);
    };
    let (command, args) = match rest.split_first() {
        Some((command, args)) => (Some(command.as_str()), args),
        None => (None, rest),
    };
    let files = Files::of(file_arg);
    let needs_no_builder = matches!(command, Some("create" | "write_builder" | "version"));
    if files.builder != Path::new(file_arg) && !matches!(command, Some("write_builder" | "version")) {
        console
            .print(&format!("Note: using {} instead of {file_arg} as builder file", files.builder.display()));
    }
    let builder = match file::load(&files.builder) {
        Ok(builder) => Some(builder),
        Err(file::LoadError::NotFound(_) | file::LoadError::NoAccess(_)) if needs_no_builder => None,
        Err(file::LoadError::Invalid { path, source }) => {
            console.complain(&source.to_string());
            return Err(Stop::Refused(format!("Ring Builder file is invalid: {}", path.display())));
        }
        Err(error) => return Err(Stop::Refused(error.to_string())),
    };
    files.make_backup_folder()?;
    let _lock = if program_name.ends_with("-safe") { Some(files.lock()?) } else { None };
    let mut session = Session { builder, files, console };
    session.run(command, args)
}

/// One command line at work.
struct Session<'a> {
    /// Missing when there is no builder file yet.
    builder: Option<Builder>,
    files: Files,
    console: &'a mut dyn Console,
}

impl Session<'_> {
    fn run(&mut self, command: Option<&str>, args: &[String]) -> Outcome {
        match command {
            None => self.report(),
            Some("create") => self.create(args),
            Some("add") => self.add(args),
            Some("search") => self.search(args),
            Some("list_parts") => self.list_parts(args),
            Some("set_weight") => self.set_weight(args),
            Some("set_region") => self.set_region(args),
            Some("set_zone") => self.set_zone(args),
            Some("set_info") => self.set_info(args),
            Some("remove") => self.remove(args),
            Some("rebalance") => self.rebalance(args),
            Some("dispersion") => self.dispersion(args),
            Some("validate") => self.validate(),
            Some("write_ring") => self.write_ring(args),
            Some("write_builder") => self.write_builder(args),
            Some("version") => self.version(),
            Some("set_min_part_hours") => self.set_min_part_hours(args),
            Some("set_replicas") => self.set_replicas(args),
            Some("set_overload") => self.set_overload(args),
            Some("pretend_min_part_hours_passed") => self.pretend_min_part_hours_passed(),
            Some("prepare_increase_partition_power") => self.prepare_increase(),
            Some("increase_partition_power") => self.increase(),
            Some("cancel_increase_partition_power") => self.cancel_increase(),
            Some("finish_increase_partition_power") => self.finish_increase(),
            Some("default") => self.report(),
            Some(unknown) => Err(Stop::Refused(format!("Unknown command: {unknown}"))),
        }
    }

    fn print(&mut self, line: &str) {
        self.console.print(line);
    }

    fn builder(&self) -> Result<&Builder, Stop> {
        self.builder.as_ref().ok_or_else(|| self.no_builder())
    }

    fn builder_mut(&mut self) -> Result<&mut Builder, Stop> {
        let missing = self.no_builder();
        self.builder.as_mut().ok_or(missing)
    }

    fn no_builder(&self) -> Stop {
        Stop::Refused(format!("Ring Builder file does not exist: {}", self.files.builder.display()))
    }

    /// Saves the builder where it came from.
    fn save(&mut self) -> Result<(), Stop> {
        let path = self.files.builder.clone();
        self.save_as(&path)
    }

    fn save_as(&mut self, path: &Path) -> Result<(), Stop> {
        let builder = self.builder_mut()?;
        builder.assign_id(new_id);
        file::save(path, builder).map_err(|error| cannot_write(path, &error))
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Stop {
    Stop::Failed(format!("cannot write {}: {error}", path.display()))
}

/// A random id in the form of a version 4 UUID without hyphens.
pub(in crate::cli) fn new_id() -> String {
    let random: u128 = rand::random();
    let id = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    format!("{id:032x}")
}

/// The files of a ring.
struct Files {
    builder: PathBuf,
    ring: PathBuf,
}

impl Files {
    /// A ring file names its builder, a builder its ring; any other name is a builder.
    fn of(name: &str) -> Files {
        let stem = name.strip_suffix(".ring.gz");
        let builder = stem.map_or(name.to_owned(), |stem| format!("{stem}.builder"));
        let ring = format!("{}.ring.gz", stem.or(name.strip_suffix(".builder")).unwrap_or(name));
        Files { builder: builder.into(), ring: ring.into() }
    }

    fn folder(&self) -> PathBuf {
        self.builder.parent().map(Path::to_owned).unwrap_or_default()
    }

    fn make_backup_folder(&self) -> Result<(), Stop> {
        let folder = self.folder().join("backups");
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(Stop::Failed(format!("cannot create {}: {error}", folder.display())))
            }
            _ => Ok(()),
        }
    }

    /// Where a copy of a file goes.
    fn backup_of(&self, file: &Path, now_secs: u64) -> PathBuf {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        self.folder().join("backups").join(format!("{now_secs}.{name}"))
    }

    /// Takes the folder's lock, which Swift's own tool takes too, within 15 s.
    fn lock(&self) -> Result<std::fs::File, Stop> {
        use rustix::fs::{FlockOperation, flock};
        let path = self.folder().join(".lock");
        let lock = std::fs::File::create(&path).map_err(|error| cannot_write(&path, &error))?;
        for _ in 0..150 {
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                return Ok(lock);
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        Err(Stop::Refused("Ring/builder dir currently locked.".into()))
    }
}

#[cfg(test)]
mod tests;
