//! Programs that `swift-init` starts: where they are, and what becomes of them.

use super::session::Options;
use std::ffi::OsStr;
use std::io::{self, PipeReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a program that said something may take to end, for that to have been the reason.
const WARNING_WAIT: Duration = Duration::from_secs(3);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// What is kept of what a program says.
const MAX_OUTPUT: u64 = 1 << 20;

/// The file that runs as `name`: on PATH, as in Swift; else beside the name by which we were called.
pub(super) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let called = std::env::args_os().next().unwrap_or_default();
    let beside = Path::new(&called).parent().filter(|folder| *folder != Path::new(""));
    find_in(&path, beside, name)
}

fn find_in(path: &OsStr, beside: Option<&Path>, name: &str) -> Option<PathBuf> {
    let folders = std::env::split_paths(path).chain(beside.map(Path::to_owned));
    let is_program = |file: &PathBuf| {
        std::fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    folders.map(|folder| folder.join(name)).find(is_program)
}

/// A program that was started.
pub(super) struct Started {
    child: Child,
    /// What it says, until it is ready and closes it.
    output: Option<PipeReader>,
    once: bool,
}

impl Started {
    /// Starts `program` with a configuration, and writes its pid.
    pub(super) fn new(
        program: &Path,
        conf: &str,
        once: bool,
        options: &Options,
        pid_file: &Path,
    ) -> io::Result<Self> {
        make_folder_of(pid_file)?;
        let mut command = Command::new(program);
        command.arg(conf);
        if once {
            command.arg("once");
        }
        if std::env::var_os("PYTHON_EGG_CACHE").is_none() {
            command.env("PYTHON_EGG_CACHE", std::env::temp_dir());
        }
        let mut output = None;
        if !options.daemon {
            command.arg("verbose");
        } else if options.wait {
            let (reader, writer) = io::pipe()?;
            command.stdout(writer.try_clone()?).stderr(writer);
            output = Some(reader);
        } else {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        let mut child = command.spawn()?;
        if let Err(error) = std::fs::write(pid_file, child.id().to_string()) {
            // Nobody would find it again.
            child.kill().and_then(|()| child.wait())?;
            return Err(error);
        }
        Ok(Self { child, output, once })
    }

    /// Waits until it is ready, or with its pass; what it said. Fails where it ended badly.
    pub(super) fn wait_until_ready(&mut self) -> io::Result<Readiness> {
        let mut said = Vec::new();
        if let Some(mut output) = self.output.take() {
            (&mut output).take(MAX_OUTPUT).read_to_end(&mut said)?;
            io::copy(&mut output, &mut io::sink())?;
        }
        let mut ended = if self.once { Some(self.child.wait()?) } else { None };
        let deadline = Instant::now() + WARNING_WAIT;
        while !said.is_empty() && ended.is_none() && Instant::now() < deadline {
            std::thread::sleep(POLL_INTERVAL);
            ended = self.child.try_wait()?;
        }
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok(Readiness { said, is_ready: ended.is_none_or(|status| status.success()) })
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}

/// What became of a program that was waited for.
pub(super) struct Readiness {
    /// What it said before it closed its output.
    pub said: String,
    /// Whether it runs, or ended well.
    pub is_ready: bool,
}

fn make_folder_of(pid_file: &Path) -> io::Result<()> {
    let folder = pid_file.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).map_err(|error| {
        let advice =
            if error.kind() == io::ErrorKind::PermissionDenied { ".  Running as non-root?" } else { "" };
        io::Error::new(error.kind(), format!("Unable to create {}: {error}{advice}", folder.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_on_path_then_beside_us() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str, mode: u32| {
            let file = dir.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "").unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
            file
        };
        let [path, beside] = ["path", "beside"].map(|name| dir.path().join(name));
        let on_path = make("path/swift-a", 0o755);
        make("path/swift-b", 0o644);
        make("beside/swift-a", 0o755);
        let own = make("beside/swift-b", 0o755);
        let find = |name: &str| find_in(path.as_os_str(), Some(&beside), name);
        assert_eq!((find("swift-a"), find("swift-b"), find("swift-c")), (Some(on_path), Some(own), None));
    }
}
