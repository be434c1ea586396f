//! What leaves a dev cluster, and disks that are replaced.
//!
//! A node that leaves goes on serving until the planner says that it holds nothing any more, also across restarts of this
//! process: it runs from the files that were written for it last.

use super::DevError;
use super::execute::{Executor, unix_time_s};
use super::files;
use super::servers::NodeServers;
use swiftlet_plan::plan::{NodeStep, ReplaceStep};
use swiftlet_plan::validate::ValidatedCluster;

impl Executor {
    /// Starts the nodes that nobody asks for any more: what they hold is still on its way.
    pub(super) async fn start_leaving(&mut self) -> Result<(), DevError> {
        let asked = |name: &String| self.cluster.nodes().any(|(_, node)| node.name == *name);
        let leaving = self.state.nodes.iter().filter(|(name, record)| record.has_devices() && !asked(name));
        let leaving: Vec<(String, String)> =
            leaving.map(|(name, record)| (name.clone(), record.place())).collect();
        for (name, place) in leaving {
            let files = files::paths_of_node(&self.home.etc(), &place);
            let servers = NodeServers::start(&name, files, self.node_resources()).await?;
            self.nodes.insert(name.clone(), servers);
            self.note_running(&name, "");
        }
        Ok(())
    }

    /// Stops a node and forgets it. Its folder stays, unless volumes are to go.
    pub(super) async fn remove_node(&mut self, node: &str, delete_volumes: bool) -> Result<(), DevError> {
        self.stop_node(node).await;
        let Some(record) = self.state.nodes.remove(node) else { return Ok(()) };
        self.state.save(&self.home)?;
        let place = record.place();
        let files = files::paths_of_node(&self.home.etc(), &place);
        self.home.remove_etc(files.into_keys().map(|kind| files::name(kind, &place)))?;
        self.home.discard(&self.home.recon_cache(&place)).await?;
        match delete_volumes {
            true => self.home.discard(&self.home.devices(&place)).await,
            false => Ok(()),
        }
    }

    /// Forgets a device that its node runs without. Its folder stays, unless its volume is to go.
    pub(super) async fn remove_device(
        &mut self,
        node: &str,
        device: &str,
        delete_volume: bool,
    ) -> Result<(), DevError> {
        let Some(record) = self.state.nodes.get_mut(node) else { return Ok(()) };
        record.devices.remove(device);
        let folder = self.home.devices(&record.place()).join(device);
        self.state.save(&self.home)?;
        match delete_volume {
            true => self.home.discard(&folder).await,
            false => Ok(()),
        }
    }

    /// Puts empty devices in the place of those a node has, while it is stopped. One that was stopped stays so: it is
    /// started by a step of its own.
    pub(super) async fn replace_devices(
        &mut self,
        cluster: &ValidatedCluster,
        step: &ReplaceStep,
    ) -> Result<(), DevError> {
        let ran_with = self.stop_node(&step.node).await;
        let Some(record) = self.state.nodes.get_mut(&step.node) else { return Ok(()) };
        let devices = self.home.devices(&record.place());
        for (name, replacement) in &step.devices {
            self.home.discard(&devices.join(name)).await?;
            if let Some(record) = record.devices.get_mut(name) {
                (record.replacement, record.made_at_s) = (*replacement, unix_time_s());
            }
        }
        self.state.save(&self.home)?;
        let Some(revision) = ran_with else { return Ok(()) };
        let start = NodeStep { zone: step.zone.clone(), node: step.node.clone(), revision };
        self.start_node(cluster, &start).await
    }

    /// Stops a node; the revision it ran with, if it ran.
    async fn stop_node(&mut self, node: &str) -> Option<String> {
        let running = self.running.nodes.remove(node);
        if let Some(servers) = self.nodes.remove(node) {
            servers.stop().await;
        }
        running.map(|running| running.revision)
    }
}
