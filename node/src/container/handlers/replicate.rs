//! REPLICATE: see `database::replicate`.

use crate::container::state::{Job, State};
use crate::database::replicate::Replication;
use crate::http::{Request, Response};
use std::sync::Arc;
use swiftlet_storage::db::Container;

pub(in crate::container) async fn replicate(
    request: &mut Request,
    state: Arc<State>,
) -> Result<Job, Response> {
    let replication = Replication::read(request).await?;
    let device = replication.device.clone();
    let work = move || Ok(replication.run::<Container>(&state.store)?.into());
    Ok(Job { device, work: Box::new(work) })
}
