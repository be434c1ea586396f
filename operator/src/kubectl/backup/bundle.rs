//! A backup as files: in a folder, or in one archive.

use anyhow::{Context as _, bail};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use k8s_openapi::api::core::v1::Secret;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Who it is of.
const FACTS: &str = "backup.json";
/// The Secret with the hash path.
const HASH_PATH: &str = "hash-path.yaml";
/// The Secret that `spec.auth` names.
const USERS: &str = "users.yaml";
/// SwiftCluster and Zones.
const MANIFESTS: &str = "manifests.yaml";
/// A backup unpacks to at most this.
const BYTES_MAX: u64 = 1 << 30;

/// A backup.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// Who it is of.
    pub facts: Facts,
    /// The hash path's Secret.
    pub hash_path: Secret,
    /// The users' Secret, where there is one.
    pub users: Option<Secret>,
    /// SwiftCluster and Zones, as YAML.
    pub manifests: String,
    /// `*.builder` and `*.ring.gz` by file name.
    pub rings: BTreeMap<String, Vec<u8>>,
}

/// Who a backup is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The SwiftCluster.
    pub cluster: String,
    /// Its namespace: the rings name nodes by it.
    pub namespace: String,
    /// The generation of the rings.
    pub generation: u64,
    /// When it was taken (RFC 3339).
    pub taken_at: String,
    /// Which volume each device had.
    pub claims: Vec<ClaimRecord>,
}

/// A device's claim and its volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimRecord {
    /// `<device>-<cluster>-<zone>-<n>`.
    pub claim: String,
    /// The PersistentVolume's name; empty: it had none yet.
    pub volume: String,
}

impl Bundle {
    /// Writes it, readable by its owner alone.
    pub fn write(&self, to: &Path, overwrite: bool) -> anyhow::Result<()> {
        let files = self.files()?;
        if is_archive(to) {
            return write_file(to, &pack(&files)?, overwrite);
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(to)
            .with_context(|| format!("make {}", to.display()))?;
        let is_used = files.keys().any(|name| to.join(name).exists());
        if is_used && !overwrite {
            bail!(
                "{} holds a backup already; nothing was written. Give another place, or --overwrite",
                to.display()
            );
        }
        files.iter().try_for_each(|(name, bytes)| write_file(&to.join(name), bytes, true))
    }

    /// Reads one that was written to `from`.
    pub fn read(from: &Path) -> anyhow::Result<Bundle> {
        let files = match from.is_dir() {
            true => read_dir(from)?,
            false => {
                let bytes = std::fs::read(from).with_context(|| format!("read {}", from.display()))?;
                unpack(&bytes).with_context(|| format!("{} is no backup", from.display()))?
            }
        };
        Bundle::from_files(files).with_context(|| format!("{} is no whole backup", from.display()))
    }

    fn files(&self) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
        let mut files = self.rings.clone();
        files.insert(FACTS.into(), serde_json::to_vec_pretty(&self.facts)?);
        files.insert(HASH_PATH.into(), serde_norway::to_string(&self.hash_path)?.into_bytes());
        if let Some(users) = &self.users {
            files.insert(USERS.into(), serde_norway::to_string(users)?.into_bytes());
        }
        files.insert(MANIFESTS.into(), self.manifests.clone().into_bytes());
        Ok(files)
    }

    fn from_files(mut files: BTreeMap<String, Vec<u8>>) -> anyhow::Result<Bundle> {
        let facts = files.remove(FACTS).with_context(|| format!("{FACTS} is missing"))?;
        let hash_path = files.remove(HASH_PATH).with_context(|| format!("{HASH_PATH} is missing"))?;
        let manifests = files.remove(MANIFESTS).with_context(|| format!("{MANIFESTS} is missing"))?;
        let bundle = Bundle {
            facts: serde_json::from_slice(&facts).with_context(|| FACTS.to_string())?,
            hash_path: yaml(HASH_PATH, &hash_path)?,
            users: files.remove(USERS).map(|users| yaml(USERS, &users)).transpose()?,
            manifests: String::from_utf8(manifests).with_context(|| MANIFESTS.to_string())?,
            rings: files,
        };
        if !bundle.rings.keys().any(|name| name.ends_with(".builder")) {
            bail!("there is no *.builder");
        }
        Ok(bundle)
    }
}

fn yaml<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> anyhow::Result<T> {
    serde_norway::from_slice(bytes).with_context(|| name.to_string())
}

fn is_archive(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".tar.gz") || name.ends_with(".tgz")
}

fn write_file(path: &Path, bytes: &[u8], overwrite: bool) -> anyhow::Result<()> {
    let context = || format!("write {}", path.display());
    if path.exists() && !overwrite {
        bail!("{} is there already; nothing was written. Give another name, or --overwrite", path.display());
    }
    // Not written over: a file that others may read would stay readable for them.
    let _ = std::fs::remove_file(path);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(context)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(context)
}

fn read_dir(dir: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
        let path = entry.with_context(|| format!("read {}", dir.display()))?.path();
        if path.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, std::fs::read(&path).with_context(|| format!("read {}", path.display()))?);
        }
    }
    Ok(files)
}

fn pack(files: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, bytes.as_slice())?;
    }
    Ok(archive.into_inner()?.finish()?)
}

fn unpack(bytes: &[u8]) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(GzDecoder::new(bytes).take(BYTES_MAX));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        files.insert(name, content);
    }
    Ok(files)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A backup of a cluster called `demo`.
    pub fn bundle() -> Bundle {
        let secret = |name: &str| {
            let secret = serde_json::json!({"metadata": {"name": name}, "data": {"key": "c2VjcmV0"}});
            serde_json::from_value(secret).unwrap()
        };
        let claim = ClaimRecord { claim: "d1-demo-rack1-0".into(), volume: "pv-7".into() };
        Bundle {
            facts: Facts {
                cluster: "demo".into(),
                namespace: "default".into(),
                generation: 12,
                taken_at: "2026-11-23T09:00:00Z".into(),
                claims: vec![claim],
            },
            hash_path: secret("demo-hash-path"),
            users: Some(secret("users")),
            manifests: "kind: SwiftCluster\n".into(),
            rings: BTreeMap::from([("object.builder".to_string(), vec![0, 1, 255])]),
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_nobody_else_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["as-a-folder", "all.tar.gz"] {
            let path = dir.path().join(name);
            bundle().write(&path, false).unwrap();
            assert_eq!(Bundle::read(&path).unwrap(), bundle(), "{name}");
            let file = if path.is_dir() { path.join(HASH_PATH) } else { path.clone() };
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
            let error = bundle().write(&path, false).unwrap_err().to_string();
            assert!(error.contains("already; nothing was written"), "{error}");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
            bundle().write(&path, true).unwrap();
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn half_a_backup_is_none() {
        let dir = tempfile::tempdir().unwrap();
        bundle().write(dir.path(), true).unwrap();
        for (name, told) in [("object.builder", "no *.builder"), (HASH_PATH, "hash-path.yaml is missing")] {
            std::fs::remove_file(dir.path().join(name)).unwrap();
            let error = format!("{:#}", Bundle::read(dir.path()).unwrap_err());
            assert!(error.contains(told), "{error}");
        }
        let file = dir.path().join("x.tar.gz");
        std::fs::write(&file, "no archive").unwrap();
        assert!(Bundle::read(&file).unwrap_err().to_string().contains("is no backup"));
    }
}
