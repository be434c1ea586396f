//! One database's replica on another node: REPLICATE over kept-alive connections.

use crate::database::replicate::{ARRIVAL, RemoteInfo, RemotePolicy, TAKES_FILES};
use crate::http::{Body, Client, Method, Request, Response, Timeouts};
use bytes::Bytes;
use serde::Deserialize;
use std::time::Duration;
use swiftlet_ring::Device;
use swiftlet_types::names::quote_component;

/// The longest answer that is read: the shard ranges of a very large container.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// The server that has the replica, and where the replica lies there.
pub(super) struct Peer<'a> {
    pub device: &'a Device,
    path: String,
    client: &'a Client,
    timeouts: Timeouts,
}

/// What a peer answered.
pub(super) struct Answer {
    pub status: u16,
    pub body: Bytes,
    /// Whether it takes whole databases by HTTP.
    pub takes_files: bool,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        self.status / 100 == 2
    }
}

impl<'a> Peer<'a> {
    /// The replica of the database of this hash in `partition` on `device`.
    pub fn new(
        device: &'a Device,
        partition: u32,
        hash: &str,
        client: &'a Client,
        timeouts: Timeouts,
    ) -> Self {
        Self { device, path: format!("/{}/{partition}/{hash}", device.device), client, timeouts }
    }

    /// Calls an operation, a JSON list, and waits as long as `node_timeout` for all of the answer. What went wrong is
    /// logged.
    pub async fn call(&self, operation: Bytes) -> Option<Answer> {
        self.call_patiently(operation, self.timeouts.node).await
    }

    /// The same for an operation that may take so long.
    pub async fn call_patiently(&self, operation: Bytes, timeout: Duration) -> Option<Answer> {
        let mut request = Request::new(Method::Replicate, self.path.clone());
        request.headers.set("Content-Type", "application/json");
        request.body = operation.into();
        self.send(request, timeout).await
    }

    /// Calls an operation that only succeeds or fails; a refusal is logged.
    pub async fn tell(&self, operation: Bytes) -> bool {
        match self.call(operation).await {
            None => false,
            Some(answer) => {
                if !answer.is_success() {
                    let Device { replication_ip, replication_port, .. } = self.device;
                    let status = answer.status;
                    tracing::error!("ERROR Bad response {status} from {replication_ip}:{replication_port}");
                }
                answer.is_success()
            }
        }
    }

    /// Sends a whole database, which the peer keeps under the name `arrival` until it is called upon.
    pub async fn upload(&self, arrival: &str, file: Body, timeout: Duration) -> bool {
        let mut request = Request::new(Method::Replicate, self.path.clone());
        request.query = format!("{ARRIVAL}={}", quote_component(arrival.as_bytes())).into();
        request.headers.set("Content-Type", "application/vnd.sqlite3");
        request.headers.set("Expect", "100-continue");
        request.body = file;
        let answer = self.send(request, timeout).await;
        if let Some(answer) = answer.as_ref().filter(|answer| !answer.is_success()) {
            tracing::error!("ERROR {} did not take a database: {}", self.device, answer.status);
        }
        answer.is_some_and(|answer| answer.is_success())
    }

    async fn send(&self, request: Request, timeout: Duration) -> Option<Answer> {
        let Device { replication_ip, replication_port, .. } = self.device;
        let timeouts = Timeouts { node: timeout, ..self.timeouts };
        let exchange = async {
            let answer = self.client.request(replication_ip, *replication_port, request, &timeouts).await;
            let Response { status, headers, mut body, .. } = answer.map_err(|error| error.to_string())?;
            let body = body.read_all(MAX_ANSWER_BYTES).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(Answer { status, body, takes_files: headers.contains(TAKES_FILES) })
        };
        let answered = tokio::time::timeout(timeout + self.timeouts.connect, exchange).await;
        let answer = answered.unwrap_or_else(|_| Err(format!("no answer within {timeout:?}")));
        answer
            .inspect_err(|why| tracing::error!("ERROR reading HTTP response from {}: {why}", self.device))
            .ok()
    }
}

/// What a replica answers to `sync`.
#[derive(Debug, PartialEq)]
pub(super) struct Remote {
    pub info: RemoteInfo,
    /// Up to which of our rows it has them.
    pub point: i64,
    /// Its highest row id of shard ranges; `None` from Swifts that know none.
    pub shard_max_row: Option<i64>,
}

impl Remote {
    /// Reads the answer; the error is what is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let told: Told = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let time =
            |what: &str, text: &str| text.parse().map_err(|_| format!("{what} is no timestamp: {text:?}"));
        let policy = match (&told.status_changed_at, told.storage_policy_index) {
            (Some(status_changed_at), Some(storage_policy_index)) => Some(RemotePolicy {
                status_changed_at: time("status_changed_at", status_changed_at)?,
                object_count: told.count.unwrap_or_default(),
                storage_policy_index,
            }),
            _ => None,
        };
        let info = RemoteInfo {
            max_row: told.max_row,
            created_at: time("created_at", &told.created_at)?,
            put_timestamp: time("put_timestamp", &told.put_timestamp)?,
            delete_timestamp: time("delete_timestamp", &told.delete_timestamp)?,
            hash: told.hash,
            id: told.id,
            metadata: told.metadata.unwrap_or_default(),
            policy,
        };
        Ok(Self { info, point: told.point, shard_max_row: told.shard_max_row })
    }
}

#[derive(Deserialize)]
struct Told {
    point: i64,
    max_row: i64,
    hash: String,
    id: String,
    created_at: String,
    put_timestamp: String,
    delete_timestamp: String,
    metadata: Option<String>,
    status_changed_at: Option<String>,
    count: Option<i64>,
    storage_policy_index: Option<u32>,
    shard_max_row: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_replica_says_is_read() {
        let account = r#"{"point": 3, "max_row": 4, "hash": "h", "id": "i", "created_at": "1.00000",
            "put_timestamp": "2.00000", "delete_timestamp": "0", "metadata": "", "more": [1]}"#;
        let remote = Remote::parse(account.as_bytes()).unwrap();
        assert_eq!((remote.point, remote.info.max_row, remote.shard_max_row), (3, 4, None));
        assert_eq!(remote.info.policy, None);
        let container = account.replace(
            "\"more\"",
            r#""status_changed_at": "3", "count": 7, "storage_policy_index": 1, "shard_max_row": -1, "more""#,
        );
        let remote = Remote::parse(container.as_bytes()).unwrap();
        let policy = remote.info.policy.unwrap();
        assert_eq!(
            (policy.object_count, policy.storage_policy_index, remote.shard_max_row),
            (7, 1, Some(-1))
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for body in ["", "[]", "{}", "{\"point\": \"x\"}"] {
            assert!(Remote::parse(body.as_bytes()).is_err(), "{body}");
        }
        let no_time = r#"{"point": 3, "max_row": 4, "hash": "h", "id": "i", "created_at": "yesterday",
            "put_timestamp": "2.00000", "delete_timestamp": "0"}"#;
        assert!(Remote::parse(no_time.as_bytes()).unwrap_err().contains("yesterday"));
    }
}
