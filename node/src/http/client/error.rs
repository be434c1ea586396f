//! Why a node gave no answer.

use crate::http::BodyError;
use std::io;
use thiserror::Error;

/// Why a node gave no answer. Every error but `Body` is the node's.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No connection.
    #[error("cannot connect to {node}: {source}")]
    Connect {
        /// `host:port`.
        node: String,
        /// Why; `TimedOut` after `conn_timeout`.
        source: io::Error,
    },
    /// The node took longer than `node_timeout`.
    #[error("{node} timed out {doing}")]
    Timeout {
        /// `host:port`.
        node: String,
        /// What was waited for.
        doing: &'static str,
    },
    /// The connection broke.
    #[error("connection to {node} broke {doing}: {source}")]
    Broken {
        /// `host:port`.
        node: String,
        /// What was going on.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// What the node answered is not HTTP.
    #[error("{node} sent a malformed answer: {what}")]
    Malformed {
        /// `host:port`.
        node: String,
        /// What is wrong with it.
        what: String,
    },
    /// The request's own body could not be read.
    #[error("cannot read the body to send: {0}")]
    Body(#[from] BodyError),
}

impl ClientError {
    /// Whether it is a timeout, of connecting or later.
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Connect { source, .. } => source.kind() == io::ErrorKind::TimedOut,
            _ => false,
        }
    }
}
