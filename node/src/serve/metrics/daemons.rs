//! What is counted of daemons. They have no port: the server whose file they are configured in shows their figures,
//! where both run in one process.

use super::table;
use crate::daemon::Daemon;
use async_trait::async_trait;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Figures about the daemons of a process, by server. Clones are the same.
#[derive(Clone, Default)]
pub struct DaemonMetrics(Arc<Mutex<BTreeMap<&'static str, Arc<Passes>>>>);

/// Figures about the daemons of one server.
pub struct Passes {
    pub(super) registry: Registry,
    passes: Family<Of, Counter>,
    duration: Family<Of, Gauge<f64, AtomicU64>>,
    ended: Family<Of, Gauge<f64, AtomicU64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    daemon: &'static str,
}

impl DaemonMetrics {
    /// Those of `server` (`object-server`).
    pub fn of(&self, server: &'static str) -> Arc<Passes> {
        self.0.lock().entry(server).or_insert_with(|| Arc::new(Passes::new(server))).clone()
    }
}

impl Passes {
    fn new(server: &'static str) -> Self {
        let mut registry = table::registry(server);
        let (passes, duration, ended) = (Family::default(), Family::default(), Family::default());
        table::DAEMON_PASSES.register(&mut registry, Family::clone(&passes));
        table::DAEMON_PASS_DURATION.register(&mut registry, Family::clone(&duration));
        table::DAEMON_PASS_ENDED.register(&mut registry, Family::clone(&ended));
        Self { registry, passes, duration, ended }
    }
}

/// A daemon whose passes are counted.
pub struct Measured {
    inner: Box<dyn Daemon>,
    passes: Arc<Passes>,
}

impl Measured {
    /// `inner`, counted in `passes`.
    pub fn new(inner: Box<dyn Daemon>, passes: Arc<Passes>) -> Self {
        Self { inner, passes }
    }
}

#[async_trait]
impl Daemon for Measured {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn interval(&self) -> Duration {
        self.inner.interval()
    }

    fn begins_at_once(&self) -> bool {
        self.inner.begins_at_once()
    }

    fn pause_after(&self, elapsed: Duration) -> Duration {
        self.inner.pause_after(elapsed)
    }

    async fn pass(&self) {
        let begun = Instant::now();
        self.inner.pass().await;
        let of = Of { daemon: self.name() };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.passes.passes.get_or_create(&of).inc();
        self.passes.duration.get_or_create(&of).set(begun.elapsed().as_secs_f64());
        self.passes.ended.get_or_create(&of).set(now.as_secs_f64());
    }
}
