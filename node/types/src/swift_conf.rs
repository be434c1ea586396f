//! `swift.conf`: the hash path, the storage policies and the constraints of a cluster.

use crate::conf::{ConfError, Ini, OptionError, Options};
use crate::policy::PolicyError;
use crate::{Constraints, HashConf, Policies};
use std::path::Path;
use thiserror::Error;

/// What `swift.conf` says.
#[derive(Debug, Clone)]
pub struct SwiftConf {
    /// `[swift-hash]`
    pub hash: HashConf,
    /// `[storage-policy:N]`
    pub policies: Policies,
    /// `[swift-constraints]`
    pub constraints: Constraints,
}

/// Why `swift.conf` cannot be used.
#[derive(Debug, Error)]
pub enum SwiftConfError {
    /// It cannot be read.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// A constraint cannot be right.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The policies cannot be right.
    #[error("Invalid Storage Policy Configuration in {path}: {error}")]
    Policies {
        /// The file.
        path: String,
        /// What is wrong.
        error: PolicyError,
    },
    /// There is no secret in the hash path.
    #[error("{path} [swift-hash]: one of swift_hash_path_suffix and swift_hash_path_prefix must be set")]
    NoHashPath {
        /// The file.
        path: String,
    },
}

impl SwiftConf {
    /// Reads the file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, SwiftConfError> {
        Self::from_ini(&Ini::read(path)?)
    }

    /// Reads what is parsed already.
    pub fn from_ini(ini: &Ini) -> Result<Self, SwiftConfError> {
        let path = ini.path().display().to_string();
        let section = |name: &str| match ini.daemon(name) {
            Err(ConfError::NoSection { .. }) => Ok(Options::new(ini.path(), name)),
            other => other,
        };
        let hash = section("swift-hash")?;
        // Here, unlike elsewhere, a literal % is always doubled.
        let secret = |option| ini.bytes_of(&hash.str(option).unwrap_or_default().replace("%%", "%"));
        let hash =
            HashConf { prefix: secret("swift_hash_path_prefix"), suffix: secret("swift_hash_path_suffix") };
        if hash == HashConf::default() {
            return Err(SwiftConfError::NoHashPath { path });
        }
        let policies = Policies::from_ini(ini).map_err(|error| SwiftConfError::Policies { path, error })?;
        Ok(Self { hash, policies, constraints: Constraints::from_options(&section("swift-constraints")?)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SwiftConf, SwiftConfError> {
        SwiftConf::from_ini(&Ini::parse("swift.conf", text).expect("parses"))
    }

    #[test]
    fn reads_the_three_parts() {
        let conf =
            read("[swift-hash]\nswift_hash_path_suffix = a%%b\n[swift-constraints]\nmax_meta_count = 7\n")
                .unwrap();
        assert_eq!(conf.hash.suffix, b"a%b");
        assert_eq!(conf.constraints.max_meta_count, 7);
        assert_eq!(conf.constraints.max_header_count(), 43);
        assert_eq!(conf.policies.default_policy().index, 0);
    }

    #[test]
    fn needs_a_hash_path() {
        assert!(matches!(
            read("[swift-hash]\nswift_hash_path_suffix =\n"),
            Err(SwiftConfError::NoHashPath { .. })
        ));
        assert!(
            read("[swift-hash]\nswift_hash_path_suffix = a\n[swift-constraints]\nmax_file_size = x\n")
                .is_err()
        );
    }
}
