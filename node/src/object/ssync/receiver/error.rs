//! Why a conversation ended before its end, and what the sender is told.

use super::super::lines::LineError;
use super::super::replication_lock::ReplicationLockError;
use super::super::subrequest::HeadError;
use crate::http::BodyError;
use crate::serve::PoolError;
use bytes::Bytes;
use swiftlet_storage::lock::LockError;
use thiserror::Error;

/// Why a conversation ended before its end.
#[derive(Debug, Error)]
pub(super) enum ReceiveError {
    /// As many conversations as may be go on already.
    #[error("too many SSYNC requests at once")]
    Busy,
    /// Somebody else replicates the partition, or as many as may be the device.
    #[error("LOCK TIMEOUT: {0}")]
    Locked(LockError),
    /// The sender sent nothing for too long.
    #[error("TIMEOUT: {0}")]
    Timeout(&'static str),
    /// What the sender sends broke off.
    #[error("read failed: {doing}: {error}")]
    Read { doing: &'static str, error: LineError },
    /// The sender ended where it may.
    #[error("client disconnected")]
    Gone,
    /// The sender does not keep to the protocol.
    #[error("{0}")]
    Protocol(String),
    /// The disk gave no answer.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// So much went wrong that it is no use to go on.
    #[error("Too many {failures} failures to {successes} successes")]
    TooManyFailures { failures: u64, successes: u64 },
    /// Everything was received, and not everything stored.
    #[error("ERROR: With :UPDATES: {failures} failures to {successes} successes")]
    Failures { failures: u64, successes: u64 },
    /// More of what was offered is wanted than one conversation asks for.
    #[error("more objects are wanted than one SSYNC takes")]
    MoreWanted,
}

impl ReceiveError {
    /// An error of reading while `doing` something.
    pub fn read(doing: &'static str, error: LineError) -> Self {
        match error {
            LineError::Body(BodyError::Timeout(_)) => Self::Timeout(doing),
            LineError::TooLong => Self::Protocol(format!("{doing}: {error}")),
            error => Self::Read { doing, error },
        }
    }

    /// Whether it happens without anybody's fault.
    pub fn is_usual(&self) -> bool {
        matches!(self, Self::Busy | Self::Locked(_) | Self::MoreWanted)
    }

    /// Whether what the sender would still send is of no use: then the connection is closed.
    pub fn cuts(&self) -> bool {
        !matches!(self, Self::Busy | Self::Locked(_) | Self::Failures { .. } | Self::MoreWanted)
    }

    /// What the sender is told, if it can be.
    pub fn line(&self) -> Option<Bytes> {
        let status = match self {
            Self::Read { .. } | Self::Gone => return None,
            Self::Busy | Self::MoreWanted => 503,
            Self::Timeout(_) => 408,
            Self::Failures { .. } => 500,
            _ => 0,
        };
        let text = self.to_string().replace(['\r', '\n', '\''], " ");
        Some(format!(":ERROR: {status} '{text}'\n").into())
    }
}

impl From<ReplicationLockError> for ReceiveError {
    fn from(error: ReplicationLockError) -> Self {
        match error {
            ReplicationLockError::Lock(error @ LockError::Timeout { .. }) => Self::Locked(error),
            ReplicationLockError::Lock(error) => Self::Protocol(error.to_string()),
            ReplicationLockError::Pool(error) => error.into(),
        }
    }
}

impl From<HeadError> for ReceiveError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Line(error) => Self::read("updates line", error),
            HeadError::Bad(why) => Self::Protocol(why),
        }
    }
}
