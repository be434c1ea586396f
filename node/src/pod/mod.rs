//! What a process needs to know of being in a pod, and nothing else does: everything here happens before and beside
//! the servers, which find `swift_dir` and `devices` as they would on any host.
//!
//! Before they start: configuration is linked into `swift_dir`, each volume whose identity agrees is linked under
//! `devices` ([`device`]), and a set of rings is in place ([`rings`]). Beside them, on a thread with a small runtime
//! of its own: new rings are taken as they come, what a node holds is counted ([`counting`]), and the kubelet and the
//! operator are answered ([`health`]).

mod counting;
mod device;
mod health;
mod reach;
mod rings;

use crate::holdings::{StorageNode, StorageNodeError};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::swift_conf::SwiftConfError;

/// How often the rings' volume is looked at.
const RING_POLL_MS: u64 = 1000;
/// Why a node that has no rings yet waits, is said this often.
const WAITING_LOG_S: u64 = 30;

/// Where the things of a pod are, as the operator mounts them.
#[derive(Clone, Debug, clap::Args)]
pub struct PodOptions {
    /// Folder with the index and the slots of the rings (a projected volume).
    #[arg(long, value_name = "DIR")]
    pub rings: PathBuf,
    /// Folder with configuration files, linked into the swift dir.
    #[arg(long, value_name = "DIR")]
    pub config: PathBuf,
    /// Folder the servers read configuration and rings from; written to.
    #[arg(long, value_name = "DIR", default_value = "/etc/swift")]
    pub swift_dir: PathBuf,
    /// Folder with one mounted volume a device. A proxy has none.
    #[arg(long, value_name = "DIR")]
    pub volumes: Option<PathBuf>,
    /// Folder the servers expect devices in; volumes that are what they claim are linked there.
    #[arg(long, value_name = "DIR", default_value = "/srv/node")]
    pub devices: PathBuf,
    /// Folder for the last good rings where there is no device to keep them on.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// This cluster, as its devices know it.
    #[arg(long, value_name = "NAME")]
    pub cluster: String,
    /// This node, as its devices know it. A proxy is none.
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Where the kubelet and the operator ask.
    #[arg(long, value_name = "ADDR:PORT", default_value = "[::]:6206")]
    pub health_listen: SocketAddr,
    /// A port of this pod that must take connections before the pod is ready; may be given more than once.
    #[arg(long, value_name = "PORT")]
    pub ready_port: Vec<u16>,
}

/// What cannot be put right by waiting.
#[derive(Debug, thiserror::Error)]
pub enum PodError {
    /// A folder or file that must be there cannot be used.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// `swift.conf` cannot be used.
    #[error(transparent)]
    SwiftConf(#[from] SwiftConfError),
    /// The configuration does not tell what the node is.
    #[error(transparent)]
    Node(#[from] StorageNodeError),
}

impl PodError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PodError {
        move |source| PodError::Io { action, path: path.to_path_buf(), source }
    }
}

/// Makes the pod's folders what the servers expect, waits for rings, and leaves a thread behind that keeps both the
/// rings and the kubelet up to date. Blocks; to be called before any server starts.
///
/// # Errors
/// [`PodError`] names the folder that cannot be used. A device that is not ours is refused by itself and is no error.
pub fn start(options: PodOptions) -> Result<(), PodError> {
    link_configuration(&options.config, &options.swift_dir)?;
    let devices = device::link_all(&options)?;
    let keep = devices.iter().find(|d| d.refused.is_none()).map(|d| d.path.join(".swiftlet"));
    let mut store = rings::RingStore::new(&options.rings, &options.swift_dir, keep.or(options.keep.clone()));
    let listener = std::net::TcpListener::bind(options.health_listen)
        .and_then(|l| l.set_nonblocking(true).map(|()| l))
        .map_err(PodError::io(
            "listen for health checks on",
            Path::new(&options.health_listen.to_string()),
        ))?;
    let health = health::Health::new(options.ready_port.clone(), devices);
    spawn("pod-health", {
        let health = health.clone();
        move || health::serve(listener, health)
    })?;
    let is_proxy = options.node.is_none();
    if is_proxy {
        health.nodes_are_missing(0);
    }
    wait_for_rings(&mut store, &health);
    let store = Arc::new(Mutex::new(store));
    if is_proxy {
        let health = health.clone();
        spawn("pod-reach", move || reach::wait_for_nodes(&options.swift_dir, &health))?;
    } else {
        let node = StorageNode::from_files(|server| options.swift_dir.join(format!("{server}.conf")))?;
        let (store, health) = (store.clone(), health.clone());
        spawn("pod-counting", move || counting::keep_counting(&node, &store, &health))?;
    }
    spawn("pod-rings", move || {
        loop {
            std::thread::sleep(Duration::from_millis(RING_POLL_MS));
            let state = store.lock().refresh();
            health.rings(state);
        }
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), PodError> {
    let spawned = std::thread::Builder::new().name(name.to_string()).spawn(work);
    spawned.map(drop).map_err(PodError::io("start thread", Path::new(name)))
}

/// A server without rings serves nobody: wait, saying why, until there is a set to start with.
fn wait_for_rings(store: &mut rings::RingStore, health: &health::Health) {
    store.restore();
    let mut polls = 0u64;
    loop {
        let state = store.refresh();
        if polls.is_multiple_of(WAITING_LOG_S * 1000 / RING_POLL_MS) && state.held.is_none() {
            tracing::warn!(
                reason = state.behind.as_deref().unwrap_or("no index yet"),
                "waiting for the first rings"
            );
        }
        let ready_to_start = state.held.is_some();
        health.rings(state);
        if ready_to_start {
            return;
        }
        polls += 1;
        std::thread::sleep(Duration::from_millis(RING_POLL_MS));
    }
}

/// Links, not copies: `swift.conf` is a Secret and stays in the memory the kubelet keeps it in.
fn link_configuration(from: &Path, swift_dir: &Path) -> Result<(), PodError> {
    std::fs::create_dir_all(swift_dir).map_err(PodError::io("make", swift_dir))?;
    for entry in std::fs::read_dir(from).map_err(PodError::io("read", from))? {
        let entry = entry.map_err(PodError::io("read", from))?;
        let name = entry.file_name();
        // The kubelet's own bookkeeping (`..data` and the like) is not configuration.
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        link(&entry.path(), &swift_dir.join(name))?;
    }
    Ok(())
}

/// Makes `link` point to `target`, whatever link was there before a restart.
fn link(target: &Path, link: &Path) -> Result<(), PodError> {
    match std::fs::remove_file(link) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(PodError::io("replace", link)(e)),
        _ => {}
    }
    std::os::unix::fs::symlink(target, link).map_err(PodError::io("link", link))
}
