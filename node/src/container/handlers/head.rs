//! HEAD: what is known of a container.

use super::broker_for_reading;
use crate::container::headers::{KEPT, of_container};
use crate::container::state::{Job, State};
use crate::database::answer::of_error;
use crate::database::listing::Form;
use crate::database::target::Depth;
use crate::database::{Params, Target};
use crate::http::{Request, Response};
use std::sync::Arc;
use swiftlet_storage::db::{ContainerBroker, ContainerInfo};

pub(in crate::container) fn head(request: Request, state: Arc<State>) -> Result<Job, Response> {
    let target = Target::of(&request, Depth::ContainerOrObject)?;
    let form = Form::of(&Params::of(&request.query), &request.headers)?;
    let device = target.device.clone();
    let work = move || {
        let broker = broker_for_reading(&target, &state)?;
        let info = info_if_any(&broker)?;
        let is_deleted = info.as_ref().is_none_or(ContainerInfo::is_deleted);
        let headers = of_container(info.as_ref(), is_deleted);
        if is_deleted {
            return Err(with_headers(Response::standard(404), headers));
        }
        let mut answer = with_headers(Response::new(204), headers);
        KEPT.show(&broker.metadata().map_err(of_error)?, &mut answer.headers);
        answer.headers.set("Content-Type", form.content_type());
        answer.headers.set_int("Content-Length", 0);
        Ok(answer.into())
    };
    Ok(Job { device, work: Box::new(work) })
}

/// The container's facts; `None` where it does not exist.
pub(super) fn info_if_any(broker: &ContainerBroker) -> Result<Option<ContainerInfo>, Response> {
    match broker.exists().map_err(of_error)? {
        true => broker.info().map(Some).map_err(of_error),
        false => Ok(None),
    }
}

/// `answer` with more header fields.
pub(super) fn with_headers(mut answer: Response, headers: crate::http::Headers) -> Response {
    for (name, value) in headers.iter() {
        answer.headers.set(name.clone(), value.clone());
    }
    answer
}
