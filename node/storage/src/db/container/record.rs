//! An object's row, and how the times in it decide between two versions of it.

use super::super::broker::Record;
use super::super::column::{self, pickled_int, pickled_text};
use super::content_type::split_swift_bytes;
use swiftlet_types::Timestamp;
use swiftlet_types::pickle::Value;
use swiftlet_types::timestamp::EncodedTimestamps;

/// A row of the object table, or one on its way there. Timestamps are in the internal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRecord {
    /// The object's name.
    pub name: String,
    /// When its data was put or deleted; in the table with the times of content type and metadata encoded in it.
    pub created_at: String,
    /// Its size in bytes.
    pub size: i64,
    /// Its content type, perhaps with a `swift_bytes` parameter.
    pub content_type: String,
    /// Its ETag.
    pub etag: String,
    /// Whether this is a tombstone.
    pub deleted: bool,
    /// The storage policy it is in.
    pub storage_policy_index: i64,
    /// When the content type was set, where that is not when the data was put.
    pub content_type_timestamp: Option<String>,
    /// When the metadata was set, where that is not when the content type was set.
    pub meta_timestamp: Option<String>,
}

impl ObjectRecord {
    /// The tombstone of an object deleted at `timestamp`.
    pub fn tombstone(name: impl Into<String>, timestamp: Timestamp, storage_policy_index: i64) -> Self {
        Self {
            name: name.into(),
            created_at: timestamp.internal(),
            size: 0,
            content_type: "application/deleted".to_owned(),
            etag: "noetag".to_owned(),
            deleted: true,
            storage_policy_index,
            content_type_timestamp: None,
            meta_timestamp: None,
        }
    }

    /// When data, content type and metadata were set.
    pub(super) fn times(&self) -> (Timestamp, Timestamp, Timestamp) {
        let (data, mut content_type, mut meta) = decode_times(&self.created_at);
        let given =
            |time: &Option<String>| time.as_deref().filter(|time| !time.is_empty()).map(column::timestamp);
        if let Some(time) = given(&self.content_type_timestamp) {
            (content_type, meta) = (time, time);
        }
        if let Some(time) = given(&self.meta_timestamp) {
            meta = time;
        }
        (data, content_type, meta)
    }

    /// The row with all its times encoded in `created_at`, as the table holds it.
    pub(super) fn encoded(mut self) -> Self {
        let (data, content_type, meta) = self.times();
        self.created_at = encode_times(data, content_type, meta);
        (self.content_type_timestamp, self.meta_timestamp) = (None, None);
        self
    }

    /// Takes from `existing` whatever is as new as, or newer than, what is here: the data with its size, the
    /// content type, the metadata's time, each by its own time. `None` where nothing here is newer.
    ///
    /// `swift_bytes` belongs to the data though it stands in the content type.
    pub(super) fn over(mut self, existing: &Self) -> Option<Self> {
        let (mut data, mut content_type, mut meta) = self.times();
        let (old_data, old_content_type, old_meta) = existing.times();
        let newer = (data > old_data, content_type > old_content_type, meta > old_meta);
        if newer == (false, false, false) {
            return None;
        }
        let (kind, swift_bytes) = split_swift_bytes(&self.content_type);
        let (old_kind, old_swift_bytes) = split_swift_bytes(&existing.content_type);
        let kind = if newer.1 { kind } else { old_kind };
        let swift_bytes = if newer.0 { swift_bytes } else { old_swift_bytes };
        self.content_type = match swift_bytes.filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => format!("{kind};swift_bytes={bytes}"),
            None => kind.into_owned(),
        };
        if !newer.0 {
            self.size = existing.size;
            self.etag.clone_from(&existing.etag);
            self.deleted = existing.deleted;
            data = old_data;
        }
        if !newer.1 {
            content_type = old_content_type;
        }
        if !newer.2 {
            meta = old_meta;
        }
        self.created_at = encode_times(data, content_type, meta);
        (self.content_type_timestamp, self.meta_timestamp) = (None, None);
        Some(self)
    }
}

/// The three times in a `created_at`; what is none is the epoch.
pub(super) fn decode_times(created_at: &str) -> (Timestamp, Timestamp, Timestamp) {
    match EncodedTimestamps::parse(created_at) {
        Ok(times) => times.resolved(),
        Err(_) => (Timestamp::ZERO, Timestamp::ZERO, Timestamp::ZERO),
    }
}

fn encode_times(data: Timestamp, content_type: Timestamp, meta: Timestamp) -> String {
    EncodedTimestamps { data, content_type: Some(content_type), meta: Some(meta) }.encode(false)
}

impl Record for ObjectRecord {
    fn to_pickle(&self) -> Value {
        Value::tuple([
            Value::from(self.name.as_str()),
            Value::from(self.created_at.as_str()),
            Value::from(self.size),
            Value::from(self.content_type.as_str()),
            Value::from(self.etag.as_str()),
            Value::from(i64::from(self.deleted)),
            Value::from(self.storage_policy_index),
            Value::from(self.content_type_timestamp.as_deref()),
            Value::from(self.meta_timestamp.as_deref()),
        ])
    }

    fn from_pickle(fields: &[Value]) -> Option<Self> {
        let [name, created_at, size, content_type, etag, deleted, more @ ..] = fields else { return None };
        Some(Self {
            name: pickled_text(name)?,
            created_at: pickled_text(created_at)?,
            size: pickled_int(size)?,
            content_type: pickled_text(content_type)?,
            etag: pickled_text(etag)?,
            deleted: pickled_int(deleted)? != 0,
            // Older records end before one of these.
            storage_policy_index: more.first().map_or(Some(0), pickled_int)?,
            content_type_timestamp: more.get(1).and_then(pickled_text),
            meta_timestamp: more.get(2).and_then(pickled_text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(data: u64, content_type: u64, meta: u64) -> ObjectRecord {
        let time = |ticks| Timestamp::from_ticks(1_000_000 + ticks).unwrap().internal();
        ObjectRecord {
            name: "o".into(),
            created_at: time(data),
            size: data as i64,
            content_type: format!("kind/{content_type};swift_bytes={data}"),
            etag: format!("etag{data}"),
            deleted: data % 2 == 1,
            storage_policy_index: 0,
            content_type_timestamp: Some(time(content_type)),
            meta_timestamp: Some(time(meta)),
        }
    }

    fn merged(records: &[ObjectRecord]) -> ObjectRecord {
        let mut records = records.iter().cloned();
        let first = records.next().unwrap().encoded();
        records.fold(first, |row, record| record.over(&row).unwrap_or(row))
    }

    #[test]
    fn each_part_goes_by_its_own_time() {
        let row = merged(&[record(8, 1, 1), record(2, 6, 3), record(4, 4, 9)]);
        assert_eq!((row.size, row.etag.as_str(), row.deleted), (8, "etag8", false));
        assert_eq!(row.content_type, "kind/6;swift_bytes=8");
        let (data, content_type, meta) = row.times();
        assert_eq!([data, content_type, meta].map(|t| t.ticks() - 1_000_000), [8, 6, 9]);
    }

    proptest! {
        #[test]
        fn order_does_not_matter(times in prop::collection::vec((0u64..9, 0u64..9, 0u64..9), 1..6), seed: u64) {
            // Equal times mean equal content: that is what makes a timestamp identify a write.
            let records: Vec<_> = times.iter().map(|&(d, c, m)| record(d, c, m)).collect();
            let mut shuffled = records.clone();
            shuffled.rotate_left(seed as usize % records.len());
            if seed % 2 == 0 { shuffled.reverse(); }
            let (a, b) = (merged(&records), merged(&shuffled));
            prop_assert_eq!(a, b);
        }

        #[test]
        fn pickling_round_trips(data: u32, content_type in 0u64..9) {
            let record = record(u64::from(data), content_type, 0);
            let value = record.to_pickle();
            prop_assert_eq!(ObjectRecord::from_pickle(value.as_items().unwrap()), Some(record));
        }
    }
}
