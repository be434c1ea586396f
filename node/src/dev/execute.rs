//! Carries plans out on tasks of this process.

use super::addresses::{assign_addresses, check_addresses};
use super::home::Home;
use super::observe::{Running, RunningNode, look, observe};
use super::pools::PoolAddresses;
use super::rehearse::rehearse;
use super::servers::{NodeServers, ProxyServer};
use super::state::{DeviceRecord, State};
use super::{DevError, bind, files, identity};
use crate::role::Resources;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use swiftlet_plan::check::check;
use swiftlet_plan::plan::{HoldReason, NodeStep, Plan, ProxyStep, RingGeneration, Step, plan};
use swiftlet_plan::validate::{ValidatedCluster, ValidatedNode, ValidatedZone};

/// More passes than any change of shape takes, of a cluster without nodes; beyond them the planner contradicts itself.
const MOST_PASSES: usize = 20;
/// More passes for each node: they may be restarted one by one.
const MOST_PASSES_A_NODE: usize = 2;
/// What no waiting puts right: it does not start.
const NEVER: [HoldReason; 2] = [HoldReason::IdentityMissing, HoldReason::RingRefused];
/// Manifests that lead to this are refused while it runs. A cluster that is being drained starts all the same: it would be
/// gone otherwise.
const NEVER_AT_CHANGE: [HoldReason; 3] =
    [HoldReason::DrainRefused, HoldReason::IdentityMissing, HoldReason::RingRefused];

/// The cluster and what runs of it.
pub(super) struct Executor {
    pub(super) cluster: ValidatedCluster,
    pub(super) home: Home,
    pub(super) state: State,
    pub(super) running: Running,
    pub(super) nodes: BTreeMap<String, NodeServers>,
    proxies: BTreeMap<String, ProxyServer>,
    pools: PoolAddresses,
    /// The socket of the cluster's own pool, until that takes it.
    listener: Option<TcpListener>,
    /// What the storage servers of all nodes share.
    resources: Resources,
    /// What waits, as it was last told.
    told: Vec<String>,
}

impl Executor {
    /// An executor that runs nothing yet.
    pub(super) fn new(
        cluster: ValidatedCluster,
        home: Home,
        state: State,
        listener: TcpListener,
        listen: SocketAddr,
    ) -> Self {
        Self {
            pools: PoolAddresses::new(&cluster, listen),
            cluster,
            home,
            state,
            running: Running::default(),
            nodes: BTreeMap::new(),
            proxies: BTreeMap::new(),
            listener: Some(listener),
            resources: Resources::default(),
            told: Vec::new(),
        }
    }

    /// The folder it is kept in.
    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    /// The cluster it runs.
    pub(super) fn cluster(&self) -> &ValidatedCluster {
        &self.cluster
    }

    /// Starts everything, unless what the manifests ask for cannot be or would lose data: then nothing is changed.
    pub(super) async fn start(&mut self) -> Result<(), DevError> {
        check_addresses(&self.state)?;
        let (cluster, mut state) = (self.cluster.clone(), self.state.clone());
        self.assign_addresses(&cluster, &mut state)?;
        let plan = self.vet(&cluster, &state, &NEVER).await?;
        identity::make_token_key(&self.home)?;
        self.rehearse(&cluster, &state, &plan)?;
        self.state = state;
        self.start_leaving().await?;
        self.settle().await
    }

    /// Takes the shape that `cluster` asks for, unless it cannot be: then nothing is changed.
    pub(super) async fn change(&mut self, cluster: ValidatedCluster) -> Result<(), DevError> {
        let mut state = self.state.clone();
        self.assign_addresses(&cluster, &mut state)?;
        let plan = self.vet(&cluster, &state, &NEVER_AT_CHANGE).await?;
        self.rehearse(&cluster, &state, &plan)?;
        (self.cluster, self.state) = (cluster, state);
        self.settle().await
    }

    /// The pools beside the cluster's own, with where they listen.
    pub(super) fn other_pools(&self) -> Vec<(String, SocketAddr)> {
        self.pools.others(&self.cluster, &self.state)
    }

    fn assign_addresses(&self, cluster: &ValidatedCluster, state: &mut State) -> Result<(), DevError> {
        assign_addresses(cluster, state)?;
        self.pools.assign(cluster, state, |pool| self.proxies.contains_key(pool))
    }

    /// Whether something waits for its time.
    pub(super) fn waits(&self) -> bool {
        !self.told.is_empty()
    }

    /// What waits, as it was last told.
    #[cfg(test)]
    pub(super) fn told(&self) -> &[String] {
        &self.told
    }

    /// The plan, unless it holds something for one of the reasons `never`, or devices are somebody else's.
    async fn vet(
        &self,
        cluster: &ValidatedCluster,
        state: &State,
        never: &[HoldReason],
    ) -> Result<Plan, DevError> {
        identity::check_devices(cluster, &self.home, state)?;
        let plan = self.plan(cluster, state).await?;
        match plan.held.iter().find(|held| never.contains(&held.reason)) {
            Some(held) => Err(DevError::Refused(held.message.clone())),
            None => Ok(plan),
        }
    }

    fn rehearse(&self, cluster: &ValidatedCluster, state: &State, plan: &Plan) -> Result<(), DevError> {
        rehearse(cluster, plan, (&self.home, state), &self.pools, &self.resources)
    }

    /// Plans and carries out until there is nothing left to do.
    pub(super) async fn settle(&mut self) -> Result<(), DevError> {
        files::write_swift_confs(&self.cluster, &self.home, &self.home.etc())?;
        let most = MOST_PASSES + MOST_PASSES_A_NODE * self.state.nodes.len();
        for _ in 0..most {
            let plan = self.plan(&self.cluster, &self.state).await?;
            self.running.rollout.clone_from(&plan.rollout);
            if plan.steps.is_empty() {
                return self.accept(&plan);
            }
            let cluster = plan.completed(&self.cluster);
            for step in &plan.steps {
                tracing::debug!("{step}");
                self.carry_out(&cluster, step).await?;
            }
        }
        Err(DevError::Refused(format!("the plan does not settle in {most} passes")))
    }

    /// Ends with a plan without steps: what waits is told, and must not be what the cluster serves with.
    fn accept(&mut self, plan: &Plan) -> Result<(), DevError> {
        if self.proxies.is_empty() {
            let reasons: Vec<&str> = plan.held.iter().map(|held| held.message.as_str()).collect();
            return Err(DevError::Refused(reasons.join("; ")));
        }
        let waits =
            plan.held.iter().map(|held| format!("{} waits ({}): {}", held.step, held.reason, held.message));
        let waits: Vec<String> = waits.collect();
        waits.iter().filter(|line| !self.told.contains(line)).for_each(|line| tracing::warn!("{line}"));
        self.told = waits;
        Ok(())
    }

    /// Stops everything: the proxies first, so that no request is cut from within.
    pub(super) async fn stop(self) {
        for (_, proxy) in self.proxies {
            proxy.stop().await;
        }
        for (_, node) in self.nodes {
            node.stop().await;
        }
    }

    async fn plan(&self, cluster: &ValidatedCluster, state: &State) -> Result<Plan, DevError> {
        let holdings = look(&self.home, state, &self.running).await;
        let now_s = unix_time_s();
        let world = observe(&self.home, state, &self.running, &holdings)?;
        let plan = plan(cluster, &world, now_s);
        match check(cluster, &world, &plan).first() {
            Some(violation) => Err(DevError::Refused(format!("unsafe plan: {violation}"))),
            None => Ok(plan),
        }
    }

    /// `cluster` is completed by the plan: its nodes have the devices that they keep until these are empty.
    async fn carry_out(&mut self, cluster: &ValidatedCluster, step: &Step) -> Result<(), DevError> {
        match step {
            Step::PublishRings(rings) => self.publish_rings(rings).await,
            Step::GrowDevice { node, device, size_bytes, .. } => self.grow_device(node, device, *size_bytes),
            Step::StartNode(node) | Step::RestartNode(node) => self.start_node(cluster, node).await,
            Step::ReplaceDevices(step) => self.replace_devices(cluster, step).await,
            Step::RemoveNode { node, delete_volumes, .. } => self.remove_node(node, *delete_volumes).await,
            Step::RemoveDevice { node, device, delete_volume, .. } => {
                self.remove_device(node, device, *delete_volume).await
            }
            // A Zone that is in no manifest any more is nobody's to let go of.
            Step::ReleaseZone { .. } => Ok(()),
            Step::StartProxies(pool) | Step::RestartProxies(pool) => self.start_proxies(pool).await,
            Step::ScaleProxies(pool) => {
                // One process is the whole pool, whatever number was asked for.
                self.running.proxies.insert(pool.pool.clone(), (pool.revision.clone(), pool.replicas));
                Ok(())
            }
            Step::StopProxies { pool } => {
                self.running.proxies.remove(pool);
                if let Some(proxy) = self.proxies.remove(pool) {
                    proxy.stop().await;
                }
                Ok(())
            }
        }
    }

    /// Builders first: from them a ring can be written again, but not the other way round.
    async fn publish_rings(&mut self, next: &RingGeneration) -> Result<(), DevError> {
        for (name, ring) in &next.rings {
            self.home.write_etc(format!("{name}.builder"), &ring.builder)?;
            self.home.write_etc(format!("{name}.ring.gz"), &ring.ring)?;
            self.state.rings.insert(name.clone());
        }
        self.state.ring_generation = next.generation;
        self.state.save(&self.home)?;
        for (name, node) in &mut self.nodes {
            node.reload_rings().await?;
            if let Some(running) = self.running.nodes.get_mut(name) {
                running.rings_since_s = next_second();
            }
        }
        for proxy in self.proxies.values_mut() {
            proxy.reload_rings()?;
        }
        Ok(())
    }

    fn grow_device(&mut self, node: &str, device: &str, size_bytes: u64) -> Result<(), DevError> {
        let record = self.state.nodes.get_mut(node).and_then(|record| record.devices.get_mut(device));
        if let Some(record) = record {
            record.size_bytes = size_bytes;
        }
        self.state.save(&self.home)
    }

    /// Starts a node with the devices that `cluster` gives it, or gives a running one its new settings.
    pub(super) async fn start_node(
        &mut self,
        cluster: &ValidatedCluster,
        step: &NodeStep,
    ) -> Result<(), DevError> {
        let found = cluster.nodes().find(|(_, node)| node.name == step.node);
        let (Some((zone, node)), Some(record)) = (found, self.state.nodes.get_mut(&step.node)) else {
            return Err(DevError::Refused(format!("{}: no such node", step.node)));
        };
        for device in &node.devices {
            let new = DeviceRecord {
                size_bytes: device.size_bytes,
                replacement: device.replacement,
                made_at_s: unix_time_s(),
                mounted: true,
            };
            record.devices.entry(device.name.clone()).or_insert(new);
        }
        for (name, known) in &mut record.devices {
            known.mounted = node.devices.iter().any(|device| device.name == *name);
        }
        self.state.save(&self.home)?;
        let files = self.write_node_files(zone, node)?;
        match self.nodes.get_mut(&step.node) {
            Some(servers) => servers.apply_settings().await?,
            None => {
                let servers = NodeServers::start(&step.node, files, self.node_resources()).await?;
                self.nodes.insert(step.node.clone(), servers);
            }
        }
        self.note_running(&step.node, &step.revision);
        Ok(())
    }

    /// Takes note that a node runs with this revision from now on.
    pub(super) fn note_running(&mut self, node: &str, revision: &str) {
        let rings_since_s = self.running.nodes.get(node).map_or_else(next_second, |node| node.rings_since_s);
        let running = RunningNode { revision: revision.to_string(), since_s: unix_time_s(), rings_since_s };
        self.running.nodes.insert(node.to_string(), running);
    }

    /// Shared by all nodes, but each node's daemons are counted by themselves.
    pub(super) fn node_resources(&self) -> Resources {
        Resources { daemon_metrics: Default::default(), ..self.resources.clone() }
    }

    /// Makes a node's folders and files; the paths of its servers' files by kind of server.
    fn write_node_files(
        &self,
        zone: &ValidatedZone,
        node: &ValidatedNode,
    ) -> Result<BTreeMap<&'static str, PathBuf>, DevError> {
        let record = &self.state.nodes[&node.name];
        let place = record.place();
        let devices = self.home.devices(&place);
        for device in &node.devices {
            self.home.make_folder(&devices.join(&device.name))?;
        }
        identity::claim_devices(&self.cluster, node, &devices)?;
        self.home.make_folder(&self.home.recon_cache(&place))?;
        for (kind, text) in files::of_node((&self.cluster, zone), record, &self.home, &self.home.etc()) {
            self.home.write_etc(files::name(kind, &place), text.as_bytes())?;
        }
        Ok(files::paths_of_node(&self.home.etc(), &place))
    }

    async fn start_proxies(&mut self, step: &ProxyStep) -> Result<(), DevError> {
        let Some(pool) = self.cluster.proxies.iter().find(|pool| pool.name == step.pool) else {
            return Err(DevError::Refused(format!("proxies {}: no such pool", step.pool)));
        };
        let addresses = (&self.pools, &self.state);
        let files = files::of_proxies((&self.cluster, pool), addresses, &self.home, &self.home.etc());
        files.write(&self.home)?;
        match self.proxies.get_mut(&step.pool) {
            Some(proxy) => proxy.apply_settings()?,
            None => {
                let waiting = self.listener.take_if(|_| self.pools.is_own(&step.pool));
                let listener = waiting.map_or_else(|| bind(self.pools.of(&step.pool, &self.state)), Ok)?;
                self.proxies.insert(step.pool.clone(), ProxyServer::start(&files.server, listener)?);
            }
        }
        self.running.proxies.insert(step.pool.clone(), (step.revision.clone(), step.replicas));
        Ok(())
    }
}

pub(super) fn unix_time_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The time rounded up: what begins at it or later comes after now.
fn next_second() -> i64 {
    unix_time_s().saturating_add(1)
}
