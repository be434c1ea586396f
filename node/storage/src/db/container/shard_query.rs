//! Asking for shard ranges.

use super::super::broker::{Broker, Fault};
use super::super::{DbError, column};
use super::{Container, ShardRange, ShardState};
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, params};

/// Which shard ranges are asked for. Empty texts are as good as none.
#[derive(Debug, Clone, Default)]
pub struct ShardQuery {
    /// Only ranges that hold names after this one.
    pub marker: String,
    /// Only ranges that hold names before this one.
    pub end_marker: String,
    /// Only the range that holds this name; marker, end marker and filling gaps do not count then.
    pub includes: String,
    /// From the last to the first; the markers change places.
    pub reverse: bool,
    /// Deleted ones too.
    pub include_deleted: bool,
    /// Only these states; all where empty.
    pub states: Vec<ShardState>,
    /// The container's own range too.
    pub include_own: bool,
    /// Whether a gap at the end is filled with the container's own range.
    pub fill_gaps: bool,
}

impl Broker<Container> {
    /// The shard ranges asked for, in the order of their upper bounds.
    pub fn shard_ranges(&self, query: &ShardQuery) -> Result<Vec<ShardRange>, DbError> {
        let (marker, end_marker) = match query.reverse {
            false => (&query.marker, &query.end_marker),
            true => (&query.end_marker, &query.marker),
        };
        if !marker.is_empty() && !end_marker.is_empty() && marker >= end_marker {
            return Ok(Vec::new());
        }
        let mut ranges = self.find_shard_ranges(query, marker, end_marker)?;
        ranges.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        if !query.includes.is_empty() {
            ranges.truncate(1);
            return Ok(ranges);
        }
        if query.fill_gaps {
            let filler = self.filler(&ranges, marker, end_marker)?;
            ranges.extend(filler);
        }
        if query.reverse {
            ranges.reverse();
        }
        Ok(ranges)
    }

    fn find_shard_ranges(
        &self,
        query: &ShardQuery,
        marker: &str,
        end_marker: &str,
    ) -> Result<Vec<ShardRange>, DbError> {
        let name = self.name();
        let mut conditions = vec!["1"];
        let mut values: Vec<&dyn ToSql> = Vec::new();
        if !query.include_deleted {
            conditions.push("deleted = 0");
        }
        if !query.include_own {
            conditions.push("name != ?");
            values.push(&name);
        }
        if !query.includes.is_empty() {
            conditions.extend(["lower < ?", "(upper = '' OR upper >= ?)"]);
            values.extend([&query.includes as &dyn ToSql, &query.includes]);
        } else {
            if !end_marker.is_empty() {
                conditions.push("lower < ?");
                values.push(&end_marker);
            }
            if !marker.is_empty() {
                conditions.push("(upper = '' OR upper > ?)");
                values.push(&marker);
            }
        }
        let conditions = conditions.join(" AND ");
        let sql = format!("SELECT {} FROM shard_range WHERE {conditions}", ShardRange::COLUMNS);
        let mut found: Vec<ShardRange> = self.read("read shard ranges", |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(values.as_slice(), ShardRange::from_row)?;
            Ok::<_, Fault>(rows.collect::<Result<_, _>>()?)
        })?;
        if !query.states.is_empty() {
            found.retain(|range| query.states.contains(&range.state));
        }
        Ok(found)
    }

    /// The container's own range cut to what `ranges` leave uncovered at the end, if anything.
    fn filler(
        &self,
        ranges: &[ShardRange],
        marker: &str,
        end_marker: &str,
    ) -> Result<Option<ShardRange>, DbError> {
        let last_upper = match ranges.last() {
            Some(last) if last.upper.is_empty() => return Ok(None),
            Some(last) => Some(last.upper.clone()),
            None => None,
        };
        let mut filler = self.own_shard_range_or_whole()?;
        let from = last_upper.unwrap_or_else(|| marker.max(filler.lower.as_str()).to_owned());
        if !end_marker.is_empty() && filler.reaches(end_marker) {
            end_marker.clone_into(&mut filler.upper);
        }
        if !filler.reaches(&from) {
            return Ok(None);
        }
        filler.lower = from;
        Ok(Some(filler))
    }

    /// The container's own shard range, deleted or not; `None` where it never had one.
    pub fn own_shard_range(&self) -> Result<Option<ShardRange>, DbError> {
        self.read("read the own shard range", |connection| Ok(read_one(connection, &self.name())?))
    }

    pub(super) fn own_shard_range_or_whole(&self) -> Result<ShardRange, DbError> {
        Ok(self.own_shard_range()?.unwrap_or_else(|| ShardRange::whole(self.name())))
    }

    /// Whether there is any shard range but the container's own.
    pub(super) fn has_other_shard_ranges(&self) -> Result<bool, DbError> {
        self.read("look for shard ranges", |connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM shard_range WHERE deleted = 0 AND name != ?1)";
            Ok(connection.prepare_cached(sql)?.query_row([self.name()], |row| row.get(0))?)
        })
    }

    /// Objects and bytes in all shards that count.
    pub(super) fn shard_usage(&self) -> Result<(i64, i64), DbError> {
        let [a, b, c] = ShardState::STATS.map(ShardState::number);
        self.read("sum shard ranges", |connection| {
            let sql = "SELECT COALESCE(SUM(object_count), 0), COALESCE(SUM(bytes_used), 0) FROM shard_range \
                       WHERE state IN (?1, ?2, ?3) AND deleted = 0 AND name != ?4";
            let read = |row: &rusqlite::Row<'_>| Ok((column::int(row, 0)?, column::int(row, 1)?));
            Ok(connection.prepare_cached(sql)?.query_row(params![a, b, c, self.name()], read)?)
        })
    }
}

/// The range called `name`, deleted or not.
pub(super) fn read_one(connection: &Connection, name: &str) -> rusqlite::Result<Option<ShardRange>> {
    let sql = format!("SELECT {} FROM shard_range WHERE name = ?1 LIMIT 1", ShardRange::COLUMNS);
    connection.prepare_cached(&sql)?.query_row([name], ShardRange::from_row).optional()
}

/// Every range, deleted ones and the container's own among them.
pub(super) fn read_all(connection: &Connection) -> rusqlite::Result<Vec<ShardRange>> {
    let sql = format!("SELECT {} FROM shard_range", ShardRange::COLUMNS);
    connection.prepare_cached(&sql)?.query_map([], ShardRange::from_row)?.collect()
}
