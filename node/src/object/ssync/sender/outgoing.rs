//! Objects on their way from the disk into a conversation: small ones many in a piece, large ones in many pieces.

use super::super::offer::Wanted;
use super::super::subrequest::write_head;
use super::{SendError, Source};
use crate::http::Method;
use crate::serve::DevicePools;
use bytes::Bytes;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use swiftlet_storage::object::{
    HashDir, Metadata, ObjectPath, ObjectState, ObjectStore, OpenError, OpenObject, OpenOptions, ReadError,
    Reader,
};
use swiftlet_types::Timestamp;
use swiftlet_types::hash_path::PathHash;
use tokio::sync::mpsc;

/// Up to so many bytes an object goes into a piece with others.
pub(super) const SMALL: u64 = 64 << 10;
/// About how long a piece of small objects is.
const PIECE_LEN: usize = 256 << 10;
/// How much of a large object is read at once.
const CHUNK_LEN: usize = 1 << 20;

/// What is still to be read.
pub(super) struct Outgoing {
    pub(super) store: Arc<ObjectStore>,
    pub(super) pools: DevicePools,
    pub(super) source: Arc<Source>,
}

/// What one job of the disk's has read.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// The body whose head ends `bytes`, and what follows it.
    large: Option<(Reader, Vec<u8>)>,
    left_out: Vec<PathHash>,
}

impl Outgoing {
    pub fn new(store: Arc<ObjectStore>, pools: DevicePools, source: Source) -> Self {
        Self { store, pools, source: Arc::new(source) }
    }

    /// Reads what is wanted into `pieces`, until nobody takes them; the objects that are left out because they cannot be
    /// opened, or are gone.
    pub async fn read(
        self,
        wanted: Vec<(PathHash, Wanted)>,
        pieces: mpsc::Sender<Bytes>,
    ) -> Result<HashSet<PathHash>, SendError> {
        let mut wanted = VecDeque::from(wanted);
        let mut left_out = HashSet::new();
        while !wanted.is_empty() {
            let (store, source) = (self.store.clone(), self.source.clone());
            let job = move || {
                let read = read_batch(&store, &source, &mut wanted);
                (read, wanted)
            };
            let (read, rest) = self.pools.run(&self.source.device, job).await?;
            wanted = rest;
            let Batch { bytes, large, left_out: more } = read?;
            left_out.extend(more);
            if pieces.send(bytes.into()).await.is_err() {
                break;
            }
            if let Some((reader, after)) = large
                && (!self.read_large(reader, &pieces).await? || pieces.send(after.into()).await.is_err())
            {
                break;
            }
        }
        Ok(left_out)
    }

    /// Whether all of it was taken.
    async fn read_large(&self, mut reader: Reader, pieces: &mpsc::Sender<Bytes>) -> Result<bool, SendError> {
        while reader.remaining() > 0 {
            let job = move || {
                let piece = reader.read(CHUNK_LEN);
                (reader, piece)
            };
            let (rest, piece) = self.pools.run(&self.source.device, job).await?;
            reader = rest;
            if pieces.send(piece?).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Reads objects until there is enough, or a large one.
fn read_batch(
    store: &ObjectStore,
    source: &Source,
    wanted: &mut VecDeque<(PathHash, Wanted)>,
) -> Result<Batch, ReadError> {
    let mut batch = Batch::default();
    while batch.bytes.len() < PIECE_LEN && batch.large.is_none() {
        let Some((hash, parts)) = wanted.pop_front() else { break };
        if !read_one(store, source, &hash, parts, &mut batch)? {
            batch.left_out.push(hash);
        }
    }
    Ok(batch)
}

/// An object as it is found when its turn has come.
pub(super) enum Found {
    /// What is to be sent has no bytes of its own: a deletion, or metadata alone.
    Requests(Vec<u8>),
    /// An object whose bytes are wanted.
    Object {
        opened: Box<OpenObject>,
        /// Its name.
        path: String,
        /// What is to be sent after it.
        after: Vec<u8>,
    },
}

/// Looks for what is wanted of an object; `None` where it cannot be sent.
pub(super) fn find(store: &ObjectStore, source: &Source, at: &HashDir, parts: Wanted) -> Option<Found> {
    let options = OpenOptions { now: Timestamp::now(), open_expired: true };
    let opened = match store.open_found(at, options, source.choice()).0 {
        Ok(opened) => opened,
        Err(OpenError::Deleted { timestamp }) if parts.data => {
            return write_delete(store, source, at, timestamp).map(Found::Requests);
        }
        Err(error) => {
            tracing::debug!(dir = %at.dir.display(), %error, "not sent");
            return None;
        }
    };
    let path = path_of(&opened.state.metadata)?;
    let mut after = Vec::new();
    if parts.meta && !write_post(&opened.state, &path, &mut after) {
        return None;
    }
    Some(match parts.data {
        true => Found::Object { opened: Box::new(opened), path, after },
        false => Found::Requests(after),
    })
}

/// Reads one object; whether it could be.
fn read_one(
    store: &ObjectStore,
    source: &Source,
    hash: &PathHash,
    parts: Wanted,
    batch: &mut Batch,
) -> Result<bool, ReadError> {
    let (opened, path, mut after) = match find(store, source, &source.hash_dir(hash), parts) {
        None => return Ok(false),
        Some(Found::Requests(mut requests)) => {
            batch.bytes.append(&mut requests);
            return Ok(true);
        }
        Some(Found::Object { opened, path, after }) => (opened, path, after),
    };
    let metadata = &opened.state.data_metadata;
    if !write_put(&opened.state, metadata, source.is_committed(&opened.state), &path, &mut batch.bytes) {
        return Ok(false);
    }
    let (state, mut reader) = opened.into_reader(store, false, true);
    if state.size > SMALL {
        batch.large = Some((reader, after));
        return Ok(true);
    }
    while reader.remaining() > 0 {
        batch.bytes.extend_from_slice(&reader.read(SMALL as usize)?);
    }
    batch.bytes.append(&mut after);
    Ok(true)
}

fn path_of(metadata: &Metadata) -> Option<String> {
    metadata.get_str("name").filter(|name| ObjectPath::from_name(name).is_some()).map(str::to_owned)
}

/// Fields of metadata but for those in `without`.
fn fields<'a>(
    metadata: &'a Metadata,
    without: &'static [&'static str],
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let is_sent = move |name: &[u8]| !without.iter().any(|other| other.as_bytes() == name);
    metadata.iter().map(|(name, value)| (&name[..], &value[..])).filter(move |(name, _)| is_sent(name))
}

/// The head that sends an object, or one of its fragments, which has this metadata.
pub(super) fn write_put(
    state: &ObjectState,
    metadata: &Metadata,
    is_committed: bool,
    path: &str,
    out: &mut Vec<u8>,
) -> bool {
    let length = state.size.to_string();
    let length = std::iter::once((&b"Content-Length"[..], length.as_bytes()));
    let no_commit = (!is_committed).then_some((&b"X-Backend-No-Commit"[..], &b"True"[..]));
    let kept = fields(metadata, &["name", "Content-Length"]);
    write_head(out, &Method::Put, path.as_bytes(), length.chain(no_commit).chain(kept))
}

/// Nothing where nothing was posted since.
fn write_post(state: &ObjectState, path: &str, out: &mut Vec<u8>) -> bool {
    match &state.post_metadata {
        Some(post) if state.timestamp != state.data_timestamp => {
            write_head(out, &Method::Post, path.as_bytes(), fields(post, &["name"]))
        }
        _ => true,
    }
}

fn write_delete(store: &ObjectStore, source: &Source, at: &HashDir, timestamp: Timestamp) -> Option<Vec<u8>> {
    let located = store.locate_folder(&at.device, source.policy, source.partition, &at.dir)?;
    let time = timestamp.internal();
    let field = std::iter::once((&b"X-Timestamp"[..], time.as_bytes()));
    let mut out = Vec::new();
    write_head(&mut out, &Method::Delete, located.name.as_bytes(), field).then_some(out)
}
