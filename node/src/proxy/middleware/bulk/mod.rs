//! `bulk`: an archive that becomes objects (`PUT ?extract-archive=`), and a list of names that are deleted
//! (`POST ?bulk-delete`). Both may take long: the client is sent a blank now and then, and a report at the end.

mod archive;
mod delete;
mod extract;
mod pax;
mod unpack;

use super::{FilterError, Layer, Setup};
use crate::http::{Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::heartbeat::{self, Beat, Report, format_for};
use crate::proxy::query::Params;
use archive::Compression;
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::Constraints;
use swiftlet_types::conf::Options;

/// The options of the section, with Swift's names.
struct BulkOptions {
    max_containers_per_extraction: usize,
    max_failed_extractions: usize,
    max_deletes_per_request: usize,
    max_failed_deletes: usize,
    yield_frequency: Duration,
    delete_container_retry_count: u32,
    delete_concurrency: usize,
}

impl BulkOptions {
    fn read(section: &Options) -> Result<Self, FilterError> {
        let delete_concurrency: usize = section.int("delete_concurrency", 2)?;
        Ok(Self {
            max_containers_per_extraction: section.int("max_containers_per_extraction", 10000)?,
            max_failed_extractions: section.int("max_failed_extractions", 1000)?,
            max_deletes_per_request: section.int("max_deletes_per_request", 10000)?,
            max_failed_deletes: section.int("max_failed_deletes", 1000)?,
            yield_frequency: Duration::from_secs(section.int("yield_frequency", 10)?),
            delete_container_retry_count: section.int("delete_container_retry_count", 0)?,
            delete_concurrency: delete_concurrency.clamp(1, 1000),
        })
    }
}

/// Clones are the same filter.
#[derive(Clone)]
struct Bulk {
    next: Arc<dyn App>,
    options: Arc<BulkOptions>,
    constraints: Arc<Constraints>,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let options = Arc::new(BulkOptions::read(section)?);
    setup.info.register(
        "bulk_upload",
        json!({
            "max_containers_per_extraction": options.max_containers_per_extraction,
            "max_failed_extractions": options.max_failed_extractions,
        }),
    );
    setup.info.register(
        "bulk_delete",
        json!({
            "max_deletes_per_request": options.max_deletes_per_request,
            "max_failed_deletes": options.max_failed_deletes,
        }),
    );
    let constraints = setup.constraints.clone();
    Ok(Box::new(move |next| Arc::new(Bulk { next, options, constraints })))
}

#[async_trait]
impl App for Bulk {
    async fn call(&self, request: ProxyRequest) -> Response {
        if request.http.query.is_empty() {
            return self.next.call(request).await;
        }
        let params = Params::parse(&request.http.query);
        let method = &request.http.method;
        if params.get("bulk-delete").is_some() && matches!(method, Method::Post | Method::Delete) {
            let bulk = self.clone();
            return self.respond(request, "delete", move |request, format| bulk.delete(request, format));
        }
        match params.get("extract-archive") {
            Some(kind) if *method == Method::Put => match Compression::of_archive(kind) {
                None => Response::html(400, "Unsupported archive format"),
                Some(compression) => {
                    let bulk = self.clone();
                    let extract = move |request, format| bulk.extract(request, compression, format);
                    self.respond(request, "extract", extract)
                }
            },
            _ => self.next.call(request).await,
        }
    }
}

impl Bulk {
    /// Answers 200 and lets `work` run on, which is told whether the client takes any form of report.
    fn respond<W: Future<Output = Report> + Send + 'static>(
        &self,
        request: ProxyRequest,
        root: &'static str,
        work: impl FnOnce(ProxyRequest, bool) -> W + Send + 'static,
    ) -> Response {
        let format = format_for(request.http.headers.get_str("Accept"));
        let work = async move {
            let report = work(request, format.is_some()).await;
            report.render(format.unwrap_or("text/plain"), root)
        };
        let first = match format {
            Some(format) if format.ends_with("/xml") => "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
            _ => " ",
        };
        let every = self.options.yield_frequency;
        let beat = Beat { every, at_once: false, first, separator: "\r\n\r\n" };
        let content_type = format.unwrap_or("text/html; charset=UTF-8");
        Response::new(200).with("Content-Type", content_type).with_body(heartbeat::body(work, beat))
    }

    /// No name of a container and an object is longer (in bytes, as Swift counts here).
    fn max_path_length(&self) -> usize {
        self.constraints.max_object_name_length + self.constraints.max_container_name_length + 2
    }
}

#[cfg(test)]
mod tests;
