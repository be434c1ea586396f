//! Carries plans out on tasks of this process.

use super::DevError;
use super::home::Home;
use super::observe::{Running, observe};
use super::servers::{NodeServers, ProxyServer};
use super::state::State;
use crate::process::current_user;
use crate::role::Resources;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use swiftlet_plan::check::check;
use swiftlet_plan::conf::{self, NodePlace, ProxyPlace};
use swiftlet_plan::plan::{HoldReason, NodeStep, Plan, ProxyStep, RingGeneration, Step, plan};
use swiftlet_plan::validate::{ValidatedCluster, ValidatedNode, ValidatedZone};

/// More passes than any change of shape takes; beyond them the planner contradicts itself.
const MOST_PASSES: usize = 20;

/// The cluster and what runs of it.
pub(super) struct Executor {
    cluster: ValidatedCluster,
    home: Home,
    state: State,
    running: Running,
    nodes: BTreeMap<String, NodeServers>,
    proxies: BTreeMap<String, ProxyServer>,
    listen: SocketAddr,
    /// The socket for it, until the first pool of proxies takes it.
    listener: Option<TcpListener>,
    /// What the storage servers of all nodes share.
    resources: Resources,
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
            cluster,
            home,
            state,
            running: Running::default(),
            nodes: BTreeMap::new(),
            proxies: BTreeMap::new(),
            listen,
            listener: Some(listener),
            resources: Resources::default(),
        }
    }

    /// The cluster it runs.
    pub(super) fn cluster(&self) -> &ValidatedCluster {
        &self.cluster
    }

    /// Refuses, before anything is changed, manifests under which data could not be served.
    pub(super) fn refuse_what_would_lose_data(&self) -> Result<(), DevError> {
        let losing = [HoldReason::DrainNotBuilt, HoldReason::IdentityMissing, HoldReason::RingRefused];
        let held = self.plan()?.held;
        let mut messages =
            held.iter().filter(|held| losing.contains(&held.reason)).map(|held| held.message.as_str());
        match messages.next() {
            Some(message) => Err(DevError::Refused(message.to_string())),
            None => Ok(()),
        }
    }

    /// Plans and carries out until there is nothing left to do.
    pub(super) async fn settle(&mut self) -> Result<(), DevError> {
        self.write_swift_conf()?;
        for _ in 0..MOST_PASSES {
            let plan = self.plan()?;
            if plan.steps.is_empty() {
                return self.accept(&plan);
            }
            for step in &plan.steps {
                tracing::debug!("{step}");
                self.carry_out(step).await?;
            }
        }
        Err(DevError::Refused(format!("the plan does not settle in {MOST_PASSES} passes")))
    }

    /// Ends with a plan without steps: what waits is told, and must not be what the cluster serves with.
    fn accept(&self, plan: &Plan) -> Result<(), DevError> {
        if self.proxies.is_empty() {
            let reasons: Vec<&str> = plan.held.iter().map(|held| held.message.as_str()).collect();
            return Err(DevError::Refused(reasons.join("; ")));
        }
        for held in &plan.held {
            tracing::warn!("{} waits ({}): {}", held.step, held.reason, held.message);
        }
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

    fn plan(&self) -> Result<Plan, DevError> {
        let now_s = unix_time_s();
        let world = observe(&self.home, &self.state, &self.running, now_s)?;
        let plan = plan(&self.cluster, &world, now_s);
        match check(&self.cluster, &world, &plan).first() {
            Some(violation) => Err(DevError::Refused(format!("unsafe plan: {violation}"))),
            None => Ok(plan),
        }
    }

    async fn carry_out(&mut self, step: &Step) -> Result<(), DevError> {
        match step {
            Step::PublishRings(rings) => self.publish_rings(rings).await,
            Step::GrowDevice { node, device, size_bytes, .. } => self.grow_device(node, device, *size_bytes),
            Step::StartNode(node) | Step::RestartNode(node) => self.start_node(node).await,
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

    fn write_swift_conf(&self) -> Result<(), DevError> {
        let Some(hash_path) = &self.cluster.hash_path else { return Ok(()) };
        self.home.write_etc("swift.conf", conf::swift_conf(&self.cluster, hash_path).as_bytes())
    }

    /// Builders first: from them a ring can be written again, but not the other way round.
    async fn publish_rings(&mut self, next: &RingGeneration) -> Result<(), DevError> {
        for (name, ring) in &next.rings {
            self.home.write_etc(&format!("{name}.builder"), &ring.builder)?;
            self.home.write_etc(&format!("{name}.ring.gz"), &ring.ring)?;
            self.state.ring_moves.insert(name.clone(), ring.moves);
        }
        self.state.ring_generation = next.generation;
        self.state.save(&self.home)?;
        for node in self.nodes.values_mut() {
            node.reload_rings().await?;
        }
        for proxy in self.proxies.values_mut() {
            proxy.reload_rings().await?;
        }
        Ok(())
    }

    fn grow_device(&mut self, node: &str, device: &str, size_bytes: u64) -> Result<(), DevError> {
        if let Some(record) = self.state.nodes.get_mut(node) {
            record.devices.insert(device.to_string(), size_bytes);
        }
        self.state.save(&self.home)
    }

    async fn start_node(&mut self, step: &NodeStep) -> Result<(), DevError> {
        let found = self.cluster.nodes().find(|(_, node)| node.name == step.node);
        let (Some((zone, node)), Some(record)) = (found, self.state.nodes.get_mut(&step.node)) else {
            return Err(DevError::Refused(format!("{}: no such node", step.node)));
        };
        record.devices = node.devices.iter().map(|device| (device.name.clone(), device.size_bytes)).collect();
        let place = record.place();
        self.state.save(&self.home)?;
        let files = self.write_node_files(zone, node, &place)?;
        if let Some(old) = self.nodes.remove(&step.node) {
            old.stop().await;
        }
        self.nodes.insert(step.node.clone(), NodeServers::start(&step.node, files, self.resources.clone())?);
        self.running.nodes.insert(step.node.clone(), step.revision.clone());
        Ok(())
    }

    /// Makes a node's folders and files; the paths of its servers' files by kind of server.
    fn write_node_files(
        &self,
        zone: &ValidatedZone,
        node: &ValidatedNode,
        place: &str,
    ) -> Result<BTreeMap<&'static str, PathBuf>, DevError> {
        let record = &self.state.nodes[&node.name];
        let (devices, cache) = (self.home.devices(place), self.home.recon_cache(place));
        for device in &node.devices {
            self.home.make_folder(&devices.join(&device.name))?;
        }
        self.home.make_folder(&cache)?;
        let node_place = NodePlace {
            bind_ip: record.ip.to_string(),
            ring_ip: record.ip.to_string(),
            ports: record.ports,
            swift_dir: self.home.etc().display().to_string(),
            devices_dir: devices.display().to_string(),
            recon_cache_dir: cache.display().to_string(),
            mount_check: false,
            user: current_user(),
        };
        let mut paths = BTreeMap::new();
        for (name, text) in conf::node_files(&self.cluster, zone, &node_place) {
            // `object-server.conf` of a node becomes `object-server/<place>.conf`, as where several share a machine.
            let kind = name.strip_suffix(".conf").unwrap_or(name);
            let file = format!("{kind}/{place}.conf");
            self.home.write_etc(&file, text.as_bytes())?;
            paths.insert(kind, self.home.etc().join(file));
        }
        Ok(paths)
    }

    async fn start_proxies(&mut self, step: &ProxyStep) -> Result<(), DevError> {
        let Some(pool) = self.cluster.proxies.iter().find(|pool| pool.name == step.pool) else {
            return Err(DevError::Refused(format!("proxies {}: no such pool", step.pool)));
        };
        if let Some(listener) = self.listener.take() {
            let place = ProxyPlace {
                bind_ip: self.listen.ip().to_string(),
                bind_port: self.listen.port(),
                swift_dir: self.home.etc().display().to_string(),
                token_key_path: None,
            };
            let text = conf::proxy_server_conf(&self.cluster, pool, &place);
            self.home.write_etc("proxy-server.conf", text.as_bytes())?;
            let path = self.home.etc().join("proxy-server.conf");
            self.proxies.insert(step.pool.clone(), ProxyServer::start(&path, listener)?);
        }
        self.running.proxies.insert(step.pool.clone(), (step.revision.clone(), step.replicas));
        Ok(())
    }
}

fn unix_time_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
