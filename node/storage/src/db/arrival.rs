//! Whole databases that a replicator copied into the device's `tmp`: put in the place of none, or of the one there.
//!
//! Until it is in its place an arrival is nobody's: it is opened here alone, and what is wrong with it is never taken
//! for damage of the database that it comes for. It goes when it cannot be used; whoever sent it sends it again.

use super::DbError;
use super::broker::{Broker, Fault, Kind, bring_up_to_date};
use super::connection::open;
use super::sync::{Direction, last_row, raise_sync_point, read_sync_points, rows_after, set_id};
use crate::fs;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};

/// Rows taken over in one transaction.
const PAGE: usize = 1000;

impl<K: Kind> Broker<K> {
    /// Puts the file `arrival`, a copy of the database `remote_id`, in its place as the file `to` of this database,
    /// durably. [`AlreadyExists`](DbError::AlreadyExists) where there is one.
    pub fn install(&self, arrival: &Path, to: &Path, remote_id: &str) -> Result<(), DbError> {
        let placed = self.prepare(arrival, remote_id).and_then(|()| self.move_into_place(arrival, to));
        self.settle(arrival, placed)
    }

    fn prepare(&self, arrival: &Path, remote_id: &str) -> Result<(), DbError> {
        let arrival = Arrival::open::<K>(arrival)?;
        let last = arrival.write(|transaction| Ok(last_row::<K>(transaction)?))?;
        arrival.write(|transaction| Ok(set_id::<K>(transaction, &self.new_id(), remote_id, last)?))
    }

    /// Whether the file `arrival` is a sound database of this kind, read from its first page to its last.
    pub fn check_arrival(arrival: &Path) -> Result<(), DbError> {
        let Arrival { connection, path } = Arrival::open::<K>(arrival)?;
        let check = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
        match check.map_err(|source| DbError::Sqlite { path: path.clone(), operation: "check", source })? {
            sound if sound == "ok" => Ok(()),
            why => Err(DbError::Refused(format!("not a sound database: {why}"))),
        }
    }

    /// Merges this database into the file `arrival`, a copy of the database `remote_id`, and puts that in this one's
    /// place, durably: for a replica that is far behind. Whoever writes meanwhile waits, at the end, and writes to
    /// the new file. [`Refused`](DbError::Refused) where the database must not be replaced.
    pub fn merge_into(&self, arrival: &Path, remote_id: &str) -> Result<(), DbError> {
        let merged =
            Arrival::open::<K>(arrival).and_then(|arrival| self.merge_and_replace(arrival, remote_id));
        self.settle(arrival, merged)
    }

    fn merge_and_replace(&self, arrival: Arrival, remote_id: &str) -> Result<(), DbError> {
        // Before rows of ours get numbers there: beyond it the remote has rows that are not here.
        let in_step = arrival.write(|transaction| Ok(last_row::<K>(transaction)?))?;
        // Most of it while others may still write.
        let mut point = -1;
        while let Some(last) = arrival.take::<K>(self.rows_since(point, PAGE)?)? {
            point = last;
        }
        let file = self.file()?;
        let _pending = self.lock_pending()?;
        self.write("replace", |existing| {
            K::check_replaceable(self)?;
            while let Some(last) = arrival.take::<K>(rows_after::<K>(existing, point, PAGE)?)? {
                point = last;
            }
            let metadata = self.load_metadata(existing)?;
            arrival.write(|transaction| {
                for point in read_sync_points(existing, Direction::Incoming)? {
                    raise_sync_point(transaction, &point, Direction::Incoming)?;
                }
                self.kind.carry_over(existing, transaction)?;
                set_id::<K>(transaction, &self.new_id(), remote_id, in_step)?;
                let mut merged = self.load_metadata(transaction)?;
                for entry in metadata.entries() {
                    merged.merge(entry.clone());
                }
                self.store_metadata(transaction, &merged)
            })?;
            let Arrival { connection, path } = arrival;
            drop(connection);
            std::fs::rename(&path, &file).map_err(|error| DbError::io(path, "rename", error))?;
            Ok(())
        })
    }

    /// Makes the new name durable; where there is none, removes the arrival.
    fn settle(&self, arrival: &Path, placed: Result<(), DbError>) -> Result<(), DbError> {
        self.forget_files();
        let dir = self.dir.path();
        match placed {
            Ok(()) => {
                let synced = fs::sync_path(dir, &self.dir.device());
                synced.map(drop).map_err(|error| DbError::io(dir, "sync", error))
            }
            Err(error) => {
                fs::remove_quietly(arrival);
                Err(error)
            }
        }
    }
}

/// A database file that nobody else has open.
struct Arrival {
    connection: Connection,
    path: PathBuf,
}

impl Arrival {
    /// Opens it and brings its tables up to date.
    fn open<K: Kind>(path: &Path) -> Result<Self, DbError> {
        let ready = |connection: Connection| bring_up_to_date::<K>(&connection).map(|()| connection);
        match open(path).and_then(ready) {
            Ok(connection) => Ok(Self { connection, path: path.to_owned() }),
            Err(source) => Err(DbError::Sqlite { path: path.to_owned(), operation: "open", source }),
        }
    }

    /// Merges rows; the id of the last one, `None` where there are none.
    fn take<K: Kind>(&self, rows: Rows<K>) -> Result<Option<i64>, DbError> {
        let Some((last, _)) = rows.last() else { return Ok(None) };
        let last = *last;
        let records = rows.into_iter().map(|(_, record)| record).collect();
        self.write(|transaction| Ok(K::merge(transaction, records)?))?;
        Ok(Some(last))
    }

    fn write<T>(&self, job: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, DbError> {
        let run = || {
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            let done = job(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        run().map_err(|fault| match fault {
            Fault::Db(error) => error,
            Fault::Sqlite(source) => DbError::Sqlite { path: self.path.clone(), operation: "merge", source },
        })
    }
}

/// Rows with their ids.
type Rows<K> = Vec<(i64, <K as Kind>::Record)>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{AccountBroker, BrokerOptions, Connections, DbDir};
    use std::num::NonZeroUsize;
    use std::time::Duration;
    use swiftlet_types::{PathHash, Timestamp};

    fn account(device: &Path) -> AccountBroker {
        let dir = DbDir::new(device, AccountBroker::DATA_DIR, "7", &PathHash([7; 16]));
        let connections = Connections::new(NonZeroUsize::new(4).unwrap());
        AccountBroker::new("a", dir, connections, BrokerOptions::default())
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_ticks(seconds * 100_000).unwrap()
    }

    #[test]
    fn who_waited_for_the_lock_writes_to_the_file_that_is_there_then() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (ours, theirs) = (account(here.path()), account(there.path()));
        ours.initialize(at(1), 0).unwrap();
        theirs.initialize(at(2), 0).unwrap();
        let file = ours.file().unwrap();
        ours.info().unwrap();
        let holder = open(&file).unwrap();
        holder.execute_batch("BEGIN IMMEDIATE").unwrap();
        let device = here.path().to_owned();
        let waiting = std::thread::spawn(move || account(&device).update_put_timestamp(at(3)));
        std::thread::sleep(Duration::from_millis(200));
        assert!(!waiting.is_finished(), "it waits for the lock");
        std::fs::rename(theirs.file().unwrap(), &file).unwrap();
        holder.execute_batch("ROLLBACK").unwrap();
        waiting.join().unwrap().unwrap();
        assert_eq!(ours.info().unwrap().put_timestamp, at(3).internal());
    }
}
