//! The object server's side: says what it wants of what is offered, and stores what it is sent.
//!
//! The answer's body is the conversation: each of its pieces is made by reading the request's body as far as the
//! protocol says. Whatever goes wrong is told in the body, since the answer's head is out by then.

mod error;
mod missing_check;
mod updates;

use super::lines::{LineError, Lines};
use super::replication_lock::{ReplicationLock, ToLock};
use super::{MISSING_CHECK_END, MISSING_CHECK_START, UPDATES_END, UPDATES_START};
use crate::http::{Body, BodyError, BodyStream};
use crate::object::server::ObjectServer;
use async_trait::async_trait;
use bytes::Bytes;
use error::ReceiveError;
use missing_check::MissingCheck;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use tokio::time::timeout;
use updates::Updates;

/// The partition that a conversation is about.
#[derive(Debug, Clone)]
pub(in crate::object) struct Place {
    /// The device's name.
    pub device: String,
    /// The device's folder.
    pub device_dir: PathBuf,
    /// The partition's folder.
    pub partition_dir: PathBuf,
    /// The partition.
    pub partition: u64,
    /// The policy.
    pub policy: u32,
    /// Which fragment of each object is meant (`X-Backend-Ssync-Frag-Index`).
    pub fragment_index: Option<u32>,
}

/// What the sender sends; shared with the body of a subrequest that is being stored.
struct Input {
    lines: Lines,
    /// Bytes of that body that are still to come.
    left: u64,
    /// Why nothing more can be read.
    broken: Option<LineError>,
}

/// Where a conversation stands.
enum Stage {
    Begin,
    MissingCheck,
    Updates { more_is_wanted: bool },
    Failed { cut: bool },
    Over,
}

/// What is held while it goes on.
struct Held {
    _slot: Option<OwnedSemaphorePermit>,
    _lock: ReplicationLock,
}

/// One conversation.
pub(in crate::object) struct Receiver {
    server: Arc<ObjectServer>,
    place: Place,
    peer: SocketAddr,
    input: Arc<Mutex<Input>>,
    stage: Stage,
    held: Option<Held>,
}

impl Receiver {
    /// With the sender at `peer`, who sends `body`.
    pub fn new(server: Arc<ObjectServer>, place: Place, peer: SocketAddr, body: Body) -> Self {
        let input = Input { lines: Lines::new(body), left: 0, broken: None };
        Self { server, place, peer, input: Arc::new(Mutex::new(input)), stage: Stage::Begin, held: None }
    }

    /// One of the slots for conversations, waited for as long as for a lock: a sender that is refused comes again only
    /// with its next pass, and an emptied device would stay without what it had to send.
    async fn slot(&self) -> Result<Option<OwnedSemaphorePermit>, ReceiveError> {
        let Some(slots) = self.server.replication_slots.clone() else { return Ok(None) };
        let taken = timeout(self.server.config.replication.lock_timeout, slots.acquire_owned()).await;
        Ok(Some(taken.map_err(|_| ReceiveError::Busy)?.map_err(|_| ReceiveError::Busy)?))
    }

    /// Takes a slot, and the locks.
    async fn hold(&mut self) -> Result<(), ReceiveError> {
        let slot = self.slot().await?;
        let Place { device, device_dir, partition_dir, .. } = self.place.clone();
        let per_device = self.server.config.replication.concurrency_per_device;
        let to_lock = ToLock { device, device_dir, partition_dir, per_device };
        let lock = to_lock.lock(&self.server.pools, self.server.config.replication.lock_timeout).await?;
        self.held = Some(Held { _slot: slot, _lock: lock });
        Ok(())
    }

    async fn missing_check(&mut self) -> Result<Bytes, ReceiveError> {
        self.hold().await?;
        let mut input = self.input.lock().await;
        expect(&mut input.lines, MISSING_CHECK_START, "missing_check start").await?;
        let check = MissingCheck::new(&self.server, &self.place);
        let (wanted, more_is_wanted) = check.run(&mut input.lines).await?;
        self.stage = Stage::Updates { more_is_wanted };
        let ended = [MISSING_CHECK_END, b"\r\n"].concat();
        Ok([MISSING_CHECK_START, b"\r\n", &wanted, &ended].concat().into())
    }

    async fn updates(&mut self, more_is_wanted: bool) -> Result<Bytes, ReceiveError> {
        expect(&mut self.input.lock().await.lines, UPDATES_START, "updates start").await?;
        Updates::new(&self.server, &self.place, self.peer, &self.input).run().await?;
        if more_is_wanted {
            return Err(ReceiveError::MoreWanted);
        }
        self.stage = Stage::Over;
        Ok([UPDATES_START, b"\r\n", UPDATES_END, b"\r\n"].concat().into())
    }

    /// Tells of `error`; what the sender is told.
    fn fail(&mut self, error: ReceiveError) -> Option<Bytes> {
        self.stage = Stage::Failed { cut: error.cuts() };
        let Place { device, partition, .. } = &self.place;
        let text =
            format!("ssync receiver (remote_addr: {}, path: {device}/{partition}) {error}", self.peer.ip());
        if error.is_usual() {
            tracing::debug!("{text}")
        } else {
            tracing::error!("{text}")
        }
        error.line()
    }
}

/// Reads a line that must be `expected`.
async fn expect(lines: &mut Lines, expected: &[u8], doing: &'static str) -> Result<(), ReceiveError> {
    match lines.next().await.map_err(|error| ReceiveError::read(doing, error))? {
        None => Err(ReceiveError::Gone),
        Some(line) if line == expected => Ok(()),
        Some(line) => {
            let shown = line[..line.len().min(1024)].escape_ascii();
            Err(ReceiveError::Protocol(format!("Looking for {} got {shown}", expected.escape_ascii())))
        }
    }
}

#[async_trait]
impl BodyStream for Receiver {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let made = match self.stage {
            // Something, so that the sender gets the answer's head and begins.
            Stage::Begin => {
                self.stage = Stage::MissingCheck;
                return Ok(Some(Bytes::from_static(b"\r\n")));
            }
            Stage::MissingCheck => self.missing_check().await,
            Stage::Updates { more_is_wanted } => self.updates(more_is_wanted).await,
            Stage::Over | Stage::Failed { cut: false } => {
                self.held = None;
                return Ok(None);
            }
            // Cut off, or the sender would go on sending for a while in vain.
            Stage::Failed { cut: true } => {
                self.held = None;
                return Err(BodyError::Other("SSYNC failed".to_owned()));
            }
        };
        match made {
            Ok(piece) => Ok(Some(piece)),
            Err(error) => match self.fail(error) {
                Some(line) => Ok(Some(line)),
                None => Err(BodyError::Other("the sender is gone".to_owned())),
            },
        }
    }
}
