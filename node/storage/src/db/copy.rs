//! A database's file as it is at one moment, for sending it elsewhere.

use super::broker::{Broker, Fault, Kind};
use super::{DB_TIMEOUT, DbError};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::path::Path;

impl<K: Kind> Broker<K> {
    /// Copies the file that counts into the empty file `to`, page by page; whoever writes waits meanwhile. It is not
    /// synced.
    ///
    /// Through SQLite, because closing another descriptor of the file would drop this process' locks on it.
    pub fn copy_to(&self, to: &Path) -> Result<(), DbError> {
        self.commit_pending()?;
        let path = self.file()?;
        let failed = |source| DbError::Sqlite { path: to.to_owned(), operation: "copy into", source };
        self.read("copy", |connection| {
            // What fails here is the copy, and no reason to set the database aside.
            let step = copy(connection, to).map_err(|error| Fault::Db(failed(error)))?;
            match step {
                StepResult::Done => Ok(()),
                _ => Err(DbError::LockTimeout { path, timeout: DB_TIMEOUT }.into()),
            }
        })
    }
}

fn copy(from: &Connection, to: &Path) -> rusqlite::Result<StepResult> {
    let mut target = Connection::open(to)?;
    target.pragma_update(None, "synchronous", "OFF")?;
    Backup::new(from, &mut target)?.step(-1)
}

#[cfg(test)]
mod tests {
    use crate::db::{AccountBroker, BrokerOptions, Connections, DbDir, DbError};
    use std::num::NonZeroUsize;
    use swiftlet_types::{PathHash, Timestamp};

    #[test]
    fn a_copy_is_sound_and_says_the_same() {
        let device = tempfile::tempdir().unwrap();
        let dir = DbDir::new(device.path(), AccountBroker::DATA_DIR, "7", &PathHash([7; 16]));
        let connections = Connections::new(NonZeroUsize::new(4).unwrap());
        let broker = AccountBroker::new("a", dir, connections.clone(), BrokerOptions::default());
        broker.initialize(Timestamp::now(), 0).unwrap();
        let of = |hash| DbDir::new(device.path(), AccountBroker::DATA_DIR, "8", &PathHash([hash; 16]));
        let copy = of(8).plain_file();
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::write(&copy, "").unwrap();
        broker.copy_to(&copy).unwrap();
        AccountBroker::check_arrival(&copy).unwrap();
        let same = AccountBroker::of_existing(&copy, connections).unwrap();
        assert_eq!(same.info().unwrap(), broker.info().unwrap());
        let file = std::fs::File::options().write(true).open(&copy).unwrap();
        file.set_len(file.metadata().unwrap().len() - 4096).unwrap();
        assert!(AccountBroker::check_arrival(&copy).is_err(), "cut");
        let nowhere = device.path().join("none/x.db");
        assert!(matches!(broker.copy_to(&nowhere), Err(DbError::Sqlite { .. })));
        assert!(broker.exists().unwrap(), "a copy that fails does no harm");
    }
}
