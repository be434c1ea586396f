//! PUT.

mod stages;
mod store;
mod together;

use super::super::checks::{check_put, integer_or_zero};
use super::super::container_update::{UpdateContext, apply_overrides};
use super::super::expirer_queue::DeleteAtChange;
use super::super::placement::{Placement, says_yes, timestamp};
use super::super::server::ObjectServer;
use super::super::upload::{ONE_JOB_LEN, Upload};
use super::{job_failed, write_failed};
use crate::http::{Headers, Method, Request, Response};
use stages::Stages;
use store::{Commit, Committed, MetadataParts, Preparation, Prepared, Stored, StoredFile};
use swiftlet_storage::object::Change;

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
        let leaves_uncommitted = says_yes(&headers, "X-Backend-No-Commit");

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
            waits: stages.has_commit || leaves_uncommitted,
        };
        let store = self.store.clone();
        let job = move || {
            let prepared = match writer {
                Some(prepared) => prepared,
                None => preparation.run(&store)?,
            };
            commit.run(prepared)
        };
        let stored = self.pools.run(&device, job).await.map_err(job_failed)??;
        stages.confirm(interim.as_deref(), &mut source).await?;
        let Stored { file, committed } = stored;
        let change = match file {
            StoredFile::Counts(change) => change,
            StoredFile::Waits(staged) if leaves_uncommitted => staged.leave(),
            StoredFile::Waits(staged) => {
                let made = self.pools.run(&device, move || staged.commit()).await.map_err(job_failed)?;
                made.map_err(|error| write_failed(&device, error))?
            }
        };
        stages.drain(&mut source).await?;
        let etag = format!("\"{}\"", committed.etag);
        self.announce_put(&context, &placement, committed, change).await;
        Ok(Response::standard(201).with("Etag", etag))
    }

    async fn prepare(&self, preparation: Preparation) -> Result<Prepared, Response> {
        let store = self.store.clone();
        let device = preparation.placement.device.clone();
        self.pools.run(&device, move || preparation.run(&store)).await.map_err(job_failed)?
    }

    /// Tells the expirer's queue and the container servers.
    async fn announce_put(
        &self,
        context: &UpdateContext,
        placement: &Placement,
        committed: Committed,
        made: Change,
    ) {
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
        row.set("X-Etag", committed.etag);
        apply_overrides(&mut row, committed.parts.headers.iter().chain(committed.parts.footers.iter()));
        self.update_container(Method::Put, context, placement, row, made).await;
    }
}
