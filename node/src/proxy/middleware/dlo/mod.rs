//! `dlo`: dynamic large objects. A manifest names a container and a prefix (`X-Object-Manifest`); its GET is every
//! object there that begins so, in the order of the listing at that moment.

mod listing;

use super::{FilterError, Layer, Setup};
use crate::http::byte_ranges::{Asked, asked};
use crate::http::conditions::normalize_etag;
use crate::http::{Body, Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::meta;
use crate::proxy::query::Params;
use crate::proxy::ranges::Ranges;
use crate::proxy::segments::{Origin, Pace, Paced, Plan, SegmentedBody, plan};
use crate::proxy::subrequest;
use async_trait::async_trait;
use listing::{Manifest, Page, Segments};
use md5::{Digest, Md5};
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::conf::Options;
use swiftlet_types::names::{split_path, unquote};

/// What the access log calls the requests made here.
const SOURCE: &str = "DLO";
const MANIFEST: &str = "X-Object-Manifest";

struct Dlo {
    next: Arc<dyn App>,
    pace: Pace,
    max_get_time: Duration,
    /// How many entries a full page of a listing has.
    page_size: usize,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let pace = Pace {
        free: section.int("rate_limit_after_segment", 10)?,
        per_second: section.int("rate_limit_segments_per_sec", 1)?,
    };
    let max_get_time = Duration::from_secs(section.int("max_get_time", 86400)?);
    let page_size = setup.constraints.container_listing_limit;
    Ok(Box::new(move |next| Arc::new(Dlo { next, pace, max_get_time, page_size })))
}

#[async_trait]
impl App for Dlo {
    async fn call(&self, request: ProxyRequest) -> Response {
        if split_path(&request.http.path, 4, 4, true).is_none() {
            return self.next.call(request).await;
        }
        match request.http.method {
            Method::Get | Method::Head if !asks_for_manifest(&request) => self.get_or_head(request).await,
            Method::Put => match request.http.headers.get(MANIFEST) {
                Some(manifest) if !is_valid(manifest) => {
                    Response::html(400, "X-Object-Manifest must be in the format container/prefix")
                }
                _ => self.next.call(request).await,
            },
            _ => self.next.call(request).await,
        }
    }
}

fn asks_for_manifest(request: &ProxyRequest) -> bool {
    !request.http.query.is_empty()
        && Params::parse(&request.http.query).get("multipart-manifest") == Some(b"get")
}

fn is_valid(manifest: &[u8]) -> bool {
    let slash = memchr::memchr(b'/', manifest);
    slash.is_some_and(|slash| slash > 0 && manifest.get(slash + 1).is_some_and(|first| *first != b'/'))
        && !manifest.iter().any(|b| matches!(b, b'?' | b'&'))
}

impl Dlo {
    async fn get_or_head(&self, mut request: ProxyRequest) -> Response {
        meta::append_csv(&mut request.http.headers, "X-Backend-Ignore-Range-If-Metadata-Present", MANIFEST);
        let client = subrequest::again(&request);
        let response = self.next.call(request).await;
        let manifest = response.headers.get(MANIFEST).map(unquote);
        match manifest.and_then(|named| Manifest::of(&client, &named)) {
            Some(manifest) => self.answer(client, response, manifest).await,
            None => response,
        }
    }

    async fn answer(&self, mut client: ProxyRequest, mut response: Response, manifest: Manifest) -> Response {
        let body = std::mem::replace(&mut response.body, Body::empty());
        subrequest::drain(Response::new(response.status).with_body(body)).await;
        (response.status, response.reason) = (200, None);
        let page = match manifest.page(&*self.next, &client, None).await {
            Ok(page) => page,
            Err(mut refusal) => {
                if client.http.method == Method::Head {
                    refusal.body = Body::empty();
                }
                return refusal;
            }
        };
        let is_complete = page.len() < self.page_size;
        let known = page.iter().map(|segment| segment.bytes).fold(0, u64::saturating_add);
        if !heed_range(&mut client, known, is_complete) {
            let refusal = Response::standard(416).with("Accept-Ranges", "bytes");
            return match is_complete {
                true => refusal.with("Content-Range", format!("bytes */{known}")),
                false => refusal,
            };
        }
        for name in ["Content-Length", "Content-Range"] {
            response.headers.remove(name);
        }
        if is_complete {
            response.headers.set("Etag", format!("\"{}\"", etag_of(&page)));
        }
        let is_ranged = client.http.headers.contains("Range");
        match plan(&client, response, (is_complete || is_ranged).then_some(known)) {
            Plan::Complete(response) => response,
            Plan::Send(sending) => {
                let wanted = sending.ranges().first().cloned().unwrap_or_default();
                let client = Arc::new(client);
                let next = self.next.clone();
                let segments = Segments::new(next, client.clone(), manifest, page, self.page_size, wanted);
                let paced = Paced::new(segments, self.pace);
                match SegmentedBody::begin(self.origin(client), paced, sending.len()).await {
                    Ok(body) => sending.with_body(body),
                    Err(error) => error.into_response(),
                }
            }
        }
    }

    fn origin(&self, client: Arc<ProxyRequest>) -> Origin {
        let name = String::from_utf8_lossy(&client.http.path).into_owned();
        Origin { next: self.next.clone(), client, name, kind: SOURCE, max_get_time: self.max_get_time }
    }
}

/// Takes a range out of the request that cannot be served from what is known: more than one, or one that may reach
/// beyond the first `known` bytes where not all segments are known. `false`: it lies outside.
fn heed_range(client: &mut ProxyRequest, known: u64, is_complete: bool) -> bool {
    let Some(value) = client.http.headers.get("Range") else { return true };
    let heeded = Ranges::parse(value).is_some_and(|ranges| {
        ranges.count() == 1
            && (is_complete || ranges.last_byte().is_some_and(|last| last < known.saturating_sub(1)))
    });
    if !heeded {
        client.http.headers.remove("Range");
        return true;
    }
    asked(Some(value), known) != Asked::Unsatisfiable
}

/// The MD5 of all segments' ETags.
fn etag_of(page: &Page) -> String {
    let digest = page
        .iter()
        .fold(Md5::new(), |digest, segment| digest.chain_update(normalize_etag(segment.hash.as_bytes())));
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests;
