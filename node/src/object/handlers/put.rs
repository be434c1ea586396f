//! PUT.

use super::super::checks::{check_put, integer, integer_or_zero};
use super::super::conditional::{names_any, names_etag, normalize_etag};
use super::super::container_update::{UpdateContext, apply_overrides};
use super::super::expirer_queue::DeleteAtChange;
use super::super::footers;
use super::super::mime::MimeReader;
use super::super::placement::{Placement, next_part_power, says_yes, timestamp};
use super::super::server::ObjectServer;
use super::super::stored_headers::{AllowedHeaders, canonical, is_kept_by_put};
use super::super::upload::{ONE_JOB_LEN, Source, Upload, write_all};
use super::{job_failed, open_failed, write_failed};
use crate::http::{Headers, Interim, Method, Request, Response};
use bytes::Bytes;
use std::sync::Arc;
use swiftlet_storage::object::{Metadata, ObjectStore, OpenError, OpenOptions, Writer};
use swiftlet_types::Timestamp;

impl ObjectServer {
    pub(in super::super) async fn put(&self, mut request: Request) -> Result<Response, Response> {
        let placement = Placement::of(&request, &self.policies)?;
        let now = timestamp(&request.headers)?;
        check_put(&mut request, &placement.path.object, now, &self.constraints)?;
        let preparation = Preparation::of(&request, placement.clone(), now)?;
        let context = UpdateContext::of(&request);
        let device = placement.device.clone();
        let Request { headers, body, interim, .. } = request;
        let stages = Stages::of(&headers)?;

        // Whoever waits for leave to send the body is told what stands against it first. Nobody else is: their
        // small bodies are prepared for and committed in one job.
        let mut writer = None;
        if interim.is_some() {
            writer = Some(self.prepare(preparation.clone()).await?);
            stages.announce(interim.as_deref()).await?;
        }
        let mut upload = Upload::new(stages.source(body).await?, self.config.max_upload_time);
        upload.gather(ONE_JOB_LEN).await?;
        if !upload.fits_one_job() {
            let prepared = match writer.take() {
                Some(prepared) => prepared,
                None => self.prepare(preparation.clone()).await?,
            };
            let Prepared { writer: unwritten, old_delete_at } = prepared;
            let written = upload.write_to(&self.pools, &device, unwritten).await?;
            writer = Some(Prepared { writer: written, old_delete_at });
        }
        let (pending, mut source) = upload.into_parts();
        let footers = stages.read_footers(&mut source).await?;

        let commit = Commit {
            device: device.clone(),
            pending,
            size: preparation.size,
            metadata: MetadataParts { headers, footers, allowed: self.config.allowed_headers.clone(), now },
        };
        let store = self.store.clone();
        let job = move || {
            let prepared = match writer {
                Some(prepared) => prepared,
                None => preparation.run(&store)?,
            };
            commit.run(prepared)
        };
        let committed = self.pools.run(&device, job).await.map_err(job_failed)??;
        stages.confirm(interim.as_deref(), &mut source).await?;
        self.announce_put(&context, &placement, &committed).await;
        Ok(Response::standard(201).with("Etag", format!("\"{}\"", committed.etag)))
    }

    async fn prepare(&self, preparation: Preparation) -> Result<Prepared, Response> {
        let store = self.store.clone();
        let device = preparation.placement.device.clone();
        self.pools.run(&device, move || preparation.run(&store)).await.map_err(job_failed)?
    }

    /// Tells the expirer's queue and the container servers.
    async fn announce_put(&self, context: &UpdateContext, placement: &Placement, committed: &Committed) {
        let change = DeleteAtChange {
            old: committed.old_delete_at,
            new: integer_or_zero(&committed.parts.headers, "X-Delete-At"),
            object_bytes: committed.size,
        };
        let time = committed.parts.now.internal();
        self.update_expirer_queue(context, placement, &time, Some(&time), change).await;
        let mut row = Headers::new();
        row.set_int("X-Size", committed.size);
        row.set("X-Content-Type", committed.parts.content_type());
        row.set("X-Timestamp", time);
        row.set("X-Etag", committed.etag.clone());
        apply_overrides(&mut row, committed.parts.headers.iter().chain(committed.parts.footers.iter()));
        self.update_container(Method::Put, context, placement, row).await;
    }
}

/// What a proxy wants beyond one body: metadata after it, and a word before it counts.
struct Stages {
    /// Set where the body is MIME documents.
    boundary: Option<Bytes>,
    has_footer: bool,
    has_commit: bool,
}

impl Stages {
    fn of(headers: &Headers) -> Result<Self, Response> {
        let has_footer = says_yes(headers, "X-Backend-Obj-Metadata-Footer");
        let has_commit = says_yes(headers, "X-Backend-Obj-Multiphase-Commit");
        if !has_footer && !has_commit {
            return Ok(Self { boundary: None, has_footer, has_commit });
        }
        let boundary = headers.get("X-Backend-Obj-Multipart-Mime-Boundary").filter(|b| !b.is_empty());
        let boundary = boundary.ok_or_else(|| Response::html(400, "no MIME boundary"))?;
        Ok(Self { boundary: Some(Bytes::copy_from_slice(boundary)), has_footer, has_commit })
    }

    /// Tells the proxy, with the leave to go on, what this server understands.
    async fn announce(&self, interim: Option<&dyn Interim>) -> Result<(), Response> {
        let (Some(interim), true) = (interim, self.boundary.is_some()) else { return Ok(()) };
        let mut headers = Headers::new();
        if self.has_commit {
            headers.set("X-Obj-Multiphase-Commit", "yes");
        }
        if self.has_footer {
            headers.set("X-Obj-Metadata-Footer", "yes");
        }
        interim.send(100, headers).await.map_err(|_| Response::standard(499))
    }

    /// Where the object's bytes are in `body`.
    async fn source(&self, body: crate::http::Body) -> Result<Source, Response> {
        let Some(boundary) = &self.boundary else { return Ok(Source::Plain(body)) };
        let mut parts = MimeReader::new(body, boundary);
        match parts.next_part().await.map_err(footers::answer)? {
            Some(_) => Ok(Source::Mime(Box::new(parts))),
            None => Err(Response::html(400, "couldn't find object MIME doc")),
        }
    }

    async fn read_footers(&self, source: &mut Source) -> Result<Headers, Response> {
        match source {
            Source::Mime(parts) if self.has_footer => footers::read(parts).await,
            _ => Ok(Headers::new()),
        }
    }

    /// Says that the object is stored, waits for the proxy's word, and reads what is left of the body.
    async fn confirm(&self, interim: Option<&dyn Interim>, source: &mut Source) -> Result<(), Response> {
        let Source::Mime(parts) = source else { return Ok(()) };
        if self.has_commit {
            if interim.is_some() {
                self.announce(interim).await?;
            }
            let head = parts.next_part().await.map_err(footers::answer)?;
            let head = head.ok_or_else(|| Response::html(400, "couldn't find PUT commit MIME doc"))?;
            if head.get("X-Document") != Some(b"put commit") {
                return Err(Response::standard(500));
            }
        }
        while parts.next_part().await.map_err(footers::answer)?.is_some() {}
        Ok(())
    }
}

/// What has to be true before a byte is written, checked within a job.
#[derive(Clone)]
struct Preparation {
    placement: Placement,
    now: Timestamp,
    if_none_match: Option<Bytes>,
    /// The object's bytes, where they are known.
    size: Option<u64>,
    next_part_power: Option<u32>,
}

struct Prepared {
    writer: Writer,
    old_delete_at: i64,
}

impl Preparation {
    fn of(request: &Request, placement: Placement, now: Timestamp) -> Result<Self, Response> {
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
        Ok(Self { placement, now, if_none_match, size, next_part_power: next_part_power(headers) })
    }

    fn run(&self, store: &Arc<ObjectStore>) -> Result<Prepared, Response> {
        let at = self.placement.locate(store).map_err(|_| self.placement.insufficient_storage())?;
        let (timestamp, metadata) = match store.open(&at, OpenOptions { now: self.now, open_expired: false })
        {
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
struct MetadataParts {
    headers: Headers,
    footers: Headers,
    allowed: AllowedHeaders,
    now: Timestamp,
}

impl MetadataParts {
    fn content_type(&self) -> Bytes {
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
struct Commit {
    device: String,
    pending: Vec<Bytes>,
    size: Option<u64>,
    metadata: MetadataParts,
}

struct Committed {
    size: u64,
    etag: String,
    old_delete_at: i64,
    parts: MetadataParts,
}

impl Commit {
    fn run(self, prepared: Prepared) -> Result<Committed, Response> {
        let Prepared { mut writer, old_delete_at } = prepared;
        let failed = |error| write_failed(&self.device, error);
        write_all(&mut writer, &self.pending).map_err(failed)?;
        let (size, etag) = writer.digest();
        if self.size.is_some_and(|expected| expected != size) {
            return Err(Response::standard(499));
        }
        if self.metadata.expected_etag().is_some_and(|expected| expected != etag.as_bytes()) {
            return Err(Response::standard(422));
        }
        writer.commit(self.metadata.metadata(size, &etag)).map_err(failed)?;
        Ok(Committed { size, etag, old_delete_at, parts: self.metadata })
    }
}
