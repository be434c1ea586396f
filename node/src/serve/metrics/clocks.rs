//! How far the clocks of other servers are from that of this one.

use super::endpoint::Figures;
use super::table;
use async_trait::async_trait;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

/// The clocks of the storage servers that a proxy asks.
#[derive(Default)]
pub struct ClockMetrics(Mutex<BTreeMap<String, f64>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    node: String,
}

impl ClockMetrics {
    /// How far they are ahead in seconds, by address; those before are forgotten.
    pub fn set(&self, offsets_s: BTreeMap<String, f64>) {
        *self.0.lock() = offsets_s;
    }
}

#[async_trait]
impl Figures for ClockMetrics {
    async fn registry(&self) -> Option<Registry> {
        let offsets = Family::<Of, Gauge<f64, AtomicU64>>::default();
        for (node, offset_s) in &*self.0.lock() {
            offsets.get_or_create(&Of { node: node.clone() }).set(*offset_s);
        }
        let mut registry = table::registry("proxy-server");
        table::CLOCK_OFFSET.register(&mut registry, offsets);
        Some(registry)
    }
}
