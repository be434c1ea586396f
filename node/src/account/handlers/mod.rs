//! One file a verb. A handler reads the request and gives the job that answers it.

mod delete;
mod get;
mod head;
mod post;
mod put;

pub(super) use delete::delete;
pub(super) use get::get;
pub(super) use head::head;
pub(super) use post::post;
pub(super) use put::put;

use crate::database::Outcome;
use crate::database::answer::of_error;
use crate::http::Response;
use swiftlet_storage::db::{AccountBroker, DbError};

/// The answer about an account that is not there, with a mark where it was deleted (and is not reaped yet).
fn of_deleted(broker: &AccountBroker, mut answer: Response) -> Outcome {
    match broker.is_status_deleted() {
        Ok(true) => answer.headers.set("X-Account-Status", "Deleted"),
        Ok(false) | Err(DbError::Missing { .. }) => {}
        Err(error) => return Err(of_error(error)),
    }
    Ok(answer)
}
