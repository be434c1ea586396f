//! Container and account databases made again: from what can still be read of them, and from the objects themselves.
//!
//! 1. `rebuild`: all replicas of a database are merged into a new one, each as far as it can be read.
//! 2. `rows`: every object that lies on a device, or was deleted there, gets its row where none is newer; a container
//!    that no database knows is made.
//! 3. `accounts`: each account hears of its containers.
//!
//! They are written as a device has them (`containers/<partition>/…`) into a folder of their own, to be put on devices
//! of those partitions; replicators do the rest. A database that is whole is renamed to its place, so that work that
//! was cut off goes on; rows are merged by their timestamps, and doing that twice changes nothing.

mod accounts;
mod rebuild;
mod rows;
#[cfg(test)]
mod tests;

use super::inventory::{Filter, Index, IndexError, scan};
use super::part_power::Votes;
use super::problems::Problems;
use super::progress::Style;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use swiftlet_storage::db::{Connections, DbDir, DbError};
use swiftlet_storage::salvage::DataDir;
use swiftlet_types::{HashConf, PathHash};
use thiserror::Error;

/// What is worked with, in the folder that databases go to.
const STATE: &str = "%recovery.sqlite";
const WORK: &str = "%work";
/// Databases kept open.
const OPEN_MAX: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

/// Why databases cannot be recovered.
#[derive(Debug, Error)]
pub enum ContainersError {
    /// The inventory of objects failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A new database cannot be written.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A folder of the outcome cannot be made or removed.
    #[error("{path}: cannot {doing}: {source}", path = path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing tells the partition power.
    #[error("nothing on the devices tells the partition power; give it with --part-power")]
    PartPower,
}

/// What was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Databases of containers that were merged from their replicas.
    pub containers: u64,
    /// Containers that only their objects tell of.
    pub containers_by_objects: u64,
    /// Databases of accounts.
    pub accounts: u64,
    /// Rows read from databases, of all replicas.
    pub rows: u64,
    /// Damaged stretches in them.
    pub gaps: u64,
    /// Objects on devices, each of which has its row.
    pub objects: u64,
    /// Tombstones on devices.
    pub tombstones: u64,
}

/// How databases are recovered.
pub struct Recovery<'a> {
    /// Where devices are mounted.
    pub devices: &'a [PathBuf],
    /// The folder that databases go to.
    pub out: &'a Path,
    /// The cluster's.
    pub hash: &'a HashConf,
    /// The partition power, where it is known beforehand.
    pub part_power: Option<u32>,
    /// How progress is shown.
    pub style: Style,
}

/// Recovers all databases.
pub fn recover(recovery: &Recovery<'_>, problems: &mut Problems) -> Result<Report, ContainersError> {
    let work = recovery.out.join(WORK);
    let io = |doing| {
        let path = work.clone();
        move |source| ContainersError::Io { path, doing, source }
    };
    if work.exists() {
        std::fs::remove_dir_all(&work).map_err(io("remove"))?;
    }
    std::fs::create_dir_all(&work).map_err(io("make the folder"))?;
    let index = Index::open(&recovery.out.join(STATE), "containers")?;
    let mut report = Report::default();
    let mut votes = Votes::default();
    rebuild::containers(recovery, &work, &mut votes, &mut report, problems)?;
    let account_votes = rebuild::accounts(recovery, &work, &mut report, problems)?;
    scan(&index, recovery.devices, &Filter::default(), recovery.style, problems)?;
    for (partition, hash) in index.places()? {
        votes.add_doubtful(partition, &hash);
    }
    let given = recovery.part_power;
    let part_power = given.or_else(|| votes.winner()).ok_or(ContainersError::PartPower)?;
    let account_power = given.or_else(|| account_votes.winner()).unwrap_or(part_power);
    let places = Places {
        out: recovery.out,
        hash: recovery.hash,
        part_power,
        account_power,
        connections: Connections::new(OPEN_MAX),
    };
    rows::merge(&places, &index, recovery.style, &mut report, problems)?;
    accounts::merge(&places, recovery.style, &mut report, problems)?;
    std::fs::remove_dir_all(&work).map_err(io("remove"))?;
    Ok(report)
}

/// Where databases go.
struct Places<'a> {
    out: &'a Path,
    hash: &'a HashConf,
    part_power: u32,
    account_power: u32,
    connections: Arc<Connections>,
}

impl Places<'_> {
    fn container(&self, account: &str, container: &str) -> DbDir {
        self.dir(DataDir::Containers, &self.hash.container(account, container), self.part_power)
    }

    fn account(&self, account: &str) -> DbDir {
        self.dir(DataDir::Accounts, &self.hash.account(account), self.account_power)
    }

    fn dir(&self, data_dir: DataDir, hash: &PathHash, part_power: u32) -> DbDir {
        let partition = hash.partition(part_power).to_string();
        DbDir::new(self.out, &data_dir.to_string(), &partition, hash)
    }
}
