//! Rings and builders in ConfigMaps: reading the current generation, and publishing the next.

use super::apply::Applier;
use super::build::{Owner, rings as objects};
use super::{Context, PassError};
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use std::collections::BTreeMap;
use std::io::Read;
use swiftlet_plan::plan::RingGeneration;
use swiftlet_plan::world::{PublishedRing, PublishedRings};
use swiftlet_ring::distribution::{Bank, DistributionError, Index, assemble, split};

/// A builder is unpacked to at most this.
const BUILDER_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The current generation.
#[derive(Clone)]
pub struct Stored {
    /// Its index.
    pub index: Index,
    /// What the planner knows of it; `None` where the builders are gone.
    pub published: Option<PublishedRings>,
}

/// Why rings or builders could not be read or published.
#[derive(Debug, thiserror::Error)]
pub enum RingsError {
    /// They do not fit, or do not match.
    #[error(transparent)]
    Distribution(#[from] DistributionError),
    /// A builder cannot be packed or unpacked.
    #[error("builder {name}: {source}")]
    Compression {
        /// Which.
        name: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// Reads the current generation: the index each time, the builders only when the generation is another.
pub async fn read(context: &Context, owner: &Owner) -> Result<Option<Stored>, PassError> {
    let config_maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), &owner.namespace);
    let found = config_maps.get_opt(&objects::index_config_map(&owner.cluster)).await;
    let Some(found) = found.map_err(PassError::read("the ring index"))? else { return Ok(None) };
    let index =
        Index::parse(objects::read_index(&found).unwrap_or_default().as_bytes()).map_err(RingsError::from)?;
    if let Some(stored) = context.published.lock().get(owner.uid()).filter(|stored| stored.index == index) {
        return Ok(Some(stored.clone()));
    }
    let published = match read_builders(&config_maps, owner, index.generation).await {
        Ok(published) => Some(published),
        Err(PassError::Rings(error)) => {
            tracing::error!(cluster = owner.cluster, generation = index.generation, %error, "builders cannot be read");
            None
        }
        Err(error) => return Err(error),
    };
    let stored = Stored { index, published };
    if stored.published.is_some() {
        context.published.lock().insert(owner.uid().to_string(), stored.clone());
    }
    Ok(Some(stored))
}

async fn read_builders(
    config_maps: &Api<ConfigMap>,
    owner: &Owner,
    generation: u64,
) -> Result<PublishedRings, PassError> {
    let chunk = |number| {
        let name = objects::builders_config_map(&owner.cluster, generation, number);
        async move { config_maps.get_opt(&name).await.map_err(PassError::read("the builders")) }
    };
    let missing = || RingsError::from(DistributionError::Chunk { slot: Bank::A.slot_name(0), generation });
    let first = chunk(0).await?.ok_or_else(missing)?;
    let index =
        Index::parse(objects::read_index(&first).unwrap_or_default().as_bytes()).map_err(RingsError::from)?;
    if index.generation != generation {
        return Err(missing().into());
    }
    let moves = objects::read_moves(&first);
    let mut chunks = BTreeMap::new();
    for number in 0..index.chunks.len() {
        let found = if number == 0 { Some(first.clone()) } else { chunk(number).await? };
        let bytes = found.as_ref().and_then(objects::read_chunk).map(<[u8]>::to_vec);
        chunks.insert(index.bank.slot_name(number), bytes.unwrap_or_default());
    }
    let files = assemble(&index, |slot| chunks.remove(slot)).map_err(RingsError::from)?;
    let mut rings = BTreeMap::new();
    for (file, packed) in files {
        let name = file.trim_end_matches(".builder").to_string();
        let builder = unpack(&name, &packed)?;
        let moves = moves.get(&name).copied().unwrap_or_default();
        rings.insert(name, PublishedRing { builder, moves });
    }
    Ok(PublishedRings { generation, rings })
}

/// Publishes a generation: its builders, its chunks into the idle bank, and last the index that makes it current.
/// Killed before that, nothing happened; of two that try, one gets through.
pub async fn publish(
    context: &Context,
    owner: &Owner,
    applier: &Applier<'_>,
    next: &RingGeneration,
    slots: usize,
) -> Result<PublishedRings, PassError> {
    let current = context.published.lock().get(owner.uid()).map(|stored| stored.index.clone());
    let bank = current.as_ref().map_or(Bank::A, |index| index.bank.other());
    let parent = current.map_or(0, |index| index.generation);
    let rings: Vec<_> =
        next.rings.iter().map(|(name, ring)| (format!("{name}.ring.gz"), ring.ring.clone())).collect();
    let (index, chunks) = split(next.generation, parent, bank, &rings, slots).map_err(RingsError::from)?;

    let mut packed = Vec::with_capacity(next.rings.len());
    for (name, ring) in &next.rings {
        packed.push((format!("{name}.builder"), pack(name, &ring.builder)?));
    }
    let (builders, parts) =
        split(next.generation, parent, Bank::A, &packed, usize::MAX).map_err(RingsError::from)?;
    let moves = next.rings.iter().map(|(name, ring)| (name.clone(), ring.moves)).collect();
    for config_map in objects::builders(owner, &builders, &moves, &parts) {
        applier.replace(config_map).await?;
    }
    for (number, chunk) in chunks.iter().enumerate() {
        applier.replace(objects::slot(owner, &bank.slot_name(number), chunk)).await?;
    }
    applier.replace(objects::index(owner, &index)).await?;

    let rings = next.rings.iter().map(|(name, ring)| {
        (name.clone(), PublishedRing { builder: ring.builder.clone(), moves: ring.moves })
    });
    let published = PublishedRings { generation: next.generation, rings: rings.collect() };
    let stored = Stored { index, published: Some(published.clone()) };
    context.published.lock().insert(owner.uid().to_string(), stored);
    Ok(published)
}

fn pack(name: &str, builder: &[u8]) -> Result<Vec<u8>, RingsError> {
    let mut packed = Vec::new();
    GzEncoder::new(builder, Compression::default())
        .read_to_end(&mut packed)
        .map(|_| packed)
        .map_err(|source| RingsError::Compression { name: name.to_string(), source })
}

fn unpack(name: &str, packed: &[u8]) -> Result<Vec<u8>, RingsError> {
    let mut builder = Vec::new();
    GzDecoder::new(packed)
        .take(BUILDER_BYTES_MAX)
        .read_to_end(&mut builder)
        .map(|_| builder)
        .map_err(|source| RingsError::Compression { name: name.to_string(), source })
}
