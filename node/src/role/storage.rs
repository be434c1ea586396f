//! Account, container and object servers: the service, and the filters that their pipelines may have.

use super::server::{Beside, Built};
use super::{Resources, StartError, without_effect};
use crate::account::AccountServer;
use crate::container::ContainerServer;
use crate::database::Jobs;
use crate::http::Service;
use crate::object::{ObjectServer, ObjectServerConfig, config::store_config};
use crate::serve::access_log::AccessLog;
use crate::serve::backend_ratelimit::BackendRateLimit;
use crate::serve::healthcheck::HealthCheck;
use crate::serve::metrics::{Figures, NodeMetrics, StorageMetrics};
use crate::serve::recon::{Answers, Recon};
use crate::serve::xprofile;
use std::sync::Arc;
use swiftlet_storage::object::ObjectStore;
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{Factory, Options, Pipeline};

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
) -> Result<Built, StartError> {
    let options = &pipeline.app.options;
    let metrics = StorageMetrics::from_options(kind.server(), options)?;
    let requests = metrics.requests();
    let (app, beside) = app(kind, options, swift, resources)?;
    let mut service: Arc<dyn Service> = Arc::new(AccessLog::from_options(app, metrics, options)?);
    for filter in pipeline.filters.iter().rev() {
        service = match filter.entry_point.as_str() {
            "healthcheck" => Arc::new(HealthCheck::new(service, &filter.options)),
            "backend_ratelimit" => {
                Arc::new(BackendRateLimit::from_options(service, &filter.options, kind.server())?)
            }
            "recon" => Arc::new(Recon::new(service, &filter.options, &swift.policies)),
            _ => return Err(no_such_filter(filter)),
        };
    }
    // As `/recon` says it, whether that is in the pipeline or not.
    let recon = pipeline.filters.iter().find(|filter| filter.entry_point == "recon");
    let recon = Answers::new(recon.map_or(options, |filter| &filter.options), &swift.policies);
    let more = Some(Arc::new(NodeMetrics::new(kind.server(), recon)) as Arc<dyn Figures>);
    pipeline.filters.iter().for_each(|filter| without_effect::know(&filter.options));
    let warnings = pipeline.filters.iter().flat_map(|filter| filter.options.warnings()).collect();
    Ok(Built { service, secure: None, requests, more, beside, warnings })
}

impl StorageKind {
    fn server(self) -> &'static str {
        match self {
            Self::Account => "account-server",
            Self::Container => "container-server",
            Self::Object => "object-server",
        }
    }
}

fn app(
    kind: StorageKind,
    options: &Options,
    swift: &Arc<SwiftConf>,
    resources: &Resources,
) -> Result<(Arc<dyn Service>, Option<Beside>), StartError> {
    let client = resources.client.clone();
    let jobs = Jobs::new(resources.pools.clone());
    match kind {
        StorageKind::Object => {
            let store = Arc::new(ObjectStore::new(
                store_config(options, swift.hash.clone())?.with_policies(&swift.policies),
            ));
            let config = ObjectServerConfig::from_options(options)?;
            let (policies, constraints) = (swift.policies.clone(), swift.constraints.clone());
            let pools = resources.pools.clone();
            let server = Arc::new(ObjectServer::new(config, policies, constraints, store, pools, client));
            let devices = server.clone();
            let beside: Beside = Box::new(move |ended| Box::pin(devices.look_after_devices(ended)));
            Ok((server, Some(beside)))
        }
        StorageKind::Account => {
            Ok((Arc::new(AccountServer::from_options(options, swift.clone(), jobs)?), None))
        }
        StorageKind::Container => {
            Ok((Arc::new(ContainerServer::from_options(options, swift.clone(), jobs, client)?), None))
        }
    }
}

fn no_such_filter(filter: &Factory) -> StartError {
    let name = &filter.entry_point;
    let why = match name == xprofile::NAME {
        true => format!("{}; take {} out of the pipeline", xprofile::WHY_NOT, filter.name),
        false => format!(
            "there is no filter {name:?} for storage servers; there are healthcheck, recon and backend_ratelimit"
        ),
    };
    StartError::Filter { path: filter.options.path().into(), section: filter.options.section().into(), why }
}
