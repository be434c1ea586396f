//! Comparing this proxy's clock with those of all storage servers, now and then: which of two writes counts is decided by
//! the clocks of the proxies that took them, and what expires by those of all.

use super::rings::Rings;
use crate::http::{Client, ClientOptions, Method, Request, Timeouts};
use crate::serve::metrics::ClockMetrics;
use futures_util::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use swiftlet_ring::bracketed;

/// From one comparison to the next.
const INTERVAL: Duration = Duration::from_secs(60);
/// For a server to accept a connection, and to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many servers are asked at the same time.
const CONCURRENCY: usize = 8;
/// Longer than any time in seconds.
const MAX_ANSWER: usize = 64;
/// What is more than this is told in the log.
const TOLERATED_S: f64 = 1.0;

/// Compares clocks for as long as it is polled.
pub struct ClockWatch {
    rings: Arc<Rings>,
    clocks: Arc<ClockMetrics>,
    client: Client,
}

/// How far a server's clock is ahead, in seconds; at most so much of it may be the way of the answer.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Offset {
    ahead_s: f64,
    error_s: f64,
}

impl Offset {
    /// Of a server that said `theirs_s`, asked at `begun_s` by our clock; the answer took `took_s`.
    fn new(theirs_s: f64, begun_s: f64, took_s: f64) -> Self {
        Self { ahead_s: theirs_s - (begun_s + took_s / 2.0), error_s: took_s / 2.0 }
    }

    fn is_too_far(self) -> bool {
        self.ahead_s.abs() - self.error_s > TOLERATED_S
    }
}

impl ClockWatch {
    /// Of the servers in `rings`; what is found goes to `clocks`.
    pub fn new(rings: Arc<Rings>, clocks: Arc<ClockMetrics>) -> Self {
        Self { rings, clocks, client: Client::new(ClientOptions::default()) }
    }

    /// Never ends.
    pub async fn run(&self) {
        // Not all proxies at once, and not while servers that were started with this one still come up.
        tokio::time::sleep(Duration::from_secs(5) + INTERVAL.mul_f64(rand::random::<f64>() / 6.0)).await;
        let mut told = BTreeSet::new();
        loop {
            let offsets = self.compare().await;
            tell(&offsets, &mut told);
            self.clocks.set(offsets.into_iter().map(|(node, offset)| (node, offset.ahead_s)).collect());
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Who does not say has none.
    async fn compare(&self) -> BTreeMap<String, Offset> {
        let asked = stream::iter(self.rings.servers()).map(|(ip, port)| async move {
            // Once to have a connection, whose making would count as the way of the answer.
            self.ask(&ip, port).await?;
            let offset = self.ask(&ip, port).await?;
            Some((format!("{}:{port}", bracketed(&ip)), offset))
        });
        asked.buffer_unordered(CONCURRENCY).filter_map(async |found| found).collect().await
    }

    async fn ask(&self, ip: &str, port: u16) -> Option<Offset> {
        let timeouts = Timeouts { connect: PATIENCE, node: PATIENCE };
        let begun = Instant::now();
        let begun_s = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        let asked = Request::new(Method::Get, "/recon/time");
        let mut answer = self.client.request(ip, port, asked, &timeouts).await.ok()?;
        let text = answer.body.read_all(MAX_ANSWER).await.ok()?;
        let took_s = begun.elapsed().as_secs_f64();
        let theirs_s = std::str::from_utf8(&text).ok()?.trim().parse().ok()?;
        (answer.status == 200).then(|| Offset::new(theirs_s, begun_s, took_s))
    }
}

/// Tells of clocks that are too far from ours since now, or no more; `told` is those that were told of.
fn tell(offsets: &BTreeMap<String, Offset>, told: &mut BTreeSet<String>) {
    for (node, offset) in offsets {
        let ahead_s = offset.ahead_s;
        match offset.is_too_far() {
            true if told.insert(node.clone()) => tracing::warn!(
                "the clock of {node} is {ahead_s:+.3} s from this proxy's: writes may be taken in the wrong order"
            ),
            false if told.remove(node) => {
                tracing::info!("the clock of {node} agrees with this proxy's again")
            }
            _ => {}
        }
    }
    told.retain(|node| offsets.contains_key(node));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_of_the_answer_is_no_offset() {
        assert_eq!(Offset::new(102.0, 100.0, 4.0), Offset { ahead_s: 0.0, error_s: 2.0 });
        assert!(!Offset::new(103.5, 100.0, 4.0).is_too_far(), "it may have answered at once, or in the end");
        assert!(Offset::new(105.5, 100.0, 4.0).is_too_far());
        assert!(Offset::new(98.0, 100.0, 0.1).is_too_far());
    }

    #[test]
    fn a_clock_is_told_of_once() {
        let at = |ahead_s| BTreeMap::from([("a:1".to_owned(), Offset { ahead_s, error_s: 0.0 })]);
        let mut told = BTreeSet::new();
        for (ahead_s, is_told) in [(0.1, false), (-2.0, true), (3.0, true), (0.0, false)] {
            tell(&at(ahead_s), &mut told);
            assert_eq!(!told.is_empty(), is_told);
        }
        tell(&at(3.0), &mut told);
        tell(&BTreeMap::new(), &mut told);
        assert!(told.is_empty(), "who is gone is told of anew");
    }
}
