//! `?heartbeat=on`: a blank now and then while a long copy runs, and how it went in the body of a 202.

use crate::http::headers::has_prefix;
use crate::http::standard::words;
use crate::http::{Body, BodyError, BodyStream, Headers, Response};
use crate::proxy::app::{App, ProxyRequest};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::accept::best_match;
use swiftlet_types::names::quote;
use tokio::task::JoinHandle;

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
    let put = tokio::spawn(async move { next.call(request).await });
    let beats = Beats { put: Some(AbortOnDrop(put)), begun: false, copied, content_type, yield_frequency };
    Response::new(202).with("Content-Type", content_type).with_body(Body::stream(None, beats))
}

/// Ends the copy when the client goes away.
struct AbortOnDrop(JoinHandle<Response>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Beats {
    put: Option<AbortOnDrop>,
    begun: bool,
    copied: Headers,
    content_type: &'static str,
    yield_frequency: Duration,
}

#[async_trait]
impl BodyStream for Beats {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let blank = Ok(Some(Bytes::from_static(b" ")));
        if !std::mem::replace(&mut self.begun, true) {
            return blank;
        }
        let Some(put) = &mut self.put else { return Ok(None) };
        let Ok(ended) = tokio::time::timeout(self.yield_frequency, &mut put.0).await else { return blank };
        self.put = None;
        let response = ended.unwrap_or_else(|_| Response::standard(500));
        Ok(Some(self.report(response).await))
    }
}

impl Beats {
    async fn report(&self, mut response: Response) -> Bytes {
        let body = response.body.read_all(MAX_ANSWER_BYTES).await.unwrap_or_default();
        let phrase = words(response.status).map_or("", |(phrase, _)| phrase);
        let status = format!("{} {phrase}", response.status);
        let mut report = Map::new();
        report.insert("Response Status".into(), status.as_str().into());
        report.insert("Response Body".into(), String::from_utf8_lossy(&body).into());
        for (name, value) in self.copied.iter().chain(response.headers.iter()) {
            if !has_prefix(name, "x-object-sysmeta-") && !has_prefix(name, "x-backend") {
                let name = String::from_utf8_lossy(name).into_owned();
                report.insert(name, String::from_utf8_lossy(value).into());
            }
        }
        let from = self.copied.get("X-Copied-From").unwrap_or_default();
        let errors = if response.is_success() { vec![] } else { vec![(quote(from), status)] };
        if self.content_type == "application/json" {
            report.insert(
                "Errors".into(),
                errors.into_iter().map(|(name, why)| Value::from(vec![name, why])).collect(),
            );
            return Value::Object(report).to_string().into();
        }
        let sorted: BTreeMap<_, _> = report.iter().collect();
        let lines = sorted
            .into_iter()
            .map(|(name, value)| format!("{name}: {}\n", value.as_str().unwrap_or_default()));
        let errors = errors.into_iter().map(|(name, why)| format!("{name}, {why}\n"));
        lines.chain(["Errors:\n".to_owned()]).chain(errors).collect::<String>().into()
    }
}
