//! Rings that somebody changed or removed by hand: worked out from the builders once more, and written again.
//!
//! Nothing new is decided here. What the index says is what every node waits for, so chunks follow the index; an index
//! that is gone follows the builders, which hold all that it says.

use super::{PassError, RingsError, Stored, builder_chunks, read_builders};
use crate::cluster::Context;
use crate::cluster::apply::Applier;
use crate::cluster::build::{Owner, rings as objects};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};
use std::collections::BTreeMap;
use swiftlet_plan::plan::RingGeneration;
use swiftlet_plan::world::PublishedRings;
use swiftlet_ring::distribution::{Bank, Index, split};

/// ConfigMaps that were found to hold what they should, by name, with the resourceVersion they had.
pub type Verified = BTreeMap<String, String>;

/// Makes the index, the slots of its bank and the current builders hold what they should. In a steady state it looks at
/// resourceVersions alone.
pub async fn repair(context: &Context, owner: &Owner, applier: &Applier<'_>) -> Result<(), PassError> {
    let Some(stored) = context.published.lock().get(owner.uid()).cloned() else { return Ok(()) };
    let before = context.verified.lock().remove(owner.uid()).unwrap_or_default();
    let mut verified = Verified::new();
    let mut wrong = Vec::new();
    for (name, holds) in expected(owner, &stored) {
        let version = applier.version::<ConfigMap>(&name);
        if version.is_some() && before.get(&name) == version {
            verified
                .extend(before.get_key_value(&name).map(|(name, version)| (name.clone(), version.clone())));
            continue;
        }
        let found =
            applier.api::<ConfigMap>().get_opt(&name).await.map_err(PassError::read("a ring chunk"))?;
        match found.filter(|found| holds.is_in(found)) {
            Some(found) => {
                verified.insert(name, found.resource_version().unwrap_or_default());
            }
            None => wrong.push(name),
        }
    }
    context.verified.lock().insert(owner.uid().to_string(), verified);
    if wrong.is_empty() {
        return Ok(());
    }
    tracing::warn!(
        cluster = owner.cluster,
        objects = wrong.join(" "),
        "rings were changed by hand; restoring"
    );
    write(context, owner, applier, &stored, &wrong).await
}

/// What a ConfigMap must hold.
enum Holds<'a> {
    Index(&'a Index),
    Chunk(&'a Index, usize),
}

impl Holds<'_> {
    fn is_in(&self, found: &ConfigMap) -> bool {
        match self {
            Holds::Index(index) => super::index_in(found).as_ref() == Some(*index),
            Holds::Chunk(index, number) => {
                objects::read_chunk(found).is_some_and(|chunk| index.is_chunk(*number, chunk))
            }
        }
    }
}

fn expected<'a>(owner: &Owner, stored: &'a Stored) -> Vec<(String, Holds<'a>)> {
    let index = &stored.index;
    let slots = (0..index.chunks.len()).map(|number| {
        let name = objects::slot_config_map(&owner.cluster, &index.bank.slot_name(number));
        (name, Holds::Chunk(index, number))
    });
    let builders = stored.builders.iter().flat_map(|builders| {
        (0..builders.chunks.len()).map(move |number| {
            let name = objects::builders_config_map(&owner.cluster, builders.generation, number);
            (name, Holds::Chunk(builders, number))
        })
    });
    let own = (objects::index_config_map(&owner.cluster), Holds::Index(index));
    std::iter::once(own).chain(slots).chain(builders).collect()
}

/// Writes those of the current generation's objects that are `wrong`, the index last.
async fn write(
    context: &Context,
    owner: &Owner,
    applier: &Applier<'_>,
    stored: &Stored,
    wrong: &[String],
) -> Result<(), PassError> {
    let Some(published) = &stored.published else { return Ok(()) };
    let rings = swiftlet_plan::rings::made_again(published).map_err(RingsError::MadeAgain)?;
    let files: Vec<_> =
        rings.iter().map(|(name, ring)| (format!("{name}.ring.gz"), ring.ring.clone())).collect();
    let index = &stored.index;
    let (again, chunks) =
        split(index.generation, index.parent, index.bank, &files, usize::MAX).map_err(RingsError::from)?;
    if again != *index {
        // Another version of this program packs the same tables into other bytes: nodes wait for the old ones in vain.
        let summary = "the same rings again, as their chunks were changed by hand".to_string();
        let next = RingGeneration { generation: index.generation + 1, rings, summary };
        super::publish(context, owner, applier, &next, usize::MAX).await?;
        return Ok(());
    }
    let is_wrong = |config_map: &ConfigMap| wrong.contains(&config_map.name_any());
    let slots = chunks.iter().enumerate();
    let slots = slots.map(|(number, chunk)| objects::slot(owner, &index.bank.slot_name(number), chunk));
    let (builders, config_maps) = builder_chunks(owner, index, &rings)?;
    // They vouch for each other: one that is wrong brings all of them back.
    let config_maps = if config_maps.iter().any(is_wrong) { config_maps } else { Vec::new() };
    for config_map in slots.filter(is_wrong).chain(config_maps) {
        applier.replace(config_map).await?;
    }
    let own = objects::index(owner, index);
    if is_wrong(&own) {
        applier.replace(own).await?;
    }
    if let Some(stored) = context.published.lock().get_mut(owner.uid()) {
        stored.builders = Some(builders);
    }
    Ok(())
}

/// The index that the newest whole set of builders belongs to; `None` where there is none.
pub(super) async fn index_from_builders(
    config_maps: &Api<ConfigMap>,
    owner: &Owner,
) -> Result<Option<Stored>, PassError> {
    let mut newest: Option<(PublishedRings, Index)> = None;
    for set in 0..objects::BUILDER_SETS {
        let first = config_maps.get_opt(&objects::builders_config_map(&owner.cluster, set, 0)).await;
        let first = first.map_err(PassError::read("the builders"))?;
        let Some(index) = first.as_ref().and_then(super::index_in) else { continue };
        if newest.as_ref().is_some_and(|(rings, _)| rings.generation > index.generation) {
            continue;
        }
        match read_builders(config_maps, owner, index.generation).await {
            Ok(found) => newest = Some(found),
            Err(PassError::Rings(error)) => {
                tracing::warn!(cluster = owner.cluster, %error, "builders left aside")
            }
            Err(error) => return Err(error),
        }
    }
    let Some((published, builders)) = newest else { return Ok(None) };
    let rings = swiftlet_plan::rings::made_again(&published).map_err(RingsError::MadeAgain)?;
    let files: Vec<_> =
        rings.into_iter().map(|(name, ring)| (format!("{name}.ring.gz"), ring.ring)).collect();
    let split_into = |bank| {
        split(published.generation, builders.parent, bank, &files, usize::MAX).map_err(RingsError::from)
    };
    let (index, chunks) = split_into(Bank::A)?;
    let slot = objects::slot_config_map(&owner.cluster, &Bank::A.slot_name(0));
    let slot = config_maps.get_opt(&slot).await.map_err(PassError::read("a ring chunk"))?;
    let is_in_a = slot.as_ref().and_then(objects::read_chunk) == chunks.first().map(Vec::as_slice);
    let index = if is_in_a { index } else { split_into(Bank::B)?.0 };
    Ok(Some(Stored { index, builders: Some(builders), published: Some(published) }))
}
