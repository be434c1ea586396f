//! Secrets made once from random bytes: the hash path, and the key with which every proxy reads every token.
//! They are created, never applied: what exists is not touched.

use super::{Component, Owner};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use std::collections::BTreeMap;
use swiftlet_plan::documents::{
    HASH_PATH_PREFIX_KEY, HASH_PATH_SUFFIX_KEY, hash_path_of, hash_path_secret_name,
};
use swiftlet_plan::resources::SwiftCluster;
use swiftlet_plan::validate::HashPath;

/// Key of the token key, in its Secret.
pub const TOKEN_KEY: &str = "key";

/// The name of the hash path's Secret.
pub fn hash_path_secret(cluster: &SwiftCluster) -> String {
    hash_path_secret_name(&cluster.name_any(), &cluster.spec)
}

/// The token key's Secret.
pub fn token_key_secret(cluster: &str) -> String {
    format!("{cluster}-token-key")
}

/// A hash path from 32 random bytes, half of them each. It outlives the SwiftCluster: without it no object is found again.
pub fn hash_path(owner: &Owner, name: &str, random: &[u8; 32]) -> Secret {
    let (prefix, suffix) = random.split_at(16);
    known_hash_path(owner, name, &HashPath { prefix: hex::encode(prefix), suffix: hex::encode(suffix) })
}

/// A hash path that is known already: of a cluster that was another program's, or lost its Secret.
pub fn known_hash_path(owner: &Owner, name: &str, hash_path: &HashPath) -> Secret {
    let data =
        [(HASH_PATH_PREFIX_KEY, hash_path.prefix.clone()), (HASH_PATH_SUFFIX_KEY, hash_path.suffix.clone())];
    Secret {
        metadata: owner.outliving(name, owner.component_labels(Component::Rings)),
        data: Some(bytes(data)),
        ..Secret::default()
    }
}

/// The hash path a Secret holds, if it holds one. Either half alone will do, as in Swift.
pub fn read_hash_path(secret: &Secret) -> Option<HashPath> {
    let hash_path = hash_path_of(&read_texts(secret));
    (!hash_path.prefix.is_empty() || !hash_path.suffix.is_empty()).then_some(hash_path)
}

/// A token key from 32 random bytes.
pub fn token_key(owner: &Owner, random: &[u8; 32]) -> Secret {
    Secret {
        metadata: owner.owned(&token_key_secret(&owner.cluster), owner.component_labels(Component::Proxy)),
        data: Some(bytes([(TOKEN_KEY, URL_SAFE.encode(random))])),
        ..Secret::default()
    }
}

/// Every key of a Secret that is text: those of `spec.auth`'s.
pub fn read_texts(secret: &Secret) -> BTreeMap<String, String> {
    let text = |value: &ByteString| String::from_utf8(value.0.clone()).ok();
    secret.data.iter().flatten().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()
}

fn bytes<const N: usize>(data: [(&str, String); N]) -> BTreeMap<String, ByteString> {
    data.into_iter().map(|(key, value)| (key.to_string(), ByteString(value.into_bytes()))).collect()
}
