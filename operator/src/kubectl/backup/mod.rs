//! `kubectl swift backup`: all that a cluster cannot be made again without, but for the data itself.

pub mod bundle;

use super::ring::{export, store};
use super::target::{Target, Where};
use crate::cluster::build::{claim::DEVICE_LABEL, secrets};
use anyhow::Context as _;
use bundle::{Bundle, ClaimRecord, Facts};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ObjectMeta;
use std::path::PathBuf;
use swiftlet_plan::resources::{ClusterManifest, ZoneManifest};

/// What `backup` is told.
#[derive(clap::Args)]
pub struct Options {
    /// A folder, or a file that ends with .tar.gz. It is written with mode 0600: it holds secrets.
    #[arg(long, value_name = "FILE|DIR")]
    to: PathBuf,
    /// Replace what is there already.
    #[arg(long)]
    overwrite: bool,
}

/// Writes hash path, builders, users and manifests.
pub async fn run(place: &Where, options: Options) -> anyhow::Result<()> {
    let target = place.target().await?;
    let bundle = take(&target).await?;
    bundle.write(&options.to, options.overwrite)?;
    say!(
        "cluster {} of namespace {}, generation {}, {} claims: written to {}",
        bundle.facts.cluster,
        bundle.facts.namespace,
        bundle.facts.generation,
        bundle.facts.claims.len(),
        options.to.display()
    );
    eprintln!(
        "It is secret: whoever has the hash path and the users' keys can read the cluster. Keep it as you keep keys, away from this Kubernetes."
    );
    Ok(())
}

/// Gathers it.
async fn take(target: &Target) -> anyhow::Result<Bundle> {
    let store = store::read(target).await?;
    let generation = store.get(None)?;
    let name = secrets::hash_path_secret(&target.cluster);
    let hash_path = secret(target, &name).await?.with_context(|| {
        format!("there is no Secret {name}: a cluster without its hash path cannot be brought back")
    })?;
    let users = match target.cluster.spec.auth.secret_name() {
        Some(name) => secret(target, name).await?,
        None => None,
    };
    let zones = target.zones().await?;
    let manifests =
        manifests(ClusterManifest::from(&target.cluster), zones.iter().map(ZoneManifest::from).collect())?;
    let facts = Facts {
        cluster: target.name(),
        namespace: target.connection.namespace.clone(),
        generation: generation.number,
        taken_at: Timestamp::now().to_string(),
        claims: claims(target).await?,
    };
    Ok(Bundle {
        facts,
        hash_path: bare(hash_path),
        users: users.map(bare),
        manifests,
        rings: export::files(&generation.published)?,
    })
}

async fn secret(target: &Target, name: &str) -> anyhow::Result<Option<Secret>> {
    target.api::<Secret>().get_opt(name).await.with_context(|| format!("read Secret {name}"))
}

/// A Secret as a person would write it.
fn bare(secret: Secret) -> Secret {
    let metadata = ObjectMeta { name: secret.metadata.name, ..ObjectMeta::default() };
    Secret { metadata, ..secret }
}

/// Which volume each device has.
async fn claims(target: &Target) -> anyhow::Result<Vec<ClaimRecord>> {
    let list = target
        .api::<PersistentVolumeClaim>()
        .list(&target.owner().everything())
        .await
        .context("list PersistentVolumeClaims")?;
    let ours = list.items.into_iter().filter(|claim| claim.labels().contains_key(DEVICE_LABEL));
    let record = |claim: PersistentVolumeClaim| ClaimRecord {
        claim: claim.name_any(),
        volume: claim.spec.and_then(|spec| spec.volume_name).unwrap_or_default(),
    };
    Ok(ours.map(record).collect())
}

/// The manifests as they were applied: without what Kubernetes and the operator wrote.
fn manifests(mut cluster: ClusterManifest, mut zones: Vec<ZoneManifest>) -> anyhow::Result<String> {
    zones.sort_by(|a, b| a.name().cmp(b.name()));
    // A version that was resolved at creation is what the pods run.
    if let Some(status) = cluster.status.take().filter(|status| !status.version.is_empty()) {
        cluster.spec.version.get_or_insert(status.version);
    }
    cluster.metadata = bare_metadata(&cluster.metadata);
    let mut text = serde_norway::to_string(&cluster)?;
    for mut zone in zones {
        zone.status = None;
        zone.metadata = bare_metadata(&zone.metadata);
        text.push_str("---\n");
        text.push_str(&serde_norway::to_string(&zone)?);
    }
    Ok(text)
}

fn bare_metadata(metadata: &swiftlet_plan::resources::ObjectMeta) -> swiftlet_plan::resources::ObjectMeta {
    let named = swiftlet_plan::resources::ObjectMeta::named(metadata.name.clone());
    let mut annotations = metadata.annotations.clone();
    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    swiftlet_plan::resources::ObjectMeta {
        labels: metadata.labels.clone(),
        annotations,
        namespace: metadata.namespace.clone(),
        ..named
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubectl::plan::words::tests::cluster;
    use swiftlet_plan::documents::Documents;
    use swiftlet_plan::resources::SwiftClusterStatus;

    #[test]
    fn manifests_can_be_applied_again_and_carry_the_version_that_was_resolved() {
        let mut desired = cluster(3, 2);
        desired.cluster.spec.version = None;
        let status = SwiftClusterStatus { version: "0.1.7".into(), ..SwiftClusterStatus::default() };
        desired.cluster.status = Some(status);
        desired.cluster.metadata.uid = Some("u-1".into());
        desired.zones[0].metadata.labels.insert("team".into(), "storage".into());
        let text = manifests(desired.cluster.clone(), desired.zones.clone()).unwrap();
        assert!(!text.contains("u-1") && !text.contains("status"), "{text}");
        let mut documents = Documents::default();
        documents.read("manifests.yaml", &text).unwrap();
        let read = documents.desired().unwrap();
        assert_eq!(read.cluster.spec.version.as_deref(), Some("0.1.7"));
        assert_eq!(read.zones.len(), 3);
        assert_eq!(read.zones[0].metadata.labels["team"], "storage");
        assert_eq!(read.zones[2].spec, desired.zones[2].spec);
    }
}
