//! Merging shard ranges: each group of attributes goes by its own timestamp.

use super::super::DbError;
use super::super::broker::Broker;
use super::shard_query::read_one;
use super::{Container, ShardRange};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;

impl ShardRange {
    /// Takes from `existing` what has precedence there. `None` where nothing here has.
    fn over(mut self, existing: &Self) -> Option<Self> {
        if existing.timestamp < self.timestamp {
            // A younger range of that name starts anew, and nobody has reported it.
            self.reported = false;
            return Some(self);
        }
        if existing.timestamp > self.timestamp {
            return None;
        }
        let mut is_news = false;
        self.lower.clone_from(&existing.lower);
        self.upper.clone_from(&existing.upper);
        self.deleted = existing.deleted;
        if existing.meta_timestamp >= self.meta_timestamp {
            self.object_count = existing.object_count;
            self.bytes_used = existing.bytes_used;
            self.meta_timestamp = existing.meta_timestamp;
            self.tombstones = existing.tombstones;
        } else {
            is_news = true;
        }
        if existing.reported && self.says_the_same_as(existing) {
            self.reported = true;
        } else if self.reported && !existing.reported {
            is_news = true;
        }
        if existing.state_timestamp == self.state_timestamp && self.state > existing.state {
            is_news = true;
        } else if existing.state_timestamp >= self.state_timestamp {
            self.state = existing.state;
            self.state_timestamp = existing.state_timestamp;
            self.epoch = existing.epoch;
        } else {
            is_news = true;
        }
        is_news.then_some(self)
    }

    /// Whether the root would be told the same of both.
    fn says_the_same_as(&self, other: &Self) -> bool {
        let said =
            |range: &Self| (range.object_count, range.bytes_used, range.tombstones, range.state, range.epoch);
        said(self) == said(other)
    }
}

impl Broker<Container> {
    /// Merges shard ranges into the table.
    pub fn merge_shard_ranges(&self, ranges: Vec<ShardRange>) -> Result<(), DbError> {
        if ranges.is_empty() {
            return Ok(());
        }
        self.write("merge shard ranges", |transaction| Ok(merge(transaction, ranges)?))
    }

    /// Merges shard ranges that a replica sent. Once the container's own range has an epoch, one without is an old
    /// replica's and would undo its sharding: it is passed over.
    pub fn merge_replicated_shard_ranges(&self, ranges: Vec<ShardRange>) -> Result<(), DbError> {
        let name = self.name();
        self.write("merge shard ranges", |transaction| Ok(merge_replicated(transaction, &name, ranges)?))
    }
}

/// See [`Broker::merge_replicated_shard_ranges`]; `name` is that of the container's own range.
pub(super) fn merge_replicated(
    transaction: &Connection,
    name: &str,
    mut ranges: Vec<ShardRange>,
) -> rusqlite::Result<()> {
    if read_one(transaction, name)?.is_some_and(|own| own.epoch.is_some()) {
        ranges.retain(|range| range.name != name || range.epoch.is_some());
    }
    merge(transaction, ranges)
}

fn merge(transaction: &Connection, ranges: Vec<ShardRange>) -> rusqlite::Result<()> {
    let find =
        format!("SELECT {} FROM shard_range WHERE deleted IN (0, 1) AND name = ?1", ShardRange::COLUMNS);
    let mut find = transaction.prepare_cached(&find)?;
    let mut changed: Vec<ShardRange> = Vec::new();
    let mut index: HashMap<String, usize> = HashMap::new();
    for range in ranges {
        let name = range.name.clone();
        if let Some(&at) = index.get(&name) {
            if let Some(newer) = range.over(&changed[at]) {
                changed[at] = newer;
            }
            continue;
        }
        let new = match find.query_row([&name], ShardRange::from_row).optional()? {
            None => range,
            Some(existing) => match range.over(&existing) {
                Some(newer) => newer,
                None => continue,
            },
        };
        index.insert(name, changed.len());
        changed.push(new);
    }
    let mut delete =
        transaction.prepare_cached("DELETE FROM shard_range WHERE deleted IN (0, 1) AND name = ?1")?;
    let insert = format!(
        "INSERT INTO shard_range ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        ShardRange::COLUMNS
    );
    let mut insert = transaction.prepare_cached(&insert)?;
    for range in changed {
        delete.execute([&range.name])?;
        insert.execute(params![
            range.name,
            range.timestamp.normal(),
            range.lower,
            range.upper,
            range.object_count,
            range.bytes_used,
            range.meta_timestamp.normal(),
            range.deleted,
            range.state.number(),
            range.state_timestamp.normal(),
            range.epoch.map(|epoch| epoch.normal()),
            range.reported,
            range.tombstones
        ])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::container::ShardState;
    use swiftlet_types::Timestamp;

    fn range(timestamp: u64, meta: u64, state_time: u64, state: ShardState) -> ShardRange {
        let at = |seconds: u64| Timestamp::from_ticks(seconds * 100_000).unwrap();
        ShardRange {
            timestamp: at(timestamp),
            meta_timestamp: at(meta),
            state_timestamp: at(state_time),
            object_count: meta as i64,
            state,
            ..ShardRange::whole("a/c".into())
        }
    }

    #[test]
    fn each_group_goes_by_its_time() {
        let old = range(2, 5, 5, ShardState::Active);
        assert_eq!(range(1, 9, 9, ShardState::Sharded).over(&old), None, "an older range loses altogether");
        let younger = ShardRange { reported: true, ..range(3, 1, 1, ShardState::Found) };
        assert!(!younger.over(&old).unwrap().reported);
        let counted = range(2, 6, 4, ShardState::Found).over(&old).unwrap();
        assert_eq!((counted.object_count, counted.state), (6, ShardState::Active));
        let moved = range(2, 4, 5, ShardState::Sharding).over(&old).unwrap();
        assert_eq!((moved.object_count, moved.state), (5, ShardState::Sharding));
        assert_eq!(range(2, 4, 5, ShardState::Created).over(&old), None);
    }

    #[test]
    fn the_reported_mark_sticks_while_the_figures_stay() {
        let reported = ShardRange { reported: true, ..range(2, 5, 5, ShardState::Active) };
        let same = range(2, 5, 5, ShardState::Active);
        assert_eq!(same.clone().over(&reported), None);
        let told = reported.clone().over(&same).unwrap();
        assert!(told.reported);
        assert!(!range(2, 6, 5, ShardState::Active).over(&reported).unwrap().reported);
    }
}
