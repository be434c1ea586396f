//! The daemons that are built, and those that Swift has besides.

use super::{Resources, ServerKind, StartError, swift_conf, through_proxy};
use crate::account::reaper::{self, AccountReaper};
use crate::container::updater::run::ContainerUpdater;
use crate::daemon::{Daemon, HowToRun, ReconCache};
use crate::database::Jobs;
use crate::database::auditor::DatabaseAuditor;
use crate::database::replicator::{DatabaseReplicator, Surroundings};
use crate::direct_client::DirectClient;
use crate::logging::LogOptions;
use crate::object::auditor::{AuditorConfig, ObjectAuditor, Watchers};
use crate::object::config::store_config;
use crate::object::reconstructor::{EcPolicy, ObjectReconstructor, ReconstructorConfig, Scheme};
use crate::object::replication::PolicyRing;
use crate::object::replicator::{ObjectReplicator, ReplicatorConfig};
use crate::object::updater::{ObjectUpdater, UpdaterConfig};
use crate::process::Priority;
use crate::serve::metrics::Measured;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use swiftlet_ring::{LoadError, SharedRing};
use swiftlet_storage::db::{Account, Container};
use swiftlet_storage::object::ObjectStore;
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{Ini, Options};
use swiftlet_types::policy::PolicyKind;

/// A daemon that is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say all there is
pub enum DaemonKind {
    AccountAuditor,
    AccountReaper,
    AccountReplicator,
    ContainerAuditor,
    ContainerReconciler,
    ContainerReplicator,
    ContainerSync,
    ContainerUpdater,
    ObjectAuditor,
    ObjectExpirer,
    ObjectReconstructor,
    ObjectReplicator,
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
    /// The shares of processor and disk that it asks for.
    pub priority: Priority,
    /// Whether it is to do one pass only.
    pub once: bool,
}

impl DaemonKind {
    /// Every one. They run beside a node's servers in their process, where their sections are in these servers' files.
    pub const ALL: [Self; 13] = [
        Self::AccountAuditor,
        Self::AccountReaper,
        Self::AccountReplicator,
        Self::ContainerAuditor,
        Self::ContainerReconciler,
        Self::ContainerReplicator,
        Self::ContainerSync,
        Self::ContainerUpdater,
        Self::ObjectAuditor,
        Self::ObjectExpirer,
        Self::ObjectReconstructor,
        Self::ObjectReplicator,
        Self::ObjectUpdater,
    ];

    /// Swift's name: `object-updater`, which is also its section.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccountAuditor => "account-auditor",
            Self::AccountReaper => "account-reaper",
            Self::AccountReplicator => "account-replicator",
            Self::ContainerAuditor => "container-auditor",
            Self::ContainerReconciler => "container-reconciler",
            Self::ContainerReplicator => "container-replicator",
            Self::ContainerSync => "container-sync",
            Self::ContainerUpdater => "container-updater",
            Self::ObjectAuditor => "object-auditor",
            Self::ObjectExpirer => "object-expirer",
            Self::ObjectReconstructor => "object-reconstructor",
            Self::ObjectReplicator => "object-replicator",
            Self::ObjectUpdater => "object-updater",
        }
    }

    /// The server whose file its section is in.
    pub fn server(self) -> ServerKind {
        match self {
            Self::AccountAuditor | Self::AccountReaper | Self::AccountReplicator => ServerKind::Account,
            Self::ContainerAuditor
            | Self::ContainerReconciler
            | Self::ContainerReplicator
            | Self::ContainerSync
            | Self::ContainerUpdater => ServerKind::Container,
            Self::ObjectAuditor
            | Self::ObjectExpirer
            | Self::ObjectReconstructor
            | Self::ObjectReplicator
            | Self::ObjectUpdater => ServerKind::Object,
        }
    }

    /// Reads the configuration at `path` and sets the daemon up.
    pub fn load(
        self,
        path: &Path,
        resources: &Resources,
        mut how: HowToRun,
    ) -> Result<LoadedDaemon, StartError> {
        let ini = Ini::read(path)?;
        let options = ini.daemon(self.name())?;
        how.once |= !options.bool("daemonize", true);
        let once = how.once;
        if !once {
            how.devices.clear();
            how.partitions.clear();
            how.policies.clear();
        }
        let passes = resources.daemon_metrics.of(self.server().name());
        let daemon = Box::new(Measured::new(self.build(&ini, &options, resources, how)?, passes));
        let log = LogOptions::from_options(&options, self.name())?;
        let user = options.str_or("user", "swift");
        let priority = Priority::from_options(&options)?;
        Ok(LoadedDaemon { daemon, log, user, priority, once })
    }

    fn build(
        self,
        ini: &Ini,
        options: &Options,
        resources: &Resources,
        how: HowToRun,
    ) -> Result<Box<dyn Daemon>, StartError> {
        let swift = swift_conf(options)?;
        let swift_dir = options.str_or("swift_dir", "/etc/swift");
        let ring = |name: &str| load_ring(&swift_dir, name);
        let client = resources.client.clone();
        let database_auditor = |databases| {
            let (hash, pools) = (swift.hash.clone(), resources.pools.clone());
            DatabaseAuditor::from_options(databases, options, hash, pools, how.once)
        };
        let surroundings = |ring| Surroundings {
            swift: Arc::clone(&swift),
            ring,
            client: resources.client.clone(),
            pools: resources.pools.clone(),
            how: how.clone(),
        };
        match self {
            Self::AccountReaper => Ok(Box::new(account_reaper(options, &swift, resources)?)),
            Self::AccountReplicator => {
                let with = surroundings(ring("account")?);
                Ok(Box::new(DatabaseReplicator::<Account>::from_options(options, with)?))
            }
            Self::ContainerReplicator => {
                let with = surroundings(ring("container")?);
                Ok(Box::new(DatabaseReplicator::<Container>::from_options(options, with)?))
            }
            Self::AccountAuditor => Ok(Box::new(database_auditor(crate::account::auditor::DATABASES)?)),
            Self::ContainerAuditor => Ok(Box::new(database_auditor(crate::container::auditor::DATABASES)?)),
            Self::ContainerReconciler => {
                Ok(Box::new(through_proxy::reconciler(ini, options, &swift, resources)?))
            }
            Self::ContainerSync => {
                Ok(Box::new(through_proxy::container_sync(options, &swift, resources, &how)?))
            }
            Self::ContainerUpdater => {
                let (hash, jobs) = (swift.hash.clone(), Jobs::new(resources.pools.clone()));
                Ok(Box::new(ContainerUpdater::from_options(options, hash, ring("account")?, client, jobs)?))
            }
            Self::ObjectAuditor => Ok(Box::new(object_auditor(ini, options, &swift, resources, how)?)),
            Self::ObjectExpirer => Ok(Box::new(through_proxy::expirer(options, &swift, resources, &how)?)),
            Self::ObjectReconstructor => Ok(Box::new(object_reconstructor(options, &swift, resources, how)?)),
            Self::ObjectReplicator => Ok(Box::new(object_replicator(options, &swift, resources, how)?)),
            Self::ObjectUpdater => {
                let store = Arc::new(ObjectStore::new(
                    store_config(options, swift.hash.clone())?.with_policies(&swift.policies),
                ));
                let config = UpdaterConfig::from_options(options)?;
                Ok(Box::new(ObjectUpdater::new(
                    config,
                    store,
                    resources.pools.clone(),
                    ring("container")?,
                    client,
                    ReconCache::from_options(options, "object"),
                )))
            }
        }
    }
}

/// With the ring of each policy whose objects are whole.
fn object_replicator(
    options: &Options,
    swift: &SwiftConf,
    resources: &Resources,
    how: HowToRun,
) -> Result<ObjectReplicator, StartError> {
    let swift_dir = options.str_or("swift_dir", "/etc/swift");
    let whole = swift.policies.iter().filter(|policy| policy.kind == PolicyKind::Replication);
    let policies = whole.map(|policy| {
        Ok(PolicyRing { index: policy.index, ring: load_ring(&swift_dir, &policy.path_name("object"))? })
    });
    let policies = policies.collect::<Result<Vec<_>, StartError>>()?;
    let config = ReplicatorConfig::from_options(options)?;
    let store = Arc::new(ObjectStore::new(store_config(options, swift.hash.clone())?));
    let recon = ReconCache::from_options(options, "object");
    let (pools, client) = (resources.pools.clone(), resources.client.clone());
    Ok(ObjectReplicator::new(config, store, policies, pools, client, recon, how))
}

/// With the ring of each policy whose objects lie in fragments.
fn object_reconstructor(
    options: &Options,
    swift: &SwiftConf,
    resources: &Resources,
    how: HowToRun,
) -> Result<ObjectReconstructor, StartError> {
    let swift_dir = options.str_or("swift_dir", "/etc/swift");
    let config = ReconstructorConfig::from_options(options)?;
    let mut policies = Vec::new();
    for policy in swift.policies.iter() {
        let scheme = match Scheme::of(policy, config.legacy_crc()) {
            None => continue,
            Some(Ok(scheme)) => Arc::new(scheme),
            Some(Err(error)) => {
                let (index, name) = (policy.index, policy.name());
                tracing::error!("storage policy {index} ({name}): {error}: its objects stay as they are");
                continue;
            }
        };
        let ring = load_ring(&swift_dir, &policy.path_name("object"))?;
        policies.push(EcPolicy { ring: PolicyRing { index: policy.index, ring }, scheme });
    }
    let store = store_config(options, swift.hash.clone())?.with_policies(&swift.policies);
    let (store, recon) = (Arc::new(ObjectStore::new(store)), ReconCache::from_options(options, "object"));
    let (pools, client) = (resources.pools.clone(), resources.client.clone());
    Ok(ObjectReconstructor::new(config, store, policies, pools, client, recon, how))
}

fn load_ring(swift_dir: &str, name: &str) -> Result<Arc<SharedRing>, LoadError> {
    SharedRing::load(Path::new(swift_dir).join(format!("{name}.ring.gz"))).map(Arc::new)
}

fn account_reaper(
    options: &Options,
    swift: &SwiftConf,
    resources: &Resources,
) -> Result<AccountReaper, StartError> {
    let swift_dir = options.str_or("swift_dir", "/etc/swift");
    let mut object_rings = HashMap::new();
    for policy in swift.policies.iter() {
        // Objects of a policy without a ring stay; they are no reason to keep the others.
        match load_ring(&swift_dir, &policy.path_name("object")) {
            Ok(ring) => drop(object_rings.insert(policy.index, ring)),
            Err(error) => tracing::error!("{error}"),
        }
    }
    let with = reaper::Surroundings {
        hash: swift.hash.clone(),
        account_ring: load_ring(&swift_dir, "account")?,
        container_ring: load_ring(&swift_dir, "container")?,
        object_rings,
        client: resources.client.clone(),
        pools: resources.pools.clone(),
    };
    Ok(AccountReaper::from_options(options, with)?)
}

/// Some of its defaults follow what the replicator's section says.
fn object_auditor(
    ini: &Ini,
    options: &Options,
    swift: &SwiftConf,
    resources: &Resources,
    how: HowToRun,
) -> Result<ObjectAuditor, StartError> {
    const REPLICATOR: &str = "object-replicator";
    let replicator = ini.has_section(REPLICATOR).then(|| ini.daemon(REPLICATOR)).transpose()?;
    let config = AuditorConfig::from_options(options, replicator.as_ref())?;
    let mut options = options.clone();
    if let (None, Some(age)) =
        (options.str("reclaim_age"), replicator.as_ref().and_then(|options| options.str("reclaim_age")))
    {
        options = options.with("reclaim_age", age);
    }
    let store = Arc::new(ObjectStore::new(
        store_config(&options, swift.hash.clone())?.with_policies(&swift.policies),
    ));
    let recon = ReconCache::from_options(&options, "object");
    let containers = || {
        let ring = load_ring(&options.str_or("swift_dir", "/etc/swift"), "container")?;
        Ok::<_, LoadError>(DirectClient::new(resources.client.clone(), ring, swift.hash.clone()))
    };
    let watchers = Watchers::load(&config.watchers, ini, &options, containers)?;
    Ok(ObjectAuditor::new(config, store, &swift.policies, resources.pools.clone(), recon, watchers, how))
}
