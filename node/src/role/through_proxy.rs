//! The daemons that work through a proxy pipeline of their own.

use super::{Resources, StartError};
use crate::container::reconciler::{ContainerReconciler, ReconcilerConfig};
use crate::container::sync::{ContainerSync, Reach};
use crate::daemon::{HowToRun, ReconCache};
use crate::direct_client::DirectClient;
use crate::internal_client::{ClientFile, InternalClient};
use crate::object::expirer::{ExpirerConfig, ObjectExpirer};
use crate::web_client::{Limits, WebClient};
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{Ini, Options};

pub(super) fn expirer(
    options: &Options,
    swift: &SwiftConf,
    resources: &Resources,
    how: &HowToRun,
) -> Result<ObjectExpirer, StartError> {
    let config = ExpirerConfig::from_options(options, how)?;
    let file = ExpirerConfig::client_file(options);
    let client = InternalClient::load(&file, options, swift, "Swift Object Expirer")?;
    let direct = direct_client(&client, swift, resources);
    Ok(ObjectExpirer::new(config, client, direct, ReconCache::from_options(options, "object")))
}

pub(super) fn reconciler(
    ini: &Ini,
    options: &Options,
    swift: &SwiftConf,
    resources: &Resources,
) -> Result<ContainerReconciler, StartError> {
    let config = ReconcilerConfig::from_options(options)?;
    // a file of its own has a pipeline in it; beside a server the pipeline is that one's
    let is_own = ini.has_section("pipeline:main") && !ini.has_section("app:container-server");
    let file = match ClientFile::from_options(options) {
        ClientFile::Usual if is_own => ClientFile::At(ini.path().to_owned()),
        file => file,
    };
    let client = InternalClient::load(&file, options, swift, "Swift Container Reconciler")?;
    let direct = direct_client(&client, swift, resources);
    Ok(ContainerReconciler::new(config, client, direct, swift.hash.clone()))
}

/// The longest answer that another cluster's proxy gives to what is sent to it.
const MAX_ANSWER_BYTES: usize = 64 << 10;

pub(super) fn container_sync(
    options: &Options,
    swift: &SwiftConf,
    resources: &Resources,
    how: &HowToRun,
) -> Result<ContainerSync, StartError> {
    let timeout = options.seconds("conn_timeout", 5.0)?;
    let limits = Limits { connect_timeout: timeout, timeout, max_body_bytes: MAX_ANSWER_BYTES };
    let file = ClientFile::from_options(options);
    let reach = Reach {
        client: InternalClient::load(&file, options, swift, "Swift Container Sync")?,
        web: WebClient::new(None, limits)?,
        pools: resources.pools.clone(),
    };
    Ok(ContainerSync::from_options(options, swift.hash.clone(), reach, how.once)?)
}

/// What goes past the proxy finds container servers by the rings of its client.
fn direct_client(client: &InternalClient, swift: &SwiftConf, resources: &Resources) -> DirectClient {
    DirectClient::new(resources.client.clone(), client.container_ring(), swift.hash.clone())
}
