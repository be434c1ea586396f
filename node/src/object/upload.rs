//! An object's bytes on their way in: from the socket to a [`Writer`], one job writing while the next chunk is read.

use super::footers;
use super::mime::MimeReader;
use crate::http::{Body, BodyError, Response};
use crate::serve::DevicePools;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use std::time::Duration;
use swiftlet_storage::object::Writer;
use tokio::time::Instant;

/// What is left unwritten when the body ends, and so goes with the job that commits.
pub(super) const ONE_JOB_LEN: usize = 64 << 10;
/// How much one job writes.
const CHUNK_LEN: usize = 1 << 20;
/// How long less than that waits for more: a client that pauses must not hold memory meanwhile.
const PATIENCE: Duration = Duration::from_millis(100);

/// Where an upload's bytes come from.
pub(super) enum Source {
    /// The request's body as it is.
    Plain(Body),
    /// The first of several MIME documents.
    Mime(Box<MimeReader>),
}

impl Source {
    async fn next(&mut self) -> Result<Option<Bytes>, Response> {
        match self {
            Self::Plain(body) => body.next().await.map_err(answer),
            Self::Mime(parts) => parts.read().await.map_err(footers::answer),
        }
    }
}

/// The answer where the body cannot be read on.
pub(super) fn answer(error: BodyError) -> Response {
    match error {
        BodyError::Timeout(_) => Response::standard(408),
        _ => Response::standard(499),
    }
}

/// An upload under way.
pub(super) struct Upload {
    source: Source,
    expires: Instant,
    /// Read and not yet written.
    pending: Vec<Bytes>,
    pending_len: usize,
    ended: bool,
}

impl Upload {
    /// The upload of `source`, which may take as long as `max_time`.
    pub fn new(source: Source, max_time: Duration) -> Self {
        Self { source, expires: Instant::now() + max_time, pending: Vec::new(), pending_len: 0, ended: false }
    }

    /// Reads until more than `limit` bytes wait to be written, or the end.
    pub async fn gather(&mut self, limit: usize) -> Result<(), Response> {
        while !self.ended && self.pending_len <= limit {
            let chunk = next_chunk(&mut self.source, self.expires).await?;
            self.add(chunk);
        }
        Ok(())
    }

    /// Whether all of it has been read, and little enough waits that the committing job can write it.
    pub fn fits_one_job(&self) -> bool {
        self.ended && self.pending_len <= ONE_JOB_LEN
    }

    /// Writes the body to `writer` but for a last piece of up to [`ONE_JOB_LEN`] bytes.
    pub async fn write_to(
        &mut self,
        pools: &DevicePools,
        device: &str,
        writer: Writer,
    ) -> Result<Writer, Response> {
        let mut disk = Disk { pools, device, idle: Some(writer), job: None };
        self.gather(ONE_JOB_LEN).await?;
        while !self.fits_one_job() {
            disk.write(self.take_pending()).await?;
            // the disk takes one batch while the socket brings the next
            while !self.ended && self.pending_len <= CHUNK_LEN {
                let chunk = self.next_while_writing(&mut disk).await?;
                self.add(chunk);
            }
        }
        disk.into_writer().await
    }

    /// The next chunk. When it does not come soon, what waits is written meanwhile.
    async fn next_while_writing(&mut self, disk: &mut Disk<'_>) -> Result<Option<Bytes>, Response> {
        let mut next = std::pin::pin!(next_chunk(&mut self.source, self.expires));
        loop {
            tokio::select! {
                biased;
                chunk = &mut next => return chunk,
                done = disk.done(), if disk.job.is_some() => done?,
                () = tokio::time::sleep(PATIENCE), if disk.job.is_none() && !self.pending.is_empty() => {
                    self.pending_len = 0;
                    disk.write(std::mem::take(&mut self.pending)).await?;
                }
            }
        }
    }

    fn add(&mut self, chunk: Option<Bytes>) {
        let Some(chunk) = chunk else {
            self.ended = true;
            return;
        };
        self.pending_len += chunk.len();
        self.pending.push(chunk);
    }

    /// What is left to write, and the source, which may have footers yet.
    pub fn into_parts(self) -> (Vec<Bytes>, Source) {
        (self.pending, self.source)
    }

    fn take_pending(&mut self) -> Vec<Bytes> {
        self.pending_len = 0;
        std::mem::take(&mut self.pending)
    }
}

async fn next_chunk(source: &mut Source, expires: Instant) -> Result<Option<Bytes>, Response> {
    tokio::time::timeout_at(expires, source.next()).await.map_err(|_| Response::standard(408))?
}

/// The file under way.
struct Disk<'a> {
    pools: &'a DevicePools,
    device: &'a str,
    /// There unless a job has it.
    idle: Option<Writer>,
    job: Option<BoxFuture<'a, Result<Writer, Response>>>,
}

impl<'a> Disk<'a> {
    /// Begins to write `batch` when what was given before is written.
    async fn write(&mut self, batch: Vec<Bytes>) -> Result<(), Response> {
        self.done().await?;
        let mut writer = self.idle.take().expect("no job has it");
        let device = self.device;
        let write = move || {
            let written = writer.write(batch);
            (writer, written)
        };
        let job = self.pools.run(device, write);
        let job = async move {
            let (writer, written) = job.await.map_err(super::handlers::job_failed)?;
            written.map_err(|error| super::handlers::write_failed(device, error))?;
            Ok(writer)
        };
        self.job = Some(job.boxed());
        Ok(())
    }

    /// Waits until all that was given is written.
    async fn done(&mut self) -> Result<(), Response> {
        if let Some(job) = &mut self.job {
            let outcome = job.await;
            self.job = None;
            self.idle = Some(outcome?);
        }
        Ok(())
    }

    async fn into_writer(mut self) -> Result<Writer, Response> {
        self.done().await?;
        Ok(self.idle.expect("no job has it"))
    }
}
