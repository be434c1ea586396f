//! Rings and builders as ConfigMaps. None has an owner: they outlive the SwiftCluster, as the data does.
//!
//! Rings: an index, and two banks of slots that every pod mounts. Builders: the current set and four before, mounted
//! by no one, in sets of fixed name that are filled in turn; each carries an index of its own in its first chunk.

use super::{Component, Owner};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;
use swiftlet_ring::distribution::Index;

/// Key of the index.
pub const INDEX_KEY: &str = "index.json";
/// Key of a chunk.
pub const CHUNK_KEY: &str = "chunk";
/// Sets of builders that are kept.
pub const BUILDER_SETS: u64 = 5;

/// The ConfigMap with the index.
pub fn index_config_map(cluster: &str) -> String {
    format!("{cluster}-rings")
}

/// The ConfigMap of a slot, such as `demo-rings-a-0`.
pub fn slot_config_map(cluster: &str, slot: &str) -> String {
    format!("{cluster}-rings-{slot}")
}

/// The ConfigMap with a chunk of the builders that belong to a generation.
pub fn builders_config_map(cluster: &str, generation: u64, chunk: usize) -> String {
    format!("{cluster}-builders-{}-{chunk}", generation % BUILDER_SETS)
}

/// The index of the generation in use.
pub fn index(owner: &Owner, index: &Index) -> ConfigMap {
    let data = BTreeMap::from([(INDEX_KEY.to_string(), index.to_json())]);
    ConfigMap { data: Some(data), ..config_map(owner, &index_config_map(&owner.cluster)) }
}

/// One chunk of a generation.
pub fn slot(owner: &Owner, slot: &str, chunk: &[u8]) -> ConfigMap {
    with_chunk(config_map(owner, &slot_config_map(&owner.cluster, slot)), chunk)
}

/// The chunks of a set of builders; with the first goes its index.
pub fn builders(owner: &Owner, index: &Index, chunks: &[Vec<u8>]) -> Vec<ConfigMap> {
    let config_map = |(number, chunk): (usize, &Vec<u8>)| {
        let name = builders_config_map(&owner.cluster, index.generation, number);
        let mut config_map = with_chunk(config_map(owner, &name), chunk);
        if number == 0 {
            config_map.data = Some(BTreeMap::from([(INDEX_KEY.to_string(), index.to_json())]));
        }
        config_map
    };
    chunks.iter().enumerate().map(config_map).collect()
}

/// The index in a ConfigMap, as text.
pub fn read_index(config_map: &ConfigMap) -> Option<&str> {
    config_map.data.as_ref()?.get(INDEX_KEY).map(String::as_str)
}

/// The chunk in a ConfigMap.
pub fn read_chunk(config_map: &ConfigMap) -> Option<&[u8]> {
    config_map.binary_data.as_ref()?.get(CHUNK_KEY).map(|chunk| chunk.0.as_slice())
}

fn config_map(owner: &Owner, name: &str) -> ConfigMap {
    let metadata = owner.outliving(name, owner.component_labels(Component::Rings));
    ConfigMap { metadata, ..ConfigMap::default() }
}

fn with_chunk(config_map: ConfigMap, chunk: &[u8]) -> ConfigMap {
    let data = BTreeMap::from([(CHUNK_KEY.to_string(), ByteString(chunk.to_vec()))]);
    ConfigMap { binary_data: Some(data), ..config_map }
}
