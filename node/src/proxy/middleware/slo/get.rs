//! GET and HEAD: the large object, one part of it, or its manifest.

use super::manifest::{self, Entry};
use super::walk::Walk;
use super::{SOURCE, SYSMETA_ETAG, SYSMETA_SIZE, Slo};
use crate::http::conditions::normalize_etag;
use crate::http::{Body, Headers, Method, Response};
use crate::proxy::app::ProxyRequest;
use crate::proxy::meta;
use crate::proxy::query::Params;
use crate::proxy::ranges::ContentRange;
use crate::proxy::segments::{Origin, Paced, Plan, SegmentedBody, plan};
use crate::proxy::subrequest;
use md5::{Digest, Md5};
use std::sync::Arc;
use swiftlet_types::Timestamp;

/// What the header of an answer says of a large object.
struct Facts {
    is_slo: bool,
    timestamp: Timestamp,
    /// The ETag of the manifest as an object.
    manifest_etag: Vec<u8>,
    /// The length and the ETag of the large object; not told by manifests of old.
    size_and_etag: Option<(u64, String)>,
}

impl Facts {
    fn of(headers: &Headers) -> Self {
        let size = headers.get_str(SYSMETA_SIZE).and_then(|size| size.parse().ok());
        let etag = headers.get_str(SYSMETA_ETAG).filter(|etag| !etag.is_empty()).map(str::to_owned);
        Self {
            is_slo: meta::is_true(headers, "X-Static-Large-Object"),
            timestamp: headers
                .get_str("X-Backend-Timestamp")
                .and_then(|text| text.parse().ok())
                .unwrap_or(Timestamp::ZERO),
            manifest_etag: headers.get("Etag").map(normalize_etag).unwrap_or_default().to_vec(),
            size_and_etag: size.zip(etag),
        }
    }
}

/// Whether it is the manifest itself that is wanted, and if so, whether as it was PUT.
fn wants_itself(params: &Params) -> Result<Option<bool>, Response> {
    match params.text("multipart-manifest")? {
        Some("get") => Ok(Some(params.text("format")? == Some("raw"))),
        _ => Ok(None),
    }
}

impl Slo {
    pub(super) async fn get_or_head(&self, mut request: ProxyRequest) -> Response {
        let params = Params::parse(&request.http.query);
        let is_raw = match wants_itself(&params) {
            Ok(is_raw) => is_raw,
            Err(refusal) => return refusal,
        };
        if let Some(is_raw) = is_raw {
            let is_head = request.http.method == Method::Head;
            return manifest_itself(self.next.call(request).await, is_raw && !is_head).await;
        }
        // The ETag that conditions are about is that of the large object; the manifest is wanted whole.
        meta::append_csv(&mut request.http.headers, "X-Backend-Etag-Is-At", SYSMETA_ETAG);
        let ignore_range = "X-Backend-Ignore-Range-If-Metadata-Present";
        meta::append_csv(&mut request.http.headers, ignore_range, "X-Static-Large-Object");
        let client = subrequest::again(&request);
        let response = self.next.call(request).await;
        let facts = Facts::of(&response.headers);
        if !facts.is_slo {
            return response;
        }
        let answered = match part_number(&client, &params) {
            Ok(part) => self.answer(client, response, facts, part).await,
            Err(refusal) => Err(refusal),
        };
        answered.unwrap_or_else(|refusal| refusal)
    }

    async fn answer(
        &self,
        client: ProxyRequest,
        mut response: Response,
        mut facts: Facts,
        part: Option<u64>,
    ) -> Result<Response, Response> {
        let is_legacy = facts.size_and_etag.is_none();
        let (needs_segments, needs_refetch) = match (&client.http.method, response.status) {
            (Method::Head, _) => (is_legacy || part.is_some(), is_legacy || part.is_some()),
            (_, 304 | 412) => (is_legacy, is_legacy),
            (_, 416) => (true, true),
            (_, 206) => (true, !is_whole(&response.headers)),
            _ => (true, false),
        };
        if needs_refetch {
            response = self.refetch(&client, response, facts.timestamp).await?;
            facts = Facts::of(&response.headers);
            if !facts.is_slo {
                return Ok(in_its_place(&client, response));
            }
        }
        let entries = match needs_segments {
            true => manifest::read(&mut response.body).await?,
            false => Vec::new(),
        };
        let (size, etag) = facts.size_and_etag.unwrap_or_else(|| manifest::size_and_etag(&entries));
        response.headers.set("Etag", format!("\"{etag}\""));
        response.headers.set("X-Manifest-Etag", facts.manifest_etag);
        response.headers.set_int("Content-Length", size);
        response.headers.remove("Content-Range");
        match part {
            Some(part) => self.part(client, response, entries, size, part).await,
            None => self.whole(client, response, entries, size).await,
        }
    }

    /// Asks again, for the manifest alone and unconditionally.
    async fn refetch(
        &self,
        client: &ProxyRequest,
        first: Response,
        first_timestamp: Timestamp,
    ) -> Result<Response, Response> {
        subrequest::drain(first).await;
        let path = client.http.path.clone();
        let mut again = subrequest::for_client(client, Method::Get, path, "SLO MultipartGET", SOURCE);
        again.http.query = client.http.query.clone();
        if let Some(open_expired) = client.http.headers.get("X-Open-Expired") {
            again.http.headers.set("X-Open-Expired", open_expired.to_vec());
        }
        let response = self.next.call(again).await;
        let facts = Facts::of(&response.headers);
        // older than what was there just before, and something else
        if !facts.is_slo && facts.timestamp < first_timestamp {
            Err(Response::standard(503))
        } else {
            Ok(response)
        }
    }

    async fn whole(
        &self,
        client: ProxyRequest,
        response: Response,
        entries: Vec<Entry>,
        size: u64,
    ) -> Result<Response, Response> {
        let sending = match plan(&client, response, Some(size)) {
            Plan::Complete(response) => return Ok(response),
            Plan::Send(sending) => sending,
        };
        let origin = self.origin(client);
        let walk = Walk::new(origin.clone(), entries, sending.ranges());
        let paced = Paced::small_ones(walk, self.options.pace, self.options.rate_limit_under_size);
        match SegmentedBody::begin(origin, paced, sending.len()).await {
            Ok(body) => Ok(sending.with_body(body)),
            Err(error) => Err(error.into_response()),
        }
    }

    /// One segment of the manifest (`?part-number=`), counted from 1.
    async fn part(
        &self,
        mut client: ProxyRequest,
        mut response: Response,
        entries: Vec<Entry>,
        size: u64,
        part: u64,
    ) -> Result<Response, Response> {
        response.headers.set_int("X-Parts-Count", entries.len());
        let is_head = client.http.method == Method::Head;
        let before = usize::try_from(part - 1).unwrap_or(usize::MAX);
        let Some(entry) = entries.get(before) else {
            let body = if is_head { "" } else { "The requested part number is not satisfiable" };
            response.status = 416;
            response.headers.set_int("Content-Length", body.len());
            response.headers.set("Content-Range", format!("bytes */{size}"));
            return Ok(response.with_body(body));
        };
        let start = entries[..before].iter().map(Entry::len).fold(0, u64::saturating_add);
        let last = start.saturating_add(entry.len()).saturating_sub(1);
        if is_head {
            let mut whole = match plan(&client, response, Some(size)) {
                Plan::Complete(response) => response,
                Plan::Send(sending) => sending.into_response(),
            };
            if whole.status == 200 {
                whole.status = 206;
                whole.headers.set_int("Content-Length", entry.len());
                whole.headers.set("Content-Range", format!("bytes {start}-{last}/{size}"));
            }
            return Ok(whole);
        }
        client.http.headers.set("Range", format!("bytes={start}-{last}"));
        self.whole(client, response, entries, size).await
    }

    fn origin(&self, client: ProxyRequest) -> Origin {
        let name = String::from_utf8_lossy(&client.http.path).into_owned();
        let max_get_time = self.options.max_get_time;
        Origin { next: self.next.clone(), client: Arc::new(client), name, kind: SOURCE, max_get_time }
    }
}

/// The part that is asked for, if one is.
fn part_number(client: &ProxyRequest, params: &Params) -> Result<Option<u64>, Response> {
    let Some(text) = params.get("part-number") else { return Ok(None) };
    let number = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()).filter(|n| *n > 0);
    let Some(number) = number else {
        return Err(Response::html(400, "Part number must be an integer greater than 0"));
    };
    let ranges = client.http.headers.get("Range").and_then(crate::proxy::ranges::Ranges::parse);
    match ranges {
        Some(_) => Err(Response::html(400, "Range requests are not supported with part number queries")),
        None => Ok(Some(number)),
    }
}

/// Whether a 206 holds all of the manifest after all.
fn is_whole(headers: &Headers) -> bool {
    let range = headers.get("Content-Range").and_then(ContentRange::parse);
    range.is_some_and(|range| range.start == 0 && range.byte_count() == range.total)
}

/// What took the manifest's place before it was asked for again: a plain object, whose conditions still count.
fn in_its_place(client: &ProxyRequest, mut response: Response) -> Response {
    if response.status != 200 {
        return response;
    }
    let body = std::mem::replace(&mut response.body, Body::empty());
    let mut unranged = subrequest::again(client);
    unranged.http.headers.remove("Range");
    match plan(&unranged, response, body.len()) {
        Plan::Complete(response) => response,
        Plan::Send(sending) => sending.into_response().with_body(body),
    }
}

/// The manifest: as it is stored, or as it was PUT.
async fn manifest_itself(mut response: Response, is_raw: bool) -> Response {
    if !meta::is_true(&response.headers, "X-Static-Large-Object") {
        return response;
    }
    if !is_raw {
        return response.with("Content-Type", "application/json; charset=utf-8");
    }
    match manifest::as_put(&mut response.body).await {
        Ok(json) => {
            response.headers.set("Etag", hex::encode(Md5::digest(&json)));
            response.headers.set_int("Content-Length", json.len());
            response.with_body(bytes::Bytes::from(json))
        }
        Err(refusal) => refusal,
    }
}
