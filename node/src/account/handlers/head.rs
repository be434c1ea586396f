//! HEAD: what is known of an account.

use super::read;
use crate::account::headers::of_account;
use crate::account::state::{Job, State};
use crate::database::listing::Form;
use crate::database::target::Depth;
use crate::database::{Params, Target};
use crate::http::{Request, Response};
use std::sync::Arc;

pub(in crate::account) fn head(request: Request, state: Arc<State>) -> Result<Job, Response> {
    let target = Target::of(&request, Depth::Account)?;
    let form = Form::of(&Params::of(&request.query), &request.headers)?;
    Ok(read(target, state, move |broker, state, _| {
        let mut answer = Response::new(204);
        answer.headers = of_account(broker, state)?;
        answer.headers.set("Content-Type", form.content_type());
        answer.headers.set_int("Content-Length", 0);
        Ok(answer)
    }))
}
