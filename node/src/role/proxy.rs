//! The proxy: the pipeline of `proxy-server.conf` in front of the application.

use super::StartError;
use super::server::Beside;
use crate::http::Service;
use crate::proxy::config::ProxyConfig;
use crate::proxy::info_section::swift_section;
use crate::proxy::pipeline::{self, EndOfPipeline};
use crate::proxy::rings::Rings;
use crate::proxy::server::Application;
use crate::proxy::service::ProxyService;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{Ini, Pipeline};

/// How often ring files are looked at for changes.
const RING_POLL: Duration = Duration::from_secs(15);

/// The pipeline as a service, and what keeps its rings up to date beside it.
pub(super) fn build(
    ini: &Ini,
    written: &Pipeline,
    swift: &Arc<SwiftConf>,
    local: Option<SocketAddr>,
    secure: bool,
) -> Result<(Arc<dyn Service>, Option<Beside>), StartError> {
    let options = &written.app.options;
    let config = ProxyConfig::read(ini, options, &swift.policies)?;
    let swift_dir = options.str_or("swift_dir", "/etc/swift");
    let rings = Arc::new(Rings::load(Path::new(&swift_dir), &swift.policies)?);
    let app = Arc::new(Application::new(config.clone(), swift, rings.clone())?);
    let end = EndOfPipeline { app, swift_section: swift_section(&config, swift), config: &config };
    let loaded = pipeline::load(ini, Arc::new(swift.constraints.clone()), end)?;
    for word in &loaded.left_out {
        tracing::warn!(
            "the filter {word} belongs into every pipeline, but is not yet built; going on without it"
        );
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    tracing::info!("Pipeline is \"{} proxy-server\"", loaded.words.join(" "));
    let beside: Beside = Box::new(move || Box::pin(rings.keep_up_to_date(RING_POLL)));
    Ok((Arc::new(ProxyService::new(loaded.app, local, secure)), Some(beside)))
}
