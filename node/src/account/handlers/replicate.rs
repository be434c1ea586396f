//! REPLICATE: see `database::replicate`.

use crate::account::state::{Job, State};
use crate::database::replicate::Replication;
use crate::http::{Request, Response};
use std::sync::Arc;
use swiftlet_storage::db::Account;

pub(in crate::account) async fn replicate(request: &mut Request, state: Arc<State>) -> Result<Job, Response> {
    let replication = Replication::read(request).await?;
    let device = replication.device.clone();
    Ok(Job { device, work: Box::new(move || replication.run::<Account>(&state.store)) })
}
