//! DELETE: marks an account deleted; the reaper takes it from there.

use super::of_deleted;
use crate::account::state::{Job, State};
use crate::database::Target;
use crate::database::answer::of_error;
use crate::database::target::{Depth, timestamp};
use crate::http::{Request, Response};
use std::sync::Arc;
use swiftlet_storage::db::BrokerOptions;

pub(in crate::account) fn delete(request: Request, state: Arc<State>) -> Result<Job, Response> {
    let target = Target::of(&request, Depth::Account)?;
    let timestamp = timestamp(&request.headers);
    let device = target.device.clone();
    let work = move || {
        let path = state.store.device(&target.device)?;
        let timestamp = timestamp?;
        let broker = state.store.account(path, &target.partition, &target.account, BrokerOptions::default());
        if broker.is_deleted().map_err(of_error)? {
            return of_deleted(&broker, Response::standard(404));
        }
        broker.delete_db(timestamp).map_err(of_error)?;
        of_deleted(&broker, Response::standard(204))
    };
    Ok(Job { device, work: Box::new(work) })
}
