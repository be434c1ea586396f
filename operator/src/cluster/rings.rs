//! Rings and builders in ConfigMaps: reading the current generation, and publishing the next.

mod repair;

pub use repair::{Verified, repair};

use super::apply::Applier;
use super::build::{Owner, rings as objects};
use super::{Context, PassError};
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use std::collections::BTreeMap;
use std::io::Read;
use swiftlet_plan::plan::{BuiltRing, RingGeneration};
use swiftlet_plan::world::{PublishedRing, PublishedRings};
use swiftlet_ring::distribution::{Bank, DistributionError, Index, assemble, split};

/// A builder is unpacked to at most this.
const BUILDER_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The current generation.
#[derive(Clone)]
pub struct Stored {
    /// Its index.
    pub index: Index,
    /// The index of its builders; `None` where they are gone.
    pub builders: Option<Index>,
    /// What the planner knows of it; `None` where the builders are gone.
    pub published: Option<PublishedRings>,
}

/// Why rings or builders could not be read or published.
#[derive(Debug, thiserror::Error)]
pub enum RingsError {
    /// They do not fit, or do not match.
    #[error(transparent)]
    Distribution(#[from] DistributionError),
    /// A ring cannot be made from its builder any more.
    #[error("{0}")]
    MadeAgain(String),
    /// A builder cannot be packed or unpacked.
    #[error("builder {name}: {source}")]
    Compression {
        /// Which.
        name: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// Reads the current generation: the index each time, the builders only when the generation is another. An index that
/// is gone or was changed by hand counts for nothing: what it said is known, or worked out from the builders.
pub async fn read(context: &Context, owner: &Owner) -> Result<Option<Stored>, PassError> {
    let config_maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), &owner.namespace);
    let found = config_maps.get_opt(&objects::index_config_map(&owner.cluster)).await;
    let found = found.map_err(PassError::read("the ring index"))?.as_ref().and_then(index_in);
    let known = context.published.lock().get(owner.uid()).cloned();
    let stored = match (found, known) {
        // Generations only grow: a later one was published by another operator, anything else by nobody.
        (Some(index), Some(known)) if index.generation <= known.index.generation => return Ok(Some(known)),
        (None, Some(known)) => return Ok(Some(known)),
        (Some(index), known) => match read_builders(&config_maps, owner, index.generation).await {
            Ok((published, builders)) => {
                Stored { index, builders: Some(builders), published: Some(published) }
            }
            Err(PassError::Rings(error)) => {
                if let Some(known) = known {
                    return Ok(Some(known));
                }
                tracing::error!(cluster = owner.cluster, generation = index.generation, %error, "builders cannot be read");
                return Ok(Some(Stored { index, builders: None, published: None }));
            }
            Err(error) => return Err(error),
        },
        (None, None) => match repair::index_from_builders(&config_maps, owner).await? {
            Some(stored) => stored,
            None => return Ok(None),
        },
    };
    context.published.lock().insert(owner.uid().to_string(), stored.clone());
    Ok(Some(stored))
}

/// The index in a ConfigMap, if it can be read.
pub fn index_in(config_map: &ConfigMap) -> Option<Index> {
    Index::parse(objects::read_index(config_map)?.as_bytes()).ok()
}

/// The builders that a generation was kept with, and the index of their own.
pub async fn read_builders(
    config_maps: &Api<ConfigMap>,
    owner: &Owner,
    generation: u64,
) -> Result<(PublishedRings, Index), PassError> {
    let chunk = |number| {
        let name = objects::builders_config_map(&owner.cluster, generation, number);
        async move { config_maps.get_opt(&name).await.map_err(PassError::read("the builders")) }
    };
    let missing = || RingsError::from(DistributionError::Chunk { slot: Bank::A.slot_name(0), generation });
    let first = chunk(0).await?.ok_or_else(missing)?;
    let index = index_in(&first).filter(|index| index.generation == generation).ok_or_else(missing)?;
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
        rings.insert(name, PublishedRing { builder });
    }
    Ok((PublishedRings { generation, rings }, index))
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

    let (builders, config_maps) = builder_chunks(owner, &index, &next.rings)?;
    for config_map in config_maps {
        applier.replace(config_map).await?;
    }
    for (number, chunk) in chunks.iter().enumerate() {
        applier.replace(objects::slot(owner, &bank.slot_name(number), chunk)).await?;
    }
    applier.replace(objects::index(owner, &index)).await?;

    let rings =
        next.rings.iter().map(|(name, ring)| (name.clone(), PublishedRing { builder: ring.builder.clone() }));
    let published = PublishedRings { generation: next.generation, rings: rings.collect() };
    let stored = Stored { index, builders: Some(builders), published: Some(published.clone()) };
    context.published.lock().insert(owner.uid().to_string(), stored);
    Ok(published)
}

/// The ConfigMaps that keep the builders of the generation that `index` is of, and the index of their own.
fn builder_chunks(
    owner: &Owner,
    index: &Index,
    rings: &BTreeMap<String, BuiltRing>,
) -> Result<(Index, Vec<ConfigMap>), RingsError> {
    let pack = |(name, ring): (&String, &BuiltRing)| {
        Ok::<_, RingsError>((format!("{name}.builder"), pack(name, &ring.builder)?))
    };
    let packed: Vec<_> = rings.iter().map(pack).collect::<Result<_, _>>()?;
    let (own_index, chunks) = split(index.generation, index.parent, Bank::A, &packed, usize::MAX)?;
    let config_maps = objects::builders(owner, &own_index, &chunks);
    Ok((own_index, config_maps))
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
