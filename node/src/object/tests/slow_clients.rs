//! What clients that pause, and that do not take what they asked for, may hold in memory.

use super::{Node, T1};
use crate::http::{Body, BodyError, BodyStream, Method, Request, Response, Service};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const PIECE_LEN: usize = 200_000;

/// What the disk may take to catch up, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends two pieces, pauses until both have left the memory, and sends two more.
struct Pausing {
    sent: usize,
    in_memory: Arc<AtomicUsize>,
}

/// Bytes that are counted for as long as anybody has them.
struct Piece(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl BodyStream for Pausing {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.sent == 2 {
            let written = async {
                while self.in_memory.load(Ordering::SeqCst) > 0 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            if tokio::time::timeout(PATIENCE, written).await.is_err() {
                return Err(BodyError::Other("pieces are held while the client pauses".into()));
            }
        }
        if self.sent == 4 {
            return Ok(None);
        }
        self.sent += 1;
        self.in_memory.fetch_add(1, Ordering::SeqCst);
        Ok(Some(Bytes::from_owner(Piece(vec![b'x'; PIECE_LEN], self.in_memory.clone()))))
    }
}

#[tokio::test]
async fn what_came_is_written_while_the_client_pauses() {
    let node = Node::new();
    let length = (4 * PIECE_LEN).to_string();
    let fields = [("X-Timestamp", T1), ("Content-Type", "text/plain"), ("Content-Length", &length)];
    let body = Body::stream(Some(4 * PIECE_LEN as u64), Pausing { sent: 0, in_memory: Arc::default() });
    let put = node.call(Method::Put, &fields, body).await;
    assert_eq!(put.status, 201, "{}", put.text());
    assert_eq!(node.get(&[]).await.body, vec![b'x'; 4 * PIECE_LEN]);
}

#[tokio::test]
async fn what_nobody_takes_is_read_ahead_within_bounds() {
    let node = Node::new();
    let whole = node.server.read_budget.free();
    assert_eq!(node.put(T1, &"x".repeat(3 << 20), &[]).await.status, 201);
    let mut stalled: Vec<Response> = Vec::new();
    for _ in 0..200 {
        stalled.push(node.server.call(Request::new(Method::Get, "/sda/7/a/c/o")).await);
    }
    assert!(node.server.read_budget.free() < whole / 4, "nearly all is out");
    let got = node.get(&[]).await;
    assert_eq!((got.status, got.body.len()), (200, 3 << 20), "in smaller pieces");
    drop(stalled);
    tokio::time::timeout(Duration::from_secs(10), async {
        while node.server.read_budget.free() < whole {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("all of it comes back");
}
