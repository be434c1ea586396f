//! Requests to each of a container's servers, past the proxy: queue entries that stand for no object, and what each
//! replica by itself says of a container.

use crate::http::{Client, Headers, Method, Request, Response, Timeouts};
use futures_util::future::join_all;
use rand::seq::SliceRandom;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_ring::{Device, SharedRing};
use swiftlet_types::{HashConf, Timestamp};

/// How long a server may take to accept a connection, and to answer.
const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(5), node: Duration::from_secs(15) };
/// What of an answer is read to keep its connection.
const MAX_DRAINED_BYTES: usize = 64 << 10;

/// The longest listing that is read: of few rows.
const MAX_LISTING_BYTES: usize = 1 << 20;

/// What one server lists by itself.
pub struct ServerListing {
    /// The header fields of its answer.
    pub headers: Headers,
    /// What is listed: objects or shard ranges.
    pub rows: Vec<serde_json::Value>,
}

/// A client of container servers, on the replication network.
#[derive(Clone)]
pub struct DirectClient {
    client: Client,
    ring: Arc<SharedRing>,
    hash: HashConf,
}

impl DirectClient {
    /// A client of the servers that the containers' `ring` names.
    pub fn new(client: Client, ring: Arc<SharedRing>, hash: HashConf) -> Self {
        Self { client, ring, hash }
    }

    /// Takes an entry out of a container on all its servers, at `timestamp` or else now. One that misses it is asked
    /// again by whoever finds the entry again.
    pub async fn delete_entry(
        &self,
        account: &str,
        container: &str,
        entry: &str,
        timestamp: Option<Timestamp>,
    ) {
        let mut headers = Headers::new();
        headers.set("X-Timestamp", timestamp.unwrap_or_else(Timestamp::now).internal());
        self.ask_all(Method::Delete, account, container, Some(entry), &headers).await;
    }

    /// Enters `entry` into a container with these header fields (X-Size, X-Etag, X-Content-Type, X-Timestamp); whether
    /// a majority of its servers took it.
    pub async fn put_entry(&self, account: &str, container: &str, entry: &str, headers: &Headers) -> bool {
        let answers = self.ask_all(Method::Put, account, container, Some(entry), headers).await;
        let taken = answers.iter().flatten().filter(|answer| answer.is_success()).count();
        taken >= majority(answers.len())
    }

    /// What each server says of a container, with a status of 2xx or 404; `None` where fewer than a majority say so.
    pub async fn standings(&self, account: &str, container: &str) -> Option<Vec<Headers>> {
        let answers = self.ask_all(Method::Head, account, container, None, &Headers::new()).await;
        let asked = answers.len();
        let told: Vec<Headers> = answers
            .into_iter()
            .flatten()
            .filter(|answer| answer.is_success() || answer.status == 404)
            .map(|answer| answer.headers)
            .collect();
        (asked > 0 && told.len() >= majority(asked)).then_some(told)
    }

    /// What each server lists of a container with these parameters (beside `format=json`) and header fields, one after
    /// the other in random order, until `enough` says so of what the last one said; `None` is a server that gave no
    /// listing.
    pub async fn listings(
        &self,
        (account, container): (&str, &str),
        query: &str,
        headers: &Headers,
        mut enough: impl FnMut(Option<ServerListing>) -> bool,
    ) {
        let ring = self.ring.get();
        let partition = ring.partition(&self.hash.container(account, container));
        let mut nodes: Vec<_> = ring.nodes(partition).collect();
        nodes.shuffle(&mut rand::rng());
        for node in nodes {
            let mut request =
                Request::new(Method::Get, format!("/{}/{partition}/{account}/{container}", node.device));
            request.query = format!("format=json&{query}").into();
            request.headers = headers.clone();
            if enough(self.listing_of(node, request).await) {
                return;
            }
        }
    }

    async fn listing_of(&self, node: &Device, request: Request) -> Option<ServerListing> {
        let mut answer = self.send(node, request).await.filter(Response::is_success)?;
        let body = answer.body.read_all(MAX_LISTING_BYTES).await.ok()?;
        let rows = if answer.status == 204 { Vec::new() } else { serde_json::from_slice(&body).ok()? };
        Some(ServerListing { headers: answer.headers, rows })
    }

    /// Asks every primary at once; `None` is no answer.
    async fn ask_all(
        &self,
        method: Method,
        account: &str,
        container: &str,
        entry: Option<&str>,
        headers: &Headers,
    ) -> Vec<Option<Response>> {
        let ring = self.ring.get();
        let partition = ring.partition(&self.hash.container(account, container));
        let name = match entry {
            None => format!("{account}/{container}"),
            Some(entry) => format!("{account}/{container}/{entry}"),
        };
        let asking = ring.nodes(partition).map(|node| {
            let mut request = Request::new(method.clone(), format!("/{}/{partition}/{name}", node.device));
            request.headers = headers.clone();
            self.ask(node, request)
        });
        join_all(asking).await
    }

    /// The answer, whose body is of no interest.
    async fn ask(&self, node: &Device, request: Request) -> Option<Response> {
        let mut answer = self.send(node, request).await?;
        // one that is long or breaks off ends with its connection
        let _ = answer.body.read_all(MAX_DRAINED_BYTES).await;
        Some(answer)
    }

    async fn send(&self, node: &Device, mut request: Request) -> Option<Response> {
        let (host, port) = (&node.replication_ip, node.replication_port);
        request.headers.set("User-Agent", format!("direct-client {}", std::process::id()));
        match self.client.request(host, port, request, &TIMEOUTS).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::debug!(host, port, device = node.device, %error, "no answer");
                None
            }
        }
    }
}

/// More than half.
fn majority(count: usize) -> usize {
    count / 2 + 1
}
