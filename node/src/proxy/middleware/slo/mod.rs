//! `slo`: static large objects. A manifest (`PUT ?multipart-manifest=put`) names its segments one by one, each checked
//! when the manifest is PUT and again when it is read; a part of an object, a manifest and a few bytes of the
//! manifest's own can be a segment too.

mod delete;
mod get;
mod input;
mod listing;
mod manifest;
mod put;
mod walk;

use super::{FilterError, Layer, Setup};
use crate::http::{Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::content_type::ContentTypes;
use crate::proxy::expirer_queue::ExpirerQueue;
use crate::proxy::query::Params;
use crate::proxy::segments::Pace;
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::conf::Options;
use swiftlet_types::names::split_path;

/// What the access log calls the requests made here.
const SOURCE: &str = "SLO";
/// Where a manifest keeps the ETag and the length of its large object.
const SYSMETA_ETAG: &str = "x-object-sysmeta-slo-etag";
const SYSMETA_SIZE: &str = "x-object-sysmeta-slo-size";

/// The options of the section, with Swift's names.
struct SloOptions {
    max_manifest_segments: usize,
    /// Bytes.
    max_manifest_size: usize,
    yield_frequency: Duration,
    allow_async_delete: bool,
    max_get_time: Duration,
    /// Bytes; larger segments are not held back.
    rate_limit_under_size: u64,
    pace: Pace,
    /// How many segments are looked at at once when a manifest is PUT.
    concurrency: usize,
    delete_concurrency: usize,
}

impl SloOptions {
    fn read(section: &Options) -> Result<Self, FilterError> {
        let concurrency: usize = section.int("concurrency", 2)?;
        Ok(Self {
            max_manifest_segments: section.int("max_manifest_segments", 1000)?,
            max_manifest_size: section.int("max_manifest_size", 8 << 20)?,
            yield_frequency: Duration::from_secs(section.int("yield_frequency", 10)?),
            allow_async_delete: section.bool("allow_async_delete", true),
            max_get_time: Duration::from_secs(section.int("max_get_time", 86400)?),
            rate_limit_under_size: section.int("rate_limit_under_size", 1 << 20)?,
            pace: Pace {
                free: section.int("rate_limit_after_segment", 10)?,
                per_second: section.int("rate_limit_segments_per_sec", 1)?,
            },
            concurrency: concurrency.clamp(1, 1000),
            delete_concurrency: section.int("delete_concurrency", concurrency)?.clamp(1, 1000),
        })
    }
}

/// Clones are the same filter.
#[derive(Clone)]
struct Slo {
    next: Arc<dyn App>,
    options: Arc<SloOptions>,
    content_types: Arc<ContentTypes>,
    expirer_queue: Arc<ExpirerQueue>,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let options = Arc::new(SloOptions::read(section)?);
    setup.info.register(
        "slo",
        json!({
            "max_manifest_segments": options.max_manifest_segments,
            "max_manifest_size": options.max_manifest_size,
            "yield_frequency": options.yield_frequency.as_secs(),
            "min_segment_size": 1,
            "allow_async_delete": options.allow_async_delete,
        }),
    );
    let (content_types, expirer_queue) = (setup.content_types.clone(), setup.expirer_queue.clone());
    Ok(Box::new(move |next| Arc::new(Slo { next, options, content_types, expirer_queue })))
}

#[async_trait]
impl App for Slo {
    async fn call(&self, request: ProxyRequest) -> Response {
        if request.env.synchronized {
            return self.next.call(request).await;
        }
        let path = request.http.path.clone();
        let has_object = match split_path(&path, 3, 4, true) {
            Some(parts) => parts.get(3).is_some_and(|object| !object.is_empty()),
            None => return self.next.call(request).await,
        };
        if !has_object {
            return match request.http.method {
                Method::Get => self.list(request).await,
                _ => self.next.call(request).await,
            };
        }
        let asks_to = |what: &[u8]| {
            !request.http.query.is_empty()
                && Params::parse(&request.http.query).get("multipart-manifest") == Some(what)
        };
        match request.http.method {
            Method::Get | Method::Head => self.get_or_head(request).await,
            Method::Put if asks_to(b"put") => self.put(request).await,
            Method::Delete if asks_to(b"delete") => self.delete(request).await,
            _ if request.http.headers.contains("X-Static-Large-Object") => Response::html(
                400,
                "X-Static-Large-Object is a reserved header. To create a static large object add query param \
                 multipart-manifest=put.",
            ),
            _ => self.next.call(request).await,
        }
    }
}

#[cfg(test)]
mod tests;
