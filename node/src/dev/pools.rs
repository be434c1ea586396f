//! Where each pool of proxies listens: the cluster's own where `--listen` says, every other at a port of its own
//! beside it, which it keeps as long as nobody else takes it.

use super::DevError;
use super::state::State;
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use swiftlet_plan::validate::ValidatedCluster;

/// The pool that is the cluster's own, as its Service is in Kubernetes.
const DEFAULT_POOL: &str = "default";

/// Who listens where.
#[derive(Clone, Debug)]
pub(super) struct PoolAddresses {
    own: String,
    listen: SocketAddr,
}

impl PoolAddresses {
    /// `listen` for the pool called `default`, or else the first of `cluster`.
    pub(super) fn new(cluster: &ValidatedCluster, listen: SocketAddr) -> Self {
        let pools = || cluster.proxies.iter().map(|pool| &pool.name);
        let own = pools().find(|name| *name == DEFAULT_POOL).or(pools().next());
        Self { own: own.cloned().unwrap_or_default(), listen }
    }

    /// Whether `pool` is the cluster's own.
    pub(super) fn is_own(&self, pool: &str) -> bool {
        pool == self.own
    }

    /// The address of `pool`, once it was assigned.
    pub(super) fn of(&self, pool: &str, state: &State) -> SocketAddr {
        let port = state.pool_ports.get(pool).filter(|_| !self.is_own(pool));
        SocketAddr::new(self.listen.ip(), port.copied().unwrap_or(self.listen.port()))
    }

    /// The other pools of `cluster` with their addresses.
    pub(super) fn others(&self, cluster: &ValidatedCluster, state: &State) -> Vec<(String, SocketAddr)> {
        let others = cluster.proxies.iter().filter(|pool| !self.is_own(&pool.name));
        others.map(|pool| (pool.name.clone(), self.of(&pool.name, state))).collect()
    }

    /// Gives every other pool a port: the one it had, or the next one that is free. Pools that run keep theirs.
    pub(super) fn assign(
        &self,
        cluster: &ValidatedCluster,
        state: &mut State,
        runs: impl Fn(&str) -> bool,
    ) -> Result<(), DevError> {
        for pool in cluster.proxies.iter().filter(|pool| !self.is_own(&pool.name) && !runs(&pool.name)) {
            let had = state.pool_ports.remove(&pool.name);
            let taken: BTreeSet<u16> = state.pool_ports.values().copied().collect();
            let port = had
                .into_iter()
                .chain(self.listen.port().saturating_add(1)..=u16::MAX)
                .find(|port| !taken.contains(port) && TcpListener::bind((self.listen.ip(), *port)).is_ok());
            let no_port = || DevError::NoAddress {
                node: format!("proxies {}", pool.name),
                error: std::io::Error::other(format!("no port above {} is free", self.listen)),
            };
            state.pool_ports.insert(pool.name.clone(), port.ok_or_else(no_port)?);
        }
        Ok(())
    }
}
