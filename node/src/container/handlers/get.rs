//! GET: what is known of a container, and its objects or shard ranges.

use super::broker_for_reading;
use super::head::{info_if_any, with_headers};
use super::shards::ShardListing;
use crate::container::headers::{KEPT, of_container, requested_policy};
use crate::container::listing;
use crate::container::state::{Done, Job, State};
use crate::database::answer::of_error;
use crate::database::listing::Form;
use crate::database::target::{Depth, says_yes};
use crate::database::{Params, Target};
use crate::http::{Headers, Request, Response};
use bytes::Bytes;
use std::sync::Arc;
use swiftlet_storage::db::{ContainerBroker, ContainerInfo, DbState, ListingQuery, ObjectFilter};

pub(in crate::container) fn get(request: Request, state: Arc<State>) -> Result<Job, Response> {
    let target = Target::of(&request, Depth::ContainerOrObject)?;
    let params = Params::of(&request.query);
    let max = state.swift.constraints.container_listing_limit;
    let allow_reserved = says_yes(&request.headers, "X-Backend-Allow-Reserved-Names");
    let path = params.get("path")?.map(str::to_owned);
    let query = ListingQuery { path, ..params.listing(max, allow_reserved)? };
    let form = Form::of(&params, &request.headers)?;
    let shards = ShardListing::of(&request.headers, &params, &query)?;
    let device = target.device.clone();
    let work = move || {
        let broker = broker_for_reading(&target, &state)?;
        let info = info_if_any(&broker)?;
        let db_state = info.as_ref().map_or(DbState::NotFound, |info| info.db_state);
        if shards.is_wanted(db_state) {
            return shards.answer(&broker, info, form);
        }
        let objects = ObjectListing { query, headers: request.headers, form };
        objects.answer(&broker, info, &target, &state)
    };
    Ok(Job { device, work: Box::new(work) })
}

struct ObjectListing {
    query: ListingQuery,
    headers: Headers,
    form: Form,
}

impl ObjectListing {
    fn answer(
        self,
        broker: &ContainerBroker,
        info: Option<ContainerInfo>,
        target: &Target,
        state: &State,
    ) -> Result<Done, Response> {
        let requested = requested_policy(&self.headers, &state.swift.policies)?;
        let Some(info) = info.as_ref().filter(|info| !info.is_deleted()) else {
            return Err(with_headers(Response::standard(404), of_container(info.as_ref(), true)));
        };
        let policy = requested.unwrap_or(info.storage_policy_index);
        let mut headers = of_container(Some(info), false);
        headers.set("X-Backend-Record-Type", "object");
        headers.set_int("X-Backend-Record-Storage-Policy-Index", policy);
        // While the container is being sharded, its objects are still in the retiring file.
        let source = broker.component_brokers().map_err(of_error)?;
        let source = source.first().unwrap_or(broker);
        let body =
            listing::objects(source, &self.query, ObjectFilter::live(policy), self.form, target.container())?;
        listing_answer(broker, headers, body, self.form)
    }
}

/// The answer with a listing, the container's facts and its metadata.
pub(super) fn listing_answer(
    broker: &ContainerBroker,
    mut headers: Headers,
    body: Bytes,
    form: Form,
) -> Result<Done, Response> {
    KEPT.show(&broker.metadata().map_err(of_error)?, &mut headers);
    headers.set("Content-Type", form.content_type());
    let mut answer = Response::new(if body.is_empty() { 204 } else { 200 }).with_body(body);
    answer.headers = headers;
    Ok(answer.into())
}
