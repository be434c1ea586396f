//! Whole databases: a replicator that is far ahead copies its file to the device's `tmp` and says what for.

use super::{Fault, Replicated};
use crate::database::answer::refuse;
use crate::http::Response;
use std::path::{Path, PathBuf};
use swiftlet_storage::db::{Broker, DbError};

/// Puts the file `arrival` in the place of a database that is not here: as the file `to`, or the plain one. 404 where
/// it is here after all, or nothing arrived.
pub(super) fn complete_rsync<K: Replicated>(
    broker: &Broker<K>,
    device: &Path,
    arrival: &str,
    to: Option<&str>,
) -> Result<Response, Fault> {
    let plain = broker.dir().plain_file();
    let to = match to {
        None => plain,
        Some(name) => broker
            .dir()
            .file_named(name)
            .filter(|file| K::HAS_EPOCHS || *file == plain)
            .ok_or_else(|| refuse(400, format!("Not a file of this database: {name:?}")))?,
    };
    let Some(file) = arrived(device, arrival)?.filter(|_| !to.exists()) else {
        return Ok(Response::standard(404));
    };
    match broker.install(&file, &to, arrival) {
        Ok(()) => Ok(Response::standard(204)),
        Err(DbError::AlreadyExists { .. }) => Ok(Response::standard(404)),
        Err(error) => Err(error.into()),
    }
}

/// Merges the database into the file `arrival`, which takes its place. 404 where there is no database or nothing
/// arrived, or where the container began to be sharded.
pub(super) fn rsync_then_merge<K: Replicated>(
    existing: impl FnOnce() -> Result<Broker<K>, DbError>,
    device: &Path,
    arrival: &str,
) -> Result<Response, Fault> {
    let Some(file) = arrived(device, arrival)? else { return Ok(Response::standard(404)) };
    let broker = existing()?;
    match broker.merge_into(&file, arrival) {
        Ok(()) => Ok(Response::standard(204)),
        Err(error @ DbError::Refused(_)) => {
            tracing::info!(%error, dir = %broker.dir().path().display(), "not replaced");
            Ok(Response::standard(404))
        }
        Err(error) => Err(error.into()),
    }
}

/// The file of that name in `tmp`, if there is one. It is named by who sent it: only a name will do, no path.
fn arrived(device: &Path, name: &str) -> Result<Option<PathBuf>, Response> {
    check_name(name)?;
    let file = device.join("tmp").join(name);
    let is_file = file.symlink_metadata().is_ok_and(|found| found.is_file());
    Ok(is_file.then_some(file))
}

/// Refuses what would lead out of `tmp`.
pub(super) fn check_name(name: &str) -> Result<(), Response> {
    match matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
        true => Err(refuse(400, format!("Not the name of a file in tmp: {name:?}"))),
        false => Ok(()),
    }
}
