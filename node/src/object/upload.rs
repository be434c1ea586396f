//! An object's bytes on their way in: from the socket to a [`Writer`], one job writing while the next chunk is read.

use super::footers;
use super::mime::MimeReader;
use crate::http::{Body, BodyError, Response};
use crate::serve::DevicePools;
use bytes::Bytes;
use std::time::Duration;
use swiftlet_storage::object::{WriteError, Writer};
use tokio::time::Instant;

/// What is left unwritten when the body ends, and so goes with the job that commits.
pub(super) const ONE_JOB_LEN: usize = 64 << 10;
/// How much one job writes.
const CHUNK_LEN: usize = 1 << 20;

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

    /// Reads until `limit` bytes wait to be written, or the end.
    pub async fn gather(&mut self, limit: usize) -> Result<(), Response> {
        while !self.ended && self.pending_len < limit {
            let next = tokio::time::timeout_at(self.expires, self.source.next());
            match next.await.map_err(|_| Response::standard(408))?? {
                None => self.ended = true,
                Some(chunk) => {
                    self.pending_len += chunk.len();
                    self.pending.push(chunk);
                }
            }
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
        mut writer: Writer,
    ) -> Result<Writer, Response> {
        self.gather(ONE_JOB_LEN).await?;
        while !self.fits_one_job() {
            let batch = self.take_pending();
            let write = async {
                let job = move || {
                    let written = write_all(&mut writer, &batch);
                    (writer, written)
                };
                pools.run(device, job).await.map_err(super::handlers::job_failed)
            };
            // the disk takes one batch while the socket brings the next
            let (written, gathered) = tokio::join!(write, self.gather(CHUNK_LEN));
            let (returned, outcome) = written?;
            outcome.map_err(|error| super::handlers::write_failed(device, error))?;
            gathered?;
            writer = returned;
        }
        Ok(writer)
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

/// Appends every chunk.
pub(super) fn write_all(writer: &mut Writer, chunks: &[Bytes]) -> Result<(), WriteError> {
    chunks.iter().try_for_each(|chunk| writer.write(chunk))
}
