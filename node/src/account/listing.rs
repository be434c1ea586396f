//! An account's listing in each of its forms.

use super::state::State;
use crate::database::answer::of_error;
use crate::database::listing::{Form, JsonArray};
use crate::http::Response;
use bytes::Bytes;
use swiftlet_storage::db::{AccountBroker, ContainerEntry, ListingQuery};
use swiftlet_types::Timestamp;
use swiftlet_types::listing::{AccountEntry, Subdir, account_to_xml, to_text};

/// The body of the listing.
pub(super) fn body(
    broker: &AccountBroker,
    query: &ListingQuery,
    form: Form,
    account: &str,
    state: &State,
) -> Result<Bytes, Response> {
    if form == Form::Json {
        return json(broker, query, state);
    }
    let mut entries = Vec::new();
    let mut emit = |entry: ContainerEntry<'_>| entries.push(owned(entry, state));
    broker.list_containers(query, &mut emit).map_err(of_error)?;
    Ok(match form {
        Form::Xml(_) => account_to_xml(account, &entries).into(),
        _ => to_text(&entries).into(),
    })
}

fn json(broker: &AccountBroker, query: &ListingQuery, state: &State) -> Result<Bytes, Response> {
    let mut array = JsonArray::default();
    let mut emit = |entry: ContainerEntry<'_>| {
        array.begin();
        match entry {
            ContainerEntry::Subdir { name } => array.text("subdir", name),
            ContainerEntry::Container {
                name,
                object_count,
                bytes_used,
                put_timestamp,
                storage_policy_index,
            } => {
                array.text("name", name);
                array.int("count", object_count);
                array.int("bytes", bytes_used);
                array.text("last_modified", &modified(put_timestamp));
                if let Some(policy) = policy_name(storage_policy_index, state) {
                    array.text("storage_policy", policy);
                }
            }
        }
        array.end();
    };
    broker.list_containers(query, &mut emit).map_err(of_error)?;
    Ok(array.finish())
}

fn owned(entry: ContainerEntry<'_>, state: &State) -> AccountEntry<'static> {
    match entry {
        ContainerEntry::Subdir { name } => AccountEntry::Subdir(Subdir { subdir: name.to_owned().into() }),
        ContainerEntry::Container { name, object_count, bytes_used, put_timestamp, storage_policy_index } => {
            AccountEntry::Container {
                name: name.to_owned().into(),
                count: object_count,
                bytes: bytes_used,
                last_modified: modified(put_timestamp).into(),
                storage_policy: policy_name(storage_policy_index, state).map(|name| name.to_owned().into()),
            }
        }
    }
}

fn modified(put_timestamp: &str) -> String {
    put_timestamp.parse().unwrap_or(Timestamp::ZERO).isoformat()
}

fn policy_name(index: i64, state: &State) -> Option<&str> {
    let policy = state.swift.policies.by_index(u32::try_from(index).ok()?)?;
    Some(policy.name())
}
