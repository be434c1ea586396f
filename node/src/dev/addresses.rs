//! Loopback addresses and ports of nodes: 127.0.0.2 and on with Swift's own ports, or others where those are
//! taken. Once in the rings they stay.

use super::DevError;
use super::state::{NodeRecord, State};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use swiftlet_plan::resources::ServerPorts;
use swiftlet_plan::validate::ValidatedCluster;

/// 127.0.0.1 is the proxy's, and everybody else's.
const FIRST: u32 = u32::from_be_bytes([127, 0, 0, 2]);
/// More nodes than that do not fit one process anyway.
const MOST_NODES: u32 = 1000;

/// Gives every node of `cluster` that has none an address.
pub(super) fn assign_addresses(cluster: &ValidatedCluster, state: &mut State) -> Result<(), DevError> {
    for (zone, node) in cluster.nodes() {
        if state.nodes.contains_key(&node.name) {
            continue;
        }
        let ip = free_ip(state).ok_or_else(|| DevError::NoAddress {
            node: node.name.clone(),
            error: std::io::Error::other(format!("at most {MOST_NODES} nodes fit one process")),
        })?;
        let ports = free_ports(ip).map_err(|error| DevError::NoAddress { node: node.name.clone(), error })?;
        let record = NodeRecord {
            zone: zone.name.clone(),
            ordinal: node.ordinal,
            ip,
            ports,
            devices: BTreeMap::new(),
        };
        state.nodes.insert(node.name.clone(), record);
    }
    Ok(())
}

/// Checks that the addresses of nodes that ran before can be had again.
pub(super) fn check_addresses(state: &State) -> Result<(), DevError> {
    let mut ran = state.nodes.iter().filter(|(_, record)| record.has_devices());
    ran.try_for_each(|(name, record)| check_free(name, record))
}

fn free_ip(state: &State) -> Option<Ipv4Addr> {
    let taken: BTreeSet<Ipv4Addr> = state.nodes.values().map(|node| node.ip).collect();
    (FIRST..FIRST + MOST_NODES).map(Ipv4Addr::from).find(|ip| !taken.contains(ip))
}

/// Swift's own ports where they are free, others where not.
fn free_ports(ip: Ipv4Addr) -> std::io::Result<ServerPorts> {
    let usual = ServerPorts::default();
    let mut held = Vec::new();
    let mut one = |usual: u16| {
        // Kept bound until all three are chosen, so that no port is chosen twice.
        let listener = TcpListener::bind((ip, usual)).or_else(|_| TcpListener::bind((ip, 0)))?;
        let port = listener.local_addr()?.port();
        held.push(listener);
        Ok::<u16, std::io::Error>(port)
    };
    Ok(ServerPorts {
        account: one(usual.account)?,
        container: one(usual.container)?,
        object: one(usual.object)?,
    })
}

fn check_free(node: &str, record: &NodeRecord) -> Result<(), DevError> {
    let ServerPorts { account, container, object } = record.ports;
    for port in [account, container, object] {
        let address = SocketAddr::from((record.ip, port));
        TcpListener::bind(address).map_err(|error| DevError::NodeAddress {
            node: node.to_string(),
            address,
            error,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_are_taken_are_replaced() {
        let ip = Ipv4Addr::new(127, 77, 0, 1);
        let taken = TcpListener::bind((ip, ServerPorts::default().object)).unwrap();
        let ports = free_ports(ip).unwrap();
        assert_ne!(ports.object, ServerPorts::default().object);
        assert_eq!(ports.account, ServerPorts::default().account);
        drop(taken);
        assert_eq!(free_ports(ip).unwrap(), ServerPorts::default());
    }
}
