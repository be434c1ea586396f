//! The hash path: made once, never twice.

use super::DevError;
use super::home::Home;
use super::manifests::Manifests;
use rand::Rng;
use swiftlet_plan::validate::HashPath;
use swiftlet_types::conf::Ini;

/// The file it is kept in.
const FILE: &str = "swift.conf";

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

/// 128 bits on either side, as letters and digits.
fn random() -> HashPath {
    let word = || {
        let mut bytes = [0u8; 16];
        rand::rng().fill_bytes(&mut bytes);
        hex::encode(bytes)
    };
    HashPath { prefix: word(), suffix: word() }
}
