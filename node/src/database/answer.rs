//! From a database's errors to answers.

use crate::http::Response;
use swiftlet_storage::db::DbError;

/// A handler's outcome; the error is an answer too, one that `?` returns early.
pub type Outcome = Result<Response, Response>;

/// The answer to a request that met this error. What is the server's fault is logged here, once.
pub fn of_error(error: DbError) -> Response {
    match error {
        DbError::Refused(why) => Response::html(400, why),
        DbError::Missing { .. } => Response::standard(404),
        error => {
            tracing::error!(%error, "request failed");
            Response::standard(500)
        }
    }
}

/// The answer while a device cannot be used, or is full.
pub fn insufficient_storage(device: &str) -> Response {
    let text = "There was not enough space to save the resource. Drive: ";
    Response::html(507, format!("<html><h1>Insufficient Storage</h1><p>{text}{device}</p></html>"))
}

/// Swift's standard answer of this status with a body of its own.
pub fn refuse(status: u16, why: impl Into<String>) -> Response {
    Response::html(status, why.into())
}
