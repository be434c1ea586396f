//! The daemons that are built, and those that Swift has besides.

use super::{Resources, ServerKind, StartError, swift_conf};
use crate::container::updater::run::ContainerUpdater;
use crate::daemon::Daemon;
use crate::database::Jobs;
use crate::logging::LogOptions;
use crate::object::config::store_config;
use crate::object::updater::{ObjectUpdater, UpdaterConfig};
use std::path::Path;
use std::sync::Arc;
use swiftlet_ring::SharedRing;
use swiftlet_storage::object::ObjectStore;
use swiftlet_types::conf::{Ini, Options};

/// A daemon that is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say all there is
pub enum DaemonKind {
    ContainerUpdater,
    ObjectUpdater,
}

/// A daemon that is ready to run.
pub struct LoadedDaemon {
    /// What it does.
    pub daemon: Box<dyn Daemon>,
    /// Where its log lines go.
    pub log: LogOptions,
    /// The user it runs as.
    pub user: String,
    /// Whether its configuration asks for one pass only (`daemonize = no`).
    pub once: bool,
}

impl DaemonKind {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::ContainerUpdater, Self::ObjectUpdater];

    /// Swift's name: `object-updater`, which is also its section.
    pub fn name(self) -> &'static str {
        match self {
            Self::ContainerUpdater => "container-updater",
            Self::ObjectUpdater => "object-updater",
        }
    }

    /// The server whose file its section is in.
    pub fn server(self) -> ServerKind {
        match self {
            Self::ContainerUpdater => ServerKind::Container,
            Self::ObjectUpdater => ServerKind::Object,
        }
    }

    /// Reads the configuration at `path` and sets the daemon up.
    pub fn load(self, path: &Path, resources: &Resources) -> Result<LoadedDaemon, StartError> {
        let options = Ini::read(path)?.daemon(self.name())?;
        let daemon = self.build(&options, resources)?;
        let log = LogOptions::from_options(&options, self.name())?;
        let (user, once) = (options.str_or("user", "swift"), !options.bool("daemonize", true));
        Ok(LoadedDaemon { daemon, log, user, once })
    }

    fn build(self, options: &Options, resources: &Resources) -> Result<Box<dyn Daemon>, StartError> {
        let swift = swift_conf(options)?;
        let swift_dir = options.str_or("swift_dir", "/etc/swift");
        let ring = |name: &str| {
            SharedRing::load(Path::new(&swift_dir).join(format!("{name}.ring.gz"))).map(Arc::new)
        };
        let client = resources.client.clone();
        match self {
            Self::ContainerUpdater => {
                let (hash, jobs) = (swift.hash.clone(), Jobs::new(resources.pools.clone()));
                Ok(Box::new(ContainerUpdater::from_options(options, hash, ring("account")?, client, jobs)?))
            }
            Self::ObjectUpdater => {
                let store = Arc::new(ObjectStore::new(store_config(options, swift.hash.clone())?));
                let config = UpdaterConfig::from_options(options)?;
                Ok(Box::new(ObjectUpdater::new(
                    config,
                    store,
                    resources.pools.clone(),
                    ring("container")?,
                    client,
                )))
            }
        }
    }
}
