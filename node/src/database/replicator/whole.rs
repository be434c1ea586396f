//! Sending a whole database: by HTTP to servers that take it so, by the program rsync to all others.
//!
//! Either way it lies in the peer's `tmp` then, named by the database's id, and an operation says what to do with it.

use super::kind::Replica;
use super::push::{Push, PushError};
use crate::http::{Body, BodyError, BodyStream};
use crate::serve::DevicePools;
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use swiftlet_storage::db::{Broker, DbError};
use tempfile::{NamedTempFile, TempPath};

/// Bytes read from the disk at once.
const PIECE: u64 = 256 << 10;
/// The slowest network and disk that a transfer is given time for, in bytes a second.
const SLOWEST: u64 = 4 << 20;

impl<K: Replica> Push<'_, K> {
    /// Sends the database, and has `operation` done with it; whether it was.
    pub async fn send_whole(
        &self,
        operation: &'static str,
        takes_files: bool,
        timeout: Duration,
    ) -> Result<bool, PushError> {
        let file = self.on_disk(|broker| broker.file()).await?;
        let is_there = match takes_files {
            true => self.upload().await?,
            false => self.rsync(file.clone()).await?,
        };
        if !is_there {
            return Ok(false);
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let call = json!([operation, self.database.text("id"), name]).to_string();
        let answer = self.peer.call_patiently(call.into(), timeout).await;
        Ok(answer.is_some_and(|answer| answer.is_success()))
    }

    async fn upload(&self) -> Result<bool, PushError> {
        let (store, device) = (Arc::clone(&self.pass.context.store), self.database.at.device.clone());
        let tmp = store.devices.path_of(&device).join("tmp");
        let copied = self.on_disk(move |broker| {
            let len = std::fs::metadata(broker.file()?).map_or(0, |stat| stat.len());
            let room = || {
                std::fs::create_dir_all(&tmp)?;
                let copy = NamedTempFile::new_in(&tmp)?;
                store.reserve.check(copy.as_file(), len)?;
                Ok(copy.into_temp_path())
            };
            let copy: TempPath = match room() {
                Ok(copy) => copy,
                Err(error) => return Ok(Err(error)),
            };
            broker.copy_to(&copy)?;
            Ok(open(copy))
        });
        let failed =
            |source| PushError::Io { what: format!("cannot copy {}", self.database.describe()), source };
        let (copy, len) = copied.await?.map_err(failed)?;
        let file = FileBody { copy: Arc::new(copy), at: 0, len, pools: self.pass.pools().clone(), device };
        let timeout = self.pass.config().node_timeout + Duration::from_secs(len / SLOWEST);
        Ok(self.peer.upload(self.database.text("id"), Body::stream(Some(len), file), timeout).await)
    }

    async fn rsync(&self, file: PathBuf) -> Result<bool, PushError> {
        let config = self.pass.config();
        let module = config.rsync_module.of(self.device());
        let id = self.database.text("id");
        let mut arguments = vec!["--quiet".to_owned(), "--no-motd".to_owned()];
        for (name, time) in [("timeout", config.node_timeout), ("contimeout", config.conn_timeout)] {
            arguments.push(format!("--{name}={}", time.as_secs_f64().ceil() as u64));
        }
        if config.rsync_compress && self.is_other_region {
            arguments.push("--compress".to_owned());
        }
        arguments.extend([file.display().to_string(), format!("{module}/{}/tmp/{id}", self.device().device)]);
        let connections = Arc::clone(self.pass.context.store.connections());
        // Not on the disk's threads: it waits for the network most of the time.
        let sending = tokio::task::spawn_blocking(move || {
            send(&Broker::<K>::of_existing(&file, connections)?, &file, &arguments)
        });
        let what = || format!("rsync of {}", self.database.describe());
        let sent =
            sending.await.map_err(|error| PushError::Io { what: what(), source: io::Error::other(error) })?;
        let ran = sent?;
        if let Err(why) = &ran {
            tracing::error!("ERROR rsync failed with {why}, {}", self.database.describe());
        }
        Ok(ran.is_ok())
    }
}

/// The copy and its length.
fn open(path: TempPath) -> io::Result<(Copied, u64)> {
    let file = File::open(&path)?;
    let len = file.metadata()?.len();
    Ok((Copied { file, _path: path }, len))
}

/// A copy of a database, removed when nobody needs it any more.
struct Copied {
    file: File,
    _path: TempPath,
}

struct FileBody {
    copy: Arc<Copied>,
    at: u64,
    len: u64,
    pools: DevicePools,
    device: String,
}

#[async_trait]
impl BodyStream for FileBody {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let (at, copy) = (self.at, Arc::clone(&self.copy));
        let size = PIECE.min(self.len - at);
        if size == 0 {
            return Ok(None);
        }
        let read = move || -> io::Result<Bytes> {
            let mut piece = vec![0; size as usize];
            copy.file.read_exact_at(&mut piece, at)?;
            Ok(piece.into())
        };
        let piece = self.pools.run(&self.device, read).await;
        let piece = piece.map_err(|error| BodyError::Other(error.to_string()))??;
        self.at += size;
        Ok(Some(piece))
    }
}

/// Sends the file, and what changed meanwhile once more, while nobody can write. The inner error is why it failed.
fn send<K: Replica>(
    broker: &Broker<K>,
    file: &Path,
    arguments: &[String],
) -> Result<Result<(), String>, DbError> {
    broker.commit_pending()?;
    let changed =
        || std::fs::metadata(file).and_then(|stat| stat.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let before = changed();
    if let Err(why) = rsync(["--whole-file"], arguments) {
        return Ok(Err(why));
    }
    let mut journal = file.as_os_str().to_owned();
    journal.push("-journal");
    if changed() <= before && !Path::new(&journal).exists() {
        return Ok(Ok(()));
    }
    broker.while_locked(|| rsync([], arguments))
}

fn rsync<const N: usize>(first: [&str; N], arguments: &[String]) -> Result<(), String> {
    let mut command = Command::new("rsync");
    command.args(first).args(arguments).stdin(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{status}: {command:?}")),
        Err(error) => Err(format!("{error}: {command:?}")),
    }
}
