//! Forgetting: deleted rows, removed metadata and sync points of the past.

use super::DbError;
use super::broker::{Broker, Kind, has_column};
use rusqlite::{OptionalExtension, params};
use swiftlet_types::Timestamp;

/// Deleted rows looked at in one transaction, so that writers get in between.
const PAGE: i64 = 10_000;

impl<K: Kind> Broker<K> {
    /// Removes rows deleted before `age`, metadata removed before `age` and sync points not raised since
    /// `sync_age`. How many rows went.
    pub fn reclaim(&self, age: Timestamp, sync_age: Timestamp) -> Result<usize, DbError> {
        self.commit_pending()?;
        let mut reclaimed = 0;
        let mut from = Some(String::new());
        while let Some(start) = from {
            let (rows, next) = self.reclaim_page(&start, age)?;
            reclaimed += rows;
            from = next;
        }
        self.write("reclaim", |transaction| {
            for table in ["outgoing_sync", "incoming_sync"] {
                // Databases of the first releases keep no time of their sync points.
                if has_column(transaction, table, "updated_at")? {
                    let sql = format!("DELETE FROM {table} WHERE updated_at < ?1");
                    transaction.execute(&sql, [sync_age.normal()])?;
                }
            }
            let mut metadata = self.load_metadata(transaction)?;
            if metadata.reclaim(&age.normal()) {
                self.store_metadata(transaction, &metadata)?;
            }
            Ok(self.kind.reclaim(transaction, &sync_age.normal())?)
        })?;
        Ok(reclaimed)
    }

    /// Reclaims one page of deleted rows from the name `start` on; how many went, and where the next page starts.
    fn reclaim_page(&self, start: &str, age: Timestamp) -> Result<(usize, Option<String>), DbError> {
        let table = K::ROW_TABLE;
        let find = format!(
            "SELECT name FROM {table} WHERE deleted = 1 AND name >= ?1 ORDER BY name LIMIT 1 OFFSET {PAGE}"
        );
        let delete = format!(
            "DELETE FROM {table} WHERE deleted = 1 AND name >= ?1 AND {} < ?2 AND (?3 IS NULL OR name < ?3)",
            K::RECLAIM_COLUMN
        );
        self.write("reclaim rows", |transaction| {
            let next: Option<String> =
                transaction.prepare_cached(&find)?.query_row([start], |row| row.get(0)).optional()?;
            let rows = transaction.prepare_cached(&delete)?.execute(params![start, age.normal(), next])?;
            Ok((rows, next))
        })
    }
}
