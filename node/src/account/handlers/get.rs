//! GET: what is known of an account, and its containers.

use super::of_deleted;
use crate::account::headers::of_account;
use crate::account::listing;
use crate::account::server::{Job, State};
use crate::database::answer::of_error;
use crate::database::listing::Form;
use crate::database::target::{Depth, says_yes};
use crate::database::{Params, Target};
use crate::http::{Request, Response};
use std::sync::Arc;
use swiftlet_storage::db::BrokerOptions;

pub(in crate::account) fn get(request: Request, state: Arc<State>) -> Result<Job, Response> {
    let target = Target::of(&request, Depth::Account)?;
    let params = Params::of(&request.query);
    let max = state.swift.constraints.account_listing_limit;
    let query = params.listing(max, says_yes(&request.headers, "X-Backend-Allow-Reserved-Names"))?;
    let form = Form::of(&params, &request.headers)?;
    let device = target.device.clone();
    let work = move || {
        let path = state.store.device(&target.device)?;
        let broker =
            state.store.account(path, &target.partition, &target.account, BrokerOptions::for_reading());
        if broker.is_deleted().map_err(of_error)? {
            return of_deleted(&broker, Response::standard(404));
        }
        let mut headers = of_account(&broker, &state)?;
        let body = listing::body(&broker, &query, form, &target.account, &state)?;
        headers.set("Content-Type", form.content_type());
        let mut answer = Response::new(if body.is_empty() { 204 } else { 200 }).with_body(body);
        answer.headers = headers;
        Ok(answer)
    };
    Ok(Job { device, work: Box::new(work) })
}
