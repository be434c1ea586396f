//! What the kubelet and the operator ask a pod: `/livez`, `/readyz` and `/status`.
//!
//! Ready means: since it started, this process has once held the generation that was current then, a proxy has reached
//! the nodes ([`super::reach`]), and each of its ports takes connections. Falling behind later is for the operator to see in `/status`, not a reason to take every
//! proxy out of its Service while a new generation spreads.

use super::device::Device;
use super::rings::RingState;
use crate::holdings::{DeviceHoldings, Holdings, Pass};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A server that cannot be connected to within this is not ready; it is this very host.
const CONNECT_TIMEOUT_MS: u64 = 500;

/// What is known of the pod, shared between who finds out and who answers.
#[derive(Clone)]
pub struct Health(Arc<Mutex<Known>>);

struct Known {
    ready_ports: Vec<u16>,
    devices: Vec<Device>,
    rings: RingState,
    caught_up: bool,
    /// How many servers of nodes are still to be reached; 0 before the first try, `None` when they are not waited for.
    missing_nodes: Option<usize>,
    /// What the node holds, with the generation of the rings it was counted by.
    holdings: Option<(u64, Holdings)>,
}

/// The answer of `/status`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    /// Generation of the rings in use.
    generation: Option<u64>,
    /// When this process took them (Unix s, rounded up): replication passes that began since began with them.
    generation_since: Option<i64>,
    /// The pod's own clock (Unix s).
    now: i64,
    /// The version it runs.
    version: &'static str,
    /// Generation the mounted index names.
    published: Option<u64>,
    /// Why the two differ.
    behind: Option<String>,
    /// MD5 of each ring file in use.
    rings: BTreeMap<String, String>,
    /// The devices of a storage node.
    devices: Vec<DeviceStatus>,
    /// The replication pass that each kind of server of a storage node (`account`, `container`, `object`) finished last.
    passes: BTreeMap<&'static str, Pass>,
}

#[derive(Serialize)]
struct DeviceStatus {
    name: String,
    /// Why the servers do not get it.
    refused: Option<String>,
    /// What lies on it, as counted by the rings of `generation`. Counts by those before are kept back.
    #[serde(flatten)]
    holdings: DeviceHoldings,
}

impl Known {
    fn status(&self) -> Status {
        let counted = self.holdings.as_ref();
        let is_current = counted.is_some_and(|(generation, _)| Some(*generation) == self.rings.held);
        let holdings = |name: &str| {
            let found =
                counted.and_then(|(_, holdings)| holdings.devices.get(name)).cloned().unwrap_or_default();
            DeviceHoldings { rings: found.rings.filter(|_| is_current), ..found }
        };
        let device = |device: &Device| DeviceStatus {
            name: device.name.clone(),
            refused: device.refused.clone(),
            holdings: holdings(&device.name),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Status {
            generation: self.rings.held,
            generation_since: self.rings.held_since_s,
            now: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            version: env!("CARGO_PKG_VERSION"),
            published: self.rings.published,
            behind: self.rings.behind.clone(),
            rings: self.rings.md5.clone(),
            devices: self.devices.iter().map(device).collect(),
            passes: counted.map(|(_, holdings)| holdings.passes.clone()).unwrap_or_default(),
        }
    }
}

impl Health {
    /// Nothing is known yet but the ports to try and the devices found.
    pub fn new(ready_ports: Vec<u16>, devices: Vec<Device>) -> Health {
        let state = Known {
            ready_ports,
            devices,
            rings: RingState::default(),
            caught_up: false,
            missing_nodes: None,
            holdings: None,
        };
        Health(Arc::new(Mutex::new(state)))
    }

    /// Takes note of a look at the rings; says once why they are behind, and once that they no longer are.
    pub fn rings(&self, rings: RingState) {
        let mut state = self.0.lock();
        if let Some(reason) = rings.behind.as_ref().filter(|_| rings.behind != state.rings.behind) {
            tracing::info!(held = rings.held, published = rings.published, reason, "rings are behind");
        }
        state.caught_up |= rings.held.is_some() && rings.held == rings.published;
        state.rings = rings;
    }

    /// The names of the devices that the servers get.
    pub fn usable_devices(&self) -> Vec<String> {
        let state = self.0.lock();
        state.devices.iter().filter(|d| d.refused.is_none()).map(|d| d.name.clone()).collect()
    }

    /// Takes note of what the node holds, as counted by the rings of `generation`.
    pub fn holdings(&self, generation: u64, holdings: Holdings) {
        self.0.lock().holdings = Some((generation, holdings));
    }

    /// Takes note that so many servers of nodes take no connection yet: the pod is not ready until
    /// [`Self::nodes_are_reached`].
    pub fn nodes_are_missing(&self, count: usize) {
        self.0.lock().missing_nodes = Some(count);
    }

    /// Nodes are no longer waited for; says so where some were not reached.
    pub fn nodes_are_reached(&self, but: Option<String>) {
        self.0.lock().missing_nodes = None;
        match but {
            None => tracing::info!("all nodes are reached"),
            Some(but) => tracing::warn!(but, "nodes are not waited for any longer"),
        }
    }

    /// The partitions of `ring` on `device` that belong elsewhere, as `/status` tells now.
    #[cfg(test)]
    pub fn misplaced(&self, device: &str, ring: &str) -> Option<u64> {
        let status = self.0.lock().status();
        let device = status.devices.into_iter().find(|known| known.name == device)?;
        Some(device.holdings.rings?[ring].misplaced)
    }

    async fn not_ready(&self) -> Option<String> {
        let (caught_up, behind, missing_nodes, ports) = {
            let state = self.0.lock();
            (state.caught_up, state.rings.behind.clone(), state.missing_nodes, state.ready_ports.clone())
        };
        if !caught_up {
            return Some(behind.unwrap_or_else(|| "no rings yet".to_string()));
        }
        match missing_nodes {
            None => {}
            Some(0) => return Some("the nodes are not tried yet".to_string()),
            Some(count) => return Some(format!("{count} servers of nodes take no connection yet")),
        }
        for port in ports {
            let connect = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port));
            match tokio::time::timeout(Duration::from_millis(CONNECT_TIMEOUT_MS), connect).await {
                Ok(Ok(_)) => {}
                _ => return Some(format!("port {port} takes no connection")),
            }
        }
        None
    }
}

/// Answers on `listener` for as long as the process lives.
pub fn serve(listener: TcpListener, health: Health) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return tracing::error!(%error, "no runtime for health checks; the kubelet will restart this pod");
        }
    };
    let routes = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .with_state(health);
    let served =
        runtime.block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener)?, routes).await });
    if let Err(error) = served {
        tracing::error!(%error, "health checks are no longer answered; the kubelet will restart this pod");
    }
}

async fn readyz(State(health): State<Health>) -> (StatusCode, String) {
    match health.not_ready().await {
        None => (StatusCode::OK, "ok\n".to_string()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason + "\n"),
    }
}

async fn status(State(health): State<Health>) -> Json<Status> {
    Json(health.0.lock().status())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::holdings::RingHoldings;

    fn state(held: Option<u64>, published: Option<u64>, behind: Option<String>) -> RingState {
        RingState { held, published, behind, ..RingState::default() }
    }

    #[tokio::test]
    async fn ready_once_caught_up_and_not_unready_by_a_new_generation() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let health = Health::new(vec![listener.local_addr().unwrap().port()], Vec::new());
        assert!(health.not_ready().await.is_some());
        health.rings(state(Some(1), Some(2), Some("a-0".into())));
        assert_eq!(health.not_ready().await.as_deref(), Some("a-0"));
        health.rings(state(Some(2), Some(2), None));
        assert_eq!(health.not_ready().await, None);
        health.rings(state(Some(2), Some(3), Some("b-0".into())));
        assert_eq!(health.not_ready().await, None);
    }

    #[tokio::test]
    async fn not_ready_while_nodes_are_waited_for() {
        let health = Health::new(Vec::new(), Vec::new());
        health.rings(state(Some(1), Some(1), None));
        health.nodes_are_missing(3);
        assert_eq!(health.not_ready().await.as_deref(), Some("3 servers of nodes take no connection yet"));
        health.nodes_are_reached(None);
        assert_eq!(health.not_ready().await, None);
    }

    #[tokio::test]
    async fn not_ready_while_a_port_takes_no_connection() {
        let free = swiftlet_testing::free_port();
        let health = Health::new(vec![free], Vec::new());
        health.rings(state(Some(1), Some(1), None));
        assert_eq!(health.not_ready().await, Some(format!("port {free} takes no connection")));
    }

    #[test]
    fn counts_by_rings_before_are_kept_back() {
        let device = |name: &str, refused: Option<&str>| Device {
            name: name.into(),
            path: name.into(),
            refused: refused.map(str::to_owned),
        };
        let health = Health::new(Vec::new(), vec![device("d1", None), device("d2", Some("it is rack2's"))]);
        health.rings(state(Some(7), Some(7), None));
        assert_eq!(health.usable_devices(), ["d1"]);
        let told = || serde_json::to_value(health.0.lock().status()).unwrap();
        assert_eq!(told()["devices"][0]["rings"], serde_json::Value::Null);

        let counted = DeviceHoldings {
            used_bytes: Some(1),
            size_bytes: Some(2),
            async_pendings: Some(0),
            quarantined: Some(3),
            rings: Some([("object-1".to_owned(), RingHoldings { partitions: 12, misplaced: 4 })].into()),
        };
        let passes = [("object", Pass { began: 10, ended: 20 })].into();
        health.holdings(7, Holdings { devices: [("d1".to_owned(), counted)].into(), passes });
        let answer = told();
        let device = serde_json::json!({
            "name": "d1", "refused": null, "usedBytes": 1, "sizeBytes": 2, "asyncPendings": 0, "quarantined": 3,
            "rings": {"object-1": {"partitions": 12, "misplaced": 4}},
        });
        assert_eq!(answer["devices"][0], device);
        let refused = serde_json::json!({"name": "d2", "refused": "it is rack2's", "rings": null});
        assert_eq!(answer["devices"][1], refused);
        assert_eq!(answer["passes"], serde_json::json!({"object": {"began": 10, "ended": 20}}));
        assert_eq!(answer["version"], env!("CARGO_PKG_VERSION"));

        health.rings(state(Some(8), Some(8), None));
        let answer = told();
        assert_eq!(
            (&answer["generation"], &answer["devices"][0]["rings"]),
            (&8.into(), &serde_json::Value::Null)
        );
        assert_eq!(answer["devices"][0]["usedBytes"], 1, "what rings do not matter for stays");
    }
}
