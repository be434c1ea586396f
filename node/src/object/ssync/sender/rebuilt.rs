//! Fragments that are made on their way: several begun beside each other, sent one after the other.

use super::super::offer::Wanted;
use super::outgoing::{Found, Outgoing, SMALL, find, write_put};
use super::{Rebuild, SendError, Source};
use crate::http::{Body, BodyError};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::collections::HashSet;
use swiftlet_storage::object::{FRAGMENT_INDEX, Metadata};
use swiftlet_types::hash_path::PathHash;
use tokio::sync::mpsc;

/// So many are begun before the first is sent: what takes long is to ask the other nodes.
const AT_ONCE: usize = 16;

/// What is sent of one object.
struct Prepared {
    /// Requests, and the fragment where it is small.
    bytes: Vec<u8>,
    /// The fragment, its length, and what follows it, where it is not.
    large: Option<(Body, u64, Vec<u8>)>,
}

impl Outgoing {
    /// Like [`read`](Outgoing::read), with fragments that `rebuild` makes in the place of those that are here.
    pub async fn rebuild(
        self,
        wanted: Vec<(PathHash, Wanted)>,
        pieces: mpsc::Sender<Bytes>,
        rebuild: &dyn Rebuild,
    ) -> Result<HashSet<PathHash>, SendError> {
        let mut left_out = HashSet::new();
        let prepare = |(hash, parts)| {
            let this = &self;
            async move { (hash, this.prepare(hash, parts, rebuild).await) }
        };
        let mut prepared = stream::iter(wanted.into_iter().map(prepare)).buffered(AT_ONCE);
        while let Some((hash, prepared)) = prepared.next().await {
            let Some(Prepared { bytes, large }) = prepared? else {
                left_out.insert(hash);
                continue;
            };
            if pieces.send(bytes.into()).await.is_err() {
                break;
            }
            if let Some((body, length, after)) = large
                && (!send_large(body, length, &pieces).await? || pieces.send(after.into()).await.is_err())
            {
                break;
            }
        }
        Ok(left_out)
    }

    /// `None` where it cannot be sent.
    async fn prepare(
        &self,
        hash: PathHash,
        parts: Wanted,
        rebuild: &dyn Rebuild,
    ) -> Result<Option<Prepared>, SendError> {
        let at = self.source.hash_dir(&hash);
        let (store, source, dir) = (self.store.clone(), self.source.clone(), at.clone());
        let look = move || find(&store, &source, &dir, parts);
        let (opened, path, mut after) = match self.pools.run(&self.source.device, look).await? {
            None => return Ok(None),
            Some(Found::Requests(bytes)) => return Ok(Some(Prepared { bytes, large: None })),
            Some(Found::Object { opened, path, after }) => (opened, path, after),
        };
        let state = &opened.state;
        let Some(mut body) = rebuild.rebuild(&at, state).await else { return Ok(None) };
        let (mut bytes, metadata) = (Vec::new(), rebuilt_metadata(&self.source, &state.data_metadata));
        if !write_put(state, &metadata, self.source.is_committed(state), &path, &mut bytes) {
            return Ok(None);
        }
        if state.size > SMALL {
            return Ok(Some(Prepared { bytes, large: Some((body, state.size, after)) }));
        }
        // Nothing of it was sent yet: one that breaks off spoils no other.
        match body.read_all(SMALL as usize).await {
            Ok(fragment) if fragment.len() as u64 == state.size => bytes.extend_from_slice(&fragment),
            Ok(fragment) => {
                tracing::error!("rebuilt {} of {} bytes of a fragment of {path}", fragment.len(), state.size);
                return Ok(None);
            }
            Err(error) => {
                tracing::error!("Error trying to rebuild {path}: {error}");
                return Ok(None);
            }
        }
        bytes.append(&mut after);
        Ok(Some(Prepared { bytes, large: None }))
    }
}

/// That of the fragment that is here, but for what is of this one alone; the node makes the ETag.
fn rebuilt_metadata(source: &Source, own: &Metadata) -> Metadata {
    let mut metadata = own.clone();
    for name in ["ETag", "Etag"] {
        metadata.remove(name);
    }
    if let Some(fragments) = &source.fragments {
        metadata.set(FRAGMENT_INDEX, fragments.wanted.to_string());
    }
    metadata
}

/// Whether all of it was taken.
async fn send_large(mut body: Body, length: u64, pieces: &mpsc::Sender<Bytes>) -> Result<bool, SendError> {
    let mut sent = 0;
    while let Some(piece) = body.next().await? {
        sent += piece.len() as u64;
        if pieces.send(piece).await.is_err() {
            return Ok(false);
        }
    }
    match sent == length {
        true => Ok(true),
        false => Err(BodyError::Disconnected { got: sent }.into()),
    }
}
