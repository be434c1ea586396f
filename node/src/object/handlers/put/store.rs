//! What a PUT does on the disk.

use super::super::{open_failed, write_failed};
use crate::http::conditions::{names_any, names_etag, normalize_etag};
use crate::http::{Headers, Request, Response};
use crate::object::checks::integer;
use crate::object::fragments;
use crate::object::placement::{Placement, next_part_power};
use crate::object::stored_headers::{AllowedHeaders, canonical, is_kept_by_put};
use bytes::Bytes;
use std::sync::Arc;
use swiftlet_storage::object::{
    Change, FragmentChoice, Metadata, ObjectStore, OpenError, OpenOptions, Staged, Together, Writer,
};
use swiftlet_types::Timestamp;

/// What has to be true before a byte is written, checked within a job.
#[derive(Clone)]
pub(super) struct Preparation {
    pub(super) placement: Placement,
    now: Timestamp,
    if_none_match: Option<Bytes>,
    /// The object's bytes, where they are known.
    pub(super) size: Option<u64>,
    next_part_power: Option<u32>,
    /// Which fragment a reconstructor sends: a newer one of another index does not stand against it.
    fragment_index: Option<u32>,
}

/// A file begun.
pub(super) struct Prepared {
    pub(super) writer: Writer,
    pub(super) old_delete_at: i64,
}

impl Preparation {
    pub(super) fn of(request: &Request, placement: Placement, now: Timestamp) -> Result<Self, Response> {
        let headers = &request.headers;
        let size = match (request.body.len(), headers.get("X-Backend-Obj-Content-Length")) {
            (Some(bytes), _) => Some(bytes),
            (None, None) => None,
            (None, Some(value)) => {
                let bytes = integer(value).and_then(|n| u64::try_from(n).ok());
                Some(
                    bytes
                        .ok_or_else(|| Response::plain(400, "X-Backend-Obj-Content-Length is not a size"))?,
                )
            }
        };
        let if_none_match = headers.get("If-None-Match").map(Bytes::copy_from_slice);
        let next_part_power = next_part_power(headers);
        let fragment_index = fragments::ssync_index(headers)?;
        Ok(Self { placement, now, if_none_match, size, next_part_power, fragment_index })
    }

    /// The same of a body whose size is known by now.
    pub(super) fn of_size(self, bytes: u64) -> Self {
        Self { size: Some(bytes), ..self }
    }

    /// Checks, and begins the file.
    pub(super) fn run(&self, store: &Arc<ObjectStore>) -> Result<Prepared, Response> {
        let at = self.placement.locate(store).map_err(|_| self.placement.insufficient_storage())?;
        let options = OpenOptions { now: self.now, open_expired: false };
        let choice = FragmentChoice { index: self.fragment_index, preferences: None };
        let (timestamp, metadata) = match store.open_choosing(&at, options, choice) {
            Ok(opened) => (opened.state.data_timestamp, opened.state.metadata),
            Err(OpenError::Deleted { timestamp } | OpenError::Expired { timestamp, .. }) => {
                (timestamp, Metadata::new())
            }
            Err(OpenError::NotFound | OpenError::Quarantined { .. } | OpenError::Changed { .. }) => {
                (Timestamp::ZERO, Metadata::new())
            }
            Err(error) => return Err(open_failed(&self.placement, error)),
        };
        if let (Some(list), Some(etag)) = (&self.if_none_match, metadata.get("ETag"))
            && (names_any(list) || names_etag(list, etag))
        {
            return Err(Response::standard(412));
        }
        if timestamp >= self.now {
            let mut answer = Response::standard(409);
            answer.headers.set("X-Backend-Timestamp", timestamp.internal());
            return Err(answer);
        }
        let writer = store.create(&at, self.size);
        let mut writer = writer.map_err(|error| write_failed(&self.placement.device, error))?;
        writer.set_next_part_power(self.next_part_power);
        let old_delete_at = metadata.get("X-Delete-At").and_then(|value| integer(value)).unwrap_or(0);
        Ok(Prepared { writer, old_delete_at })
    }
}

/// What an object's metadata is made of.
pub(super) struct MetadataParts {
    pub(super) headers: Headers,
    pub(super) footers: Headers,
    pub(super) allowed: AllowedHeaders,
    pub(super) now: Timestamp,
}

impl MetadataParts {
    pub(super) fn content_type(&self) -> Bytes {
        Bytes::copy_from_slice(self.headers.get("Content-Type").unwrap_or_default())
    }

    fn metadata(&self, size: u64, etag: &str) -> Metadata {
        let mut metadata = Metadata::new();
        metadata.set("X-Timestamp", self.now.internal());
        metadata.set("Content-Type", self.content_type());
        metadata.set("Content-Length", size.to_string());
        metadata.set("ETag", etag.to_owned());
        self.allowed.keep_put(&self.headers, &mut metadata);
        for (name, value) in self.footers.iter().filter(|(name, _)| is_kept_by_put(name)) {
            metadata.set(canonical(name), value.clone());
        }
        metadata
    }

    /// The ETag that the sender expects; its footers know better than its headers.
    fn expected_etag(&self) -> Option<Vec<u8>> {
        let in_footers = self.footers.get("ETag").map(<[u8]>::to_ascii_lowercase);
        let etag = in_footers.or_else(|| self.headers.get("ETag").map(<[u8]>::to_vec))?;
        Some(normalize_etag(&etag).to_vec()).filter(|etag| !etag.is_empty())
    }
}

/// The last job of an upload.
pub(super) struct Commit {
    pub(super) device: String,
    /// Bytes that are still to be written.
    pub(super) pending: Vec<Bytes>,
    pub(super) size: Option<u64>,
    pub(super) metadata: MetadataParts,
    /// Whether a fragment is not to count yet.
    pub(super) waits: bool,
}

/// What became of the file, and of what it is.
pub(super) struct Stored {
    pub(super) file: StoredFile,
    pub(super) committed: Committed,
}

pub(super) enum StoredFile {
    Counts(Change),
    Waits(Box<Staged>),
}

/// An object that is stored.
pub(super) struct Committed {
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) old_delete_at: i64,
    pub(super) parts: MetadataParts,
}

impl Commit {
    pub(super) fn run(mut self, prepared: Prepared) -> Result<Stored, Response> {
        let Prepared { mut writer, old_delete_at } = prepared;
        let (size, etag) = self.write(&mut writer)?;
        let failed = |error| write_failed(&self.device, error);
        let staged = writer.stage(self.metadata.metadata(size, &etag)).map_err(failed)?;
        let file = match self.waits && staged.awaits_commit() {
            true => StoredFile::Waits(Box::new(staged)),
            false => StoredFile::Counts(staged.commit().map_err(failed)?),
        };
        Ok(Stored { file, committed: Committed { size, etag, old_delete_at, parts: self.metadata } })
    }

    /// Writes the rest, and checks the whole: its size, and its MD5.
    fn write(&mut self, writer: &mut Writer) -> Result<(u64, String), Response> {
        let written = writer.write(std::mem::take(&mut self.pending));
        written.map_err(|error| write_failed(&self.device, error))?;
        let (size, etag) = writer.digest();
        if self.size.is_some_and(|expected| expected != size) {
            return Err(Response::standard(499));
        }
        if self.metadata.expected_etag().is_some_and(|expected| expected != etag.as_bytes()) {
            return Err(Response::standard(422));
        }
        Ok((size, etag))
    }

    /// Writes it among others, which are to get their names together.
    pub(super) fn join(mut self, prepared: Prepared, together: &mut Together) -> Result<(), Response> {
        let Prepared { mut writer, .. } = prepared;
        let (size, etag) = self.write(&mut writer)?;
        together.add(writer, self.metadata.metadata(size, &etag));
        Ok(())
    }
}
