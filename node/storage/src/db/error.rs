//! What can go wrong with a database, and which of it condemns the file.

use crate::lock::LockError;
use rusqlite::ErrorCode;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Why an operation on an account or container database failed.
#[derive(Debug, Error)]
pub enum DbError {
    /// There is no such database file.
    #[error("{path}: there is no such database")]
    Missing {
        /// The file that is not there.
        path: PathBuf,
    },
    /// Someone else created the database first.
    #[error("{path}: the database exists already")]
    AlreadyExists {
        /// The file that is there.
        path: PathBuf,
    },
    /// The database, or its `.pending` file, stayed locked by others.
    #[error("{path}: still locked after {timeout:?}")]
    LockTimeout {
        /// The database or lock file.
        path: PathBuf,
        /// How long was waited.
        timeout: Duration,
    },
    /// The file is no database, or a damaged one; its directory was moved away.
    #[error("{path}: quarantined to {to}: {reason}")]
    Quarantined {
        /// The database.
        path: PathBuf,
        /// Where its directory is now.
        to: PathBuf,
        /// What was found.
        reason: String,
    },
    /// This broker may not commit (it reads a database that is being sharded away).
    #[error("{path}: commits are not accepted here")]
    CommitsRefused {
        /// The database.
        path: PathBuf,
    },
    /// SQLite refused something.
    #[error("{path}: cannot {operation}: {source}")]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// SQLite's word.
        source: rusqlite::Error,
    },
    /// The file system refused something.
    #[error("{path}: cannot {operation}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// The system's word.
        source: std::io::Error,
    },
    /// The metadata column holds something that is not Swift's JSON.
    #[error("{path}: metadata is not a JSON object of [value, timestamp] pairs: {why}")]
    BadMetadata {
        /// The database.
        path: PathBuf,
        /// What the parser said.
        why: String,
    },
    /// The caller's metadata breaks a limit; nothing was changed. The text is what Swift answers a client.
    #[error("{0}")]
    Refused(String),
}

impl DbError {
    pub(crate) fn io(path: impl Into<PathBuf>, operation: &'static str, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), operation, source }
    }

    /// Whether the file is a database, but has not the tables of its kind.
    pub fn is_no_such_table(&self) -> bool {
        matches!(self, Self::Sqlite { source, .. } if message(source).contains("no such table"))
    }

    /// Whether others only kept us waiting, so that a reader may be content with what is there.
    pub fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::LockTimeout { .. })
    }
}

impl From<LockError> for DbError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Timeout { path, timeout } => Self::LockTimeout { path, timeout },
            LockError::Io { path, source } => Self::Io { path, operation: "lock", source },
        }
    }
}

/// How an error of SQLite is to be taken.
pub(crate) enum Verdict {
    /// Another connection had the lock for as long as we waited.
    Locked,
    /// The file itself is bad; the text is the reason that Swift gives.
    Corrupt(&'static str),
    /// Anything else.
    Other,
}

/// Sorts errors as Swift does (it goes by the message text, we by the code behind it).
pub(crate) fn verdict(error: &rusqlite::Error) -> Verdict {
    let rusqlite::Error::SqliteFailure(failure, _) = error else { return Verdict::Other };
    match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Verdict::Locked,
        ErrorCode::DatabaseCorrupt => Verdict::Corrupt("malformed database"),
        ErrorCode::NotADatabase => Verdict::Corrupt("corrupted database"),
        ErrorCode::SystemIoFailure => Verdict::Corrupt("disk error while accessing database"),
        _ => Verdict::Other,
    }
}

/// Whether SQL failed because the table or column is of a younger schema than the file's.
pub(crate) fn lacks_schema(error: &rusqlite::Error) -> bool {
    let text = message(error);
    text.contains("no such column") || text.contains("no such table")
}

/// What SQLite says; empty where the error is not its own.
fn message(error: &rusqlite::Error) -> &str {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text,
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        _ => "",
    }
}
