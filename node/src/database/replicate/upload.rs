//! Whole databases by HTTP: what Swift sends by rsync, our replicators send to our servers as the body of a
//! `REPLICATE /device/partition/hash?arrival=<id of the sender's database>`.
//!
//! The file lies in the device's `tmp` afterwards, where rsync would have put it, and is looked through before it gets
//! its name there. What is to be done with it is said by Swift's own calls (`files`).

use super::files::check_name;
use super::{DatabaseTarget, Replicated, TAKES_FILES, make_room_for_arrivals};
use crate::database::answer::{insufficient_storage, refuse};
use crate::database::{DatabaseStore, Jobs, Outcome};
use crate::http::{BodyError, Request, Response};
use bytes::Bytes;
use std::io::Write;
use std::path::{Path, PathBuf};
use swiftlet_storage::db::Broker;
use swiftlet_types::names::query_pairs;
use tempfile::NamedTempFile;

/// The parameter that names the file.
pub const ARRIVAL: &str = "arrival";
/// Bytes written to the disk by one job, at least, while there are more.
const PIECE: usize = 1 << 20;

/// Whether the request brings a file, and not a call.
pub fn is_upload(request: &Request) -> bool {
    arrival_of(request).is_some()
}

fn arrival_of(request: &Request) -> Option<String> {
    let (_, value) = query_pairs(&request.query).into_iter().find(|(name, _)| name == ARRIVAL.as_bytes())?;
    Some(String::from_utf8_lossy(&value).into_owned())
}

/// Takes the file in: 202 when it is there, whole and sound.
pub async fn receive<K: Replicated>(mut request: Request, store: &DatabaseStore, jobs: &Jobs) -> Outcome {
    let target = DatabaseTarget::of(&request)?;
    let arrival = arrival_of(&request).unwrap_or_default();
    check_name(&arrival)?;
    let length = request.body.len().ok_or_else(|| Response::standard(411))?;
    let tmp = store.devices.path_of(&target.device).join("tmp");
    let (devices, reserve, name) = (store.devices.clone(), store.reserve, target.device.clone());
    let begin = move || -> Result<NamedTempFile, Response> {
        let full = || insufficient_storage(&name);
        let device = devices.check(&name).map_err(|_| full())?;
        make_room_for_arrivals(&device)?;
        let file = NamedTempFile::new_in(device.join("tmp")).map_err(|error| failed(&device, &error))?;
        reserve.check(file.as_file(), length).map_err(|_| full())?;
        Ok(file)
    };
    let mut file = jobs.run(&target.device, begin).await??;
    let mut pieces = Pieces { request: &mut request, left: length };
    while let Some(piece) = pieces.next().await? {
        let path = tmp.clone();
        let write = move || {
            for chunk in piece {
                file.write_all(&chunk).map_err(|error| failed(&path, &error))?;
            }
            Ok::<_, Response>(file)
        };
        file = jobs.run(&target.device, write).await??;
    }
    let settled = jobs.run(&target.device, move || settle::<K>(file, tmp.join(arrival))).await?;
    settled.map(|()| Response::standard(202).with(TAKES_FILES, "yes"))
}

/// Gives a sound file its name.
fn settle<K: Replicated>(file: NamedTempFile, to: PathBuf) -> Result<(), Response> {
    // Closed before SQLite opens it.
    let path = file.into_temp_path();
    Broker::<K>::check_arrival(&path).map_err(|error| {
        tracing::error!(%error, arrival = %to.display(), "what arrived is no sound database");
        refuse(422, "Not a sound database")
    })?;
    path.persist(&to).map_err(|error| failed(&to, &error.error))
}

fn failed(path: &Path, error: &std::io::Error) -> Response {
    tracing::error!(path = %path.display(), %error, "cannot take a database in");
    Response::standard(500)
}

/// A body in pieces that are worth a job.
struct Pieces<'a> {
    request: &'a mut Request,
    left: u64,
}

impl Pieces<'_> {
    async fn next(&mut self) -> Result<Option<Vec<Bytes>>, Response> {
        let (mut piece, mut len) = (Vec::new(), 0);
        while self.left > 0 && len < PIECE {
            let chunk = self.request.body.next().await.map_err(|error| match error {
                BodyError::Timeout(_) => Response::standard(408),
                _ => Response::standard(499),
            })?;
            let Some(chunk) = chunk else { return Err(Response::standard(499)) };
            len += chunk.len();
            self.left = self.left.saturating_sub(chunk.len() as u64);
            piece.push(chunk);
        }
        Ok((!piece.is_empty()).then_some(piece))
    }
}
