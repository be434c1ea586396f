//! The proxy: the pipeline of `proxy-server.conf` in front of the application.

use super::StartError;
use super::server::{Beside, Built};
use crate::http::Service;
use crate::proxy::clock_watch::ClockWatch;
use crate::proxy::config::ProxyConfig;
use crate::proxy::pipeline::{self, EndOfPipeline};
use crate::proxy::rings::Rings;
use crate::proxy::server::Application;
use crate::proxy::service::ProxyService;
use crate::serve::ListenOptions;
use crate::serve::metrics::ClockMetrics;
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
    listen: &ListenOptions,
) -> Result<Built, StartError> {
    let options = &written.app.options;
    let config = ProxyConfig::read(ini, options, &swift.policies)?;
    let swift_dir = options.str_or("swift_dir", "/etc/swift");
    let rings = Arc::new(Rings::load(Path::new(&swift_dir), &swift.policies)?);
    let app = Application::new(config.clone(), swift, rings.clone())?;
    let end = EndOfPipeline::new(app, &config, swift, rings.clone());
    let loaded = pipeline::load(ini, end)?;
    tracing::info!("Pipeline is \"{} proxy-server\"", loaded.words.join(" "));
    let clocks = Arc::new(ClockMetrics::default());
    let watch = ClockWatch::new(rings.clone(), clocks.clone());
    let beside: Beside = Box::new(move |ended| {
        Box::pin(async move {
            let keep = async { tokio::join!(rings.keep_up_to_date(RING_POLL), watch.run()) };
            ended.run_until_cancelled(keep).await;
        })
    });
    // URLs in answers follow from the listener that the request came by.
    let on = |listen: &ListenOptions| -> Arc<dyn Service> {
        Arc::new(ProxyService::new(loaded.app.clone(), listen.address().ok(), listen.is_secure()))
    };
    Ok(Built {
        service: on(listen),
        secure: listen.beside().as_ref().map(on),
        requests: loaded.metrics,
        more: Some(clocks),
        beside: Some(beside),
        warnings: loaded.warnings,
    })
}
