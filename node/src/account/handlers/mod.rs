//! One file a verb. A handler reads the request and gives the job that answers it.

mod delete;
mod get;
mod head;
mod post;
mod put;
mod replicate;

pub(super) use delete::delete;
pub(super) use get::get;
pub(super) use head::head;
pub(super) use post::post;
pub(super) use put::put;
pub(super) use replicate::replicate;

use super::state::{Job, State};
use crate::database::answer::of_error;
use crate::database::{Outcome, Target};
use crate::http::Response;
use std::sync::Arc;
use swiftlet_storage::db::{AccountBroker, BrokerOptions, DbError};

/// The job that answers from the account that `target` names, by `answer`; 404 where it is not there.
fn read(
    target: Target,
    state: Arc<State>,
    answer: impl FnOnce(&AccountBroker, &State, &Target) -> Outcome + Send + 'static,
) -> Job {
    let device = target.device.clone();
    let work = move || {
        let path = state.store.device(&target.device)?;
        let options = BrokerOptions::for_reading();
        let broker = state.store.account(path, &target.partition, &target.account, options);
        match broker.is_deleted().map_err(of_error)? {
            true => of_deleted(&broker, Response::standard(404)),
            false => answer(&broker, &state, &target),
        }
    };
    Job { device, work: Box::new(work) }
}

/// The answer about an account that is not there, with a mark where it was deleted (and is not reaped yet).
fn of_deleted(broker: &AccountBroker, mut answer: Response) -> Outcome {
    match broker.is_status_deleted() {
        Ok(true) => answer.headers.set("X-Account-Status", "Deleted"),
        Ok(false) | Err(DbError::Missing { .. }) => {}
        Err(error) => return Err(of_error(error)),
    }
    Ok(answer)
}
