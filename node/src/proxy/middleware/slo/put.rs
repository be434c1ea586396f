//! PUT of a manifest: every segment is looked at, and what is found is stored beside what the client said.

use super::input::{self, Described, DescribedObject};
use super::manifest::{self, Entry, ObjectEntry};
use super::{SOURCE, SYSMETA_ETAG, SYSMETA_SIZE, Slo};
use crate::http::byte_ranges::{Asked, asked};
use crate::http::conditions::normalize_etag;
use crate::http::dates::parse_http_date;
use crate::http::{Body, Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::checks::is_chunked;
use crate::proxy::heartbeat::{self, Beat, Report, explanation, format_for, status_text, status_words};
use crate::proxy::listing::push_value;
use crate::proxy::meta;
use crate::proxy::query::Params;
use crate::proxy::subrequest::{self, length_of};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use swiftlet_types::Timestamp;
use swiftlet_types::conf::is_true;
use swiftlet_types::names::{quote, split_path};

const MAX_ANSWER_BYTES: usize = 64 << 10;
const LISTING_ETAG: &str = "X-Object-Sysmeta-Container-Update-Override-Etag";

/// Segments that cannot be: their names, percent-encoded, and why.
type Problems = Vec<(String, String)>;

/// A segment that was looked at.
struct Found {
    entry: Entry,
    /// What is stored of it.
    stored: Value,
}

/// How a PUT ended.
enum Outcome {
    /// With the answer to the client.
    Answered(Response),
    /// Before anything was written.
    Refused(Problems),
}

impl Slo {
    pub(super) async fn put(&self, mut request: ProxyRequest) -> Response {
        let segments = match self.read_input(&mut request).await {
            Ok(segments) => segments,
            Err(refusal) => return refusal,
        };
        let format = format_for(request.http.headers.get_str("Accept")).unwrap_or("text/plain");
        let wants_heartbeat = Params::parse(&request.http.query)
            .get("heartbeat")
            .is_some_and(|value| std::str::from_utf8(value).is_ok_and(is_true));
        if wants_heartbeat {
            let slo = self.clone();
            let work = async move {
                let outcome = slo.check_and_store(request, segments).await;
                report(outcome).await.render(format, "upload")
            };
            let every = self.options.yield_frequency;
            let beat = Beat { every, at_once: true, first: " ", separator: "\r\n\r\n" };
            return Response::new(202).with("Content-Type", format).with_body(heartbeat::body(work, beat));
        }
        match self.check_and_store(request, segments).await {
            Outcome::Answered(response) => response,
            Outcome::Refused(errors) => {
                let report = Report { errors, ..Report::default() };
                let body = Bytes::from(report.render(format, "upload"));
                Response::new(400).with("Content-Type", format).with_body(body)
            }
        }
    }

    /// The manifest that the client sent.
    async fn read_input(&self, request: &mut ProxyRequest) -> Result<Vec<Described>, Response> {
        let headers = &request.http.headers;
        if headers.get("X-Copy-From").is_some_and(|from| !from.is_empty()) {
            return Err(Response::html(405, "Multipart Manifest PUTs cannot be COPY requests"));
        }
        if !headers.contains("Content-Length") && !is_chunked(headers) {
            return Err(Response::standard(411));
        }
        let limit = self.options.max_manifest_size;
        let body = request.http.body.read_all(limit).await.map_err(|error| match error {
            crate::http::BodyError::TooLarge { .. } => {
                Response::html(413, format!("Manifest File > {limit} bytes"))
            }
            _ => Response::standard(499),
        })?;
        let segments = input::parse(&body, &request.http.path)?;
        let objects = segments.iter().filter(|segment| matches!(segment, Described::Object(_))).count();
        let limit = self.options.max_manifest_segments;
        match objects > limit {
            true => {
                let text = format!("Number of object-backed segments must be <= {limit}");
                Err(Response::html(413, text))
            }
            false => Ok(segments),
        }
    }

    async fn check_and_store(&self, request: ProxyRequest, segments: Vec<Described>) -> Outcome {
        let client = Arc::new(subrequest::again(&request));
        let heads = self.heads(&client, &segments).await;
        let (mut found, mut problems) = (Vec::with_capacity(segments.len()), Vec::new());
        let last = segments.len().saturating_sub(1);
        for (index, segment) in segments.into_iter().enumerate() {
            match segment {
                Described::Data(bytes) => {
                    let stored = json!({"data": STANDARD.encode(&bytes)});
                    found.push(Found { entry: Entry::Data(bytes), stored });
                }
                Described::Object(object) => {
                    let Some(head) = heads.get(&object.path) else { continue };
                    found.extend(check(object, head, index == last, &mut problems));
                }
            }
        }
        match problems.is_empty() {
            true => Outcome::Answered(self.store(request, found).await),
            false => Outcome::Refused(problems),
        }
    }

    /// What a HEAD of each object says, by the path in the manifest.
    async fn heads(&self, client: &Arc<ProxyRequest>, segments: &[Described]) -> HashMap<String, Response> {
        let mut paths = Vec::new();
        for segment in segments {
            if let Described::Object(object) = segment
                && !paths.contains(&object.path)
            {
                paths.push(object.path.clone());
            }
        }
        let ask = |path: String| async move {
            let head = self.head(client, &path).await;
            (path, head)
        };
        stream::iter(paths).map(ask).buffered(self.options.concurrency).collect().await
    }

    async fn head(&self, client: &ProxyRequest, path: &str) -> Response {
        let own = split_path(&client.http.path, 2, 3, true).unwrap_or_default();
        let account = own.iter().take(2).flat_map(|part| [&b"/"[..], part]).collect::<Vec<_>>().concat();
        let path = [&account[..], b"/", path.trim_start_matches('/').as_bytes()].concat();
        // through this filter: what is a manifest itself counts as its large object
        self.call(subrequest::for_client(client, Method::Head, path, "SLO MultipartPUT", SOURCE)).await
    }

    async fn store(&self, mut request: ProxyRequest, found: Vec<Found>) -> Response {
        let (entries, stored): (Vec<Entry>, Vec<Value>) =
            found.into_iter().map(|found| (found.entry, found.stored)).unzip();
        let (size, slo_etag) = manifest::size_and_etag(&entries);
        let headers = &mut request.http.headers;
        let wanted = headers.get("Etag").map(normalize_etag).filter(|etag| !etag.is_empty());
        if wanted.is_some_and(|wanted| wanted != slo_etag.as_bytes()) {
            return Response::standard(422);
        }
        let mut json = Vec::new();
        push_value(&mut json, &Value::Array(stored));
        let etag = hex::encode(Md5::digest(&json));
        let listed = listed_etag(headers.get_str(LISTING_ETAG).unwrap_or_default(), &etag, &slo_etag);
        headers.set(LISTING_ETAG, listed);
        headers.set(SYSMETA_ETAG, slo_etag.clone());
        headers.set_int(SYSMETA_SIZE, size);
        headers.set("X-Static-Large-Object", "True");
        headers.set("Etag", etag);
        headers.set_int("Content-Length", json.len());
        headers.remove("Transfer-Encoding");
        let path = String::from_utf8_lossy(&request.http.path);
        let said = headers.get("Content-Type").filter(|said| !said.is_empty()).map(<[u8]>::to_vec);
        let guessed = || self.content_types.guess(&path).unwrap_or("application/octet-stream").into();
        let content_type = said.unwrap_or_else(guessed);
        headers.set("Content-Type", [&content_type[..], format!(";swift_bytes={size}").as_bytes()].concat());
        request.env.content_type_overridden = true;
        request.http.body = Body::full(json);
        let mut response = self.next.call(request).await;
        if response.is_success() {
            response.headers.set("Etag", format!("\"{slo_etag}\""));
        }
        response
    }
}

/// The ETag that listings tell: what outer filters want it to be, with that of the large object.
fn listed_etag(wanted: &str, etag: &str, slo_etag: &str) -> String {
    let (value, parameters) =
        wanted.split_once(';').map_or((wanted, None), |(value, rest)| (value, Some(rest)));
    let value = if value.is_empty() { etag } else { value };
    let parameters = parameters.map(|rest| format!(";{rest}")).unwrap_or_default();
    format!("{value}{parameters}; slo_etag={slo_etag}")
}

/// Holds what the client says of a segment against what `head` says; `None` where there is no such object.
fn check(object: DescribedObject, head: &Response, is_last: bool, problems: &mut Problems) -> Option<Found> {
    let name = quote(&object.path);
    let mut problem = |what: String| problems.push((name.clone(), what));
    if !head.is_success() {
        problem(status_text(head));
        return None;
    }
    let bytes = length_of(head).unwrap_or_default();
    let mut range = None;
    match asked(object.range.as_deref().map(str::as_bytes), bytes) {
        Asked::Unsatisfiable => problem("Unsatisfiable Range".to_owned()),
        // a range that is the whole object is none
        Asked::Ranges(ranges) => range = ranges.into_iter().next().filter(|range| *range != (0..bytes)),
        Asked::All => {}
    }
    let length = range.as_ref().map_or(bytes, |range| range.end - range.start);
    if length < 1 && !is_last {
        problem("Too small; each segment must be at least 1 byte.".to_owned());
    }
    if object.size.is_some_and(|size| size != i128::from(bytes)) {
        problem("Size Mismatch".to_owned());
    }
    let etag = head.headers.get("Etag").unwrap_or_default();
    let hash: String = String::from_utf8_lossy(etag).chars().filter(|c| *c != '"').collect();
    if object.etag.is_some_and(|etag| etag != hash) {
        problem("Etag Mismatch".to_owned());
    }
    let modified = head.headers.get_str("Last-Modified").and_then(parse_http_date);
    let modified = modified.and_then(|second| second.to_string().parse().ok()).unwrap_or_else(Timestamp::now);
    let content_type = head.headers.get("Content-Type").unwrap_or_default();
    let content_type = content_type.split(|b| *b == b';').next().unwrap_or_default();
    let entry = ObjectEntry {
        name: format!("/{}", object.path.trim_start_matches('/')),
        hash,
        bytes,
        range: range.map(|range| (range.start, range.end - 1)),
        is_manifest: meta::is_true(&head.headers, "X-Static-Large-Object"),
    };
    let stored = stored(&entry, &String::from_utf8_lossy(content_type), modified);
    Some(Found { entry: Entry::Object(entry), stored })
}

fn stored(entry: &ObjectEntry, content_type: &str, modified: Timestamp) -> Value {
    let mut stored = json!({
        "name": entry.name,
        "bytes": entry.bytes,
        "hash": entry.hash,
        "content_type": content_type,
        "last_modified": modified.isoformat(),
    });
    if let Some((first, last)) = entry.range {
        stored["range"] = format!("{first}-{last}").into();
    }
    if entry.is_manifest {
        stored["sub_slo"] = true.into();
    }
    stored
}

/// What a client that was sent heartbeats is told.
async fn report(outcome: Outcome) -> Report {
    let mut report = Report::default();
    match outcome {
        Outcome::Refused(errors) => {
            report.errors = errors;
            report.set("Response Status", status_words(400));
            report.set("Response Body", explanation(400));
        }
        Outcome::Answered(mut response) => {
            let is_success = response.is_success();
            report.set("Response Status", status_text(&response));
            for (field, header) in [("Etag", "Etag"), ("Last Modified", "Last-Modified")] {
                if let Some(value) = response.headers.get(header).filter(|_| is_success) {
                    report.set(field, String::from_utf8_lossy(value));
                }
            }
            let said = response.body.read_all(MAX_ANSWER_BYTES).await.unwrap_or_default();
            let is_mismatch = response.status == 422;
            report.set(
                "Response Body",
                if is_mismatch { explanation(422) } else { String::from_utf8_lossy(&said).into_owned() },
            );
        }
    }
    report
}
