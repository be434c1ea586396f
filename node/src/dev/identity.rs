//! What is made once, never twice: the hash path, the key of tokens, and whose each device is.

use super::DevError;
use super::home::Home;
use super::manifests::Manifests;
use super::state::State;
use rand::Rng;
use std::path::Path;
use swiftlet_plan::validate::{HashPath, ValidatedCluster, ValidatedNode};
use swiftlet_storage::identity::{Identity, fingerprint};
use swiftlet_types::HashConf;
use swiftlet_types::conf::Ini;

/// The file that the hash path is kept in.
const FILE: &str = "swift.conf";
/// The file in `etc` with the key that signs tokens: with it they outlive a restart.
pub(super) const TOKEN_KEY: &str = "token.key";

/// The hash path of what `home` holds; a new one where it holds nothing.
pub(super) fn hash_path(home: &Home, manifests: &Manifests) -> Result<HashPath, DevError> {
    let path = home.etc().join(FILE);
    let damaged = |why: String| DevError::Damaged { path: path.clone(), why };
    let asked = manifests.desired().hash_path.clone();
    let Some(bytes) = home.read_etc(FILE)? else {
        if home.read_etc("dev.json")?.is_some() {
            let why = "it is gone, and nothing else tells where the data is; bring it back or choose another --data";
            return Err(damaged(why.to_string()));
        }
        return Ok(asked.unwrap_or_else(random));
    };
    let text = String::from_utf8(bytes).map_err(|_| damaged("it is not text".to_string()))?;
    let ini = Ini::parse(&path, &text).map_err(|error| damaged(error.to_string()))?;
    let options = ini.daemon("swift-hash").map_err(|error| damaged(error.to_string()))?;
    let secret = |option| options.str(option).unwrap_or_default().replace("%%", "%");
    let kept =
        HashPath { prefix: secret("swift_hash_path_prefix"), suffix: secret("swift_hash_path_suffix") };
    match asked {
        Some(asked) if asked != kept => Err(damaged(
            "the manifests' hash path is another; it cannot change once there is data".to_string(),
        )),
        _ => Ok(kept),
    }
}

/// 128 bits on either side.
fn random() -> HashPath {
    HashPath { prefix: random_word::<16>(), suffix: random_word::<16>() }
}

/// Random bytes as letters and digits.
fn random_word<const BYTES: usize>() -> String {
    let mut bytes = [0u8; BYTES];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

/// Makes the key of tokens where there is none.
pub(super) fn make_token_key(home: &Home) -> Result<(), DevError> {
    if home.read_etc(TOKEN_KEY)?.is_some() {
        return Ok(());
    }
    home.write_etc(TOKEN_KEY, random_word::<32>().as_bytes())
}

/// What these devices of `node` say of themselves.
fn identities<'a>(
    cluster: &ValidatedCluster,
    node: &str,
    devices: impl IntoIterator<Item = &'a str>,
) -> Vec<Identity> {
    let hash = cluster.hash_path.as_ref().map(|path| HashConf {
        prefix: path.prefix.clone().into_bytes(),
        suffix: path.suffix.clone().into_bytes(),
    });
    let hash_path_fingerprint = fingerprint(&hash.unwrap_or_default());
    let identity = |device: &str| Identity {
        cluster: cluster.name.clone(),
        hash_path_fingerprint: hash_path_fingerprint.clone(),
        node: node.to_owned(),
        device: device.to_owned(),
    };
    devices.into_iter().map(identity).collect()
}

/// Refuses devices that are somebody else's, before anything is changed: those asked for, and those that leave.
pub(super) fn check_devices(cluster: &ValidatedCluster, home: &Home, state: &State) -> Result<(), DevError> {
    for (name, record) in &state.nodes {
        let asked = cluster.nodes().find(|(_, node)| node.name == *name).map(|(_, node)| &node.devices);
        let asked = asked.into_iter().flatten().map(|device| device.name.as_str());
        let known = record.devices.keys().map(String::as_str);
        let devices = home.devices(&record.place());
        for identity in identities(cluster, name, asked.chain(known)) {
            identity.is_on(&devices.join(&identity.device))?;
        }
    }
    Ok(())
}

/// Makes the devices of `node` in the folder `devices` its own.
pub(super) fn claim_devices(
    cluster: &ValidatedCluster,
    node: &ValidatedNode,
    devices: &Path,
) -> Result<(), DevError> {
    for identity in identities(cluster, &node.name, node.devices.iter().map(|device| device.name.as_str())) {
        identity.claim(&devices.join(&identity.device))?;
    }
    Ok(())
}
