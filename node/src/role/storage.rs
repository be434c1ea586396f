//! Account, container and object servers: the service, and the filters that their pipelines may have.

use super::{Resources, StartError};
use crate::account::AccountServer;
use crate::container::ContainerServer;
use crate::database::Jobs;
use crate::http::Service;
use crate::object::{ObjectServer, ObjectServerConfig, config::store_config};
use crate::serve::access_log::AccessLog;
use crate::serve::healthcheck::HealthCheck;
use crate::serve::recon::Recon;
use std::sync::Arc;
use swiftlet_storage::object::ObjectStore;
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{Factory, Options, Pipeline};

/// Filters of Swift's storage servers that are not built yet.
const NOT_BUILT: [&str; 2] = ["backend_ratelimit", "xprofile"];

/// Which storage server.
#[derive(Debug, Clone, Copy)]
pub(super) enum StorageKind {
    Account,
    Container,
    Object,
}

/// The server's pipeline as a service.
pub(super) fn build(
    kind: StorageKind,
    pipeline: &Pipeline,
    swift: &Arc<SwiftConf>,
    resources: &Resources,
) -> Result<Arc<dyn Service>, StartError> {
    let options = &pipeline.app.options;
    let mut service: Arc<dyn Service> =
        Arc::new(AccessLog::from_options(app(kind, options, swift, resources)?, options)?);
    for filter in pipeline.filters.iter().rev() {
        service = match filter.entry_point.as_str() {
            "healthcheck" => Arc::new(HealthCheck::new(service, &filter.options)),
            "recon" => Arc::new(Recon::new(service, &filter.options, &swift.policies)),
            _ => return Err(no_such_filter(filter)),
        };
    }
    Ok(service)
}

fn app(
    kind: StorageKind,
    options: &Options,
    swift: &Arc<SwiftConf>,
    resources: &Resources,
) -> Result<Arc<dyn Service>, StartError> {
    let client = resources.client.clone();
    let jobs = Jobs::new(resources.pools.clone());
    match kind {
        StorageKind::Object => {
            let store = Arc::new(ObjectStore::new(store_config(options, swift.hash.clone())?));
            let config = ObjectServerConfig::from_options(options)?;
            let (policies, constraints) = (swift.policies.clone(), swift.constraints.clone());
            Ok(Arc::new(ObjectServer::new(
                config,
                policies,
                constraints,
                store,
                resources.pools.clone(),
                client,
            )))
        }
        StorageKind::Account => Ok(Arc::new(AccountServer::from_options(options, swift.clone(), jobs)?)),
        StorageKind::Container => {
            Ok(Arc::new(ContainerServer::from_options(options, swift.clone(), jobs, client)?))
        }
    }
}

fn no_such_filter(filter: &Factory) -> StartError {
    let name = &filter.entry_point;
    let why = match NOT_BUILT.contains(&name.as_str()) {
        true => format!("the filter {name} is not yet built; take {} out of the pipeline", filter.name),
        false => format!("there is no filter {name:?} for storage servers; there are healthcheck and recon"),
    };
    StartError::Filter { path: filter.options.path().into(), section: filter.options.section().into(), why }
}
