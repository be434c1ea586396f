//! Setting a client up: the pipeline that its file describes, or Swift's where there is none.

use super::InternalClient;
use crate::proxy::config::{ConfigError, ProxyConfig};
use crate::proxy::pipeline::{self, EndOfPipeline, PipelineError};
use crate::proxy::rings::Rings;
use crate::proxy::server::{Application, StartError};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{ConfError, Ini, OptionError, Options};
use thiserror::Error;

/// What stands in for `internal-client.conf` (behind `[DEFAULT]`): the pipeline of Swift's sample.
const BUILT_IN: &str = "\
[pipeline:main]
pipeline = catch_errors proxy-logging cache symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swift#memcache
[filter:symlink]
use = egg:swift#symlink
";

/// Why a client cannot be set up.
#[derive(Debug, Error)]
#[allow(missing_docs)] // each is another's error
pub enum SetupError {
    #[error(transparent)]
    Option(#[from] OptionError),
    #[error(transparent)]
    Conf(#[from] ConfError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Ring(#[from] swiftlet_ring::LoadError),
    #[error(transparent)]
    Application(#[from] StartError),
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

/// Where the pipeline is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFile {
    /// In this file or folder.
    At(PathBuf),
    /// In `internal-client.conf` of the folder of rings, or nowhere, and then it is Swift's sample's.
    Usual,
}

impl ClientFile {
    /// What `internal_client_conf_path` says of it.
    pub fn from_options(options: &Options) -> Self {
        let named = options.str("internal_client_conf_path").filter(|path| !path.is_empty());
        named.map_or(Self::Usual, |path| Self::At(path.into()))
    }

    fn read(&self, swift_dir: &Path) -> Result<Ini, ConfError> {
        let usual = swift_dir.join("internal-client.conf");
        match self {
            Self::At(path) => Ini::read(path),
            Self::Usual if usual.exists() => Ini::read(usual),
            Self::Usual => {
                let text = format!("[DEFAULT]\nswift_dir = {}\n{BUILT_IN}", swift_dir.display());
                Ini::parse("the built-in internal-client.conf", &text)
            }
        }
    }
}

impl InternalClient {
    /// Sets a client up for a daemon, whose section is `options` and that backends know as `user_agent`.
    pub fn load(
        file: &ClientFile,
        options: &Options,
        swift: &SwiftConf,
        user_agent: &str,
    ) -> Result<Self, SetupError> {
        let request_tries = options.int("request_tries", 3)?;
        if request_tries == 0 {
            return Err(options.error("request_tries", "must be at least 1").into());
        }
        let ini = file.read(Path::new(&options.str_or("swift_dir", "/etc/swift")))?;
        let app_options = ini.pipeline("proxy-server")?.app.options;
        let config = ProxyConfig::read(&ini, &app_options, &swift.policies)?;
        let rings = Arc::new(Rings::load(&config.swift_dir, &swift.policies)?);
        let app = Application::with_user_agent(user_agent.to_owned(), config.clone(), swift, rings.clone())?;
        let end = EndOfPipeline::new(app, &config, swift, rings.clone());
        let loaded = pipeline::load_internal(&ini, end)?;
        loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        Ok(Self {
            app: loaded.app,
            rings,
            rings_looked_at: Mutex::new(Instant::now()),
            user_agent: user_agent.to_owned(),
            request_tries,
            first_pause: Duration::from_secs(2),
        })
    }
}
