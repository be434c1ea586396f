//! What each account knows of its containers, by the containers' recovered databases.

use super::{ContainersError, Places, Report};
use crate::recover::problems::Problems;
use crate::recover::progress::{Progress, Style};
use std::path::Path;
use swiftlet_storage::db::{
    AccountBroker, BrokerOptions, ContainerBroker, ContainerInfo, ContainerRecord, DbDir, DbError,
};
use swiftlet_storage::salvage::DataDir;
use swiftlet_types::Timestamp;

/// Merges a row for every container into its account; an account that no database knows is made.
pub(super) fn merge(
    places: &Places<'_>,
    style: Style,
    report: &mut Report,
    problems: &mut Problems,
) -> Result<(), ContainersError> {
    let partitions = problems.ok(DataDir::Containers.partitions(places.out)).unwrap_or_default();
    let mut progress = Progress::new(style, "merging accounts' rows", partitions.len() as u64, "partitions");
    for partition in partitions {
        for found in DataDir::Containers.hash_dirs(places.out, partition) {
            let Some((hash, dir)) = problems.ok(found) else { continue };
            if let Some(info) = info_of(places, &dir.join(format!("{hash}.db")))? {
                merge_into_account(places, &info, report)?;
            }
        }
        progress.add(1);
    }
    progress.finish();
    Ok(())
}

/// What the database in the folder of `path` says, of its latest epoch.
fn info_of(places: &Places<'_>, path: &Path) -> Result<Option<ContainerInfo>, DbError> {
    let Some(latest) =
        DbDir::of_file(path).map(|dir| dir.files()).transpose()?.and_then(|mut files| files.pop())
    else {
        return Ok(None);
    };
    ContainerBroker::of_existing(&latest, places.connections.clone())?.info().map(Some)
}

fn merge_into_account(
    places: &Places<'_>,
    info: &ContainerInfo,
    report: &mut Report,
) -> Result<(), ContainersError> {
    let dir = places.account(&info.account);
    let connections = places.connections.clone();
    let broker = AccountBroker::new(info.account.as_str(), dir, connections, BrokerOptions::default());
    if !broker.exists()? {
        let put: Timestamp = info.put_timestamp.parse().unwrap_or_default();
        broker.initialize(put, 0)?;
        report.accounts += 1;
    }
    let record = ContainerRecord {
        name: info.container.clone(),
        put_timestamp: info.put_timestamp.clone(),
        delete_timestamp: info.delete_timestamp.clone(),
        object_count: info.object_count,
        bytes_used: info.bytes_used,
        deleted: info.is_deleted(),
        storage_policy_index: info.storage_policy_index,
    };
    Ok(broker.merge_records(vec![record])?)
}
