//! The replicator's side: offers objects, and sends those that are asked for.
//!
//! What goes out does not wait for what comes in: offers go out as one stream, then objects, read from the disk while
//! those before them are being sent. One conversation is one request on a kept-alive connection.

mod outgoing;
mod rebuilt;

use super::lines::{LineError, Lines};
use super::offer::{self, Wanted};
use super::{MISSING_CHECK_END, MISSING_CHECK_START, UPDATES_END, UPDATES_START};
use crate::http::client::{BodyLength, Exchange, RequestHead};
use crate::http::{Body, BodyError, Client, ClientError, Headers, Method, Response, Timeouts};
use crate::serve::{DevicePools, PoolError};
use async_trait::async_trait;
use bytes::Bytes;
use outgoing::Outgoing;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_ring::Device;
use swiftlet_storage::object::summary::Summary;
use swiftlet_storage::object::{FragmentChoice, HashDir, ObjectState, ObjectStore, ReadError};
use swiftlet_types::conf::is_true;
use swiftlet_types::hash_path::PathHash;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Offers go out in pieces of about so many bytes.
const OFFERS_LEN: usize = 64 << 10;
/// Pieces of objects that are read ahead.
const READ_AHEAD: usize = 2;
/// How much of a refusal is told.
const MAX_REFUSAL: usize = 1024;

/// Why a conversation failed.
#[derive(Debug, Error)]
pub(in crate::object) enum SendError {
    /// The node cannot be reached, or its connection broke.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It did not answer in time.
    #[error("{0:?}: connect receive")]
    Timeout(Duration),
    /// It refuses.
    #[error("Expected status 200; got {status} ({text})")]
    Refused { status: u16, text: String },
    /// What it says cannot be read.
    #[error(transparent)]
    Line(#[from] LineError),
    /// It says something else than the protocol has it say.
    #[error("Unexpected response: {0}")]
    Unexpected(String),
    /// It ended the conversation.
    #[error("Early disconnect")]
    Ended,
    /// An object cannot be read to its end: the conversation is broken off, or half of it would be stored.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A fragment cannot be rebuilt to its end: the same.
    #[error("Error trying to rebuild a fragment: {0}")]
    Rebuild(#[from] BodyError),
    /// The disk gave no answer.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

/// The partition that is sent.
#[derive(Clone)]
pub(in crate::object) struct Source {
    /// The device's name.
    pub device: String,
    /// The device's folder.
    pub device_dir: PathBuf,
    /// The partition.
    pub partition: u64,
    /// The policy.
    pub policy: u32,
    /// Which fragments are sent, where objects lie in fragments.
    pub fragments: Option<Fragments>,
}

/// Fragments that are sent.
#[derive(Clone)]
pub(in crate::object) struct Fragments {
    /// The index of those that are here; without one, only tombstones are sent.
    pub own: Option<u32>,
    /// The index of those that the node is to have.
    pub wanted: u32,
    /// Whether those that were not committed go too.
    pub with_uncommitted: bool,
    /// Who makes those that the node lacks. Without it, it is sent the ones that are here.
    pub rebuild: Option<Arc<dyn Rebuild>>,
}

/// Makes fragments of one index, for one node.
#[async_trait]
pub(in crate::object) trait Rebuild: Send + Sync {
    /// Begins to make that of the object in the folder `at`, of which `own` is here; it will be as long. `None` where it
    /// cannot be made, which has been told then.
    async fn rebuild(&self, at: &HashDir, own: &ObjectState) -> Option<Body>;
}

impl Source {
    /// Which fragments are read.
    pub fn choice(&self) -> FragmentChoice<'static> {
        match &self.fragments {
            None => FragmentChoice::default(),
            Some(Fragments { own, with_uncommitted: true, .. }) => FragmentChoice::newest(*own),
            Some(Fragments { own, .. }) => FragmentChoice::committed(*own),
        }
    }

    fn hash_dir(&self, hash: &PathHash) -> HashDir {
        HashDir::new(self.device_dir.clone(), self.policy, self.partition, hash)
    }

    fn is_committed(&self, object: &ObjectState) -> bool {
        self.fragments.is_none() || object.fragments.durable == Some(object.data_timestamp)
    }
}

/// Whether objects are sent, or only asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::object) enum Mode {
    Send,
    CheckOnly,
}

/// How long a node may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::object) struct SenderTimeouts {
    /// To accept a connection (`conn_timeout`).
    pub connect: Duration,
    /// To begin to answer, and to take what is sent (`node_timeout`).
    pub node: Duration,
    /// For each further line of its answer (`http_timeout`).
    pub http: Duration,
}

/// Sends objects of a node.
#[derive(Clone)]
pub(in crate::object) struct Sender {
    pub client: Client,
    pub store: Arc<ObjectStore>,
    pub pools: DevicePools,
    pub timeouts: SenderTimeouts,
}

/// A conversation that can begin.
struct Connected {
    exchange: Exchange,
    lines: Lines,
    /// Whether the node takes fragments that were not committed.
    takes_uncommitted: bool,
}

impl Sender {
    /// Brings `to` up to date with the objects `offers` of `source`; those that it does not have afterwards.
    pub async fn sync(
        &self,
        source: &Source,
        to: &Device,
        offers: &[Summary],
        mode: Mode,
    ) -> Result<HashSet<PathHash>, SendError> {
        let Connected { mut exchange, mut lines, takes_uncommitted } = self.connect(source, to).await?;
        let (offers, held_back): (Vec<_>, Vec<_>) =
            offers.iter().partition(|offer| offer.durable || takes_uncommitted);
        if !held_back.is_empty() {
            tracing::warn!("ssync receiver {} does not accept non-durable fragments", to.replication_ip);
        }
        let outcome = self.converse(&mut exchange, &mut lines, source, &offers, mode).await;
        let outcome = match outcome {
            // A node that stopped reading may have said why.
            Err(SendError::Client(error)) => Err(reason(&mut lines).await.unwrap_or(error.into())),
            other => other,
        };
        let mut not_there = outcome?;
        not_there.extend(held_back.iter().map(|offer| offer.hash));
        exchange.finish().await?;
        // To the end, which gives the connection back.
        lines.end().await?;
        Ok(not_there)
    }

    async fn connect(&self, source: &Source, to: &Device) -> Result<Connected, SendError> {
        let path = format!("/{}/{}", to.device, source.partition);
        let mut headers = Headers::new();
        headers.set_int("X-Backend-Storage-Policy-Index", source.policy);
        let (program, fragments) = match &source.fragments {
            None => ("object-replicator", None),
            Some(fragments) => ("obj-reconstructor", fragments.wanted.into()),
        };
        headers.set("User-Agent", format!("{program} {}", std::process::id()));
        if let Some(index) = fragments {
            headers.set_int("X-Backend-Ssync-Frag-Index", index);
            // what Swift 2.4 to 2.20 look for
            headers.set_int("X-Backend-Ssync-Node-Index", index);
        }
        let head =
            RequestHead { method: &Method::Ssync, path: path.as_bytes(), query: b"", headers: &headers };
        let SenderTimeouts { connect, node, http } = self.timeouts;
        let timeouts = Timeouts { connect, node: http };
        let (host, port) = (&to.replication_ip, to.replication_port);
        let mut exchange = self.client.open(host, port, &head, BodyLength::Chunked, &timeouts).await?;
        let answer = timeout(node, exchange.response()).await;
        let Response { status, mut body, headers, .. } = answer.map_err(|_| SendError::Timeout(node))??;
        if status != 200 {
            let text = body.read_all(MAX_REFUSAL).await.unwrap_or_default();
            return Err(SendError::Refused { status, text: text.escape_ascii().to_string() });
        }
        exchange.set_timeout(node);
        let takes_uncommitted = headers.get_str("X-Backend-Accept-No-Commit").is_some_and(is_true);
        Ok(Connected { exchange, lines: Lines::new(body), takes_uncommitted })
    }

    async fn converse(
        &self,
        exchange: &mut Exchange,
        lines: &mut Lines,
        source: &Source,
        offers: &[&Summary],
        mode: Mode,
    ) -> Result<HashSet<PathHash>, SendError> {
        send_offers(exchange, offers).await?;
        let wanted = read_wanted(lines, offers).await?;
        send_line(exchange, UPDATES_START).await?;
        let not_there = match mode {
            Mode::CheckOnly => wanted.into_iter().map(|(hash, _)| hash).collect(),
            Mode::Send => self.send_objects(exchange, source, wanted).await?,
        };
        send_line(exchange, UPDATES_END).await?;
        expect(lines, UPDATES_START).await?;
        expect(lines, UPDATES_END).await?;
        Ok(not_there)
    }

    /// Sends what is wanted; what could not be read is left out, and returned.
    async fn send_objects(
        &self,
        exchange: &mut Exchange,
        source: &Source,
        wanted: Vec<(PathHash, Wanted)>,
    ) -> Result<HashSet<PathHash>, SendError> {
        let (pieces, mut next) = mpsc::channel::<Bytes>(READ_AHEAD);
        let outgoing = Outgoing::new(self.store.clone(), self.pools.clone(), source.clone());
        let sending = async move {
            while let Some(piece) = next.recv().await {
                exchange.send(piece).await?;
            }
            Ok::<_, SendError>(())
        };
        let reading = async {
            match source.fragments.as_ref().and_then(|fragments| fragments.rebuild.clone()) {
                None => outgoing.read(wanted, pieces).await,
                Some(rebuild) => outgoing.rebuild(wanted, pieces, &*rebuild).await,
            }
        };
        let (left_out, sent) = tokio::join!(reading, sending);
        sent?;
        left_out
    }
}

async fn send_line(exchange: &mut Exchange, line: &[u8]) -> Result<(), SendError> {
    Ok(exchange.send([line, b"\r\n"].concat().into()).await?)
}

async fn send_offers(exchange: &mut Exchange, offers: &[&Summary]) -> Result<(), SendError> {
    let mut piece = [MISSING_CHECK_START, b"\r\n"].concat();
    for object in offers {
        piece.extend_from_slice(offer::encode(object).as_bytes());
        piece.extend_from_slice(b"\r\n");
        if piece.len() >= OFFERS_LEN {
            exchange.send(std::mem::take(&mut piece).into()).await?;
        }
    }
    piece.extend_from_slice(&[MISSING_CHECK_END, b"\r\n"].concat());
    Ok(exchange.send(piece.into()).await?)
}

/// What is asked for, in the order in which it was offered.
async fn read_wanted(lines: &mut Lines, offers: &[&Summary]) -> Result<Vec<(PathHash, Wanted)>, SendError> {
    expect(lines, MISSING_CHECK_START).await?;
    let places: HashMap<PathHash, usize> = offers.iter().enumerate().map(|(at, o)| (o.hash, at)).collect();
    let mut wanted = HashMap::new();
    loop {
        let line = lines.next().await?.ok_or(SendError::Ended)?;
        if line == MISSING_CHECK_END {
            break;
        }
        if line.is_empty() {
            continue;
        }
        let asked =
            Wanted::decode(&line).and_then(|(hash, parts)| Some((*places.get(&hash)?, (hash, parts))));
        let (at, asked) = asked.ok_or_else(|| unexpected(&line))?;
        wanted.insert(at, asked);
    }
    let mut wanted: Vec<_> = wanted.into_iter().collect();
    wanted.sort_unstable_by_key(|(at, _)| *at);
    Ok(wanted.into_iter().map(|(_, asked)| asked).collect())
}

/// Reads up to a line that must be `expected`; empty ones before it are passed over.
async fn expect(lines: &mut Lines, expected: &[u8]) -> Result<(), SendError> {
    loop {
        let line = lines.next().await?.ok_or(SendError::Ended)?;
        match line {
            line if line == expected => return Ok(()),
            line if line.is_empty() => {}
            line => return Err(unexpected(&line)),
        }
    }
}

fn unexpected(line: &[u8]) -> SendError {
    SendError::Unexpected(line[..line.len().min(MAX_REFUSAL)].escape_ascii().to_string())
}

/// What a node said before it stopped reading, if it said something.
async fn reason(lines: &mut Lines) -> Option<SendError> {
    const PATIENCE: Duration = Duration::from_secs(1);
    loop {
        let line = timeout(PATIENCE, lines.next()).await.ok()?.ok()??;
        if line.starts_with(b":ERROR:") {
            return Some(unexpected(&line));
        }
    }
}
