//! Listing a container's objects.

use super::super::broker::Broker;
use super::super::listing::{Found, ListingQuery, Walk};
use super::super::{DbError, column};
use super::Container;
use super::record::decode_times;
use rusqlite::Row;
use rusqlite::types::{ToSql, ValueRef};
use swiftlet_types::Timestamp;

/// One entry of a container's listing, borrowed from the row at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // what a listing shows, by its names
pub enum ObjectEntry<'a> {
    Object {
        name: &'a str,
        /// When data, content type or metadata were set last.
        modified: Timestamp,
        size: i64,
        /// May hold a `swift_bytes` parameter.
        content_type: &'a str,
        etag: &'a str,
        deleted: bool,
        storage_policy_index: i64,
    },
    /// Names rolled up at the delimiter, which ends this one.
    Subdir { name: &'a str },
}

/// Which rows count for a listing beside their names.
#[derive(Debug, Clone, Copy)]
pub struct ObjectFilter {
    /// Only those in this storage policy; all where `None`.
    pub storage_policy_index: Option<i64>,
    /// Only tombstones, or only what is none; both where `None`.
    pub deleted: Option<bool>,
    /// Only rows written after this row id.
    pub since_row: Option<i64>,
}

impl ObjectFilter {
    /// The objects that a client sees in a container of this storage policy.
    pub fn live(storage_policy_index: i64) -> Self {
        Self { storage_policy_index: Some(storage_policy_index), deleted: Some(false), since_row: None }
    }

    fn sql(self, reverse: bool) -> String {
        let deleted = match self.deleted {
            Some(true) => "= 1",
            Some(false) => "= 0",
            None => "IN (0, 1)",
        };
        let mut sql = format!(
            "SELECT name, created_at, size, content_type, etag, deleted, storage_policy_index FROM object \
             WHERE deleted {deleted} AND name >= ?1 AND name < ?2"
        );
        let by_policy = self.storage_policy_index.map(|_| "storage_policy_index =");
        let by_row = self.since_row.map(|_| "ROWID >");
        // The first three parameters are the walk's.
        for (condition, parameter) in by_policy.into_iter().chain(by_row).zip(4..) {
            sql.push_str(&format!(" AND {condition} ?{parameter}"));
        }
        sql.push_str(if reverse { " ORDER BY name DESC LIMIT ?3" } else { " ORDER BY name LIMIT ?3" });
        sql
    }
}

impl Broker<Container> {
    /// Calls `emit` for each entry of the listing, in order.
    pub fn list_objects(
        &self,
        query: &ListingQuery,
        filter: ObjectFilter,
        emit: &mut dyn FnMut(ObjectEntry<'_>),
    ) -> Result<(), DbError> {
        self.commit_pending()?;
        let sql = filter.sql(query.reverse);
        let more: Vec<&dyn ToSql> = [&filter.storage_policy_index, &filter.since_row]
            .into_iter()
            .filter(|value| value.is_some())
            .map(|value| value as &dyn ToSql)
            .collect();
        let mut emit_found = |found: Found<'_>| {
            match found {
                Found::Row(row) => emit_row(row, emit)?,
                Found::Subdir(name) => emit(ObjectEntry::Subdir { name }),
            }
            Ok(())
        };
        let walk = Walk::new(query);
        self.read("list objects", |connection| Ok(walk.run(connection, &sql, &more, &mut emit_found)?))
    }
}

fn emit_row(row: &Row<'_>, emit: &mut dyn FnMut(ObjectEntry<'_>)) -> rusqlite::Result<()> {
    let name = column::text(row, 0)?;
    // Swift takes a row without content type for a rolled-up name.
    if row.get_ref(3)? == ValueRef::Null {
        emit(ObjectEntry::Subdir { name: &name });
        return Ok(());
    }
    let (_, _, modified) = decode_times(&column::text(row, 1)?);
    emit(ObjectEntry::Object {
        name: &name,
        modified,
        size: column::int(row, 2)?,
        content_type: &column::text(row, 3)?,
        etag: &column::text(row, 4)?,
        deleted: column::int(row, 5)? != 0,
        storage_policy_index: column::int(row, 6)?,
    });
    Ok(())
}
