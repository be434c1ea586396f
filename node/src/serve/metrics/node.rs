//! The figures of a node, gathered from what recon tells each time that somebody asks.

use super::endpoint::Figures;
use super::node_table::{self as figures, LEFT, Left};
use super::table::{self, Figure};
use crate::serve::recon::Answers;
use async_trait::async_trait;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long disks may take, and whoever gathers before.
const PATIENCE: Duration = Duration::from_secs(3);

/// Label and value.
type Label = (&'static str, String);

/// What recon tells of the node of a storage server.
pub struct NodeMetrics {
    server: &'static str,
    recon: Answers,
    /// One gathers at a time: where a disk does not answer, the others do without.
    turn: Arc<Semaphore>,
}

impl NodeMetrics {
    /// For `server` (`object-server`), which tells `recon`.
    pub fn new(server: &'static str, recon: Answers) -> Self {
        Self { server, recon, turn: Arc::new(Semaphore::new(1)) }
    }
}

#[async_trait]
impl Figures for NodeMetrics {
    async fn registry(&self) -> Option<Registry> {
        let turn = timeout(PATIENCE, self.turn.clone().acquire_owned()).await.ok()?.ok()?;
        let (server, recon) = (self.server, self.recon.clone());
        // Disks are asked, and may take their time.
        let gathered = tokio::task::spawn_blocking(move || {
            let page = Page::of(server, &recon);
            drop(turn);
            page
        });
        timeout(PATIENCE, gathered).await.ok()?.ok()
    }
}

/// A page under way.
struct Page<'a> {
    server: &'static str,
    recon: &'a Answers,
    registry: Registry,
}

impl<'a> Page<'a> {
    fn of(server: &'static str, recon: &'a Answers) -> Registry {
        let mut page = Self { server, recon, registry: table::registry(server) };
        for Left(figure, of, what, place, unit) in LEFT {
            let number =
                if of == server { page.told(what).pointer(place).and_then(Value::as_f64) } else { None };
            page.show(figure, number.map(|number| (vec![], number * unit)).into_iter().collect());
        }
        page.replication();
        page.audits();
        if server == "object-server" {
            page.disks();
            page.quarantined();
            page.rings();
            page.relinker();
        }
        page.registry
    }

    /// What recon tells of it; null where it cannot.
    fn told(&self, what: &str) -> Value {
        self.recon.tell(what).ok().flatten().unwrap_or_default()
    }

    fn show(&mut self, figure: Figure, values: Vec<(Vec<Label>, f64)>) {
        if values.is_empty() {
            return;
        }
        let family = Family::<Vec<Label>, Gauge<f64, AtomicU64>>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value);
        }
        figure.register(&mut self.registry, family);
    }

    /// `account`, `container` or `object`.
    fn kind(&self) -> &'static str {
        self.server.trim_end_matches("-server")
    }

    fn replication(&mut self) {
        let told = self.told(&format!("replication/{}", self.kind()));
        let counts = numbers(&told["replication_stats"]).filter(|(name, _)| *name != "start");
        let counts = counts.map(|(name, count)| (vec![("outcome", name.to_owned())], count)).collect();
        self.show(figures::REPLICATED, counts);
    }

    fn audits(&mut self) {
        let kind = self.kind();
        let told = self.told(&format!("auditor/{kind}"));
        let (mut audited, mut bytes) = (Vec::new(), Vec::new());
        let labels =
            |scan: &str, outcome: &str| vec![("scan", scan.to_owned()), ("outcome", outcome.to_owned())];
        if kind == "object" {
            for scan in ["ALL", "ZBF"] {
                let counted = |key: &str| sum_of_devices(&told[format!("object_auditor_stats_{scan}")], key);
                for (key, outcome) in
                    [("passes", "passed"), ("errors", "failed"), ("quarantined", "quarantined")]
                {
                    audited.extend(counted(key).map(|count| (labels(scan, outcome), count)));
                }
                bytes
                    .extend(counted("bytes_processed").map(|count| (vec![("scan", scan.to_owned())], count)));
            }
        } else {
            for outcome in ["passed", "failed"] {
                let count = told[format!("{kind}_audits_{outcome}")].as_f64();
                audited.extend(count.map(|count| (labels("ALL", outcome), count)));
            }
        }
        self.show(figures::AUDITED, audited);
        self.show(figures::AUDITED_BYTES, bytes);
    }

    fn disks(&mut self) {
        let usage = self.told("diskusage");
        let devices = usage.as_array().into_iter().flatten();
        let named: Vec<_> = devices
            .filter_map(|device| Some((vec![("device", device["device"].as_str()?.to_owned())], device)))
            .collect();
        let of = |key: &str| {
            named
                .iter()
                .filter_map(|(labels, device)| Some((labels.clone(), device[key].as_f64()?)))
                .collect()
        };
        let (size, used, available) = (of("size"), of("used"), of("avail"));
        let mounted = named.iter().map(|(labels, device)| {
            (labels.clone(), f64::from(u8::from(device["mounted"] == Value::Bool(true))))
        });
        let mounted = mounted.collect();
        self.show(figures::DEVICE_MOUNTED, mounted);
        self.show(figures::DEVICE_SIZE, size);
        self.show(figures::DEVICE_USED, used);
        self.show(figures::DEVICE_AVAILABLE, available);
        let errors = self.told("driveaudit");
        let errors = numbers(&errors["drive_audit_errors"]);
        let errors = errors.map(|(device, count)| (vec![("device", device.to_owned())], count)).collect();
        self.show(figures::DRIVE_ERRORS, errors);
    }

    fn quarantined(&mut self) {
        let told = self.told("quarantined");
        let labels =
            |kind: &str, policy: &str| vec![("kind", kind.to_owned()), ("policy", policy.to_owned())];
        let databases = ["accounts", "containers"].into_iter();
        let mut counts: Vec<_> =
            databases.filter_map(|kind| Some((labels(kind, ""), told[kind].as_f64()?))).collect();
        let policies = parts(&told["policies"]);
        counts.extend(
            policies
                .filter_map(|(policy, count)| Some((labels("objects", policy), count["objects"].as_f64()?))),
        );
        if told["objects"] == 0 {
            counts.push((labels("objects", "0"), 0.0));
        }
        self.show(figures::QUARANTINED, counts);
    }

    fn rings(&mut self) {
        let told = self.told("ringmd5");
        let rings = parts(&told).filter_map(|(path, md5)| {
            let file = path.rsplit('/').next().unwrap_or(path);
            let ring = file.strip_suffix(".ring.gz")?;
            Some((vec![("ring", ring.to_owned()), ("md5", md5.as_str()?.to_owned())], 1.0))
        });
        let rings = rings.collect();
        self.show(figures::RINGS, rings);
    }

    fn relinker(&mut self) {
        let told = self.told("relinker");
        let mut partitions = Vec::new();
        for (device, progress) in parts(&told["devices"]) {
            for (key, state) in [("parts_done", "done"), ("total_parts", "total")] {
                let labels = vec![("device", device.to_owned()), ("state", state.to_owned())];
                partitions.extend(progress[key].as_f64().map(|count| (labels, count)));
            }
        }
        self.show(figures::RELINKED, partitions);
    }
}

fn parts(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, part)| (name.as_str(), part))
}

fn numbers(value: &Value) -> impl Iterator<Item = (&str, f64)> {
    parts(value).filter_map(|(name, part)| Some((name, part.as_f64()?)))
}

/// A count of the object auditor's, which lies below the names of devices where it audits several beside each other.
fn sum_of_devices(stats: &Value, key: &str) -> Option<f64> {
    let of_devices = parts(stats).filter_map(|(_, device)| device[key].as_f64());
    stats[key].as_f64().or_else(|| of_devices.reduce(|a, b| a + b))
}
