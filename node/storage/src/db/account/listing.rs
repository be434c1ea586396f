//! Listing an account's containers.

use super::super::broker::Broker;
use super::super::listing::{Found, ListingQuery, Walk};
use super::super::{DbError, column};
use super::Account;
use rusqlite::Row;

/// One entry of an account's listing, borrowed from the row at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // what a listing shows, by its names
pub enum ContainerEntry<'a> {
    Container {
        name: &'a str,
        object_count: i64,
        bytes_used: i64,
        put_timestamp: &'a str,
        storage_policy_index: i64,
    },
    /// Names rolled up at the delimiter, which ends this one.
    Subdir { name: &'a str },
}

const ASCENDING: &str = "SELECT name, object_count, bytes_used, put_timestamp, storage_policy_index FROM container \
                         WHERE deleted = 0 AND name >= ?1 AND name < ?2 ORDER BY name LIMIT ?3";
const DESCENDING: &str = "SELECT name, object_count, bytes_used, put_timestamp, storage_policy_index FROM container \
                          WHERE deleted = 0 AND name >= ?1 AND name < ?2 ORDER BY name DESC LIMIT ?3";

impl Broker<Account> {
    /// Calls `emit` for each entry of the listing, in order.
    pub fn list_containers(
        &self,
        query: &ListingQuery,
        emit: &mut dyn FnMut(ContainerEntry<'_>),
    ) -> Result<(), DbError> {
        self.commit_pending()?;
        let sql = if query.reverse { DESCENDING } else { ASCENDING };
        let mut emit_found = |found: Found<'_>| {
            match found {
                Found::Row(row) => emit_row(row, emit)?,
                Found::Subdir(name) => emit(ContainerEntry::Subdir { name }),
            }
            Ok(())
        };
        let walk = Walk::new(query);
        self.read("list containers", |connection| Ok(walk.run(connection, sql, &[], &mut emit_found)?))
    }
}

fn emit_row(row: &Row<'_>, emit: &mut dyn FnMut(ContainerEntry<'_>)) -> rusqlite::Result<()> {
    emit(ContainerEntry::Container {
        name: &column::text(row, 0)?,
        object_count: column::int(row, 1)?,
        bytes_used: column::int(row, 2)?,
        put_timestamp: &column::text(row, 3)?,
        storage_policy_index: column::int(row, 4)?,
    });
    Ok(())
}
