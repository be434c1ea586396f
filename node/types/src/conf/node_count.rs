//! Numbers of nodes, which may follow a ring's replicas.

use super::{OptionError, Options};

/// A number of nodes, by itself or for each replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeCount {
    /// So many.
    Fixed(usize),
    /// So many times the number of replicas.
    PerReplica(usize),
}

impl NodeCount {
    /// The option called `name`; Swift's default is `2 * replicas`.
    pub fn from_options(options: &Options, name: &str) -> Result<Self, OptionError> {
        options.parsed(
            name,
            Self::PerReplica(2),
            "is neither a number of nodes nor like `2 * replicas`",
            Self::parse,
        )
    }

    fn parse(text: &str) -> Option<Self> {
        match text.to_lowercase().split_whitespace().collect::<Vec<_>>()[..] {
            [n] => n.parse().ok().map(Self::Fixed),
            [n, "*", "replicas"] => n.parse().ok().map(Self::PerReplica),
            _ => None,
        }
    }

    /// For a ring of `replicas` replicas.
    pub fn for_replicas(self, replicas: usize) -> usize {
        match self {
            Self::Fixed(n) => n,
            Self::PerReplica(n) => n * replicas,
        }
    }
}
