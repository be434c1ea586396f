//! `kubectl swift ring import`: the builders of a Swift cluster become the first rings of a cluster that has none.
//!
//! It comes before the SwiftCluster is applied, or before its Zones are: once there are rings or data, the hash path and
//! the rings are what they are.

use super::store::Generation;
use crate::cluster::Context;
use crate::cluster::apply::{Applier, Live};
use crate::cluster::build::{Owner, rings as objects, secrets};
use crate::cluster::rings;
use crate::kubectl::target::{Connection, FIELD_MANAGER, Target, Where};
use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use swiftlet_plan::plan::RingGeneration;
use swiftlet_plan::resources::SwiftCluster;
use swiftlet_plan::validate::{HashPath, RingSettings, ring_settings};
use swiftlet_plan::world::{PublishedRing, PublishedRings};
use swiftlet_ring::distribution::slots_needed;
use swiftlet_ring::{RingData, format};
use swiftlet_types::swift_conf::SwiftConf;

/// What `ring import` is told.
#[derive(clap::Args)]
pub struct Options {
    /// The folder with `account.builder`, `container.builder`, `object.builder`, `object-1.builder`, ….
    #[arg(value_name = "DIR")]
    from: PathBuf,
    /// The Swift cluster's swift.conf: its hash path becomes the cluster's Secret, where there is none yet.
    #[arg(long, value_name = "FILE")]
    swift_conf: Option<PathBuf>,
    /// Say what would happen and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Publishes the builders as they are.
pub async fn run(place: &Where, options: Options) -> anyhow::Result<()> {
    let connection = place.connect().await?;
    let (name, cluster) = which(place, &connection).await?;
    let owner = cluster.as_ref().map_or_else(|| Owner::of_absent(&name, &connection.namespace), Owner::of);
    let mut generation = read_dir(&options.from)?;
    if let Some(cluster) = &cluster {
        generation = after_all_held(&connection, cluster, generation).await?;
        let problems = disagreements(&ring_settings(&cluster.spec), &generation);
        if !problems.is_empty() {
            bail!(
                "{} is not what SwiftCluster {name} asks for: {}",
                options.from.display(),
                problems.join("; ")
            );
        }
    }
    refuse_other_rings(&connection, &owner, &generation).await?;
    let secret_name = cluster.as_ref().map_or_else(|| format!("{name}-hash-path"), secrets::hash_path_secret);
    let secret = hash_path(&connection, &owner, &secret_name, options.swift_conf.as_deref()).await?;

    show!("{}", text(&owner, &generation, cluster.is_none()));
    if options.dry_run {
        say!("Nothing has been changed.");
        return Ok(());
    }
    publish(&connection, &owner, &generation, secret, "imported").await?;
    say!("Generation {} of cluster {name} is published.", generation.number);
    Ok(())
}

/// Generations only grow: where the rings were lost and pods still hold some, what is imported follows those.
async fn after_all_held(
    connection: &Connection,
    cluster: &SwiftCluster,
    generation: Generation,
) -> anyhow::Result<Generation> {
    let target = Target { connection: connection.clone(), cluster: cluster.clone() };
    let answers = target.ask_all(&target.pods().await?).await;
    let held = answers.into_iter().filter_map(|answer| answer.ok()?.generation).max().unwrap_or(0);
    let published = PublishedRings { generation: held + 1, ..generation.published };
    Generation::new(published, held, None)
}

/// The cluster by name, and its SwiftCluster where that exists.
async fn which(place: &Where, connection: &Connection) -> anyhow::Result<(String, Option<SwiftCluster>)> {
    let Some(name) = &place.cluster else {
        let cluster = connection.cluster(None).await.context("give the cluster's name with -c")?;
        return Ok((cluster.metadata.name.clone().unwrap_or_default(), Some(cluster)));
    };
    let found = connection.api::<SwiftCluster>().get_opt(name).await;
    Ok((name.clone(), found.with_context(|| format!("read SwiftCluster {name}"))?))
}

/// Every builder of a folder; a ring file beside one must hold the same table.
pub fn read_dir(dir: &Path) -> anyhow::Result<Generation> {
    let mut rings = BTreeMap::new();
    let entries = std::fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("read {}", dir.display()))?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(name) = file.strip_suffix(".builder") {
            let builder = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            rings.insert(name.to_string(), PublishedRing { builder });
        }
    }
    if rings.is_empty() {
        bail!("{} holds no *.builder", dir.display());
    }
    let generation = Generation::new(PublishedRings { generation: 1, rings }, 0, None)
        .with_context(|| format!("in {}", dir.display()))?;
    for (name, builder) in &generation.builders {
        let table = builder.ring();
        if table.assignments.is_empty() {
            bail!("{name}.builder was never rebalanced; nothing was changed");
        }
        let path = dir.join(format!("{name}.ring.gz"));
        if path.exists() {
            let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            let ring = format::read(&bytes).with_context(|| path.display().to_string())?;
            if !is_same_table(&ring, &table) {
                bail!(
                    "{name}.ring.gz is not what {name}.builder says: run swift-ring-builder {name}.builder \
                     write_ring, and give its servers the result first"
                );
            }
        }
    }
    Ok(generation)
}

fn is_same_table(a: &RingData, b: &RingData) -> bool {
    swiftlet_plan::forecast::compare(a, b).is_some_and(|moves| moves.replicas == 0)
        && a.assignments.len() == b.assignments.len()
}

/// What speaks against these builders for a cluster whose rings are to be `wanted`.
fn disagreements(wanted: &[RingSettings], generation: &Generation) -> Vec<String> {
    let mut problems = Vec::new();
    for ring in wanted {
        let Some(builder) = generation.builders.get(&ring.name) else {
            problems.push(format!("{}.builder is missing", ring.name));
            continue;
        };
        if builder.part_power() != u32::from(ring.part_power) {
            let (name, has) = (&ring.name, builder.part_power());
            problems.push(format!("{name}.builder has partPower {has}, the spec says {}", ring.part_power));
        }
        if builder.replicas() != ring.replicas {
            let (name, has) = (&ring.name, builder.replicas());
            problems.push(format!("{name}.builder has {has} replicas, the spec says {}", ring.replicas));
        }
    }
    for name in generation.builders.keys().filter(|name| !wanted.iter().any(|ring| ring.name == **name)) {
        problems.push(format!("{name}.builder is of a policy that the spec does not have"));
    }
    problems
}

/// A cluster's first rings are its only ones; what an interrupted command left of `generation` itself is none yet.
pub async fn refuse_other_rings(
    connection: &Connection,
    owner: &Owner,
    generation: &Generation,
) -> anyhow::Result<()> {
    let config_maps = connection.api::<ConfigMap>();
    let refuse = |name: &str| {
        anyhow::anyhow!("cluster {} has rings already (ConfigMap {name}); nothing was changed", owner.cluster)
    };
    let name = objects::index_config_map(&owner.cluster);
    let found =
        config_maps.get_metadata_opt(&name).await.with_context(|| format!("look for ConfigMap {name}"))?;
    if found.is_some() {
        return Err(refuse(&name));
    }
    for set in 0..objects::BUILDER_SETS {
        let name = objects::builders_config_map(&owner.cluster, set, 0);
        let found = config_maps.get_opt(&name).await.with_context(|| format!("look for ConfigMap {name}"))?;
        let Some(found) = found else { continue };
        let is_ours = rings::index_in(&found).is_some_and(|index| index.generation == generation.number);
        let kept = rings::read_builders(&config_maps, owner, generation.number).await;
        // Builders that are not whole were never in use; others of this number would be another cluster's.
        if !is_ours || kept.is_ok_and(|(kept, _)| kept.rings != generation.published.rings) {
            return Err(refuse(&name));
        }
    }
    Ok(())
}

/// The Secret to be made: none where the cluster has its hash path.
async fn hash_path(
    connection: &Connection,
    owner: &Owner,
    name: &str,
    swift_conf: Option<&Path>,
) -> anyhow::Result<Option<Secret>> {
    let found =
        connection.api::<Secret>().get_opt(name).await.with_context(|| format!("read Secret {name}"))?;
    let found = found.as_ref().and_then(secrets::read_hash_path);
    let given = match swift_conf {
        None => None,
        Some(path) => {
            let conf = SwiftConf::read(path).map_err(|error| anyhow::anyhow!("{error}"))?;
            Some(HashPath { prefix: text_of(&conf.hash.prefix)?, suffix: text_of(&conf.hash.suffix)? })
        }
    };
    match (found, given) {
        (Some(found), Some(given)) if found != given => bail!(
            "Secret {name} holds another hash path than swift.conf: no object of that cluster would be found. \
             Nothing was changed; delete the Secret if nothing was ever stored with it"
        ),
        (Some(_), _) => Ok(None),
        (None, Some(given)) => Ok(Some(secrets::known_hash_path(owner, name, &given))),
        (None, None) => {
            bail!("there is no Secret {name}: give --swift-conf, without the hash path no object is found")
        }
    }
}

fn text_of(bytes: &[u8]) -> anyhow::Result<String> {
    String::from_utf8(bytes.to_vec()).context("the hash path in swift.conf is no UTF-8")
}

/// Writes the hash path where it is given, and the rings.
pub async fn publish(
    connection: &Connection,
    owner: &Owner,
    generation: &Generation,
    hash_path: Option<Secret>,
    summary: &str,
) -> anyhow::Result<()> {
    let context = Context::from_outside(connection.client.clone(), FIELD_MANAGER);
    let mut live = Live::default();
    let there = connection.api::<ConfigMap>().list_metadata(&owner.everything()).await;
    live.add(&there.context("list ConfigMaps")?.items);
    let applier = Applier::new(&context, owner, &live);
    if let Some(secret) = hash_path {
        applier.create(&secret).await?;
    }
    let rings = swiftlet_plan::rings::made_again(&generation.published).map_err(anyhow::Error::msg)?;
    let sizes = generation
        .builders
        .values()
        .map(|builder| (u8::try_from(builder.part_power()).unwrap_or(u8::MAX), builder.replicas()));
    let next = RingGeneration { generation: generation.number, rings, summary: summary.to_string() };
    rings::publish(&context, owner, &applier, &next, slots_needed(sizes)).await?;
    Ok(())
}

fn text(owner: &Owner, generation: &Generation, is_absent: bool) -> String {
    let mut text = format!("cluster {} begins with these rings, as they are:\n", owner.cluster);
    for (ring, builder) in &generation.builders {
        text += &format!(
            "- {ring}: partPower {}, {} replicas, {} devices\n",
            builder.part_power(),
            builder.replicas(),
            builder.devices().count()
        );
    }
    let own = format!(".{}.svc", owner.namespace);
    let devices = generation.builders.values().flat_map(|builder| builder.devices());
    let outside: BTreeSet<&str> =
        devices.map(|device| device.ip.as_str()).filter(|host| !host.ends_with(&own)).collect();
    if !outside.is_empty() {
        let hosts: Vec<&str> = outside.into_iter().collect();
        text += &format!(
            "These hosts are no nodes of namespace {}; declare them as a Zone's external nodes, or their devices \
             leave: {}\n",
            owner.namespace,
            hosts.join(", ")
        );
    }
    if is_absent {
        text += "Its SwiftCluster is not there yet; it must ask for the same partPower and replicas.\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::export;
    use super::super::store::tests::generation;
    use super::*;

    fn settings(name: &str, part_power: u8, replicas: f64) -> RingSettings {
        RingSettings { name: name.into(), part_power, replicas, min_part_hours: 24, overload: 0.1 }
    }

    #[test]
    fn what_was_exported_is_read_back_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let first = generation(7, 4);
        for (name, bytes) in export::files(&first.published).unwrap() {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        let read = read_dir(dir.path()).unwrap();
        assert_eq!(read.published.rings, first.published.rings);
        assert_eq!(read.number, 1);
    }

    #[test]
    fn a_ring_that_its_builder_does_not_know_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read_dir(dir.path()).err().unwrap().to_string().contains("holds no *.builder"));
        let (ours, other) = (generation(1, 4), generation(1, 5));
        let builder = &export::files(&ours.published).unwrap()["object.builder"];
        let ring = &export::files(&other.published).unwrap()["object.ring.gz"];
        std::fs::write(dir.path().join("object.builder"), builder).unwrap();
        std::fs::write(dir.path().join("object.ring.gz"), ring).unwrap();
        let error = read_dir(dir.path()).err().unwrap().to_string();
        assert!(error.contains("write_ring"), "{error}");
    }

    #[test]
    fn hosts_outside_are_named_once() {
        let generation = generation(1, 3);
        let told = |namespace: &str| text(&Owner::of_absent("demo", namespace), &generation, false);
        assert!(!told("default").contains("external"), "{}", told("default"));
        let hosts = "demo-rack0-0.default.svc, demo-rack1-0.default.svc, demo-rack2-0.default.svc";
        assert!(told("other").contains(hosts), "{}", told("other"));
    }

    #[test]
    fn builders_that_the_spec_does_not_ask_for_are_told_one_by_one() {
        let generation = generation(1, 3);
        assert_eq!(disagreements(&[settings("object", 6, 3.0)], &generation), [""; 0]);
        let wrong = disagreements(&[settings("account", 6, 3.0), settings("object", 10, 2.0)], &generation);
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong[1].contains("partPower 6, the spec says 10"), "{wrong:?}");
        assert!(disagreements(&[], &generation)[0].contains("of a policy that the spec does not have"));
    }
}
