//! The order of the filters: what `proxy-server.conf` says, and what must be there whatever it says.
//!
//! Only this file knows every filter. Words of the pipeline are names of sections; which filter a section means
//! is told by its `use`.

use super::app::App;
use super::config::{OLD_DLO_OPTIONS, ProxyConfig};
use super::content_type::ContentTypes;
use super::expirer_queue::ExpirerQueue;
use super::info_section::swift_section;
use super::middleware::{self, FilterError, Layer, Setup};
use super::placement::Placement;
use super::rings::Rings;
use super::server::Application;
use super::swift_info::{InfoEndpoint, SwiftInfo};
use crate::serve::metrics::RequestMetrics;
use crate::serve::xprofile;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use swiftlet_types::conf::{ConfError, Factory, Ini, Options, Pipeline};
use swiftlet_types::{Constraints, Policies, SwiftConf};
use thiserror::Error;

type LayerOf = fn(&Options, &mut Setup) -> Result<Layer, FilterError>;

/// Whether a filter is ours to have.
#[derive(Clone, Copy)]
enum Support {
    Built(LayerOf),
    /// Passed over with a warning: without it requests of its own protocol are not understood, and nothing else
    /// changes. A cluster that is taken over starts with the file it has.
    PassedOver,
    /// Refused: without it, data would be stored otherwise than its owner asked, or clients be let in otherwise.
    Refused,
}

use Support::{Built, PassedOver, Refused};

/// Every filter of Swift's, swauth and our own, by entry point, and ours where it is built.
const FILTERS: [(&str, Support); 38] = [
    ("account_quotas", Built(middleware::account_quotas::layer)),
    ("backend_ratelimit", Refused),
    ("bulk", Built(middleware::bulk::layer)),
    ("catch_errors", Built(middleware::catch_errors::layer)),
    ("cname_lookup", Built(middleware::cname_lookup::layer)),
    ("container_quotas", Built(middleware::container_quotas::layer)),
    ("container_sync", Built(middleware::container_sync::layer)),
    ("copy", Built(middleware::copy::layer)),
    ("crossdomain", Built(middleware::crossdomain::layer)),
    ("dlo", Built(middleware::dlo::layer)),
    ("domain_remap", Built(middleware::domain_remap::layer)),
    ("encryption", Refused),
    ("etag_quoter", Built(middleware::etag_quoter::layer)),
    ("external_auth", Built(middleware::external_auth::layer)),
    ("formpost", Built(middleware::formpost::layer)),
    ("gatekeeper", Built(middleware::gatekeeper::layer)),
    ("healthcheck", Built(middleware::healthcheck::layer)),
    ("keymaster", Refused),
    ("keystoneauth", Refused),
    ("kmip_keymaster", Refused),
    ("kms_keymaster", Refused),
    ("list_endpoints", Built(middleware::list_endpoints::layer)),
    ("listing_formats", Built(middleware::listing_formats::layer)),
    ("memcache", Built(middleware::memcache::layer)),
    ("name_check", Built(middleware::name_check::layer)),
    ("proxy_logging", Built(middleware::proxy_logging::layer)),
    ("ratelimit", Built(middleware::ratelimit::layer)),
    ("read_only", Built(middleware::read_only::layer)),
    ("recon", Built(middleware::recon::layer)),
    ("s3api", PassedOver),
    ("s3token", PassedOver),
    ("slo", Built(middleware::slo::layer)),
    ("staticweb", Built(middleware::staticweb::layer)),
    ("swauth", Built(middleware::swauth::layer)),
    ("symlink", Built(middleware::symlink::layer)),
    ("tempauth", Built(middleware::tempauth::layer)),
    ("tempurl", Built(middleware::tempurl::layer)),
    ("versioned_writes", Built(middleware::versioned_writes::layer)),
];

/// Filters that come before whatever reads or writes objects in a client's name: what asks who the client is, and the
/// page maker.
const ACCESS: &[&str] = &["staticweb", "tempauth", "swauth", "external_auth", "keystoneauth"];
/// Filters that come before everything that a client's request means.
const OUTERMOST: &[&str] = &["catch_errors", "gatekeeper", "proxy_logging"];

/// The filters that are put in where they are missing, in the order in which that is done, each behind the last of
/// those it must follow.
const REQUIRED: [(&str, &[&[&str]]); 6] = [
    ("versioned_writes", &[&["slo", "dlo", "copy"], ACCESS, OUTERMOST]),
    ("dlo", &[&["copy"], ACCESS, OUTERMOST]),
    ("copy", &[ACCESS, OUTERMOST]),
    ("listing_formats", &[OUTERMOST, &["memcache"]]),
    ("gatekeeper", &[&["catch_errors"]]),
    ("catch_errors", &[]),
];

/// Why a pipeline cannot be built.
#[derive(Debug, Error)]
pub enum PipelineError {
    /// The file cannot be read as a pipeline.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// One of Swift's filters that Swiftlet does not have yet.
    #[error("{path} [{section}]: the filter {filter} is not yet built; take {word} out of the pipeline",
        path = path.display())]
    NotBuilt {
        /// Which file.
        path: PathBuf,
        /// Which section, without brackets.
        section: String,
        /// The filter's entry point.
        filter: String,
        /// Its word in the pipeline.
        word: String,
    },
    /// The one of Swift's filters that Swiftlet will not have.
    #[error("{path} [{section}]: {}; take {word} out of the pipeline", xprofile::WHY_NOT, path = path.display())]
    Profiler {
        /// Which file.
        path: PathBuf,
        /// Which section, without brackets.
        section: String,
        /// Its word in the pipeline.
        word: String,
    },
    /// A filter that nobody has.
    #[error("{path} [{section}]: there is no filter {filter:?}; {hint}", path = path.display())]
    Unknown {
        /// Which file.
        path: PathBuf,
        /// Which section, without brackets.
        section: String,
        /// What the section asks for.
        filter: String,
        /// What would be right.
        hint: String,
    },
    /// A filter that may not stand in front of an internal client.
    #[error("{path} [{section}]: the gatekeeper takes from requests what an internal client must be able to say; \
        take {word} out of the pipeline", path = path.display())]
    Gatekeeper {
        /// Which file.
        path: PathBuf,
        /// Which section, without brackets.
        section: String,
        /// Its word in the pipeline.
        word: String,
    },
    /// A filter's options cannot be right.
    #[error("filter {word}: {error}")]
    Filter {
        /// Its word in the pipeline.
        word: String,
        /// Why not.
        error: FilterError,
    },
}

/// A pipeline that is ready to answer.
pub struct Loaded {
    /// Its outermost link.
    pub app: Arc<dyn App>,
    /// The words of the filters that are in it, outermost first.
    pub words: Vec<String>,
    /// Lines to warn the operator of: options that nobody knows.
    pub warnings: Vec<String>,
    /// Figures about clients' requests, which proxy_logging counts.
    pub metrics: Arc<RequestMetrics>,
}

/// What the pipeline ends in.
pub struct EndOfPipeline<'a> {
    /// The proxy application.
    pub app: Arc<dyn App>,
    /// Its options.
    pub config: &'a ProxyConfig,
    /// The section `swift` of `/info`.
    pub swift_section: Value,
    /// `[swift-constraints]`
    pub constraints: Arc<Constraints>,
    /// The storage policies.
    pub policies: Arc<Policies>,
    /// What names say of content types.
    pub content_types: Arc<ContentTypes>,
    /// Where the expirer's queue holds what is to be deleted later.
    pub expirer_queue: Arc<ExpirerQueue>,
    /// Where names lie.
    pub placement: Option<Placement>,
}

impl<'a> EndOfPipeline<'a> {
    /// The proxy application of a cluster, with its options and its rings.
    pub fn new(app: Application, config: &'a ProxyConfig, swift: &SwiftConf, rings: Arc<Rings>) -> Self {
        Self {
            content_types: app.content_types(),
            expirer_queue: app.expirer_queue(),
            app: Arc::new(app),
            config,
            swift_section: swift_section(config, swift),
            constraints: Arc::new(swift.constraints.clone()),
            policies: Arc::new(swift.policies.clone()),
            placement: Some(Placement::new(rings, swift.hash.clone())),
        }
    }
}

/// Builds the pipeline of `proxy-server.conf` in front of `end`.
pub fn load(conf: &Ini, end: EndOfPipeline<'_>) -> Result<Loaded, PipelineError> {
    let Pipeline { mut filters, app } = read(conf)?;
    let required = add_required(&mut filters, &conf.default_options()?);
    take_over_dlo_options(&mut filters, &app.options);
    build(filters, &required, end)
}

/// Builds the pipeline of an internal client in front of `end`: the filters that its file names and no other, since what
/// guards against clients would keep from backends what a daemon tells them.
pub fn load_internal(conf: &Ini, end: EndOfPipeline<'_>) -> Result<Loaded, PipelineError> {
    let Pipeline { filters, .. } = read(conf)?;
    match filters.iter().find(|factory| factory.entry_point == "gatekeeper") {
        None => build(filters, &[], end),
        Some(Factory { name, options, .. }) => Err(PipelineError::Gatekeeper {
            path: options.path().to_owned(),
            section: options.section().to_owned(),
            word: name.clone(),
        }),
    }
}

fn read(conf: &Ini) -> Result<Pipeline, ConfError> {
    let mut pipeline = conf.pipeline("proxy-server")?;
    pipeline.filters.iter_mut().for_each(|factory| factory.entry_point = entry_point(&factory.entry_point));
    Ok(pipeline)
}

/// Puts `filters`, of which those called `required` are in no file, in front of `end`.
fn build(
    mut filters: Vec<Factory>,
    required: &[&'static str],
    end: EndOfPipeline<'_>,
) -> Result<Loaded, PipelineError> {
    let mut setup = Setup {
        policies: end.policies,
        content_types: end.content_types,
        expirer_queue: end.expirer_queue,
        placement: end.placement,
        ..Setup::new(end.constraints)
    };
    setup.info.register("swift", end.swift_section);
    let idle = filters.extract_if(.., |factory| matches!(support_of(&factory.entry_point), Some(PassedOver)));
    setup.warnings.extend(idle.map(|factory| passed_over(&factory)));
    let mut layers = Vec::with_capacity(filters.len());
    for factory in &filters {
        let layer = layer_of(factory)?(&factory.options, &mut setup);
        layers.push(layer.map_err(|error| PipelineError::Filter { word: factory.name.clone(), error })?);
    }
    check_needs(&filters, &setup.info)?;
    let written = filters.iter().filter(|factory| !required.contains(&factory.name.as_str()));
    let warnings = written.flat_map(|factory| factory.options.warnings()).chain(setup.warnings).collect();
    let last: Arc<dyn App> = Arc::new(InfoEndpoint::new(end.app, &setup.info, end.config));
    Ok(Loaded {
        app: layers.into_iter().rev().fold(last, |next, layer| layer(next)),
        words: filters.into_iter().map(|factory| factory.name).collect(),
        warnings,
        metrics: setup.metrics,
    })
}

/// Refuses features without the filters that they work on.
fn check_needs(filters: &[Factory], info: &SwiftInfo) -> Result<(), PipelineError> {
    let (feature, needs) = ("object_versioning", "symlink");
    if !info.sections().contains_key(feature) || info.sections().contains_key(needs) {
        return Ok(());
    }
    let factory = filters.iter().find(|factory| factory.entry_point == "versioned_writes");
    let word = factory.map(|factory| factory.name.clone()).unwrap_or_default();
    Err(PipelineError::Filter { word, error: FilterError::Needs { feature, needs } })
}

/// The entry point behind a module's name, where they differ.
fn entry_point(name: &str) -> String {
    if name == "crypto" { "encryption".into() } else { name.into() }
}

/// Puts in what must be there; the names put in.
fn add_required(filters: &mut Vec<Factory>, defaults: &Options) -> Vec<&'static str> {
    let mut entry_points: Vec<&str> = filters.iter().map(|factory| factory.entry_point.as_str()).collect();
    let added = missing(&mut entry_points);
    for (name, index) in &added {
        let options = defaults.clone();
        filters.insert(*index, Factory { name: (*name).into(), entry_point: (*name).into(), options });
    }
    added.into_iter().map(|(name, _)| name).collect()
}

/// Puts the required names that `pipeline` lacks where they belong; which, and at which index, one after the other.
fn missing(pipeline: &mut Vec<&str>) -> Vec<(&'static str, usize)> {
    let mut added = Vec::new();
    for (name, anchors) in REQUIRED {
        if pipeline.contains(&name) {
            continue;
        }
        let position = |anchor: &&str| pipeline.iter().position(|entry_point| entry_point == anchor);
        // The gatekeeper stands first unless catch_errors does.
        let anchors = anchors.iter().copied().flatten();
        let anchors = anchors.filter(|_| name != "gatekeeper" || pipeline.first() == Some(&"catch_errors"));
        let index = anchors.filter_map(position).map(|index| index + 1).max().unwrap_or(0);
        pipeline.insert(index, name);
        added.push((name, index));
    }
    added
}

/// Gives dlo the options that it had when it was a part of the proxy, where it has none of its own.
fn take_over_dlo_options(filters: &mut [Factory], app: &Options) {
    for factory in filters.iter_mut().filter(|factory| factory.entry_point == "dlo") {
        let options = &mut factory.options;
        if OLD_DLO_OPTIONS.iter().any(|option| options.str(option).is_some()) {
            continue;
        }
        for option in OLD_DLO_OPTIONS {
            if let Some(value) = app.str(option) {
                *options = options.clone().with(option, value);
            }
        }
    }
}

/// The line that tells of a filter without effect.
fn passed_over(factory: &Factory) -> String {
    let (path, section) = (factory.options.path().display(), factory.options.section());
    let filter = &factory.entry_point;
    format!(
        "{path} [{section}]: the filter {filter} is not yet built and does nothing: its requests are refused"
    )
}

fn support_of(entry_point: &str) -> Option<Support> {
    FILTERS.iter().find(|(known, _)| *known == entry_point).map(|(_, support)| *support)
}

fn layer_of(factory: &Factory) -> Result<LayerOf, PipelineError> {
    let name = factory.entry_point.as_str();
    let (path, section) = (factory.options.path().to_owned(), factory.options.section().to_owned());
    if name == xprofile::NAME {
        return Err(PipelineError::Profiler { path, section, word: factory.name.clone() });
    }
    match support_of(name) {
        Some(Built(layer)) => Ok(layer),
        Some(PassedOver | Refused) => {
            let (filter, word) = (name.to_owned(), factory.name.clone());
            Err(PipelineError::NotBuilt { path, section, filter, word })
        }
        None => Err(PipelineError::Unknown { path, section, filter: name.to_owned(), hint: hint(name) }),
    }
}

/// What may have been meant by `name`.
fn hint(name: &str) -> String {
    if name == "authtoken" {
        return "Keystone's own middleware is a Python program; tempauth is what there is".into();
    }
    let close = FILTERS.iter().map(|(known, _)| *known).find(|known| distance(known, name) <= 2);
    match close {
        Some(known) => format!("use = egg:swift#{known} would be right"),
        None => {
            let built: Vec<&str> =
                FILTERS.iter().filter(|(_, support)| matches!(support, Built(_))).map(|(n, _)| *n).collect();
            format!("there are {}", built.join(", "))
        }
    }
}

/// How many letters one must add, drop or change to come from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
