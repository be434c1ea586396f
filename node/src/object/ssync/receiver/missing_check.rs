//! What is wanted of what is offered.

use super::super::lines::Lines;
use super::super::offer::{self, Local, Wanted};
use super::error::ReceiveError;
use super::{MISSING_CHECK_END, Place};
use crate::object::server::ObjectServer;
use std::sync::Arc;
use swiftlet_storage::object::summary::Summary;
use swiftlet_storage::object::{
    FragmentChoice, HashDir, ObjectStore, OpenError, OpenOptions, WriteError, purge,
};
use swiftlet_types::Timestamp;

/// Offers looked at in one job of the disk's.
const BATCH: usize = 256;
/// The most objects that one conversation asks for. The sender is told that there are more.
const MAX_WANTED: usize = 100_000;

/// A missing check under way.
pub(super) struct MissingCheck<'a> {
    server: &'a ObjectServer,
    place: Arc<Place>,
    /// The lines that ask for objects, and how many they are.
    wanted: Vec<u8>,
    count: usize,
    /// Whether there were more.
    overflow: bool,
}

impl<'a> MissingCheck<'a> {
    pub fn new(server: &'a ObjectServer, place: &Place) -> Self {
        Self { server, place: Arc::new(place.clone()), wanted: Vec::new(), count: 0, overflow: false }
    }

    /// Reads offers to their end; the lines that ask for objects, and whether more are wanted than those.
    pub async fn run(mut self, lines: &mut Lines) -> Result<(Vec<u8>, bool), ReceiveError> {
        let mut batch = Vec::new();
        loop {
            let line = lines.next().await.map_err(|error| ReceiveError::read("missing_check line", error))?;
            let Some(line) = line.filter(|line| line != MISSING_CHECK_END) else { break };
            let offered = offer::decode(&line).ok_or_else(|| {
                let shown = line[..line.len().min(1024)].escape_ascii();
                ReceiveError::Protocol(format!("missing_check line: no offer: {shown}"))
            })?;
            batch.push(offered);
            if batch.len() == BATCH {
                self.look(std::mem::take(&mut batch)).await?;
            }
        }
        self.look(batch).await?;
        Ok((self.wanted, self.overflow))
    }

    async fn look(&mut self, offers: Vec<Summary>) -> Result<(), ReceiveError> {
        if offers.is_empty() || self.overflow {
            return Ok(());
        }
        let (store, place) = (self.server.store.clone(), self.place.clone());
        let look = move || {
            let wanted = offers.iter().filter_map(|offered| {
                let wanted = Wanted::of(offered, local(&store, &place, offered))?;
                Some(wanted.encode(&offered.hash))
            });
            wanted.collect::<Vec<String>>()
        };
        for line in self.server.pools.run(&self.place.device, look).await? {
            if self.count == MAX_WANTED {
                self.overflow = true;
                break;
            }
            self.count += 1;
            self.wanted.extend_from_slice(line.as_bytes());
            self.wanted.extend_from_slice(b"\r\n");
        }
        Ok(())
    }
}

/// What is here of an object that is offered. A fragment that is here already and only waits for its commit gets it, or
/// goes on waiting where it does so there.
fn local(store: &Arc<ObjectStore>, place: &Place, offered: &Summary) -> Local {
    let at = HashDir::new(place.device_dir.clone(), place.policy, place.partition, &offered.hash);
    let found = found(store, place, &at);
    let layout = store.config().layouts.of_policy(place.policy);
    let waits = place.fragment_index.filter(|index| {
        purge::uncommitted(&at, layout, offered).is_ok_and(|indexes| indexes.contains(index))
    });
    let Some(index) = waits else { return found };
    if !offered.durable {
        return found.with_uncommitted(offered.data);
    }
    match commit(store, place, &at, offered.data, index) {
        Ok(()) => self::found(store, place, &at),
        Err(error) => {
            tracing::error!(dir = %at.dir.display(), %error, "cannot commit a fragment: it is asked for anew");
            found
        }
    }
}

fn commit(
    store: &Arc<ObjectStore>,
    place: &Place,
    at: &HashDir,
    time: Timestamp,
    index: u32,
) -> Result<(), WriteError> {
    let Some(located) = store.locate_folder(&at.device, place.policy, place.partition, &at.dir) else {
        return Err(WriteError::NoFragmentIndex { dir: at.dir.clone() });
    };
    store.found_uncommitted(&located, time, index)?.commit()?.settle();
    Ok(())
}

/// What is here of an object. It is opened: what turns out to be damaged is set aside, and wanted.
fn found(store: &ObjectStore, place: &Place, at: &HashDir) -> Local {
    let options = OpenOptions { now: Timestamp::now(), open_expired: true };
    let choice = FragmentChoice { index: place.fragment_index, preferences: None };
    match store.open_found(at, options, choice).0 {
        Ok(opened) => Local::Object {
            data: opened.state.data_timestamp,
            meta: opened.state.timestamp,
            content_type: opened.state.content_type_timestamp,
        },
        Err(OpenError::Deleted { timestamp }) => Local::Deleted(timestamp),
        Err(_) => Local::Nothing,
    }
}
