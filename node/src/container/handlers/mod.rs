//! One file a verb. A handler reads the request and gives the job that answers it.

mod change;
mod delete;
mod get;
mod head;
mod post;
mod put;
mod put_object;
mod redirect;
mod replicate;
mod shards;
mod update;

pub(super) use delete::delete;
pub(super) use get::get;
pub(super) use head::head;
pub(super) use post::post;
pub(super) use put::put;
pub(super) use replicate::replicate;
pub(super) use shards::{is_shard_put, put_shards};
pub(super) use update::update;

use super::state::State;
use crate::database::Target;
use crate::http::Response;
use swiftlet_storage::db::{BrokerOptions, ContainerBroker};

/// The broker of the request's container, for a GET or HEAD.
fn broker_for_reading(target: &Target, state: &State) -> Result<ContainerBroker, Response> {
    let path = state.store.device(&target.device)?;
    let (account, container) = (&target.account, target.container());
    Ok(state.store.container(path, &target.partition, account, container, BrokerOptions::for_reading()))
}
