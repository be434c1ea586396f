//! The order of the filters: what `proxy-server.conf` says, and what must be there whatever it says.
//!
//! Only this file knows every filter. Words of the pipeline are names of sections; which filter a section means
//! is told by its `use`.

use super::app::App;
use super::config::ProxyConfig;
use super::middleware::{
    FilterError, Layer, Setup, catch_errors, copy, gatekeeper, healthcheck, listing_formats, memcache,
    proxy_logging, tempauth,
};
use super::swift_info::InfoEndpoint;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use swiftlet_types::Constraints;
use swiftlet_types::conf::{ConfError, Factory, Ini, Options, Pipeline};
use thiserror::Error;

type LayerOf = fn(&Options, &mut Setup) -> Result<Layer, FilterError>;

/// Every filter of Swift's, by entry point, and ours where it is built.
const FILTERS: [(&str, Option<LayerOf>); 37] = [
    ("account_quotas", None),
    ("backend_ratelimit", None),
    ("bulk", None),
    ("catch_errors", Some(catch_errors::layer)),
    ("cname_lookup", None),
    ("container_quotas", None),
    ("container_sync", None),
    ("copy", Some(copy::layer)),
    ("crossdomain", None),
    ("dlo", None),
    ("domain_remap", None),
    ("encryption", None),
    ("etag_quoter", None),
    ("formpost", None),
    ("gatekeeper", Some(gatekeeper::layer)),
    ("healthcheck", Some(healthcheck::layer)),
    ("keymaster", None),
    ("keystoneauth", None),
    ("kmip_keymaster", None),
    ("kms_keymaster", None),
    ("list_endpoints", None),
    ("listing_formats", Some(listing_formats::layer)),
    ("memcache", Some(memcache::layer)),
    ("name_check", None),
    ("proxy_logging", Some(proxy_logging::layer)),
    ("ratelimit", None),
    ("read_only", None),
    ("recon", None),
    ("s3api", None),
    ("s3token", None),
    ("slo", None),
    ("staticweb", None),
    ("symlink", None),
    ("tempauth", Some(tempauth::layer)),
    ("tempurl", None),
    ("versioned_writes", None),
    ("xprofile", None),
];

/// The filters that are put in where they are missing, in the order in which that is done, each behind the last of
/// those it must follow.
const REQUIRED: [(&str, &[&str]); 6] = [
    (
        "versioned_writes",
        &[
            "slo",
            "dlo",
            "copy",
            "staticweb",
            "tempauth",
            "keystoneauth",
            "catch_errors",
            "gatekeeper",
            "proxy_logging",
        ],
    ),
    (
        "dlo",
        &["copy", "staticweb", "tempauth", "keystoneauth", "catch_errors", "gatekeeper", "proxy_logging"],
    ),
    ("copy", &["staticweb", "tempauth", "keystoneauth", "catch_errors", "gatekeeper", "proxy_logging"]),
    ("listing_formats", &["catch_errors", "gatekeeper", "proxy_logging", "memcache"]),
    ("gatekeeper", &["catch_errors"]),
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
    /// Words of required filters that Swiftlet does not have yet, and that are left out therefore.
    pub left_out: Vec<&'static str>,
    /// Lines to warn the operator of: options that nobody knows.
    pub warnings: Vec<String>,
}

/// What the pipeline ends in.
pub struct EndOfPipeline<'a> {
    /// The proxy application.
    pub app: Arc<dyn App>,
    /// Its options.
    pub config: &'a ProxyConfig,
    /// The section `swift` of `/info`.
    pub swift_section: Value,
}

/// Builds the pipeline of `proxy-server.conf` in front of `end`.
pub fn load(
    conf: &Ini,
    constraints: Arc<Constraints>,
    end: EndOfPipeline<'_>,
) -> Result<Loaded, PipelineError> {
    let Pipeline { mut filters, .. } = conf.pipeline("proxy-server")?;
    filters.iter_mut().for_each(|factory| factory.entry_point = entry_point(&factory.entry_point));
    let (required, left_out) = add_required(&mut filters, &conf.default_options()?);

    let mut setup = Setup::new(constraints);
    setup.info.register("swift", end.swift_section);
    let mut layers = Vec::with_capacity(filters.len());
    for factory in &filters {
        let layer = layer_of(factory)?(&factory.options, &mut setup);
        layers.push(layer.map_err(|error| PipelineError::Filter { word: factory.name.clone(), error })?);
    }
    let written = filters.iter().filter(|factory| !required.contains(&factory.name.as_str()));
    let warnings = written.flat_map(|factory| factory.options.warnings()).chain(setup.warnings).collect();
    let last: Arc<dyn App> = Arc::new(InfoEndpoint::new(end.app, &setup.info, end.config));
    Ok(Loaded {
        app: layers.into_iter().rev().fold(last, |next, layer| layer(next)),
        words: filters.into_iter().map(|factory| factory.name).collect(),
        left_out,
        warnings,
    })
}

/// The entry point behind a module's name, where they differ.
fn entry_point(name: &str) -> String {
    if name == "crypto" { "encryption".into() } else { name.into() }
}

/// Puts in what must be there: the names put in, and those of them that are not built yet and so are left out.
fn add_required(filters: &mut Vec<Factory>, defaults: &Options) -> (Vec<&'static str>, Vec<&'static str>) {
    let mut entry_points: Vec<&str> = filters.iter().map(|factory| factory.entry_point.as_str()).collect();
    let (mut added, mut left_out) = (Vec::new(), Vec::new());
    let mut at = Vec::new();
    for (name, index) in missing(&mut entry_points) {
        at.push((name, index));
    }
    for (name, index) in at {
        let options = defaults.clone();
        filters.insert(index, Factory { name: name.into(), entry_point: name.into(), options });
        added.push(name);
    }
    filters.retain(|factory| {
        let unbuilt = added.iter().find(|name| **name == factory.name && built(name).is_none());
        left_out.extend(unbuilt);
        unbuilt.is_none()
    });
    (added, left_out)
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
        let anchors =
            anchors.iter().filter(|_| name != "gatekeeper" || pipeline.first() == Some(&"catch_errors"));
        let index = anchors.filter_map(position).map(|index| index + 1).max().unwrap_or(0);
        pipeline.insert(index, name);
        added.push((name, index));
    }
    added
}

fn built(name: &str) -> Option<LayerOf> {
    FILTERS.iter().find(|(known, _)| *known == name).and_then(|(_, layer)| *layer)
}

fn layer_of(factory: &Factory) -> Result<LayerOf, PipelineError> {
    let name = factory.entry_point.as_str();
    let (path, section) = (factory.options.path().to_owned(), factory.options.section().to_owned());
    match FILTERS.iter().find(|(known, _)| *known == name) {
        Some((_, Some(layer))) => Ok(*layer),
        Some((_, None)) => {
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
                FILTERS.iter().filter(|(_, layer)| layer.is_some()).map(|(n, _)| *n).collect();
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
