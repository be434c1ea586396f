//! `copy`: COPY, and PUT with `X-Copy-From`, as a GET of the source that streams into a PUT of the destination.

mod headers;
mod heartbeat;
mod request;

use super::{FilterError, Layer, Setup};
use crate::http::{Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::meta;
use crate::proxy::query::Params;
use crate::proxy::subrequest;
use async_trait::async_trait;
use request::Copy;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::Constraints;
use swiftlet_types::conf::Options;
use swiftlet_types::names::split_path;

/// What the access log calls the requests made here.
const SOURCE: &str = "SSC";

struct CopyFilter {
    next: Arc<dyn App>,
    constraints: Arc<Constraints>,
    /// How often a client that asked for a heartbeat hears of us.
    yield_frequency: Duration,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let yield_frequency = Duration::from_secs(section.int("yield_frequency", 10_u64)?.max(1));
    let constraints = setup.constraints.clone();
    Ok(Box::new(move |next| Arc::new(CopyFilter { next, constraints, yield_frequency })))
}

#[async_trait]
impl App for CopyFilter {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        if split_path(&request.http.path, 4, 4, true).is_none() {
            return self.next.call(request).await;
        }
        let copy = match request.http.method {
            Method::Copy => request::from_copy(&mut request),
            Method::Put if request.http.headers.get("X-Copy-From").is_some_and(|from| !from.is_empty()) => {
                request::from_put(&request)
            }
            Method::Options => return self.options(request).await,
            _ => return self.next.call(request).await,
        };
        match copy {
            Ok(copy) => self.copy(request, copy).await,
            Err(refusal) => refusal,
        }
    }
}

impl CopyFilter {
    async fn options(&self, request: ProxyRequest) -> Response {
        let mut response = self.next.call(request).await;
        for name in ["Allow", "Access-Control-Allow-Methods"] {
            if let Some(methods) = response.headers.get(name)
                && response.is_success()
                && memchr::memmem::find(methods, b"COPY").is_none()
            {
                let methods = [methods, b", COPY"].concat();
                response.headers.set(name, methods);
            }
        }
        response
    }

    async fn copy(&self, mut request: ProxyRequest, copy: Copy) -> Response {
        let mut source = self.next.call(request::source(&request, &copy)).await;
        if source.status >= 300 {
            return source;
        }
        // No length: a large object of more segments than a listing tells of.
        let length = source.body.len().or_else(|| source.headers.get_str("Content-Length")?.parse().ok());
        let Some(length) = length.filter(|length| *length <= self.constraints.max_file_size) else {
            return Response::standard(413);
        };
        let mut params = Params::parse(&request.http.query);
        let raw_manifest = params.get("multipart-manifest") == Some(b"get");
        let heartbeat = params
            .get("heartbeat")
            .is_some_and(|value| std::str::from_utf8(value).is_ok_and(swiftlet_types::conf::is_true));
        let fresh = meta::is_true(&request.http.headers, "X-Fresh-Metadata");
        request.http.headers = headers::sink(&request.http.headers, &source, fresh, raw_manifest);
        if request::retarget_params(&mut params, &source.headers) {
            request.http.query = params.to_query();
        }
        request.http.headers.set_int("Content-Length", length);
        request.http.body = subrequest::body_of(&mut source, length);
        request.env.source = Some(SOURCE);
        let copied = headers::copied_from(&copy, &source.headers, &request.http.headers);
        if heartbeat {
            return heartbeat::respond(self.next.clone(), request, copied, self.yield_frequency);
        }
        let mut response = self.next.call(request).await;
        if response.is_success() {
            copied.iter().for_each(|(name, value)| response.headers.set(name.clone(), value.clone()));
        }
        response
    }
}

#[cfg(test)]
mod tests;
