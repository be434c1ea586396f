//! A shard range: which container holds the names between two bounds, and how far its sharding has come.

use super::super::column;
use rusqlite::Row;
use serde_json::{Map, Value, json};
use swiftlet_types::Timestamp;

/// How far a shard range has come. The numbers are Swift's, and a higher one wins at equal times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // Swift's own names
pub enum ShardState {
    Found = 10,
    Created = 20,
    Cleaved = 30,
    Active = 40,
    Shrinking = 50,
    Sharding = 60,
    Sharded = 70,
    Shrunk = 80,
}

impl ShardState {
    /// Every state in order.
    pub const ALL: [Self; 8] = [
        Self::Found,
        Self::Created,
        Self::Cleaved,
        Self::Active,
        Self::Shrinking,
        Self::Sharding,
        Self::Sharded,
        Self::Shrunk,
    ];
    /// The states whose objects count.
    pub const STATS: [Self; 3] = [Self::Active, Self::Sharding, Self::Shrinking];
    /// The states that take object updates.
    pub const UPDATING: [Self; 4] = [Self::Created, Self::Cleaved, Self::Active, Self::Sharding];
    /// The states that take part in object listings.
    pub const LISTING: [Self; 4] = [Self::Active, Self::Sharding, Self::Shrinking, Self::Cleaved];
    /// The states of a container whose rows are moving, or have moved, to others.
    pub const CLEAVING: [Self; 4] = [Self::Shrinking, Self::Shrunk, Self::Sharding, Self::Sharded];

    /// Its name in requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Created => "created",
            Self::Cleaved => "cleaved",
            Self::Active => "active",
            Self::Shrinking => "shrinking",
            Self::Sharding => "sharding",
            Self::Sharded => "sharded",
            Self::Shrunk => "shrunk",
        }
    }

    /// Its number in the table.
    pub fn number(self) -> i64 {
        self as i64
    }

    /// The state of that number.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    /// The states that a word of the `states` parameter stands for: a name, a number, or one of the groups
    /// `listing`, `updating` and `auditing`.
    pub fn from_word(word: &str) -> Option<Vec<Self>> {
        match word {
            "listing" => Some(Self::LISTING.to_vec()),
            "updating" => Some(Self::UPDATING.to_vec()),
            // Found ranges may overlap and are not agreed on yet.
            "auditing" => Some(Self::ALL[1..].to_vec()),
            _ => {
                let number = word.parse().ok();
                let matches =
                    |state: &Self| number == Some(state.number()) || word.eq_ignore_ascii_case(state.name());
                Self::ALL.into_iter().find(matches).map(|state| vec![state])
            }
        }
    }
}

/// A row of the shard range table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardRange {
    /// `<account>/<container>` that holds the range.
    pub name: String,
    /// When bounds or deletion were set.
    pub timestamp: Timestamp,
    /// Names after this one; empty for the first.
    pub lower: String,
    /// Names up to this one, included; empty for the end.
    pub upper: String,
    /// Objects in the range.
    pub object_count: i64,
    /// Bytes in them.
    pub bytes_used: i64,
    /// When the counts were set.
    pub meta_timestamp: Timestamp,
    /// Whether the range is deleted.
    pub deleted: bool,
    /// How far it has come.
    pub state: ShardState,
    /// When the state was forced.
    pub state_timestamp: Timestamp,
    /// When sharding was enabled, which names the files of the database.
    pub epoch: Option<Timestamp>,
    /// Whether these figures were reported to the root container.
    pub reported: bool,
    /// Tombstones in the range; -1 where unknown.
    pub tombstones: i64,
}

impl ShardRange {
    pub(super) const COLUMNS: &'static str = "name, timestamp, lower, upper, object_count, bytes_used, \
        meta_timestamp, deleted, state, state_timestamp, epoch, reported, tombstones";

    /// The range of all names held by the container `name` itself.
    pub(super) fn whole(name: String) -> Self {
        let now = Timestamp::now();
        Self {
            name,
            timestamp: now,
            lower: String::new(),
            upper: String::new(),
            object_count: 0,
            bytes_used: 0,
            meta_timestamp: now,
            deleted: false,
            state: ShardState::Active,
            state_timestamp: now,
            epoch: None,
            reported: false,
            tombstones: -1,
        }
    }

    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let time = |at| column::text(row, at).map(|text| column::timestamp(&text));
        let epoch = column::string(row, 10)?;
        Ok(Self {
            name: column::string(row, 0)?,
            timestamp: time(1)?,
            lower: column::string(row, 2)?,
            upper: column::string(row, 3)?,
            object_count: column::int(row, 4)?,
            bytes_used: column::int(row, 5)?,
            meta_timestamp: time(6)?,
            deleted: column::int(row, 7)? != 0,
            state: ShardState::from_number(column::int(row, 8)?).unwrap_or(ShardState::Found),
            state_timestamp: time(9)?,
            epoch: epoch.parse().ok(),
            reported: column::int(row, 11)? != 0,
            tombstones: column::int(row, 12)?,
        })
    }

    /// Whether names after `name` are in the range, as far as its upper bound goes.
    pub(super) fn reaches(&self, name: &str) -> bool {
        self.upper.is_empty() || self.upper.as_str() > name
    }

    /// The order of shard range listings: by upper bound, the open end last.
    pub(super) fn sort_key(&self) -> (bool, &str, i64, &str, &str) {
        (self.upper.is_empty(), &self.upper, self.state.number(), &self.lower, &self.name)
    }

    /// The JSON object that replicas send; what [`from_json`](Self::from_json) reads.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "timestamp": self.timestamp.normal(),
            "lower": self.lower,
            "upper": self.upper,
            "object_count": self.object_count,
            "bytes_used": self.bytes_used,
            "meta_timestamp": self.meta_timestamp.normal(),
            "deleted": i64::from(self.deleted),
            "state": self.state.number(),
            "state_timestamp": self.state_timestamp.normal(),
            "epoch": self.epoch.map(Timestamp::normal),
            "reported": i64::from(self.reported),
            "tombstones": self.tombstones,
        })
    }

    /// Reads the JSON object that replicas and sharders send; what is wrong with it otherwise.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let object = value.as_object().ok_or("a shard range is not an object")?;
        let fields = Fields(object);
        let name = fields.text("name")?;
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() != 2 || parts.contains(&"") {
            return Err(format!("Name must be of the form '<account>/<container>', got {name:?}"));
        }
        let (lower, upper) = (fields.text("lower")?, fields.text("upper")?);
        if !upper.is_empty() && lower > upper {
            return Err(format!("lower ({lower:?}) must be less than or equal to upper ({upper:?})"));
        }
        let timestamp = fields.time("timestamp")?.ok_or("timestamp cannot be None")?;
        Ok(Self {
            timestamp,
            object_count: fields.count("object_count")?,
            bytes_used: fields.count("bytes_used")?,
            meta_timestamp: fields.time("meta_timestamp")?.unwrap_or(timestamp),
            deleted: fields.flag("deleted")?,
            state: fields.state()?,
            state_timestamp: fields.time("state_timestamp")?.unwrap_or(timestamp),
            epoch: fields.time("epoch")?,
            reported: object.contains_key("reported") && fields.flag("reported")?,
            tombstones: match object.get("tombstones") {
                None => -1,
                Some(_) => fields.int("tombstones")?,
            },
            name,
            lower,
            upper,
        })
    }
}

/// The fields of a shard range in JSON.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn get(&self, key: &str) -> Result<&Value, String> {
        self.0.get(key).ok_or_else(|| format!("{key} is missing"))
    }

    fn text(&self, key: &str) -> Result<String, String> {
        match self.get(key)? {
            Value::String(text) => Ok(text.clone()),
            Value::Null => Ok(String::new()),
            _ => Err(format!("{key} must be a string type")),
        }
    }

    fn int(&self, key: &str) -> Result<i64, String> {
        let value = self.get(key)?;
        let from_text = || value.as_str().and_then(|text| text.parse().ok());
        value
            .as_i64()
            .or_else(|| value.as_bool().map(i64::from))
            .or_else(from_text)
            .ok_or(format!("{key} is no number"))
    }

    fn count(&self, key: &str) -> Result<i64, String> {
        Some(self.int(key)?).filter(|count| *count >= 0).ok_or(format!("{key} cannot be < 0"))
    }

    fn flag(&self, key: &str) -> Result<bool, String> {
        Ok(match self.get(key)? {
            Value::Bool(flag) => *flag,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            _ => false,
        })
    }

    fn time(&self, key: &str) -> Result<Option<Timestamp>, String> {
        let text = match self.get(key)? {
            Value::Null => return Ok(None),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        text.parse().map(Some).map_err(|_| format!("{key} is no timestamp: {text:?}"))
    }

    fn state(&self) -> Result<ShardState, String> {
        let word = match self.get("state")? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match ShardState::from_word(&word).as_deref() {
            Some([state]) => Ok(*state),
            _ => Err(format!("Invalid state {word:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_go_by_name_number_or_group() {
        assert_eq!(ShardState::from_word("Active"), Some(vec![ShardState::Active]));
        assert_eq!(ShardState::from_word("60"), Some(vec![ShardState::Sharding]));
        assert_eq!(ShardState::from_word("auditing").unwrap().len(), 7);
        assert_eq!(ShardState::from_word("15"), None);
    }

    #[test]
    fn json_is_checked() {
        let good = json!({"name": "a/c", "timestamp": "1.00000", "lower": "", "upper": "m", "object_count": 1,
            "bytes_used": 2, "meta_timestamp": null, "deleted": 0, "state": 40, "state_timestamp": null, "epoch": null});
        let range = ShardRange::from_json(&good).unwrap();
        assert_eq!((range.state, range.tombstones, range.reported), (ShardState::Active, -1, false));
        assert_eq!(range.meta_timestamp, range.timestamp);
        assert_eq!(ShardRange::from_json(&range.to_json()), Ok(range));
        for (key, bad) in [
            ("name", json!("a")),
            ("timestamp", json!(null)),
            ("lower", json!("z")),
            ("object_count", json!(-1)),
            ("state", json!("auditing")),
            ("epoch", json!("x")),
        ] {
            let mut value = good.clone();
            value[key] = bad;
            assert!(ShardRange::from_json(&value).is_err(), "{key}");
        }
        assert!(ShardRange::from_json(&json!([])).is_err());
    }
}
