//! Swift's configuration files, rendered for a node or a proxy.
//!
//! Layers, later ones winning: what we choose, `config` of the SwiftCluster, `config` of the Zone or pool, what
//! follows from the resources. Where things are put (addresses, ports, folders) is the executor's to say.

mod auth;
mod ini;
mod proxy;
mod storage;
mod swift_conf;

pub use proxy::{ProxyPlace, TlsPlace, proxy_files, proxy_server_conf};
pub use storage::{NodePlace, node_files};
pub use swift_conf::swift_conf;

#[cfg(test)]
mod tests;
