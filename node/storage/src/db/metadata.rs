//! The metadata column: JSON `{key: [value, timestamp]}`, merged key by key, the later timestamp winning.

use super::DbError;
use super::broker::{Broker, Fault, Kind};
use rusqlite::Connection;
use swiftlet_types::json;

/// One metadata entry. An empty value means that the key was removed at `timestamp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataEntry {
    /// The header's name, in the case it was stored with (`X-Container-Meta-Color`).
    pub key: String,
    /// Its value.
    pub value: String,
    /// When it was set, in the internal form (which orders as text).
    pub timestamp: String,
}

/// Metadata in the order of the stored JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    entries: Vec<MetadataEntry>,
}

/// What user metadata of an account or container may amount to.
#[derive(Debug, Clone, Copy)]
pub struct MetadataLimits {
    /// Entries (`max_meta_count`).
    pub count: usize,
    /// Characters of names and values together (`max_meta_overall_size`).
    pub overall_size: usize,
}

const USER_PREFIXES: [&str; 2] = ["x-account-meta-", "x-container-meta-"];

impl Metadata {
    /// Reads the column's text; empty text is no metadata.
    pub fn from_json(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let parsed: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut entries = Vec::with_capacity(parsed.len());
        for (key, pair) in parsed {
            let text_at = |at: usize| pair.get(at).and_then(|v| v.as_str()).map(str::to_owned);
            let timestamp = text_at(1).ok_or_else(|| format!("{key:?} has no timestamp"))?;
            entries.push(MetadataEntry { value: text_at(0).unwrap_or_default(), key, timestamp });
        }
        Ok(Self { entries })
    }

    /// The column's text, byte for byte as Python's `json.dumps` writes it.
    pub fn to_json(&self) -> String {
        let mut out = Vec::from(b"{");
        for (i, entry) in self.entries.iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(b", ");
            }
            json::push_string(&mut out, &entry.key);
            out.extend_from_slice(b": [");
            json::push_string(&mut out, &entry.value);
            out.extend_from_slice(b", ");
            json::push_string(&mut out, &entry.timestamp);
            out.push(b']');
        }
        out.push(b'}');
        String::from_utf8(out).expect("push_string writes ASCII")
    }

    /// The value under `key` (exact case), unless it was removed.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().find(|e| e.key == key && !e.value.is_empty()).map(|e| e.value.as_str())
    }

    /// Whether `key` was ever set (and not reclaimed since it was removed).
    pub fn knows(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key == key)
    }

    /// The entries that have a value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().filter(|e| !e.value.is_empty()).map(|e| (e.key.as_str(), e.value.as_str()))
    }

    /// Every entry, removed ones too.
    pub fn entries(&self) -> &[MetadataEntry] {
        &self.entries
    }

    /// Takes `entry` over where it is new or later than what is there; whether it was.
    pub fn merge(&mut self, entry: MetadataEntry) -> bool {
        match self.entries.iter_mut().find(|e| e.key == entry.key) {
            Some(old) if entry.timestamp > old.timestamp => *old = entry,
            Some(_) => return false,
            None => self.entries.push(entry),
        }
        true
    }

    /// Removes every value as of `timestamp`, but for the keys `lasting` (in lower case); whether any changed.
    pub(super) fn blank_all(&mut self, lasting: &[&str], timestamp: &str) -> bool {
        let mut changed = false;
        for entry in &mut self.entries {
            let lasts = lasting.contains(&entry.key.to_ascii_lowercase().as_str());
            if !lasts && timestamp > entry.timestamp.as_str() {
                entry.value.clear();
                entry.timestamp = timestamp.to_owned();
                changed = true;
            }
        }
        changed
    }

    /// Drops keys that were removed before `timestamp`; whether there were any.
    pub(super) fn reclaim(&mut self, timestamp: &str) -> bool {
        let before = self.entries.len();
        self.entries.retain(|e| !e.value.is_empty() || e.timestamp.as_str() >= timestamp);
        self.entries.len() != before
    }

    /// Refuses user metadata beyond `limits`, in Swift's words.
    fn check(&self, limits: MetadataLimits) -> Result<(), DbError> {
        let (mut count, mut size) = (0, 0);
        for (key, value) in self.iter() {
            let key = key.to_ascii_lowercase();
            let Some(name) = USER_PREFIXES.iter().find_map(|prefix| key.strip_prefix(prefix)) else {
                continue;
            };
            count += 1;
            size += name.chars().count() + value.chars().count();
        }
        if count > limits.count {
            return Err(DbError::Refused(format!("Too many metadata items; max {}", limits.count)));
        }
        if size > limits.overall_size {
            return Err(DbError::Refused(format!("Total metadata too large; max {}", limits.overall_size)));
        }
        Ok(())
    }
}

impl<K: Kind> Broker<K> {
    /// The database's metadata.
    pub fn metadata(&self) -> Result<Metadata, DbError> {
        self.read("read metadata", |connection| self.load_metadata(connection))
    }

    /// The metadata column as it stands.
    pub fn metadata_text(&self) -> Result<String, DbError> {
        self.read("read metadata", |connection| Ok(self.raw_metadata(connection)?))
    }

    /// Merges `updates` in; with `limits`, refuses (and changes nothing) where the whole would break them.
    pub fn update_metadata(
        &self,
        updates: Vec<MetadataEntry>,
        limits: Option<MetadataLimits>,
    ) -> Result<(), DbError> {
        // Most updates repeat what is there already: see that without taking the write lock.
        let mut current = self.metadata()?;
        if !updates.iter().any(|update| current.merge(update.clone())) {
            return Ok(());
        }
        self.write("update metadata", |transaction| {
            let mut metadata = self.load_metadata(transaction)?;
            for update in updates {
                metadata.merge(update);
            }
            if let Some(limits) = limits {
                metadata.check(limits)?;
            }
            self.store_metadata(transaction, &metadata)
        })
    }

    /// The column as it stands.
    pub(super) fn raw_metadata(&self, connection: &Connection) -> rusqlite::Result<String> {
        let sql = format!("SELECT coalesce(metadata, '') FROM {}", K::STAT_TABLE);
        connection.prepare_cached(&sql)?.query_row([], |row| row.get(0))
    }

    pub(super) fn load_metadata(&self, connection: &Connection) -> Result<Metadata, Fault> {
        let text = self.raw_metadata(connection)?;
        let path = || self.dir.path().to_owned();
        Ok(Metadata::from_json(&text).map_err(|why| DbError::BadMetadata { path: path(), why })?)
    }

    pub(super) fn store_metadata(&self, transaction: &Connection, metadata: &Metadata) -> Result<(), Fault> {
        let sql = format!("UPDATE {} SET metadata = ?1", K::STAT_TABLE);
        transaction.prepare_cached(&sql)?.execute([metadata.to_json()])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, value: &str, timestamp: &str) -> MetadataEntry {
        MetadataEntry { key: key.into(), value: value.into(), timestamp: timestamp.into() }
    }

    #[test]
    fn text_is_that_of_python() {
        // json.dumps({'X-Container-Meta-Ü': ['a"b\\\n😀', '1'], 'B': ['', '2']})
        let text = r#"{"X-Container-Meta-\u00dc": ["a\"b\\\n\ud83d\ude00", "1"], "B": ["", "2"]}"#;
        let metadata = Metadata::from_json(text).unwrap();
        assert_eq!(metadata.entries()[0], entry("X-Container-Meta-Ü", "a\"b\\\n😀", "1"));
        assert_eq!(metadata.to_json(), text);
        assert_eq!(metadata.iter().count(), 1);
        assert!(metadata.knows("B") && metadata.get("B").is_none());
        for bad in ["[]", "{", r#"{"a": "b"}"#, r#"{"a": ["b"]}"#] {
            assert!(Metadata::from_json(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_later_write_of_a_key_wins() {
        let mut metadata = Metadata::default();
        assert!(metadata.merge(entry("K", "new", "2")));
        assert!(!metadata.merge(entry("K", "old", "1")) && !metadata.merge(entry("K", "same", "2")));
        assert_eq!(metadata.get("K"), Some("new"));
        assert!(metadata.merge(entry("K", "", "3")));
        assert!(!metadata.reclaim("3") && metadata.reclaim("4"));
        assert!(metadata.entries().is_empty());
    }

    #[test]
    fn limits_count_user_metadata_only() {
        let mut metadata = Metadata::default();
        metadata.merge(entry("X-Container-Sysmeta-Long", &"x".repeat(9999), "1"));
        metadata.merge(entry("X-Container-Meta-A", "ü", "1"));
        let limits = |count, overall_size| MetadataLimits { count, overall_size };
        assert!(metadata.check(limits(1, 2)).is_ok());
        assert_eq!(metadata.check(limits(0, 2)).unwrap_err().to_string(), "Too many metadata items; max 0");
        assert_eq!(metadata.check(limits(1, 1)).unwrap_err().to_string(), "Total metadata too large; max 1");
    }
}
