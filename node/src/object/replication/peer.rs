//! What is asked of other nodes' object servers: the hashes of a partition's suffixes.

use super::hashing::Hashes;
use crate::http::{BodyError, Client, ClientError, Method, Request, Response, Timeouts};
use crate::object::many_partitions;
use bytes::Bytes;
use swiftlet_ring::{Device, bracketed};
use swiftlet_storage::object::SuffixHash;
use swiftlet_types::pickle;
use thiserror::Error;

/// More than the hashes of all suffixes take.
const MAX_ANSWER: usize = 4 << 20;

/// Why a node gave no hashes.
#[derive(Debug, Error)]
pub(in crate::object) enum PeerError {
    /// It cannot be reached, or does not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Its answer cannot be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Its device cannot be used.
    #[error("responded as unmounted")]
    Unmounted,
    /// It refuses.
    #[error("Invalid response {0}")]
    Status(u16),
    /// Its answer is none.
    #[error("its answer is no pickle of hashes")]
    NoHashes,
}

/// As Swift writes a node in log lines: `10.0.0.1:6200/sda`.
pub(in crate::object) fn node_name(node: &Device) -> String {
    format!("{}:{}/{}", bracketed(&node.replication_ip), node.replication_port, node.device)
}

/// Asks nodes.
#[derive(Clone)]
pub(in crate::object) struct Peers {
    pub client: Client,
    pub timeouts: Timeouts,
    /// Who asks.
    pub program: &'static str,
}

impl Peers {
    /// The hashes that `node` has of a partition.
    pub async fn hashes(&self, node: &Device, policy: u32, partition: u32) -> Result<Hashes, PeerError> {
        let request = self.request(node, policy, partition, "");
        hashes_of(&self.answer(node, request).await?.0).ok_or(PeerError::NoHashes)
    }

    /// The pickled hashes that `node` has of `partition`, and of those of `more` that it gives with them.
    pub async fn hashes_of_many(
        &self,
        node: &Device,
        policy: u32,
        partition: u32,
        more: &[u32],
    ) -> Result<Vec<(u32, Bytes)>, PeerError> {
        let mut request = self.request(node, policy, partition, "");
        request.headers.set(many_partitions::HEADER, many_partitions::naming(more));
        match self.answer(node, request).await? {
            (answer, true) => many_partitions::read(answer).ok_or(PeerError::NoHashes),
            (pickled, false) => Ok(vec![(partition, pickled)]),
        }
    }

    /// What `node` answers, and whether about several partitions.
    async fn answer(&self, node: &Device, request: Request) -> Result<(Bytes, bool), PeerError> {
        let mut answer = self.send(node, request).await?;
        match answer.status {
            200 => {}
            507 => return Err(PeerError::Unmounted),
            status => return Err(PeerError::Status(status)),
        }
        let of_many = answer.headers.get_str(many_partitions::HEADER).is_some();
        Ok((answer.body.read_all(MAX_ANSWER).await?, of_many))
    }

    /// Has `node` hash these suffixes anew. Nothing depends on whether it does.
    pub async fn rehash(
        &self,
        node: &Device,
        policy: u32,
        partition: u32,
        suffixes: &[String],
    ) -> Result<(), PeerError> {
        let suffixes = format!("/{}", suffixes.join("-"));
        let mut answer = self.send(node, self.request(node, policy, partition, &suffixes)).await?;
        answer.body.read_all(MAX_ANSWER).await?;
        Ok(())
    }

    fn request(&self, node: &Device, policy: u32, partition: u32, suffixes: &str) -> Request {
        let path = format!("/{}/{}{suffixes}", node.device, partition);
        let mut request = Request::new(Method::Replicate, path);
        request.headers.set_int("X-Backend-Storage-Policy-Index", policy);
        request.headers.set("User-Agent", format!("{} {}", self.program, std::process::id()));
        request
    }

    async fn send(&self, node: &Device, request: Request) -> Result<Response, PeerError> {
        let (host, port) = (&node.replication_ip, node.replication_port);
        Ok(self.client.request(host, port, request, &self.timeouts).await?)
    }
}

/// The hashes that a node has pickled; `None` where they are none.
pub(in crate::object) fn hashes_of(pickled: &[u8]) -> Option<Hashes> {
    let value = pickle::decode(pickled).ok()?;
    let mut hashes = Hashes::new();
    for (suffix, hash) in &value.as_dict()?.entries {
        let hash = if *hash == pickle::Value::None { None } else { Some(SuffixHash::from_value(hash)?) };
        hashes.insert(suffix.as_str()?.to_owned(), hash);
    }
    Some(hashes)
}
