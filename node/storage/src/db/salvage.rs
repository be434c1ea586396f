//! A database file that may be damaged, read as far as it goes, and what it tells merged into a sound one.
//!
//! It is a copy that is opened: SQLite may roll a transaction back in it, and its tables are migrated where they are
//! old. The file itself, its journal and its `.pending` file stay as they are.

use super::broker::{Broker, BrokerOptions, Fault, Kind, bring_up_to_date};
use super::connection::open;
use super::error::{Verdict, verdict};
use super::pending::read_records;
use super::{Connections, DbDir, DbError, Metadata, column};
use rusqlite::Connection;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use swiftlet_types::Timestamp;
use tempfile::TempDir;

/// Rows merged at once.
const BATCH_ROWS: usize = 5_000;
/// A damaged stretch of a table is leapt over by more and more row ids, up to so many: 2 to the power of this.
const LEAPS_MAX: u32 = 40;

/// A copy of a database file, which is removed when dropped.
pub struct SalvagedDb<K: Kind> {
    /// The file that was copied.
    path: PathBuf,
    connection: Connection,
    facts: Option<Facts<K>>,
    pending: Vec<K::Record>,
    _folder: TempDir,
}

/// What a database says of itself. Timestamps are zero where it has none.
#[derive(Debug, Clone)]
pub struct Facts<K> {
    /// The names of what it is the database of.
    pub kind: K,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the account or container was put last.
    pub put_timestamp: Timestamp,
    /// When it was deleted last.
    pub delete_timestamp: Timestamp,
    /// When it last came or went.
    pub status_changed_at: Timestamp,
    /// Whether it is marked deleted.
    pub is_marked_deleted: bool,
    /// Rows that are no tombstones.
    pub row_count: i64,
    /// The storage policy (containers).
    pub storage_policy_index: i64,
    /// Headers and ACLs.
    pub metadata: Metadata,
}

/// How much of a database was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Rows.
    pub rows: u64,
    /// Damaged stretches between them.
    pub gaps: u64,
}

impl<K: Kind> SalvagedDb<K> {
    /// Copies the file at `path` with its journal and what waits to be merged into a folder below `work`, and opens the
    /// copy. Fails where it is no database at all.
    pub fn open(path: &Path, work: &Path) -> Result<Self, DbError> {
        let folder = TempDir::new_in(work).map_err(|error| DbError::io(work, "create a folder", error))?;
        let copy = folder.path().join(path.file_name().unwrap_or_default());
        std::fs::copy(path, &copy).map_err(|error| DbError::io(path, "copy", error))?;
        let with = |file: &Path, suffix: &str| {
            let mut name = file.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let journal = with(path, "-journal");
        match std::fs::copy(&journal, with(&copy, "-journal")) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(DbError::io(journal, "copy", error));
            }
            _ => {}
        }
        let pending = DbDir::of_file(path).map(|dir| dir.pending_file());
        let pending = pending.map_or(Ok(Vec::new()), |path| read_pending::<K>(&path))?;
        let failed = |source| match verdict(&source) {
            Verdict::Corrupt(reason) => {
                let why = std::io::Error::new(ErrorKind::InvalidData, reason);
                DbError::io(path, "read", why)
            }
            _ => DbError::Sqlite { path: path.to_owned(), operation: "open a copy", source },
        };
        let connection = open(&copy).map_err(failed)?;
        let up_to_date = bring_up_to_date::<K>(&connection);
        let facts = read_facts::<K>(&connection).ok();
        // tables as of today's Swift are read even where something else is damaged
        if facts.is_none() {
            up_to_date.map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), connection, facts, pending, _folder: folder })
    }

    /// The file that was copied.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of itself, if that can be read.
    pub fn facts(&self) -> Option<&Facts<K>> {
        self.facts.as_ref()
    }

    /// Hands its rows to `take`, in batches, and last what was waiting to be merged.
    fn rows(&self, mut take: impl FnMut(Vec<K::Record>) -> Result<(), DbError>) -> Result<Salvaged, DbError> {
        let mut salvaged = Salvaged::default();
        let (mut after, mut leaps) = (-1_i64, 0);
        loop {
            let mut batch = Vec::new();
            let outcome = self.read_batch(&mut after, &mut batch);
            let is_last = outcome.is_ok() && batch.len() < BATCH_ROWS;
            salvaged.rows += batch.len() as u64;
            if !batch.is_empty() {
                leaps = 0;
                take(batch)?;
            }
            if let Err(error) = outcome {
                tracing::debug!(path = %self.path.display(), after, %error, "rows cannot be read");
                salvaged.gaps += u64::from(leaps == 0);
                after = after.saturating_add(1 << leaps);
                leaps += 1;
            }
            if is_last || leaps > LEAPS_MAX {
                break;
            }
        }
        salvaged.rows += self.pending.len() as u64;
        if !self.pending.is_empty() {
            take(self.pending.clone())?;
        }
        Ok(salvaged)
    }

    /// Reads rows behind row `after`, which goes along, until there are enough or one cannot be read.
    fn read_batch(&self, after: &mut i64, batch: &mut Vec<K::Record>) -> rusqlite::Result<()> {
        let sql = format!(
            "SELECT {}, ROWID FROM {} WHERE ROWID > ?1 ORDER BY ROWID LIMIT {BATCH_ROWS}",
            K::ROW_COLUMNS,
            K::ROW_TABLE
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([*after])?;
        while let Some(row) = rows.next()? {
            *after = row.get("ROWID")?;
            batch.push(K::record_from_row(row)?);
        }
        Ok(())
    }
}

fn read_pending<K: Kind>(path: &Path) -> Result<Vec<K::Record>, DbError> {
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(DbError::io(path, "open", error)),
        Ok(mut file) => read_records::<K::Record>(&mut file, path),
    }
}

fn read_facts<K: Kind>(connection: &Connection) -> rusqlite::Result<Facts<K>> {
    let kind = K::read_names(connection)?;
    let sql = format!(
        "SELECT created_at, put_timestamp, delete_timestamp, status_changed_at, status, metadata, {}, \
         (SELECT count(*) FROM {} WHERE deleted = 0) FROM {}",
        K::POLICY_COLUMN,
        K::ROW_TABLE,
        K::STAT_TABLE
    );
    connection.query_row(&sql, [], |row| {
        let time = |at| Ok::<_, rusqlite::Error>(column::timestamp(&column::text(row, at)?));
        Ok(Facts {
            kind,
            created_at: time(0)?,
            put_timestamp: time(1)?,
            delete_timestamp: time(2)?,
            status_changed_at: time(3)?,
            is_marked_deleted: column::text(row, 4)? == "DELETED",
            metadata: Metadata::from_json(&column::text(row, 5)?).unwrap_or_default(),
            storage_policy_index: column::int(row, 6)?,
            row_count: column::int(row, 7)?,
        })
    })
}

impl<K: Kind> Broker<K> {
    /// The database of `kind` whose one file, of whatever epoch, is at `file`; `None` where no database is called so.
    pub fn in_file(kind: K, file: &Path, connections: Arc<Connections>) -> Option<Self> {
        let dir = DbDir::of_file(file)?;
        let broker = Self::with_kind(kind, dir, connections, BrokerOptions::default());
        Some(broker.of_file(file.to_owned(), false))
    }

    /// Merges all that can be read of `salvaged` into this database, which must exist: times, metadata, shard ranges, and
    /// rows, each by its timestamp. Doing it again changes nothing.
    pub fn merge_salvaged(&self, salvaged: &SalvagedDb<K>) -> Result<Salvaged, DbError> {
        if let Some(facts) = &salvaged.facts {
            if facts.is_marked_deleted {
                self.delete_db(facts.delete_timestamp)?;
            }
            self.merge_timestamps(facts.created_at, facts.put_timestamp, facts.delete_timestamp)?;
            self.update_status_changed_at(facts.status_changed_at)?;
            self.update_metadata(facts.metadata.entries().to_vec(), None)?;
        }
        self.write("take over what is neither row nor metadata", |transaction| {
            match self.kind.carry_over(&salvaged.connection, transaction) {
                // what of it is damaged is not to be had
                Err(error) if matches!(verdict(&error), Verdict::Corrupt(_)) => Ok(()),
                other => other.map_err(Fault::from),
            }
        })?;
        salvaged.rows(|batch| self.merge_records(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{BrokerOptions, Connections, Container, ContainerBroker, MetadataEntry, ObjectRecord};
    use std::num::NonZeroUsize;
    use std::os::unix::fs::FileExt;
    use swiftlet_types::PathHash;

    fn time(secs: u64) -> Timestamp {
        Timestamp::from_ticks(secs * 100_000).unwrap()
    }

    fn record(name: &str, secs: u64) -> ObjectRecord {
        let deleted = ObjectRecord::tombstone(name, time(secs), 0);
        ObjectRecord { deleted: false, size: 3, etag: "e".into(), content_type: "t/p".into(), ..deleted }
    }

    fn container(device: &Path, put: u64) -> ContainerBroker {
        let dir = DbDir::new(device, ContainerBroker::DATA_DIR, "7", &PathHash([7; 16]));
        let connections = Connections::new(NonZeroUsize::MIN);
        let broker = ContainerBroker::new("a", "c", dir, connections, BrokerOptions::default());
        broker.initialize(time(put), 0).unwrap();
        broker
    }

    fn live_rows(broker: &ContainerBroker) -> u64 {
        let rows = broker.rows_since(-1, 100_000).unwrap();
        rows.iter().filter(|(_, row)| !row.deleted).count() as u64
    }

    #[test]
    fn replicas_come_together_and_stay_as_they_are() {
        let [one, two, out] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let (first, second) = (container(one.path(), 1), container(two.path(), 2));
        let acl = |value: &str, secs| MetadataEntry {
            key: "X-Container-Read".into(),
            value: value.into(),
            timestamp: time(secs).internal(),
        };
        first.update_metadata(vec![acl(".r:*", 5)], None).unwrap();
        second.update_metadata(vec![acl("old", 4)], None).unwrap();
        first.merge_records(vec![record("a", 3), record("gone", 3)]).unwrap();
        second.merge_records(vec![record("b", 3), ObjectRecord::tombstone("gone", time(9), 0)]).unwrap();
        second.put_object(record("waits", 6)).unwrap();
        let before = std::fs::read(second.file().unwrap()).unwrap();

        let merged = container(out.path(), 1);
        for _ in 0..2 {
            for broker in [&first, &second] {
                let copy = SalvagedDb::<Container>::open(&broker.file().unwrap(), out.path()).unwrap();
                assert_eq!(merged.merge_salvaged(&copy).unwrap().gaps, 0);
            }
        }
        let info = merged.info().unwrap();
        assert_eq!((info.object_count, info.put_timestamp), (3, time(2).internal()));
        assert_eq!(merged.metadata().unwrap().get("X-Container-Read"), Some(".r:*"));
        assert_eq!(live_rows(&merged), 3);
        assert_eq!(std::fs::read(second.file().unwrap()).unwrap(), before);
        assert!(second.dir().pending_file().metadata().unwrap().len() > 0, "not merged at the source");
    }

    #[test]
    fn what_lies_around_a_damaged_page_is_read() {
        let [one, out] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let broker = container(one.path(), 1);
        broker.merge_records((0..5_000).map(|n| record(&format!("object {n:05}"), 2)).collect()).unwrap();
        let path = broker.file().unwrap();
        let leaf = {
            let connection = Connection::open(&path).unwrap();
            let sql =
                "SELECT pageno FROM dbstat WHERE name = 'object' AND pagetype = 'leaf' LIMIT 1 OFFSET 20";
            connection.query_row(sql, [], |row| row.get::<_, i64>(0))
        };
        // where SQLite was built without dbstat, some page in the middle will do
        let page = leaf.unwrap_or(60) as u64;
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[0xff; 4096], (page - 1) * 4096).unwrap();
        let copy = SalvagedDb::<Container>::open(&path, out.path()).unwrap();
        let merged = container(out.path(), 1);
        let salvaged = merged.merge_salvaged(&copy).unwrap();
        assert!(salvaged.rows > 4_000 && salvaged.rows < 5_000 && salvaged.gaps >= 1, "{salvaged:?}");
        assert_eq!(live_rows(&merged), salvaged.rows);
    }

    #[test]
    fn what_is_no_database_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(format!("{}.db", PathHash([7; 16])));
        for garbage in [&b"garbage"[..], &[0x5a; 9000]] {
            std::fs::write(&path, garbage).unwrap();
            let Err(error) = SalvagedDb::<Container>::open(&path, dir.path()) else { panic!("opened") };
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), garbage);
        }
    }
}
