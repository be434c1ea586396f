//! `swiftlet install-links DIR`: makes Swift's and swauth's names links to this program.

use crate::multicall::Command;
use clap::Args;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Make Swift's names (swift-object-server, ...) links to this program
#[derive(Args)]
pub struct InstallLinksArgs {
    /// The folder to make them in; links that are there are replaced, other files are not
    dir: PathBuf,
}

/// Makes them.
pub fn run(args: &InstallLinksArgs) -> ExitCode {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            eprintln!("swiftlet: cannot tell where this program is: {error}");
            return ExitCode::FAILURE;
        }
    };
    for command in Command::built() {
        let link = args.dir.join(command.program());
        if let Err(error) = install(&program, &link) {
            eprintln!("swiftlet: cannot make {}: {error}", link.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn install(program: &Path, link: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(link) {
        Ok(there) if there.is_symlink() => std::fs::remove_file(link)?,
        Ok(_) => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no link is there"));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    symlink(program, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_replaced_and_files_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let args = InstallLinksArgs { dir: dir.path().into() };
        symlink("/elsewhere", dir.path().join("swift-object-server")).unwrap();
        assert_eq!(format!("{:?}", run(&args)), format!("{:?}", ExitCode::SUCCESS));
        let target = std::fs::read_link(dir.path().join("swift-object-server")).unwrap();
        assert_eq!(target, std::env::current_exe().unwrap());
        let file = dir.path().join("swift-proxy-server");
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, "precious").unwrap();
        assert_eq!(format!("{:?}", run(&args)), format!("{:?}", ExitCode::FAILURE));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    }
}
