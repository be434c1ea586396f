//! Swift's configuration files: INI with Python's rules, and the two precedences that Swift reads them by.
//!
//! [`Ini`] holds a file or a directory of files. [`Ini::daemon`] reads a section as daemons do (a section's own
//! value wins over `[DEFAULT]`), [`Ini::paste`] as paste.deploy does for `[app:…]` and `[filter:…]` (`[DEFAULT]`
//! wins unless the section says `set option = value`). Both give [`Options`]: typed getters whose errors name
//! file, section and option, and which remember what was asked for, so that what nobody asked for can be warned of.

mod ini;
mod node_count;
mod options;
mod paste;

pub use ini::Ini;
pub use node_count::NodeCount;
pub use options::{OptionError, Options, is_true};
pub use paste::{Factory, Pipeline};

use std::path::PathBuf;
use thiserror::Error;

/// Why a configuration could not be read.
#[derive(Debug, Error)]
pub enum ConfError {
    /// The file or directory could not be read.
    #[error("unable to read config from {path}: {error}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// A line that is none of section, option, continuation, comment.
    #[error("{path}:{line}: {why}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A section that must be there is not.
    #[error("Unable to find {section} config section in {path}")]
    NoSection {
        /// Which file.
        path: PathBuf,
        /// The section, without brackets.
        section: String,
    },
    /// A section, pipeline or reference of paste.deploy's that cannot be resolved.
    #[error("{path} [{section}]: {why}")]
    Paste {
        /// Which file.
        path: PathBuf,
        /// The section, without brackets.
        section: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// An option whose value cannot be right.
    #[error(transparent)]
    Option(#[from] OptionError),
}
