//! GET and HEAD.

use super::super::body::{Begun, Source};
use super::super::conditional::conditional_etag;
use super::super::config::ObjectServerConfig;
use super::super::fragments;
use super::super::placement::{Placement, opens_expired, timestamp_or_now};
use super::super::server::ObjectServer;
use super::{job_failed, open_failed};
use crate::http::byte_ranges::{Asked, Piece, asked, content_range, multipart};
use crate::http::conditions::{names_any, refused};
use crate::http::dates::format_http_date;
use crate::http::{Budget, Headers, Request, Response};
use swiftlet_storage::object::{FragmentChoice, ObjectState, ObjectStore, OpenError, OpenOptions};
use swiftlet_types::conf::is_true;

impl ObjectServer {
    /// GET, and HEAD where `with_body` is false: one job for all but long bodies.
    pub(in super::super) async fn read(
        &self,
        request: Request,
        with_body: bool,
    ) -> Result<Response, Response> {
        let placement = Placement::of(&request, &self.policies)?;
        let device = placement.device.clone();
        let headers = request.headers;
        let validate = with_body && self.config.etag_validate_share > rand::random::<f64>();
        let (store, config, budget) = (self.store.clone(), self.config.clone(), self.read_budget.clone());
        let job = move || {
            let (placement, headers) = (&placement, &headers);
            Reading { store: &store, config: &config, placement, headers, validate, budget }.run(with_body)
        };
        let (mut answer, begun) = self.pools.run(&device, job).await.map_err(job_failed)??;
        if let Some(begun) = begun {
            answer.body = begun.into_body(&self.pools, &device);
        }
        Ok(answer)
    }
}

/// One read, within its job.
struct Reading<'a> {
    store: &'a ObjectStore,
    config: &'a ObjectServerConfig,
    placement: &'a Placement,
    headers: &'a Headers,
    validate: bool,
    budget: Budget,
}

impl Reading<'_> {
    fn run(&self, with_body: bool) -> Result<(Response, Option<Begun>), Response> {
        let at = self.placement.locate(self.store).map_err(|_| self.placement.insufficient_storage())?;
        let options =
            OpenOptions { now: timestamp_or_now(self.headers), open_expired: opens_expired(self.headers) };
        let preferences = fragments::preferences(self.headers)?;
        let choice = FragmentChoice { index: None, preferences: preferences.as_ref() };
        let opened = self.store.open_choosing(&at, options, choice);
        let opened = opened.map_err(|error| self.absent(error))?;
        let mut answer = self.head(&opened.state);
        let etag = conditional_etag(self.headers, &opened.state.metadata);
        if let Some(status) = refused(self.headers, etag, opened.state.timestamp.seconds_ceil()) {
            answer.status = status;
            answer.headers.set_int("Content-Length", 0);
            return Ok((answer, None));
        }
        if !with_body {
            answer.headers.set_int("Content-Length", opened.state.size);
            return Ok((answer, None));
        }
        let Some(pieces) = self.pieces(&opened.state, &mut answer) else { return Ok((answer, None)) };
        let keep_cache = self.keeps_cache(&opened.state);
        let (_, reader) = opened.into_reader(self.store, keep_cache, self.validate);
        let begun = Source::new(reader, pieces, self.budget.clone()).begin().map_err(|error| {
            tracing::error!(%error, "ERROR reading object");
            Response::standard(500)
        })?;
        Ok((answer, Some(begun)))
    }

    /// The answer where there is no object: since when, if that is known.
    fn absent(&self, error: OpenError) -> Response {
        let since = match &error {
            OpenError::Deleted { timestamp } | OpenError::Expired { timestamp, .. } => Some(*timestamp),
            _ => None,
        };
        let mut answer = open_failed(self.placement, error);
        if let Some(since) = since {
            answer.headers.set("X-Backend-Timestamp", since.internal());
        }
        if answer.status == 404 && self.headers.get("If-Match").is_some_and(names_any) {
            answer = Response { headers: answer.headers, ..Response::new(412) };
        }
        answer
    }

    /// Status and header fields of the whole object.
    fn head(&self, state: &ObjectState) -> Response {
        let mut answer = Response::new(200);
        let headers = &mut answer.headers;
        let content_type = state.metadata.get("Content-Type").cloned();
        headers.set("Content-Type", content_type.unwrap_or_else(|| "application/octet-stream".into()));
        for (name, value) in state.metadata.iter() {
            if self.config.allowed_headers.shows(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        let etag = state.metadata.get("ETag").map(|etag| &etag[..]).unwrap_or_default();
        headers.set("Etag", [b"\"", etag, b"\""].concat());
        headers.set("Last-Modified", format_http_date(state.timestamp.seconds_ceil()));
        headers.set("X-Timestamp", state.timestamp.normal());
        headers.set("X-Backend-Timestamp", state.timestamp.internal());
        let data_timestamp = state.data_timestamp.internal();
        headers.set("X-Backend-Data-Timestamp", data_timestamp.clone());
        match fragments::listed(&state.fragments) {
            None => headers.set("X-Backend-Durable-Timestamp", data_timestamp),
            Some(listed) => {
                if let Some(durable) = state.fragments.durable {
                    headers.set("X-Backend-Durable-Timestamp", durable.internal());
                }
                headers.set("X-Backend-Fragments", listed);
            }
        }
        answer
    }

    /// The pieces of the body, and in `answer` what says which; `None` where no byte of it can be sent.
    fn pieces(&self, state: &ObjectState, answer: &mut Response) -> Option<Vec<Piece>> {
        let size = state.size;
        let range = self.headers.get("Range").filter(|_| !self.ignores_range(state));
        let pieces = match asked(range, size) {
            Asked::All => vec![Piece::Object(0..size)],
            Asked::Unsatisfiable => {
                answer.status = 416;
                answer.headers.set("Content-Range", format!("bytes */{size}"));
                answer.body = Response::standard(416).body;
                return None;
            }
            Asked::Ranges(mut ranges) => {
                answer.status = 206;
                if ranges.len() == 1 {
                    let range = ranges.remove(0);
                    answer.headers.set("Content-Range", content_range(&range, size));
                    vec![Piece::Object(range)]
                } else {
                    let boundary = format!("{:032x}", rand::random::<u128>());
                    let content_type = answer.headers.get("Content-Type").unwrap_or_default().to_vec();
                    answer.headers.set("Content-Type", format!("multipart/byteranges;boundary={boundary}"));
                    multipart(ranges, &content_type, &boundary, size)
                }
            }
        };
        Some(pieces)
    }

    /// Whether the object is of a kind (a manifest, say) that the proxy wants whole.
    fn ignores_range(&self, state: &ObjectState) -> bool {
        let names = self.headers.get("X-Backend-Ignore-Range-If-Metadata-Present").unwrap_or_default();
        names.split(|b| *b == b',').map(<[u8]>::trim_ascii).any(|wanted| {
            !wanted.is_empty() && state.metadata.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        })
    }

    /// Whether what is read should stay in memory: what everyone may read is likelier to be read again.
    fn keeps_cache(&self, state: &ObjectState) -> bool {
        let anonymous = !self.headers.contains("X-Auth-Token") && !self.headers.contains("X-Storage-Token");
        let is_manifest = || state.metadata.get_str("X-Static-Large-Object").is_some_and(is_true);
        self.config.keep_cache_private || anonymous || (self.config.keep_cache_slo_manifest && is_manifest())
    }
}
