//! The databases of a node: its devices, the room that must stay free on them, and what is open.

use super::answer::insufficient_storage;
use crate::http::Response;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use swiftlet_storage::db::{AccountBroker, BrokerOptions, Connections, ContainerBroker, DbDir};
use swiftlet_storage::device::{Devices, Reserve};
use swiftlet_types::HashConf;
use swiftlet_types::conf::{OptionError, Options};

/// Databases kept open between requests. Each may hold a few connections of up to 512 KiB.
const OPEN_DATABASES: NonZeroUsize = NonZeroUsize::new(128).expect("is not zero");

/// The same of a daemon, which goes from one database to the next and meets none again soon.
const OPEN_DATABASES_OF_DAEMON: NonZeroUsize = NonZeroUsize::new(4).expect("is not zero");

/// Where the databases of a server or daemon lie, and how they are opened.
pub struct DatabaseStore {
    /// The devices.
    pub devices: Devices,
    /// What must stay free on them.
    pub reserve: Reserve,
    hash: HashConf,
    connections: Arc<Connections>,
}

impl DatabaseStore {
    /// Reads the options of an account or container server.
    pub fn from_options(options: &Options, hash: HashConf) -> Result<Self, OptionError> {
        Self::keeping_open(OPEN_DATABASES, options, hash)
    }

    /// Reads the same options of a daemon.
    pub fn of_daemon(options: &Options, hash: HashConf) -> Result<Self, OptionError> {
        Self::keeping_open(OPEN_DATABASES_OF_DAEMON, options, hash)
    }

    fn keeping_open(databases: NonZeroUsize, options: &Options, hash: HashConf) -> Result<Self, OptionError> {
        let reserve = options.str_or("fallocate_reserve", "1%").parse();
        Ok(Self {
            devices: Devices::new(options.str_or("devices", "/srv/node"), options.bool("mount_check", true)),
            reserve: reserve.map_err(|why: String| options.error("fallocate_reserve", why))?,
            hash,
            connections: Connections::new(databases),
        })
    }

    /// Where `device` is, if it may be used; 507 otherwise.
    pub fn device(&self, device: &str) -> Result<PathBuf, Response> {
        self.devices.check(device).map_err(|error| {
            tracing::warn!(%error, "device cannot be used");
            insufficient_storage(device)
        })
    }

    /// Where `device` is, if it may be used and has room; 507 otherwise.
    pub fn device_with_room(&self, device: &str) -> Result<PathBuf, Response> {
        let path = self.device(device)?;
        let has_room = File::open(&path).is_ok_and(|dir| self.reserve.check(&dir, 0).is_ok());
        if has_room { Ok(path) } else { Err(insufficient_storage(device)) }
    }

    /// The database of an account on the device at `device`.
    pub fn account(
        &self,
        device: PathBuf,
        partition: &str,
        account: &str,
        options: BrokerOptions,
    ) -> AccountBroker {
        let dir = DbDir::new(&device, AccountBroker::DATA_DIR, partition, &self.hash.account(account));
        AccountBroker::new(account, dir, Arc::clone(&self.connections), options)
    }

    /// The database of a container on the device at `device`.
    pub fn container(
        &self,
        device: PathBuf,
        partition: &str,
        account: &str,
        container: &str,
        options: BrokerOptions,
    ) -> ContainerBroker {
        let hash = self.hash.container(account, container);
        let dir = DbDir::new(&device, ContainerBroker::DATA_DIR, partition, &hash);
        ContainerBroker::new(account, container, dir, Arc::clone(&self.connections), options)
    }

    /// The databases that are open.
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }
}
