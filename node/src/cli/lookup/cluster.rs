//! What the tools need to know of a cluster: `swift.conf` and the rings beside it.

use crate::cli::optparse::{Given, Known};
use anyhow::Context;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use swiftlet_ring::{LoadError, Ring};
use swiftlet_types::conf::ConfError;
use swiftlet_types::policy::path_name;
use swiftlet_types::swift_conf::SwiftConfError;
use swiftlet_types::{HashConf, Policies, SwiftConf};

/// Where Swift looks unless told otherwise.
const SWIFT_DIR: &str = "/etc/swift";
/// Tells it otherwise.
pub(super) const SWIFT_DIR_OPTION: Known = Known { letter: Some('d'), name: "swift-dir", has_value: true };
/// Names a storage policy, whose ring is meant.
pub(super) const POLICY_NAME: Known = Known { letter: Some('P'), name: "policy-name", has_value: true };

/// A cluster as a folder of configuration describes it.
pub(super) struct Cluster {
    swift_dir: PathBuf,
    /// What partitions are computed with.
    pub(super) hash: HashConf,
    /// Its storage policies.
    pub(super) policies: Policies,
    /// Whether there is a `swift.conf`, without which Swift loads no ring.
    is_configured: bool,
}

impl Cluster {
    /// Reads `swift.conf`. Swift's own folder may be without one: what a device holds is told all the same.
    pub(super) fn of(given: &Given) -> anyhow::Result<Self> {
        let swift_dir = given.value(SWIFT_DIR_OPTION.name).unwrap_or(SWIFT_DIR);
        let path = Path::new(swift_dir).join("swift.conf");
        let cluster = |hash, policies, is_configured| Self {
            swift_dir: swift_dir.into(),
            hash,
            policies,
            is_configured,
        };
        match SwiftConf::read(&path) {
            Ok(conf) => Ok(cluster(conf.hash, conf.policies, true)),
            Err(SwiftConfError::Conf(ConfError::Read { error, .. }))
                if swift_dir == SWIFT_DIR && error.kind() == ErrorKind::NotFound =>
            {
                Ok(cluster(HashConf::default(), Policies::default(), false))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The ring in the file at `path`.
    pub(super) fn load_ring(&self, path: &Path) -> anyhow::Result<Ring> {
        if !self.is_configured {
            anyhow::bail!("there is no swift.conf in {}", self.swift_dir.display());
        }
        Ok(Ring::load(path)?)
    }

    /// The ring called `name` (`account`, `object-1`).
    pub(super) fn ring(&self, name: &str) -> anyhow::Result<Ring> {
        self.load_ring(&self.swift_dir.join(format!("{name}.ring.gz")))
    }

    /// The ring of a storage policy's objects.
    pub(super) fn object_ring(&self, policy: u32) -> anyhow::Result<Ring> {
        self.ring(&path_name("object", policy)).with_context(|| format!("storage policy {policy}"))
    }

    /// The ring called `name`, unless its file cannot be read.
    pub(super) fn ring_if_any(&self, name: &str) -> anyhow::Result<Option<Ring>> {
        match self.ring(name) {
            Ok(ring) => Ok(Some(ring)),
            Err(_) if !self.is_configured => Ok(None),
            Err(error) if matches!(error.downcast_ref(), Some(LoadError::Read { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
