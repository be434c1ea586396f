//! `kubectl swift version`.

use super::target::Where;
use anyhow::Context as _;
use kube::ResourceExt;

/// What `version` is told.
#[derive(clap::Args)]
pub struct Options {
    /// This program's alone: ask no Kubernetes.
    #[arg(long)]
    client: bool,
}

/// Prints versions.
pub async fn run(place: &Where, options: Options) -> anyhow::Result<()> {
    say!("kubectl-swift {}", env!("CARGO_PKG_VERSION"));
    if options.client {
        return Ok(());
    }
    let connection = place.connect().await?;
    let kubernetes = connection.client.apiserver_version().await.context("ask Kubernetes for its version")?;
    say!("kubernetes {}", kubernetes.git_version);
    for cluster in connection.clusters().await? {
        let status = cluster.status.clone().unwrap_or_default();
        say!("swiftcluster/{} {} {}", cluster.name_any(), status.version, status.image);
    }
    Ok(())
}
