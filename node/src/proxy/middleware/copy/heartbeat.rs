//! `?heartbeat=on`: a blank now and then while a long copy runs, and how it went in the body of a 202.

use crate::http::headers::has_prefix;
use crate::http::{Headers, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::heartbeat::{Beat, Report, body, status_text};
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::accept::best_match;
use swiftlet_types::names::quote;

/// What is quoted of the answer's body.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Answers 202 and lets the PUT run on.
pub fn respond(
    next: Arc<dyn App>,
    request: ProxyRequest,
    copied: Headers,
    yield_frequency: Duration,
) -> Response {
    let accept = request.http.headers.get_str("Accept").unwrap_or_default();
    let content_type =
        best_match(accept, &["text/plain", "application/json"]).ok().flatten().unwrap_or("text/plain");
    let put = async move { report(next.call(request).await, &copied).await.render(content_type, "copy") };
    let beat = Beat { every: yield_frequency, at_once: true, first: " ", separator: "" };
    Response::new(202).with("Content-Type", content_type).with_body(body(put, beat))
}

async fn report(mut response: Response, copied: &Headers) -> Report {
    let body = response.body.read_all(MAX_ANSWER_BYTES).await.unwrap_or_default();
    let status = status_text(&response);
    let mut report = Report::default();
    report.set("Response Status", status.as_str());
    report.set("Response Body", String::from_utf8_lossy(&body));
    for (name, value) in copied.iter().chain(response.headers.iter()) {
        if !has_prefix(name, "x-object-sysmeta-") && !has_prefix(name, "x-backend") {
            report.set(&String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        }
    }
    if !response.is_success() {
        report.errors.push((quote(copied.get("X-Copied-From").unwrap_or_default()), status));
    }
    report
}
