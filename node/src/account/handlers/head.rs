//! HEAD: what is known of an account.

use super::of_deleted;
use crate::account::headers::of_account;
use crate::account::server::{Job, State};
use crate::database::answer::of_error;
use crate::database::listing::Form;
use crate::database::target::Depth;
use crate::database::{Params, Target};
use crate::http::{Request, Response};
use std::sync::Arc;
use swiftlet_storage::db::BrokerOptions;

pub(in crate::account) fn head(request: Request, state: Arc<State>) -> Result<Job, Response> {
    let target = Target::of(&request, Depth::Account)?;
    let form = Form::of(&Params::of(&request.query), &request.headers)?;
    let device = target.device.clone();
    let work = move || {
        let path = state.store.device(&target.device)?;
        let broker =
            state.store.account(path, &target.partition, &target.account, BrokerOptions::for_reading());
        if broker.is_deleted().map_err(of_error)? {
            return of_deleted(&broker, Response::standard(404));
        }
        let mut answer = Response::new(204);
        answer.headers = of_account(&broker, &state)?;
        answer.headers.set("Content-Type", form.content_type());
        answer.headers.set_int("Content-Length", 0);
        Ok(answer)
    };
    Ok(Job { device, work: Box::new(work) })
}
