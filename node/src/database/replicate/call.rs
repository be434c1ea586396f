//! What a replicator asks for: the JSON list `[operation, argument, …]`.

use serde::de::{DeserializeOwned, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::marker::PhantomData;
use swiftlet_storage::db::SyncPoint;
use swiftlet_types::Timestamp;

/// An operation with its arguments; `R` is a row.
#[derive(Debug)]
pub(super) enum Call<R> {
    /// Tells of a replica, and asks for the same.
    Sync(Box<RemoteInfo>),
    /// Brings rows, and which database they are from.
    MergeItems { rows: Vec<Sent<R>>, source: Option<String> },
    /// Brings what the sender knows of others.
    MergeSyncs(Vec<SyncPoint>),
    /// Tells that a whole database lies in `tmp`, to take the place of none.
    CompleteRsync { arrival: String, file: Option<String> },
    /// Tells that a whole database lies in `tmp`, to be merged with the one there.
    RsyncThenMerge { arrival: String },
    /// Brings shard ranges.
    MergeShardRanges(Vec<Value>),
    /// Asks for shard ranges.
    GetShardRanges,
    /// None of these.
    Unknown(String),
}

/// A row with its id in the sender's table.
#[derive(Debug, Deserialize, Serialize)]
pub struct Sent<R> {
    /// The id; only that of the last row of a batch counts.
    #[serde(rename = "ROWID", default)]
    pub row_id: Option<i64>,
    /// The row.
    #[serde(flatten)]
    pub row: R,
}

/// What a replica says of itself.
#[derive(Debug, PartialEq)]
pub struct RemoteInfo {
    /// Its highest row id.
    pub max_row: i64,
    /// The hash over its rows.
    pub hash: String,
    /// Its id.
    pub id: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was put last.
    pub put_timestamp: Timestamp,
    /// When it was deleted last; zero where it never was.
    pub delete_timestamp: Timestamp,
    /// Its metadata column.
    pub metadata: String,
    /// Its storage policy, where the sender has more than one.
    pub policy: Option<RemotePolicy>,
}

/// A container replica's storage policy, and what tells whose is the right one.
#[derive(Debug, PartialEq)]
pub struct RemotePolicy {
    /// When it was set.
    pub status_changed_at: Timestamp,
    /// Objects in the replica.
    pub object_count: i64,
    /// The policy.
    pub storage_policy_index: u32,
}

impl<R: DeserializeOwned> Call<R> {
    /// Reads a request's body; the error is what is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        if body.trim_ascii_start().first() != Some(&b'[') {
            let json: Result<IgnoredAny, _> = serde_json::from_slice(body);
            return Err(json.map_or_else(|error| error.to_string(), |_| "Invalid object type".to_owned()));
        }
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }
}

impl<'de, R: DeserializeOwned> Deserialize<'de> for Call<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(CallVisitor(PhantomData))
    }
}

struct CallVisitor<R>(PhantomData<R>);

impl<'de, R: DeserializeOwned> Visitor<'de> for CallVisitor<R> {
    type Value = Call<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of an operation and its arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut arguments: A) -> Result<Call<R>, A::Error> {
        let operation: String = next(&mut arguments, "the operation")?;
        let call = match operation.as_str() {
            "sync" => Call::Sync(Box::new(remote_info(&mut arguments)?)),
            "merge_items" => {
                let rows = next(&mut arguments, "the list of rows")?;
                let source: Option<String> = arguments.next_element()?.flatten();
                Call::MergeItems { rows, source: source.filter(|id| !id.is_empty()) }
            }
            "merge_syncs" => {
                let points: Vec<Point> = next(&mut arguments, "the list of sync points")?;
                Call::MergeSyncs(points.into_iter().map(SyncPoint::from).collect())
            }
            "complete_rsync" => Call::CompleteRsync {
                arrival: next(&mut arguments, "the file in tmp")?,
                file: arguments.next_element()?.flatten(),
            },
            "rsync_then_merge" => Call::RsyncThenMerge { arrival: next(&mut arguments, "the file in tmp")? },
            "merge_shard_ranges" => Call::MergeShardRanges(next(&mut arguments, "the list of shard ranges")?),
            "get_shard_ranges" => Call::GetShardRanges,
            _ => Call::Unknown(operation),
        };
        // Newer Swifts may send more.
        while arguments.next_element::<IgnoredAny>()?.is_some() {}
        Ok(call)
    }
}

#[derive(Deserialize)]
struct Point {
    remote_id: String,
    sync_point: i64,
}

impl From<Point> for SyncPoint {
    fn from(point: Point) -> Self {
        Self { remote_id: point.remote_id, sync_point: point.sync_point }
    }
}

fn next<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(arguments: &mut A, what: &str) -> Result<T, A::Error> {
    arguments.next_element()?.ok_or_else(|| A::Error::custom(format!("{what} is missing")))
}

fn time<'de, A: SeqAccess<'de>>(arguments: &mut A, what: &str) -> Result<Timestamp, A::Error> {
    let text: String = next(arguments, what)?;
    text.parse().map_err(|_| A::Error::custom(format!("{what} is no timestamp: {text:?}")))
}

fn remote_info<'de, A: SeqAccess<'de>>(arguments: &mut A) -> Result<RemoteInfo, A::Error> {
    Ok(RemoteInfo {
        max_row: next(arguments, "max_row")?,
        hash: next(arguments, "hash")?,
        id: next(arguments, "id")?,
        created_at: time(arguments, "created_at")?,
        put_timestamp: time(arguments, "put_timestamp")?,
        delete_timestamp: time(arguments, "delete_timestamp")?,
        metadata: next::<_, Option<String>>(arguments, "metadata")?.unwrap_or_default(),
        policy: remote_policy(arguments)?,
    })
}

fn remote_policy<'de, A: SeqAccess<'de>>(arguments: &mut A) -> Result<Option<RemotePolicy>, A::Error> {
    let Some(status_changed_at) = arguments.next_element::<String>()? else { return Ok(None) };
    let parsed = status_changed_at.parse();
    Ok(Some(RemotePolicy {
        status_changed_at: parsed.map_err(|_| {
            A::Error::custom(format!("status_changed_at is no timestamp: {status_changed_at:?}"))
        })?,
        object_count: next(arguments, "count")?,
        storage_policy_index: next(arguments, "storage_policy_index")?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Row {
        name: String,
    }

    fn parse(body: &str) -> Result<Call<Row>, String> {
        Call::parse(body.as_bytes())
    }

    #[test]
    fn calls_are_those_of_pythons_replicators() {
        let sync = r#"["sync", 7, "ab", "id", "1.00000", "2.00000", "0", "{}", "3.00000", 4, 1]"#;
        let Ok(Call::Sync(remote)) = parse(sync) else { panic!("no sync") };
        assert_eq!((remote.max_row, remote.id.as_str(), remote.delete_timestamp), (7, "id", Timestamp::ZERO));
        assert_eq!(
            remote.policy.map(|policy| (policy.object_count, policy.storage_policy_index)),
            Some((4, 1))
        );
        let items = r#"["merge_items", [{"ROWID": 3, "name": "a", "more": null}], "id"]"#;
        let Ok(Call::MergeItems { rows, source }) = parse(items) else { panic!("no items") };
        assert_eq!(
            (rows[0].row_id, rows[0].row.name.as_str(), source.as_deref()),
            (Some(3), "a", Some("id"))
        );
        assert!(matches!(parse(r#"["dance", {"a": [1]}]"#), Ok(Call::Unknown(name)) if name == "dance"));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (body, why) in [
            ("", "EOF"),
            ("[", "EOF"),
            ("{}", "Invalid object type"),
            ("7", "Invalid object type"),
            ("nonsense", "expected"),
            ("[]", "the operation is missing"),
            ("[7]", "expected a string"),
            (r#"["sync", 7, "ab"]"#, "id is missing"),
            (r#"["sync", 7, "ab", "id", "x", "2", "0", ""]"#, "created_at is no timestamp"),
            (r#"["sync", "7", "ab", "id", "1", "2", "0", ""]"#, "invalid type"),
            (r#"["sync", 7, "ab", "id", "1", "2", "0", "", "3", 4, -1]"#, "invalid value"),
            (r#"["merge_items", 7]"#, "invalid type"),
            (r#"["merge_items", [{"ROWID": 1}], "id"]"#, "missing field `name`"),
            (r#"["merge_syncs", [{"remote_id": "a"}]]"#, "missing field `sync_point`"),
            (r#"["rsync_then_merge"]"#, "the file in tmp is missing"),
        ] {
            let error = parse(body).unwrap_err();
            assert!(error.contains(why), "{body}: {error}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).is_err());
    }
}
