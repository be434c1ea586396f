//! `kubectl swift adopt`: a cluster whose namespace, or whose etcd, was lost comes back on its volumes.
//!
//! Claims come first and the ring index last: cut off anywhere, the same command goes on. The SwiftCluster is applied
//! after it; before, an operator would have to believe that nothing exists.

mod volumes;

use super::backup::bundle::Bundle;
use super::ring::import;
use super::ring::store::Generation;
use super::target::{Connection, Where};
use crate::cluster::build::{Owner, claim, rings as objects, secrets};
use crate::cluster::rings::index_in;
use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolume, PersistentVolumeClaim, Secret};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use swiftlet_plan::documents::{Documents, hash_path_secret_name};
use swiftlet_plan::resources::parse_quantity_bytes;
use swiftlet_plan::validate::{Desired, ValidatedDevice, validate};
use swiftlet_plan::world::{PublishedRing, PublishedRings};
use volumes::Fate;

/// What `adopt` is told.
#[derive(clap::Args)]
pub struct Options {
    /// What `kubectl swift backup --to` wrote.
    #[arg(long, value_name = "FILE|DIR")]
    from: PathBuf,
    /// Say what would happen and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// A claim that is to be there, and what becomes of it.
struct Wanted {
    claim: PersistentVolumeClaim,
    fate: Fate,
}

/// Brings back claims, hash path and rings, and prints the manifests to apply.
pub async fn run(place: &Where, options: Options) -> anyhow::Result<()> {
    let bundle = Bundle::read(&options.from)?;
    let connection = place.connect().await?;
    let facts = &bundle.facts;
    check_place(place.cluster.as_deref(), &connection.namespace, &bundle)?;
    let desired = desired(&bundle)?;
    let owner = Owner::of_absent(&facts.cluster, &facts.namespace);
    let generation = generation(&bundle)?;
    let has_rings = has_these_rings(&connection, &owner, &generation).await?;
    let hash_path = missing_hash_path(&connection, &owner, &desired, &bundle).await?;
    let wanted = wanted_claims(&connection, &owner, &desired, &bundle).await?;

    for wanted in &wanted {
        eprintln!("{}", words(wanted));
    }
    let is_unsettled = |wanted: &&Wanted| matches!(wanted.fate, Fate::Taken { .. } | Fate::Ambiguous { .. });
    let unsettled: Vec<String> = wanted.iter().filter(is_unsettled).map(words).collect();
    if !unsettled.is_empty() {
        bail!("nothing was changed: {}", unsettled.join("; "));
    }
    if options.dry_run {
        eprintln!("Nothing has been changed.");
        return Ok(());
    }
    for wanted in &wanted {
        bring_back(&connection, wanted).await?;
    }
    if let Some(users) = &bundle.users {
        create_if_missing(&connection, users).await?;
    }
    if has_rings {
        eprintln!("the rings are there already");
    } else {
        import::publish(&connection, &owner, &generation, hash_path, "adopted").await?;
        eprintln!("hash path and rings are back, as generation {}", generation.number);
    }
    eprintln!("Apply what follows; its pods find their volumes again:");
    say!("{}", bundle.manifests.trim_end());
    Ok(())
}

/// Rings name nodes by namespace and cluster: under others nothing would be found.
fn check_place(cluster: Option<&str>, namespace: &str, bundle: &Bundle) -> anyhow::Result<()> {
    let facts = &bundle.facts;
    if cluster.is_some_and(|cluster| cluster != facts.cluster) {
        bail!("the backup is of cluster {}, and its rings name its nodes so; leave -c out", facts.cluster);
    }
    if namespace != facts.namespace {
        bail!(
            "the backup is of namespace {0}, and its rings name its nodes so: make that namespace and give -n {0}",
            facts.namespace
        );
    }
    Ok(())
}

fn desired(bundle: &Bundle) -> anyhow::Result<Desired> {
    let mut documents = Documents::default();
    documents.read("manifests.yaml", &bundle.manifests)?;
    let mut desired = documents.desired()?;
    desired.auth_secret = bundle.users.as_ref().map(secrets::read_texts);
    desired.hash_path = secrets::read_hash_path(&bundle.hash_path);
    if desired.hash_path.is_none() {
        bail!("the backup's hash-path.yaml holds no hash path");
    }
    Ok(desired)
}

/// The backup's rings, as the generation after theirs: nodes may still hold that one.
fn generation(bundle: &Bundle) -> anyhow::Result<Generation> {
    let builders = bundle.rings.iter().filter_map(|(file, bytes)| {
        let name = file.strip_suffix(".builder")?;
        Some((name.to_string(), PublishedRing { builder: bytes.clone() }))
    });
    let published = PublishedRings {
        generation: bundle.facts.generation + 1,
        rings: builders.collect::<BTreeMap<_, _>>(),
    };
    Generation::new(published, bundle.facts.generation, None)
}

/// Whether the cluster has the backup's rings; it may have no others.
async fn has_these_rings(
    connection: &Connection,
    owner: &Owner,
    generation: &Generation,
) -> anyhow::Result<bool> {
    let name = objects::index_config_map(&owner.cluster);
    let found = connection.api::<ConfigMap>().get_opt(&name).await;
    let found = found.with_context(|| format!("read ConfigMap {name}"))?;
    let Some(found) = found else {
        return import::refuse_other_rings(connection, owner, generation).await.map(|()| false);
    };
    let rings = swiftlet_plan::rings::made_again(&generation.published).map_err(anyhow::Error::msg)?;
    let same = |file: &swiftlet_ring::distribution::RingFile| {
        let name = file.name.trim_end_matches(".ring.gz");
        rings.get(name).is_some_and(|ring| file.matches(&ring.ring))
    };
    match index_in(&found) {
        Some(index) if index.rings.len() == rings.len() && index.rings.iter().all(same) => Ok(true),
        _ => bail!("ConfigMap {name} holds other rings: this cluster is not lost; nothing was changed"),
    }
}

/// The hash path's Secret, where it has to be made.
async fn missing_hash_path(
    connection: &Connection,
    owner: &Owner,
    desired: &Desired,
    bundle: &Bundle,
) -> anyhow::Result<Option<Secret>> {
    let name = hash_path_secret_name(desired.cluster.name(), &desired.cluster.spec);
    let found = connection.api::<Secret>().get_opt(&name).await;
    let found = found.with_context(|| format!("read Secret {name}"))?;
    let Some(known) = &desired.hash_path else { return Ok(None) };
    match found.as_ref().map(secrets::read_hash_path) {
        None => Ok(Some(secrets::known_hash_path(owner, &name, known))),
        Some(Some(found)) if found == *known => Ok(None),
        Some(_) => bail!(
            "Secret {name} holds another hash path than the backup of {}: an operator made a new cluster here. \
             Delete that SwiftCluster and this Secret first; nothing was changed",
            bundle.facts.taken_at
        ),
    }
}

/// Every claim of the nodes that are to run.
async fn wanted_claims(
    connection: &Connection,
    owner: &Owner,
    desired: &Desired,
    bundle: &Bundle,
) -> anyhow::Result<Vec<Wanted>> {
    let validation = validate(desired);
    let Some(cluster) = validation.cluster else {
        let problems: Vec<String> = validation.problems.iter().map(ToString::to_string).collect();
        bail!("the backup's manifests have problems: {}", problems.join("; "));
    };
    let claims = connection.api::<PersistentVolumeClaim>().list(&ListParams::default()).await;
    let claims = claims.context("list PersistentVolumeClaims")?.items;
    let volumes: Api<PersistentVolume> = Api::all(connection.client.clone());
    let volumes = volumes.list(&ListParams::default()).await.context("list PersistentVolumes")?.items;
    let mut wanted = Vec::new();
    for (zone, node) in cluster.nodes() {
        for device in &node.devices {
            let name = claim::name(&device.name, &node.name);
            let fate = volumes::fate((&owner.namespace, &name), &claims, &volumes, &bundle.facts.claims);
            let claim = claim_for(owner, (&zone.name, &node.name), device, &fate);
            wanted.push(Wanted { claim, fate });
        }
    }
    Ok(wanted)
}

/// A device's claim, bound to the volume that it takes. It asks for no more than that has: the operator grows it later.
fn claim_for(
    owner: &Owner,
    (zone, node): (&str, &str),
    device: &ValidatedDevice,
    fate: &Fate,
) -> PersistentVolumeClaim {
    let mut claim = claim::claim(owner, zone, node, device);
    let (Fate::Takes(volume), Some(spec)) = (fate, &mut claim.spec) else { return claim };
    let of_volume = volume.spec.clone().unwrap_or_default();
    spec.volume_name = volume.metadata.name.clone();
    spec.storage_class_name = Some(of_volume.storage_class_name.unwrap_or_default());
    let capacity = of_volume.capacity.and_then(|capacity| capacity.get("storage").cloned());
    if let Some(Quantity(capacity)) = capacity
        && parse_quantity_bytes(&capacity).is_ok_and(|bytes| bytes < device.size_bytes)
        && let Some(requests) = spec.resources.as_mut().and_then(|resources| resources.requests.as_mut())
    {
        requests.insert("storage".to_string(), Quantity(capacity));
    }
    claim
}

fn words(wanted: &Wanted) -> String {
    let name = wanted.claim.name_any();
    match &wanted.fate {
        Fate::Exists => format!("{name}: is there"),
        Fate::Takes(volume) => format!("{name}: takes volume {} back", volume.name_any()),
        Fate::Missing => {
            format!("{name}: its volume is gone; the operator makes an empty one, which replication fills")
        }
        Fate::Taken { volume, by } => format!("{name}: volume {volume} belongs to claim {by} now"),
        Fate::Ambiguous { volumes } => format!(
            "{name}: {} were its volumes, and the backup knows none of them; delete all but the last one's \
             PersistentVolume",
            volumes.join(" and ")
        ),
    }
}

/// The volume forgets the claim that is gone, and waits for the one that is made for it.
async fn bring_back(connection: &Connection, wanted: &Wanted) -> anyhow::Result<()> {
    let Fate::Takes(volume) = &wanted.fate else { return Ok(()) };
    let (name, volume_name) = (wanted.claim.name_any(), volume.name_any());
    let reference = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": connection.namespace,
                           "name": name, "uid": null, "resourceVersion": null});
    let patch = json!({"metadata": {"resourceVersion": volume.metadata.resource_version},
                       "spec": {"claimRef": reference}});
    let volumes: Api<PersistentVolume> = Api::all(connection.client.clone());
    let patched = volumes.patch(&volume_name, &PatchParams::default(), &Patch::Merge(&patch)).await;
    patched.with_context(|| format!("give PersistentVolume {volume_name} to claim {name}"))?;
    let created = connection.api().create(&PostParams::default(), &wanted.claim).await;
    created.map(drop).with_context(|| format!("make PersistentVolumeClaim {name}"))
}

async fn create_if_missing(connection: &Connection, secret: &Secret) -> anyhow::Result<()> {
    match connection.api::<Secret>().create(&PostParams::default(), secret).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        Err(error) => Err(error).with_context(|| format!("make Secret {}", secret.name_any())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubectl::backup::bundle::tests::bundle;
    use crate::kubectl::plan::words::tests::cluster;

    #[test]
    fn a_backup_comes_back_only_where_its_rings_look_for_it() {
        assert!(check_place(None, "default", &bundle()).is_ok());
        assert!(check_place(Some("demo"), "default", &bundle()).is_ok());
        let error = check_place(None, "other", &bundle()).unwrap_err().to_string();
        assert!(error.contains("give -n default"), "{error}");
        assert!(check_place(Some("other"), "default", &bundle()).is_err());
    }

    #[test]
    fn a_claim_names_its_volume_and_asks_for_no_more_than_that_has() {
        let validated = validate(&Desired {
            hash_path: secrets::read_hash_path(&secrets::hash_path(
                &Owner::of_absent("demo", "default"),
                "x",
                &[7; 32],
            )),
            ..cluster(3, 1)
        });
        let cluster = validated.cluster.unwrap();
        let (zone, node) = cluster.nodes().next().unwrap();
        let owner = Owner::of_absent("demo", "default");
        let volume = |size: &str| -> Fate {
            let volume = json!({"metadata": {"name": "pv-7"}, "spec": {"capacity": {"storage": size},
                                "storageClassName": "local"}});
            Fate::Takes(Box::new(serde_json::from_value(volume).unwrap()))
        };
        let spec =
            |fate: &Fate| claim_for(&owner, (&zone.name, &node.name), &node.devices[1], fate).spec.unwrap();
        let size = |fate: &Fate| spec(fate).resources.unwrap().requests.unwrap()["storage"].0.clone();
        assert_eq!(spec(&volume("2Gi")).volume_name.as_deref(), Some("pv-7"));
        assert_eq!(spec(&volume("2Gi")).storage_class_name.as_deref(), Some("local"));
        assert_eq!((size(&volume("1Gi")), size(&volume("9Gi"))), ("1Gi".into(), "2Gi".into()));
        assert_eq!(spec(&Fate::Missing).volume_name, None);
    }
}
