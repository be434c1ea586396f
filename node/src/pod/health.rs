//! What the kubelet and the operator ask a pod: `/livez`, `/readyz` and `/status`.
//!
//! Ready means: since it started, this process has once held the generation that was current then, a proxy has reached
//! the nodes ([`super::reach`]), and each of its ports takes connections. Falling behind later is for the operator to see in `/status`, not a reason to take every
//! proxy out of its Service while a new generation spreads.

use super::device::Device;
use super::rings::RingState;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

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
}

/// The answer of `/status`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    /// Generation of the rings in use.
    generation: Option<u64>,
    /// Generation the mounted index names.
    published: Option<u64>,
    /// Why the two differ.
    behind: Option<String>,
    /// MD5 of each ring file in use.
    rings: BTreeMap<String, String>,
    devices: Vec<DeviceStatus>,
}

#[derive(Serialize)]
struct DeviceStatus {
    name: String,
    refused: Option<String>,
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
    let state = health.0.lock();
    let devices =
        state.devices.iter().map(|d| DeviceStatus { name: d.name.clone(), refused: d.refused.clone() });
    Json(Status {
        generation: state.rings.held,
        published: state.rings.published,
        behind: state.rings.behind.clone(),
        rings: state.rings.md5.clone(),
        devices: devices.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
