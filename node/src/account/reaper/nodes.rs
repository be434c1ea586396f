//! What the reaper asks of container and object servers, on the replication network.

use super::stats::Stats;
use crate::http::{Client, Headers, Method, Request, Response, Timeouts};
use bytes::Bytes;
use parking_lot::Mutex;
use serde::Deserialize;
use swiftlet_ring::Device;
use swiftlet_types::Timestamp;
use swiftlet_types::names::quote_component;

/// The longest listing that is read.
const MAX_LISTING_BYTES: usize = 64 << 20;
/// What of other answers is read to keep their connection.
const MAX_DRAINED_BYTES: usize = 64 << 10;

/// A client of other nodes' servers. Answers are counted, and who gives none is logged.
pub(super) struct Nodes<'a> {
    pub client: &'a Client,
    pub timeouts: Timeouts,
    pub stats: &'a Mutex<Stats>,
}

/// A page of a container's listing.
pub(super) struct Listing {
    pub objects: Vec<String>,
    /// The storage policy of the objects.
    pub policy: Option<u32>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
}

impl Nodes<'_> {
    /// The objects after `marker` of the container at `path`; `None` where the server does not tell.
    pub async fn list(&self, node: &Device, path: &str, marker: &str) -> Option<Listing> {
        let mut request = Request::new(Method::Get, path.to_owned());
        request.query = format!("format=json&marker={}", quote_component(marker.as_bytes())).into();
        let (answer, body) = self.ask(node, request, MAX_LISTING_BYTES).await?;
        if !answer.is_success() {
            return None;
        }
        let entries: Vec<Entry> = match body.is_empty() {
            true => Vec::new(),
            false => serde_json::from_slice(&body)
                .inspect_err(|error| {
                    tracing::error!("ERROR {node} lists {path} as what is no listing: {error}")
                })
                .ok()?,
        };
        let policy = answer.headers.get_str("X-Backend-Storage-Policy-Index");
        Some(Listing {
            objects: entries.into_iter().map(|entry| entry.name).collect(),
            policy: policy.map_or(Some(0), |index| index.parse().ok()),
        })
    }

    /// Deletes what is at `path`; whether the server did.
    pub async fn delete(&self, node: &Device, path: String, headers: Headers, time: Timestamp) -> bool {
        let mut request = Request::new(Method::Delete, path);
        request.headers = headers;
        request.headers.set("X-Timestamp", time.internal());
        self.ask(node, request, MAX_DRAINED_BYTES).await.is_some_and(|(answer, _)| answer.is_success())
    }

    async fn ask(&self, node: &Device, mut request: Request, max_bytes: usize) -> Option<(Response, Bytes)> {
        request.headers.set("User-Agent", format!("account-reaper {}", std::process::id()));
        request.headers.set("X-Backend-Use-Replication-Network", "true");
        request.headers.set("X-Backend-Allow-Reserved-Names", "true");
        let (host, port) = (&node.replication_ip, node.replication_port);
        let asking = async {
            let answer = self.client.request(host, port, request, &self.timeouts).await;
            let mut answer = answer.map_err(|error| error.to_string())?;
            let body = answer.body.read_all(max_bytes).await.map_err(|error| error.to_string())?;
            Ok::<_, String>((answer, body))
        };
        match asking.await {
            Ok((answer, body)) => {
                self.stats.lock().answered(answer.status);
                Some((answer, body))
            }
            Err(why) => {
                tracing::error!("Timeout Exception with {host}:{port}/{}: {why}", node.device);
                None
            }
        }
    }
}

/// The header fields by which a server finds who is to hear of its deletion: `X-<Kind>-Host` and so on.
pub(super) fn report_to(kind: &str, node: &Device, partition: u32) -> Headers {
    let mut headers = Headers::new();
    headers.set(format!("X-{kind}-Host"), format!("{}:{}", swiftlet_ring::bracketed(&node.ip), node.port));
    headers.set(format!("X-{kind}-Partition"), partition.to_string());
    headers.set(format!("X-{kind}-Device"), node.device.clone());
    headers
}
