//! What a storage node holds, and when it last finished replicating: whoever drains, shrinks or replaces devices must
//! know both before anything is taken away.
//!
//! Reads folders and small files, and blocks: not for async workers. Knows nobody who asks.

mod assignments;
mod counts;
mod passes;
#[cfg(test)]
pub mod testing;

pub use assignments::{Assignments, AssignmentsError};
pub use counts::{COUNTED_MAX, DeviceHoldings, RingHoldings};
pub use passes::Pass;

use crate::daemon::{OwnAddress, ReconCache};
use std::collections::BTreeMap;
use std::path::PathBuf;
use swiftlet_storage::device::Devices;
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{ConfError, Ini, OptionError};
use swiftlet_types::policy::PolicyKind;
use swiftlet_types::swift_conf::SwiftConfError;
use thiserror::Error;

/// A storage node, as its configuration knows it.
#[derive(Debug, Clone)]
pub struct StorageNode {
    devices: Devices,
    swift_dir: PathBuf,
    account: ServerType,
    container: ServerType,
    object: ServerType,
    /// Whether some policy keeps its objects in fragments.
    has_fragments: bool,
}

/// One of the node's servers.
#[derive(Debug, Clone)]
struct ServerType {
    /// Where the rings have it.
    address: OwnAddress,
    /// Where its daemons leave their figures.
    recon: ReconCache,
}

/// What a node holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Of each device that was asked for, by name.
    pub devices: BTreeMap<String, DeviceHoldings>,
    /// The replication pass that each kind of server (`account`, `container`, `object`) finished last; none where there
    /// was none yet.
    pub passes: BTreeMap<&'static str, Pass>,
}

/// Why a node's configuration does not tell what it is.
#[derive(Debug, Error)]
pub enum StorageNodeError {
    /// A server's file cannot be read.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// An option cannot be right.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// `swift.conf` cannot be used.
    #[error(transparent)]
    SwiftConf(#[from] SwiftConfError),
}

impl StorageNode {
    /// Reads the `[DEFAULT]` of its servers' files, and the `swift.conf` that they name. `file` says where the file of a
    /// server (`object-server`) is.
    ///
    /// # Errors
    /// [`StorageNodeError`] names the file and the option.
    pub fn from_files(file: impl Fn(&str) -> PathBuf) -> Result<Self, StorageNodeError> {
        let options = |server: &str| Ini::read(file(&format!("{server}-server")))?.default_options();
        let server_type = |server: &str, port| {
            let options = options(server)?;
            let address = OwnAddress::from_options(&options, port)?;
            Ok::<_, StorageNodeError>(ServerType {
                address,
                recon: ReconCache::from_options(&options, server),
            })
        };
        let of_node = options("object")?;
        let swift_dir = PathBuf::from(of_node.str_or("swift_dir", "/etc/swift"));
        let swift_conf = SwiftConf::read(swift_dir.join("swift.conf"))?;
        let root = of_node.str_or("devices", "/srv/node");
        Ok(Self {
            devices: Devices::new(root, of_node.bool("mount_check", true)),
            account: server_type("account", 6202)?,
            container: server_type("container", 6201)?,
            object: server_type("object", 6200)?,
            has_fragments: swift_conf.policies.iter().any(|policy| policy.kind != PolicyKind::Replication),
            swift_dir,
        })
    }

    /// What the rings that lie in its `swift_dir` now assign to it.
    ///
    /// # Errors
    /// [`AssignmentsError`] names the ring that cannot be used: what belongs elsewhere is not to be told by some rings.
    pub fn assignments(&self) -> Result<Assignments, AssignmentsError> {
        Assignments::load(self)
    }

    /// What lies on these of its devices. Passes are looked up first: what a pass sent away is never counted any more
    /// beside it.
    pub fn holdings<'a>(
        &self,
        assignments: &Assignments,
        devices: impl IntoIterator<Item = &'a str>,
    ) -> Holdings {
        let passes = [
            ("account", passes::of_databases(&self.account.recon)),
            ("container", passes::of_databases(&self.container.recon)),
            ("object", passes::of_objects(&self.object.recon, self.has_fragments)),
        ];
        let of = |device: &str| {
            let path = self.devices.check(device).inspect_err(|error| tracing::warn!("not counted: {error}"));
            path.map_or_else(
                |_| DeviceHoldings::default(),
                |path| DeviceHoldings::count(&path, device, assignments),
            )
        };
        Holdings {
            passes: passes.into_iter().filter_map(|(server, pass)| Some((server, pass?))).collect(),
            devices: devices.into_iter().map(|device| (device.to_owned(), of(device))).collect(),
        }
    }

    /// The address by which it is in the ring called `ring`.
    fn address_in(&self, ring: &str) -> &OwnAddress {
        match ring {
            "account" => &self.account.address,
            "container" => &self.container.address,
            _ => &self.object.address,
        }
    }
}

#[cfg(test)]
mod tests;
