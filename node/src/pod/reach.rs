//! Whether a proxy reaches the nodes of its rings, before it takes clients.
//!
//! When a cluster starts, pods come up together, and the name service may for some seconds deny names that are there by
//! now. A proxy that took clients meanwhile would answer them 503.

use super::health::Health;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use swiftlet_ring::{LoadError, load_data};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// How long nodes are waited for. A node may be gone for good; the others serve without it.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one of them may take, name lookup included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two rounds over those that are missing.
const PAUSE: Duration = Duration::from_millis(500);
/// Connections tried at once.
const CONCURRENCY: usize = 32;

/// A server of a node: host and port.
type Address = (String, u16);

/// Tells `health` once every server in the rings of `swift_dir` took a connection, or was waited for long enough.
/// Blocks.
pub fn wait_for_nodes(swift_dir: &Path, health: &Health) {
    let but = match still_missing(swift_dir, health) {
        Ok(missing) if missing.is_empty() => None,
        Ok(missing) => {
            let names: Vec<_> = missing.iter().map(|(host, port)| format!("{host}:{port}")).collect();
            Some(format!("no connection to {}", names.join(", ")))
        }
        Err(error) => Some(error.to_string()),
    };
    health.nodes_are_reached(but);
}

fn still_missing(swift_dir: &Path, health: &Health) -> Result<BTreeSet<Address>, ReachError> {
    let servers = servers_in(swift_dir)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ReachError::Runtime)?;
    Ok(runtime.block_on(wait_for(servers, PATIENCE, health)))
}

/// Every server that the rings of a folder name.
fn servers_in(swift_dir: &Path) -> Result<BTreeSet<Address>, ReachError> {
    let listed = |source| ReachError::List { path: swift_dir.to_path_buf(), source };
    let mut servers = BTreeSet::new();
    for entry in std::fs::read_dir(swift_dir).map_err(listed)? {
        let path = entry.map_err(listed)?.path();
        if path.to_string_lossy().ends_with(".ring.gz") {
            let ring = load_data(&path)?;
            servers.extend(ring.devices.iter().flatten().map(|device| (device.ip.clone(), device.port)));
        }
    }
    Ok(servers)
}

/// Why no node was tried.
#[derive(Debug, thiserror::Error)]
enum ReachError {
    #[error(transparent)]
    Runtime(std::io::Error),
    #[error("read {path}: {source}")]
    List { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Ring(#[from] LoadError),
}

/// Those of `missing` that took no connection within `patience`.
async fn wait_for(mut missing: BTreeSet<Address>, patience: Duration, health: &Health) -> BTreeSet<Address> {
    let deadline = Instant::now() + patience;
    loop {
        missing = unreached(missing).await;
        if missing.is_empty() || Instant::now() + PAUSE > deadline {
            return missing;
        }
        health.nodes_are_missing(missing.len());
        sleep(PAUSE).await;
    }
}

async fn unreached(servers: BTreeSet<Address>) -> BTreeSet<Address> {
    let mut unreached = BTreeSet::new();
    let mut tried = JoinSet::new();
    for server in servers {
        if tried.len() >= CONCURRENCY {
            unreached.extend(tried.join_next().await.and_then(Result::ok).flatten());
        }
        tried.spawn(async move {
            let connect = TcpStream::connect((server.0.as_str(), server.1));
            let connected = matches!(timeout(CONNECT_TIMEOUT, connect).await, Ok(Ok(_)));
            (!connected).then_some(server)
        });
    }
    unreached.extend(tried.join_all().await.into_iter().flatten());
    unreached
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn servers(ports: &[u16]) -> BTreeSet<Address> {
        ports.iter().map(|port| ("127.0.0.1".to_string(), *port)).collect()
    }

    /// A server that takes connections; its port, and one where there is none.
    async fn one_here_one_not() -> (TcpListener, [u16; 2]) {
        let here = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ports = [here.local_addr().unwrap().port(), swiftlet_testing::free_port()];
        (here, ports)
    }

    #[tokio::test]
    async fn nodes_that_come_later_are_waited_for() {
        let (_here, ports) = one_here_one_not().await;
        let comes_up = tokio::spawn(async move {
            sleep(Duration::from_millis(700)).await;
            let listener = TcpListener::bind(("127.0.0.1", ports[1])).await.unwrap();
            let _ = listener.accept().await;
        });
        let health = Health::new(Vec::new(), Vec::new());
        let missing = wait_for(servers(&ports), Duration::from_secs(60), &health).await;
        assert_eq!(missing, BTreeSet::new());
        comes_up.await.unwrap();
    }

    #[tokio::test]
    async fn a_node_that_is_gone_is_named_after_a_while() {
        let (_here, ports) = one_here_one_not().await;
        let health = Health::new(Vec::new(), Vec::new());
        let missing = wait_for(servers(&ports), Duration::from_millis(600), &health).await;
        assert_eq!(missing, servers(&ports[1..]));
    }

    #[test]
    fn a_folder_without_rings_names_no_node() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("swift.conf"), "").unwrap();
        assert_eq!(servers_in(folder.path()).unwrap(), BTreeSet::new());
        std::fs::write(folder.path().join("object.ring.gz"), "no ring").unwrap();
        assert!(servers_in(folder.path()).is_err());
    }
}
