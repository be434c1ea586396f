//! PUT: creates an account or updates its metadata, and takes what container servers report of containers.

use super::of_deleted;
use crate::account::headers::KEPT;
use crate::account::state::{Job, State};
use crate::database::answer::of_error;
use crate::database::metadata::limits;
use crate::database::target::{Depth, required, timestamp};
use crate::database::{Outcome, Target};
use crate::http::{Headers, Request, Response};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_storage::db::{AccountBroker, BrokerOptions, ContainerRecord, DbError, MetadataEntry};
use swiftlet_types::Timestamp;

/// How long a report made while a client waits (it has a transaction id) waits for the `.pending` file.
const CLIENT_PENDING_TIMEOUT: Duration = Duration::from_secs(3);

pub(in crate::account) fn put(request: Request, state: Arc<State>) -> Result<Job, Response> {
    let target = Target::of(&request, Depth::AccountOrContainer)?;
    let device = target.device.clone();
    let work: Box<dyn FnOnce() -> Outcome + Send> = match &target.container {
        Some(container) => {
            let report = Report::of(container.clone(), &request.headers)?;
            Box::new(move || {
                let path = state.store.device_with_room(&target.device)?;
                report.take(path, &target, &state)
            })
        }
        None => {
            let timestamp = timestamp(&request.headers)?;
            let updates = KEPT.entries(&request.headers, timestamp)?;
            Box::new(move || {
                let path = state.store.device_with_room(&target.device)?;
                let broker =
                    state.store.account(path, &target.partition, &target.account, BrokerOptions::default());
                put_account(&broker, timestamp, updates, &state)
            })
        }
    };
    Ok(Job { device, work })
}

fn put_account(
    broker: &AccountBroker,
    timestamp: Timestamp,
    updates: Vec<MetadataEntry>,
    state: &State,
) -> Outcome {
    let created = if !broker.exists().map_err(of_error)? {
        create(broker, timestamp)?
    } else if broker.is_status_deleted().map_err(of_error)? {
        return of_deleted(broker, Response::html(403, "Recently deleted"));
    } else {
        let was_deleted = broker.is_deleted().map_err(of_error)?;
        broker.update_put_timestamp(timestamp).map_err(of_error)?;
        if broker.is_deleted().map_err(of_error)? {
            return Err(Response::standard(409));
        }
        was_deleted
    };
    if !updates.is_empty() {
        broker.update_metadata(updates, Some(limits(&state.swift.constraints))).map_err(of_error)?;
    }
    Ok(Response::standard(if created { 201 } else { 202 }))
}

/// Creates the database; `false` where another request was first.
fn create(broker: &AccountBroker, timestamp: Timestamp) -> Result<bool, Response> {
    match broker.initialize(timestamp, 0) {
        Ok(()) => Ok(true),
        Err(DbError::AlreadyExists { .. }) => Ok(false),
        Err(error) => Err(of_error(error)),
    }
}

/// What a container server reports of one of its containers.
struct Report {
    record: ContainerRecord,
    timestamp: Timestamp,
    /// Whether the account takes it even if it is deleted.
    override_deleted: bool,
    options: BrokerOptions,
}

impl Report {
    fn of(container: String, headers: &Headers) -> Result<Self, Response> {
        let time = |name| required::<Timestamp>(headers, name).map(Timestamp::internal);
        let policy = match headers.contains("X-Backend-Storage-Policy-Index") {
            true => required(headers, "X-Backend-Storage-Policy-Index")?,
            false => 0,
        };
        let mut options = BrokerOptions::default();
        if headers.contains("X-Trans-Id") {
            options.pending_timeout = CLIENT_PENDING_TIMEOUT;
        }
        let says_yes = |value: &str| value.eq_ignore_ascii_case("yes");
        Ok(Self {
            record: ContainerRecord {
                name: container,
                put_timestamp: time("X-Put-Timestamp")?,
                delete_timestamp: time("X-Delete-Timestamp")?,
                object_count: required(headers, "X-Object-Count")?,
                bytes_used: required(headers, "X-Bytes-Used")?,
                deleted: false,
                storage_policy_index: policy,
            },
            timestamp: match headers.contains("X-Timestamp") {
                true => timestamp(headers)?,
                false => Timestamp::now(),
            },
            override_deleted: headers.get_str("X-Account-Override-Deleted").is_some_and(says_yes),
            options,
        })
    }

    fn take(self, device: PathBuf, target: &Target, state: &State) -> Outcome {
        let broker = state.store.account(device, &target.partition, &target.account, self.options);
        let auto_created = target.account.starts_with(&state.swift.constraints.auto_create_account_prefix);
        if auto_created && !broker.exists().map_err(of_error)? {
            create(&broker, self.timestamp)?;
        }
        let takes_it = match self.override_deleted {
            true => broker.exists().map_err(of_error)?,
            false => !broker.is_deleted().map_err(of_error)?,
        };
        if !takes_it {
            return Err(Response::standard(404));
        }
        let is_deletion = self.record.delete_timestamp > self.record.put_timestamp;
        broker.put_container(self.record).map_err(of_error)?;
        Ok(Response::standard(if is_deletion { 204 } else { 201 }))
    }
}
