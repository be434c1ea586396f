//! The published rings, read once a plan.

use super::build;
use crate::leaving::{Place, place_of};
use crate::parallel;
use crate::world::World;
use std::collections::{BTreeMap, HashMap};
use swiftlet_ring::{Builder, Device, DeviceId};

/// Every published ring, by name.
#[derive(Debug, Default)]
pub(crate) struct LoadedRings(BTreeMap<String, LoadedRing>);

/// A published ring.
#[derive(Debug)]
pub(crate) struct LoadedRing {
    pub(crate) builder: Builder,
    /// Ids by host and device: a builder's own search goes through all of them.
    ids: HashMap<Place, DeviceId>,
}

impl LoadedRings {
    /// Reads the builders of `world`; the message names the ring that cannot be read.
    pub(crate) fn read(world: &World) -> Result<Self, String> {
        let published: Vec<_> = world.rings.iter().flat_map(|rings| &rings.rings).collect();
        let rings = parallel::map(&published, |(name, published)| {
            let builder = build::load(&published.builder).map_err(|error| format!("ring {name}: {error}"))?;
            let ids = builder.devices().map(|device| (place_of(device), device.id)).collect();
            Ok((name.to_string(), LoadedRing { builder, ids }))
        });
        Ok(Self(rings.into_iter().collect::<Result<_, String>>()?))
    }

    /// The ring called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&LoadedRing> {
        self.0.get(name)
    }

    /// All rings with their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &LoadedRing)> {
        self.0.iter().map(|(name, ring)| (name.as_str(), ring))
    }

    /// The rings that a device is in.
    pub(crate) fn with(&self, host: &str, device: &str) -> Vec<&str> {
        let place = (host.to_string(), device.to_string());
        self.iter().filter(|(_, ring)| ring.ids.contains_key(&place)).map(|(name, _)| name).collect()
    }
}

impl LoadedRing {
    /// A device of the ring.
    pub(crate) fn device(&self, host: &str, device: &str) -> Option<&Device> {
        self.builder.device(*self.ids.get(&(host.to_string(), device.to_string()))?)
    }
}
