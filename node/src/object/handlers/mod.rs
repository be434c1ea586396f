//! One file a verb, and the answers they share.

mod delete;
mod post;
mod put;
mod read;
mod replicate;
mod ssync;
mod update_container;

use super::placement::Placement;
use crate::http::Response;
use crate::serve::PoolError;
use swiftlet_storage::object::{OpenError, WriteError};

/// The answer where an object cannot be opened for a reason that no handler makes more of. What it says of the
/// object's absence is left to the handlers.
fn open_failed(placement: &Placement, error: OpenError) -> Response {
    match error {
        OpenError::NotFound
        | OpenError::Deleted { .. }
        | OpenError::Expired { .. }
        | OpenError::Quarantined { .. } => Response::standard(404),
        OpenError::Collision { .. } => {
            tracing::error!(%error, "two objects of one hash");
            Response::standard(403)
        }
        OpenError::Changed { .. } => Response::standard(503),
        OpenError::XattrsNotSupported { .. } => {
            tracing::error!(%error);
            placement.insufficient_storage()
        }
        OpenError::Io { .. } => {
            tracing::error!(%error, "ERROR opening object");
            Response::standard(500)
        }
    }
}

/// The answer where a job gave no outcome: the disk has stopped answering, or the job failed in a way that none
/// should.
pub(super) fn job_failed(error: PoolError) -> Response {
    tracing::error!(%error, "ERROR storage job");
    match error {
        PoolError::Full { .. } => Response::standard(503),
        PoolError::Panicked { .. } | PoolError::NoThread { .. } => Response::standard(500),
    }
}

/// The answer where nothing could be written.
pub(super) fn write_failed(device: &str, error: WriteError) -> Response {
    match error {
        WriteError::NoSpace { .. } | WriteError::XattrsNotSupported { .. } => {
            tracing::warn!(%error, device);
            insufficient_storage(device)
        }
        _ => {
            tracing::error!(%error, device, "ERROR writing object");
            Response::standard(500)
        }
    }
}

/// The answer while a device cannot be used, or takes nothing.
pub(super) fn insufficient_storage(device: &str) -> Response {
    let text = "There was not enough space to save the resource. Drive:";
    Response::html(507, format!("<html><h1>Insufficient Storage</h1><p>{text} {device}</p></html>"))
}
