//! Which objects a manifest stands for, page by page of its container's listing.

use super::SOURCE;
use crate::http::{Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::listing::MAX_LISTING_BYTES;
use crate::proxy::segments::{Listing, ObjectSegment, Segment, SegmentError};
use crate::proxy::subrequest;
use async_trait::async_trait;
use serde::Deserialize;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use swiftlet_types::names::{quote, split_path};

/// What `X-Object-Manifest` says.
pub(super) struct Manifest {
    /// The path of the container, with version and account.
    container: Vec<u8>,
    prefix: Vec<u8>,
}

/// One entry of a listing.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub name: String,
    pub bytes: u64,
    pub hash: String,
}

pub(super) type Page = VecDeque<Entry>;

impl Manifest {
    /// Reads `container/prefix`; `None` where it is not of that form.
    pub fn of(client: &ProxyRequest, named: &[u8]) -> Option<Self> {
        let (container, prefix) = named.split_at(memchr::memchr(b'/', named)?);
        let path = split_path(&client.http.path, 2, 3, true)?;
        let &[version, account, ..] = &path[..] else { return None };
        let container = [b"/", version, b"/", account, b"/", container].concat();
        Some(Self { container, prefix: prefix[1..].to_vec() })
    }

    /// A page of the listing, from after `marker` on; the answer where there is none.
    pub async fn page(
        &self,
        next: &dyn App,
        client: &ProxyRequest,
        marker: Option<&str>,
    ) -> Result<Page, Response> {
        let path = self.container.clone();
        let mut request = subrequest::for_client(client, Method::Get, path, "DLO MultipartGET", SOURCE);
        let marker = marker.map(|marker| format!("&marker={}", quote(marker))).unwrap_or_default();
        request.http.query = format!("prefix={}{marker}", quote(&self.prefix)).into();
        let mut response = next.call(request).await;
        if !response.is_success() {
            return Err(response);
        }
        let body = response.body.read_all(MAX_LISTING_BYTES).await;
        let page = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
        page.ok_or_else(|| {
            tracing::error!("cannot read the listing of {}", quote(&self.container));
            Response::standard(503)
        })
    }
}

/// The segments that hold a range of the large object.
pub(super) struct Segments {
    next: Arc<dyn App>,
    client: Arc<ProxyRequest>,
    manifest: Manifest,
    page: Page,
    /// Whether another page may follow.
    is_full: bool,
    page_size: usize,
    /// The last name seen.
    marker: String,
    /// Bytes before the range.
    skip: u64,
    /// Bytes of it that are still to come.
    left: u64,
}

impl Segments {
    pub fn new(
        next: Arc<dyn App>,
        client: Arc<ProxyRequest>,
        manifest: Manifest,
        page: Page,
        page_size: usize,
        wanted: Range<u64>,
    ) -> Self {
        let (skip, left) = (wanted.start, wanted.end - wanted.start);
        let is_full = page.len() >= page_size;
        Self { next, client, manifest, page, is_full, page_size, marker: String::new(), skip, left }
    }

    /// Where the wanted bytes are in `entry`, if it has any.
    fn cut(&mut self, entry: &Entry) -> Option<Segment> {
        if self.skip >= entry.bytes {
            self.skip -= entry.bytes;
            return None;
        }
        let first = std::mem::take(&mut self.skip);
        let end = first.saturating_add(self.left).min(entry.bytes);
        self.left -= end - first;
        Some(Segment::Object(ObjectSegment {
            path: [&self.manifest.container[..], b"/", entry.name.as_bytes()].concat().into(),
            // only names count: what a segment is may have changed since
            etag: None,
            size: None,
            first,
            last: (end < entry.bytes).then(|| end - 1),
        }))
    }

    async fn turn_page(&mut self) -> Result<(), SegmentError> {
        let page = self.manifest.page(&*self.next, &self.client, Some(&self.marker)).await;
        let page = page.map_err(|answer| {
            let container = quote(&self.manifest.container);
            SegmentError::Listing(format!("Got status {} listing container {container}", answer.status))
        })?;
        self.is_full = page.len() >= self.page_size;
        self.page = page;
        Ok(())
    }
}

#[async_trait]
impl Listing for Segments {
    async fn next(&mut self) -> Result<Option<Segment>, SegmentError> {
        while self.left > 0 {
            let Some(entry) = self.page.pop_front() else {
                if !self.is_full {
                    return Ok(None);
                }
                self.turn_page().await?;
                continue;
            };
            let segment = self.cut(&entry);
            self.marker = entry.name;
            if segment.is_some() {
                return Ok(segment);
            }
        }
        Ok(None)
    }
}
