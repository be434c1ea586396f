//! Container updates that could not be sent: one pickle each, at
//! `<device>/async_pending[-N]/<suffix>/<hash>-<timestamp>`, until an updater has sent it.
//!
//! A newer update of an object holds all that an older one does, so of several only the newest matters.

use super::location::{DirKind, ObjectPath};
use super::metadata::{latin1_of_utf8, utf8_of_latin1};
use crate::fs;
use bytes::Bytes;
use std::io;
use std::path::{Path, PathBuf};
use swiftlet_types::hash_path::HashConf;
use swiftlet_types::pickle::{self, Dict, Value};
use swiftlet_types::timestamp::Timestamp;
use thiserror::Error;

/// An update that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsyncPending {
    /// `PUT` or `DELETE`.
    pub op: String,
    /// The object whose row is to change.
    pub path: ObjectPath,
    /// The header fields of the update.
    pub headers: Vec<(Bytes, Bytes)>,
    /// The state of the container's database as the proxy knew it.
    pub db_state: Option<String>,
    /// `account/container` of the shard that it was redirected to.
    pub container_path: Option<String>,
    /// Ids of the ring's devices that have taken it.
    pub successes: Vec<i64>,
    /// Where it was redirected to so far; a second visit goes back to the root container.
    pub redirect_history: Vec<String>,
}

/// Why a file is no update.
#[derive(Debug, Error)]
pub enum AsyncPendingError {
    /// It could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no pickle that Swift could have written.
    #[error("{path}: {source}")]
    Pickle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pickle::DecodeError,
    },
    /// A pickle of something else.
    #[error("{path}: no container update: {what} is missing or of another type")]
    Shape {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        what: &'static str,
    },
}

impl AsyncPending {
    /// Account and container to send it to: the shard's, where it was redirected.
    pub fn target(&self) -> (&str, &str) {
        let shard = self.container_path.as_deref().and_then(|path| path.split_once('/'));
        shard.unwrap_or((&self.path.account, &self.path.container))
    }

    /// Writes it for the updater of `device`, durably. Where it is.
    pub fn save(
        &self,
        device: &Path,
        policy: u32,
        conf: &HashConf,
        timestamp: Timestamp,
    ) -> io::Result<PathBuf> {
        let path = self.file(device, policy, conf, timestamp);
        self.save_at(&path, device, policy)?;
        Ok(path)
    }

    /// Where [`save`](Self::save) writes it.
    pub fn file(&self, device: &Path, policy: u32, conf: &HashConf, timestamp: Timestamp) -> PathBuf {
        let hash = self.path.hash(conf);
        let dir = device.join(DirKind::AsyncPending.name(policy)).join(hash.suffix());
        dir.join(format!("{}-{}", hash.hex(), timestamp.internal()))
    }

    /// Writes it to `path`, over what was there.
    pub fn save_at(&self, path: &Path, device: &Path, policy: u32) -> io::Result<()> {
        let tmp = device.join(DirKind::Tmp.name(policy));
        fs::replace_file(path, &tmp, device, &pickle::encode(&self.to_value()))
    }

    /// Reads the update at `path`; `None` where it is gone.
    pub fn read(path: &Path) -> Result<Option<Self>, AsyncPendingError> {
        let at = || path.to_owned();
        let bytes = match std::fs::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|source| AsyncPendingError::Io { path: at(), source })?,
        };
        let value =
            pickle::decode(&bytes).map_err(|source| AsyncPendingError::Pickle { path: at(), source })?;
        let parsed = value.as_dict().ok_or("the dict").and_then(Self::from_dict);
        parsed.map(Some).map_err(|what| AsyncPendingError::Shape { path: at(), what })
    }

    fn to_value(&self) -> Value {
        let text = |bytes: &Bytes| {
            // Latin-1 as text is valid UTF-8 by construction
            Value::from(String::from_utf8_lossy(&utf8_of_latin1(bytes)).as_ref())
        };
        let headers: Dict = self.headers.iter().map(|(name, value)| (text(name), text(value))).collect();
        let strings = |list: &[String]| Value::list(list.iter().map(|item| Value::from(item.as_str())));
        let mut fields = vec![
            ("op", Value::from(self.op.as_str())),
            ("account", Value::from(self.path.account.as_str())),
            ("container", Value::from(self.path.container.as_str())),
            ("obj", Value::from(self.path.object.as_str())),
            ("headers", Value::from(headers)),
            ("db_state", Value::from(self.db_state.as_deref())),
        ];
        if self.container_path.is_some() || !self.redirect_history.is_empty() {
            fields.push(("container_path", Value::from(self.container_path.as_deref())));
            fields.push(("redirect_history", strings(&self.redirect_history)));
        }
        if !self.successes.is_empty() {
            fields.push(("successes", Value::list(self.successes.iter().map(|id| Value::Int(*id)))));
        }
        fields.into_iter().collect::<Dict>().into()
    }

    fn from_dict(dict: &Dict) -> Result<Self, &'static str> {
        let text = |key: &'static str| dict.get(key).and_then(Value::as_str).map(str::to_owned).ok_or(key);
        let optional = |key: &'static str| match dict.get(key) {
            None | Some(Value::None) => Ok(None),
            Some(value) => value.as_str().map(|text| Some(text.to_owned())).ok_or(key),
        };
        let items = |key: &str| dict.get(key).and_then(Value::as_items).unwrap_or_default();
        let headers = dict.get("headers").and_then(Value::as_dict).ok_or("headers")?;
        let field =
            |(name, value): &(Value, Value)| Some((latin1_of_utf8(name.as_bytes()?), header_value(value)?));
        Ok(Self {
            op: text("op")?,
            path: ObjectPath {
                account: text("account")?,
                container: text("container")?,
                object: text("obj")?,
            },
            headers: headers.entries.iter().map(field).collect::<Option<_>>().ok_or("headers")?,
            db_state: optional("db_state")?,
            container_path: optional("container_path")?,
            successes: items("successes").iter().filter_map(Value::as_int).collect(),
            redirect_history: items("redirect_history")
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        })
    }
}

fn header_value(value: &Value) -> Option<Bytes> {
    match value {
        Value::Int(number) => Some(number.to_string().into()),
        other => other.as_bytes().map(latin1_of_utf8),
    }
}

/// The parts of an update file's name: the object's hash and the update's time. `None` where it is no such name.
pub fn parse_file_name(name: &str) -> Option<(&str, Timestamp)> {
    let (hash, timestamp) = name.split_once('-')?;
    Some((hash, timestamp.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update() -> AsyncPending {
        AsyncPending {
            op: "PUT".into(),
            path: ObjectPath { account: "a".into(), container: "c".into(), object: "é".into() },
            headers: vec![("X-Timestamp".into(), "0000000001.00000".into()), ("X-Etag".into(), "é".into())],
            db_state: Some("unsharded".into()),
            container_path: None,
            successes: vec![],
            redirect_history: vec![],
        }
    }

    #[test]
    fn is_read_as_it_was_written() {
        let device = tempfile::tempdir().unwrap();
        let conf = HashConf { prefix: vec![], suffix: b"x".to_vec() };
        let mut pending = update();
        let time: Timestamp = "1402464677.04188".parse().unwrap();
        let path = pending.save(device.path(), 1, &conf, time).unwrap();
        assert!(path.starts_with(device.path().join("async_pending-1")));
        assert_eq!(AsyncPending::read(&path).unwrap(), Some(pending.clone()));

        pending.successes = vec![3];
        pending.redirect_history = vec![".shards_a/c-1".into()];
        pending.container_path = Some(".shards_a/c-1".into());
        pending.save_at(&path, device.path(), 1).unwrap();
        assert_eq!(AsyncPending::read(&path).unwrap(), Some(pending.clone()));
        assert_eq!(pending.target(), (".shards_a", "c-1"));
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(parse_file_name(name), Some((pending.path.hash(&conf).hex().as_str(), time)));
    }

    #[test]
    fn what_is_no_update_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert_eq!(AsyncPending::read(&path).unwrap(), None);
        std::fs::write(&path, b"junk").unwrap();
        assert!(matches!(AsyncPending::read(&path), Err(AsyncPendingError::Pickle { .. })));
        std::fs::write(&path, b"\x80\x02}q\x00.").unwrap();
        let error = AsyncPending::read(&path).unwrap_err();
        assert!(error.to_string().contains("headers"), "{error}");
    }
}
