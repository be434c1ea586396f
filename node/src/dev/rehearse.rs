//! Tries what a plan would make servers start from, before anything is changed: an option that cannot be right is
//! told, and the cluster goes on as it is.

use super::home::Home;
use super::pools::PoolAddresses;
use super::servers::role_kinds;
use super::state::State;
use super::{DevError, files};
use crate::role::{Resources, Server, ServerKind};
use std::path::PathBuf;
use swiftlet_plan::plan::{Plan, Step};
use swiftlet_plan::validate::ValidatedCluster;

/// The folder in `etc` that stands in for it meanwhile.
const FOLDER: &str = ".next";

/// Loads every role that `plan` may start, from files as they would be, and drops it again.
pub(super) fn rehearse(
    cluster: &ValidatedCluster,
    plan: &Plan,
    (home, state): (&Home, &State),
    addresses: &PoolAddresses,
    resources: &Resources,
) -> Result<(), DevError> {
    let stage = Stage::open(home)?;
    if !stage.add_rings(plan, state)? {
        // Nothing starts without rings, so there is nothing to try.
        return Ok(());
    }
    files::write_swift_confs(cluster, home, &stage.folder)?;
    let quiet = tracing::subscriber::NoSubscriber::default();
    // What is worth a warning is said when it is meant.
    tracing::subscriber::with_default(quiet, || {
        stage.try_nodes(cluster, state, resources)?;
        stage.try_proxies(cluster, (addresses, state), resources)
    })
}

/// A copy of `etc` as it would be; it goes when dropped.
struct Stage<'a> {
    home: &'a Home,
    folder: PathBuf,
}

impl<'a> Stage<'a> {
    fn open(home: &'a Home) -> Result<Self, DevError> {
        let folder = home.etc().join(FOLDER);
        home.make_folder(&folder)?;
        Ok(Self { home, folder })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, DevError> {
        self.home.write_etc(format!("{FOLDER}/{name}"), bytes)?;
        Ok(self.folder.join(name))
    }

    /// The rings that the plan publishes, or else those in use; whether there are any.
    fn add_rings(&self, plan: &Plan, state: &State) -> Result<bool, DevError> {
        let published = plan.steps.iter().find_map(|step| match step {
            Step::PublishRings(rings) => Some(rings),
            _ => None,
        });
        for name in &state.rings {
            let file = format!("{name}.ring.gz");
            if let Some(ring) = self.home.read_etc(&file)? {
                self.write(&file, &ring)?;
            }
        }
        for (name, ring) in published.iter().flat_map(|rings| &rings.rings) {
            self.write(&format!("{name}.ring.gz"), &ring.ring)?;
        }
        Ok(published.is_some() || !state.rings.is_empty())
    }

    /// The first node of each Zone speaks for the others: they differ in addresses alone.
    fn try_nodes(
        &self,
        cluster: &ValidatedCluster,
        state: &State,
        resources: &Resources,
    ) -> Result<(), DevError> {
        for zone in &cluster.zones {
            let Some((node, record)) =
                zone.nodes.first().and_then(|node| Some((node, state.nodes.get(&node.name)?)))
            else {
                continue;
            };
            for (kind, text) in files::of_node((cluster, zone), record, self.home, &self.folder) {
                let file = self.write(&files::name(kind, &record.place()), text.as_bytes())?;
                let tried = role_kinds(kind).try_for_each(|role| role.try_from_file(&file, resources));
                tried.map_err(|why| self.failed(&node.name, &why))?;
            }
        }
        Ok(())
    }

    fn try_proxies(
        &self,
        cluster: &ValidatedCluster,
        addresses: (&PoolAddresses, &State),
        resources: &Resources,
    ) -> Result<(), DevError> {
        for pool in &cluster.proxies {
            let files = files::of_proxies((cluster, pool), addresses, self.home, &self.folder);
            files.write(self.home)?;
            let tried = Server::load(ServerKind::Proxy, &files.server, resources);
            tried.map_err(|error| self.failed(&format!("proxies {}", pool.name), &error.to_string()))?;
        }
        Ok(())
    }

    /// The file is named as it will be called, not as it is called for now.
    fn failed(&self, what: &str, why: &str) -> DevError {
        let (meant, is) = (self.home.etc(), &self.folder);
        let why = why.replace(&*is.to_string_lossy(), &meant.to_string_lossy());
        DevError::Server { what: what.to_string(), why }
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!("{}: cannot remove: {error}", self.folder.display());
        }
    }
}
