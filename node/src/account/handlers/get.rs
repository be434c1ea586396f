//! GET: what is known of an account, and its containers.

use super::read;
use crate::account::headers::of_account;
use crate::account::listing;
use crate::account::state::{Job, State};
use crate::database::listing::Form;
use crate::database::target::{Depth, says_yes};
use crate::database::{Params, Target};
use crate::http::{Request, Response};
use std::sync::Arc;

pub(in crate::account) fn get(request: Request, state: Arc<State>) -> Result<Job, Response> {
    let target = Target::of(&request, Depth::Account)?;
    let params = Params::of(&request.query);
    let max = state.swift.constraints.account_listing_limit;
    let query = params.listing(max, says_yes(&request.headers, "X-Backend-Allow-Reserved-Names"))?;
    let form = Form::of(&params, &request.headers)?;
    Ok(read(target, state, move |broker, state, target| {
        let mut headers = of_account(broker, state)?;
        let body = listing::body(broker, &query, form, &target.account, state)?;
        headers.set("Content-Type", form.content_type());
        let mut answer = Response::new(if body.is_empty() { 204 } else { 200 }).with_body(body);
        answer.headers = headers;
        Ok(answer)
    }))
}
