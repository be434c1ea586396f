//! The generations of rings that a cluster keeps: the one in use and some before.

use crate::cluster::build::rings as objects;
use crate::cluster::rings::{index_in, read_builders};
use crate::kubectl::target::Target;
use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use std::collections::BTreeMap;
use swiftlet_plan::world::PublishedRings;
use swiftlet_ring::builder::file;
use swiftlet_ring::{Builder, RingData};

/// One generation, with its builders.
pub struct Generation {
    /// Its number.
    pub number: u64,
    /// The one it was made from; 0 for the first.
    pub parent: u64,
    /// When its builders were written (Unix time).
    pub written_at_s: Option<i64>,
    /// Its builders by ring.
    pub builders: BTreeMap<String, Builder>,
    /// The same as they are kept.
    pub published: PublishedRings,
}

/// What is kept.
pub struct Store {
    /// The generation in use; `None` before the first.
    pub current: Option<u64>,
    /// What can be read, newest first.
    pub generations: Vec<Generation>,
    /// What cannot be read, and why.
    pub damaged: Vec<String>,
}

/// Reads everything that is kept.
pub async fn read(target: &Target) -> anyhow::Result<Store> {
    let config_maps = target.api::<ConfigMap>();
    let owner = target.owner();
    let index = config_maps.get_opt(&objects::index_config_map(&target.name())).await;
    let index = index.context("read the ring index")?.as_ref().and_then(index_in);
    let mut store =
        Store { current: index.map(|index| index.generation), generations: Vec::new(), damaged: Vec::new() };
    for set in 0..objects::BUILDER_SETS {
        let name = objects::builders_config_map(&target.name(), set, 0);
        let first = config_maps.get_opt(&name).await.with_context(|| format!("read ConfigMap {name}"))?;
        let Some(first) = first else { continue };
        let Some(index) = index_in(&first) else {
            store.damaged.push(format!("ConfigMap {name} holds no index"));
            continue;
        };
        let read = read_builders(&config_maps, &owner, index.generation).await.map_err(anyhow::Error::from);
        match read.and_then(|(published, _)| Generation::new(published, index.parent, written_at_s(&first))) {
            Ok(generation) => store.generations.push(generation),
            Err(error) => store.damaged.push(format!("generation {}: {error:#}", index.generation)),
        }
    }
    store.generations.sort_by_key(|generation| std::cmp::Reverse(generation.number));
    Ok(store)
}

/// When a ConfigMap, which is written as a whole each time, was written last.
fn written_at_s(config_map: &ConfigMap) -> Option<i64> {
    let written = config_map.managed_fields().iter().filter_map(|entry| entry.time.as_ref());
    let created = config_map.creation_timestamp();
    written.chain(created.as_ref()).map(|time| time.0.as_second()).max()
}

impl Generation {
    /// One from its builders' files.
    pub fn new(
        published: PublishedRings,
        parent: u64,
        written_at_s: Option<i64>,
    ) -> anyhow::Result<Generation> {
        let mut builders = BTreeMap::new();
        for (name, ring) in &published.rings {
            let builder =
                file::read(&ring.builder).with_context(|| format!("{name}.builder cannot be read"))?;
            builders.insert(name.clone(), builder);
        }
        Ok(Generation { number: published.generation, parent, written_at_s, builders, published })
    }

    /// One of its rings.
    pub fn builder(&self, ring: &str) -> anyhow::Result<&Builder> {
        self.builders.get(ring).with_context(|| {
            let known: Vec<&str> = self.builders.keys().map(String::as_str).collect();
            format!("generation {} has no ring {ring:?}; it has {}", self.number, known.join(", "))
        })
    }

    /// The table of one of its rings.
    pub fn table(&self, ring: &str) -> Option<RingData> {
        self.builders.get(ring).map(Builder::ring)
    }
}

impl Store {
    /// A generation by its number, or the one in use.
    pub fn get(&self, number: Option<u64>) -> anyhow::Result<&Generation> {
        let Some(number) = number.or(self.current) else {
            bail!("there are no rings yet");
        };
        if let Some(generation) = self.generations.iter().find(|generation| generation.number == number) {
            return Ok(generation);
        }
        if let Some(damage) =
            self.damaged.iter().find(|damage| damage.starts_with(&format!("generation {number}:")))
        {
            bail!("{damage}");
        }
        let kept: Vec<String> =
            self.generations.iter().map(|generation| generation.number.to_string()).collect();
        bail!("generation {number} is not kept; those kept are {}", kept.join(", "))
    }
}

/// Generations of rings made as the operator makes them, for tests.
#[cfg(test)]
pub mod tests {
    use super::*;
    use swiftlet_plan::world::PublishedRing;
    use swiftlet_ring::builder::NewDevice;

    /// A generation with ring `object` of 64 partitions on `devices` devices of as many zones.
    pub fn generation(number: u64, devices: u32) -> Generation {
        let builder = grown(None, devices);
        wrap(number, &builder)
    }

    /// The next generation: the same ring with `devices` devices in all.
    pub fn next(before: &Generation, devices: u32) -> Generation {
        wrap(before.number + 1, &grown(Some(before.builders["object"].clone()), devices))
    }

    fn wrap(number: u64, builder: &Builder) -> Generation {
        let ring = PublishedRing { builder: file::write(builder) };
        let rings = BTreeMap::from([("object".to_string(), ring)]);
        Generation::new(PublishedRings { generation: number, rings }, number - 1, Some(0)).unwrap()
    }

    fn grown(builder: Option<Builder>, devices: u32) -> Builder {
        let mut builder = builder.unwrap_or_else(|| Builder::new(6, 3.0, 0).unwrap());
        let held = u32::try_from(builder.devices().count()).unwrap();
        for n in held..devices {
            let ip = format!("demo-rack{n}-0.default.svc");
            let new = NewDevice {
                id: None,
                device: "d1".into(),
                ip: ip.clone(),
                port: 6200,
                replication_ip: ip,
                replication_port: 6200,
                region: 1,
                zone: n + 1,
                weight: 1.0,
                meta: format!("demo-rack{n}-0"),
            };
            builder.add(new).unwrap();
        }
        builder.assign_id(|| "id".to_string());
        builder.rebalance(1_700_000_000, "object").unwrap();
        builder
    }

    #[test]
    fn a_generation_that_is_not_kept_is_told_with_those_that_are() {
        let store = Store {
            current: Some(4),
            generations: vec![generation(4, 4), generation(3, 3)],
            damaged: vec!["generation 2: object.builder cannot be read".into()],
        };
        assert_eq!(store.get(None).unwrap().number, 4);
        assert_eq!(store.get(Some(3)).unwrap().number, 3);
        assert_eq!(
            store.get(Some(2)).err().unwrap().to_string(),
            "generation 2: object.builder cannot be read"
        );
        let error = store.get(Some(9)).err().unwrap().to_string();
        assert_eq!(error, "generation 9 is not kept; those kept are 4, 3");
        assert!(
            store.get(None).unwrap().builder("object-7").unwrap_err().to_string().contains("it has object")
        );
    }
}
