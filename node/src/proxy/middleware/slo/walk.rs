//! The way through a manifest and the manifests that it names, to the segments that hold the bytes asked for. What
//! lies outside is never fetched.

use super::SOURCE;
use super::manifest::{self, Entry, ObjectEntry};
use crate::http::Method;
use crate::proxy::query::Params;
use crate::proxy::segments::{Listing, ObjectSegment, Origin, Segment, SegmentError};
use crate::proxy::subrequest;
use async_trait::async_trait;
use lru::LruCache;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use swiftlet_types::names::{quote, split_path};

/// How deep manifests may name manifests.
const MAX_DEPTH: usize = 10;

/// So many manifests are kept that may be needed again: twice the depth, so that nobody can fill the memory with a
/// tree of them.
const MAX_KEPT: NonZeroUsize = NonZeroUsize::new(20).expect("not zero");

const MAX_ERROR_BYTES: usize = 64 * 1024;

/// The segments for some ranges of a large object.
pub(super) struct Walk {
    origin: Origin,
    /// `/version/account`
    account: Vec<u8>,
    manifest: Arc<Vec<Entry>>,
    ranges: VecDeque<Range<u64>>,
    /// The manifests that we are in, outermost first.
    frames: Vec<Frame>,
    kept: LruCache<String, Arc<Vec<Entry>>>,
}

/// Where in a manifest we are. Offsets are from the entry at `index`, so they go below zero behind what is wanted.
struct Frame {
    entries: Arc<Vec<Entry>>,
    index: usize,
    first: i128,
    last: i128,
}

/// What of an entry is wanted: its first and last byte.
struct Wanted {
    entry: Entry,
    first: u64,
    last: u64,
}

impl Frame {
    fn next(&mut self) -> Option<Wanted> {
        while let Some(entry) = self.entries.get(self.index).filter(|_| self.last >= 0) {
            let length = i128::from(entry.len());
            let (first, last) = (self.first, self.last);
            self.index += 1;
            self.first -= length;
            self.last -= length;
            if first < length {
                // both lie within the entry, whose length is one of u64
                let (first, last) = (first.max(0) as u64, last.min(length - 1) as u64);
                return Some(Wanted { entry: entry.clone(), first, last });
            }
        }
        None
    }
}

impl Walk {
    /// The segments of `ranges` of the large object that `manifest` describes.
    pub fn new(origin: Origin, manifest: Vec<Entry>, ranges: &[Range<u64>]) -> Self {
        let path = split_path(&origin.client.http.path, 2, 3, true).into_iter().flatten();
        let account = path.take(2).flat_map(|part| [b"/", part]).flatten().copied().collect();
        Self {
            account,
            origin,
            manifest: Arc::new(manifest),
            ranges: ranges.iter().cloned().collect(),
            frames: Vec::new(),
            kept: LruCache::new(MAX_KEPT),
        }
    }

    fn segment(&self, object: ObjectEntry, first: u64, last: u64) -> Segment {
        let offset = object.range.map_or(0, |(first, _)| first);
        Segment::Object(ObjectSegment {
            path: self.path_of(&object.name).into(),
            etag: Some(object.hash),
            size: Some(object.bytes),
            first: offset.saturating_add(first),
            last: Some(offset.saturating_add(last)),
        })
    }

    fn path_of(&self, name: &str) -> Vec<u8> {
        [&self.account[..], b"/", name.trim_start_matches('/').as_bytes()].concat()
    }

    /// Goes into the manifest that `object` is, for the bytes from `first` to `last` of the part of it.
    async fn descend(&mut self, object: ObjectEntry, first: u64, last: u64) -> Result<(), SegmentError> {
        if self.frames.len() >= MAX_DEPTH {
            let name = &self.origin.name;
            let said = format!("While processing manifest '{name}', max recursion depth was exceeded");
            return Err(SegmentError::Listing(said));
        }
        let entries = match self.kept.get(&object.name) {
            Some(kept) => kept.clone(),
            None => {
                let fetched = Arc::new(self.fetch(&object.name).await?);
                self.kept.put(object.name.clone(), fetched.clone());
                fetched
            }
        };
        let offset = i128::from(object.range.map_or(0, |(first, _)| first));
        let (first, last) = (offset + i128::from(first), offset + i128::from(last));
        self.frames.push(Frame { entries, index: 0, first, last });
        Ok(())
    }

    async fn fetch(&self, name: &str) -> Result<Vec<Entry>, SegmentError> {
        let path = self.path_of(name);
        let client = &self.origin.client;
        let mut request =
            subrequest::for_client(client, Method::Get, path.clone(), "SLO MultipartGET", SOURCE);
        let mut params = Params::parse(&client.http.query);
        params.remove("part-number");
        request.http.query = params.to_query();
        let mut response = self.origin.next.call(request).await;
        let doing = || format!("while fetching {}, ", self.origin.name);
        if !response.is_success() {
            let body = response.body.read_all(MAX_ERROR_BYTES).await.unwrap_or_default();
            let quoted: String = String::from_utf8_lossy(&body).chars().take(60).collect();
            let failed = format!("failed with status {} ({quoted})", response.status);
            return Err(SegmentError::Listing(format!(
                "{}GET of submanifest {} {failed}",
                doing(),
                quote(path)
            )));
        }
        manifest::read(&mut response.body).await.map_err(|_| {
            SegmentError::Listing(format!("{}JSON-decoding of submanifest {} failed", doing(), quote(path)))
        })
    }
}

#[async_trait]
impl Listing for Walk {
    async fn next(&mut self) -> Result<Option<Segment>, SegmentError> {
        loop {
            let Some(frame) = self.frames.last_mut() else {
                let Some(range) = self.ranges.pop_front() else { return Ok(None) };
                let (first, last) = (i128::from(range.start), i128::from(range.end) - 1);
                self.frames.push(Frame { entries: self.manifest.clone(), index: 0, first, last });
                continue;
            };
            match frame.next() {
                None => drop(self.frames.pop()),
                Some(Wanted { entry: Entry::Data(bytes), first, last }) => {
                    let (first, end) = (first as usize, (last as usize).saturating_add(1).min(bytes.len()));
                    return Ok(Some(Segment::Inline(bytes.slice(first.min(end)..end))));
                }
                Some(Wanted { entry: Entry::Object(object), first, last }) if object.is_manifest => {
                    self.descend(object, first, last).await?;
                }
                Some(Wanted { entry: Entry::Object(object), first, last }) => {
                    return Ok(Some(self.segment(object, first, last)));
                }
            }
        }
    }
}
