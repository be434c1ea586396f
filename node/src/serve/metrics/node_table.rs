//! Figures about a node: its disks, and what its daemons left for recon, in whichever process they run. They are those of
//! `/recon`, read when somebody asks; what no daemon has told yet is not shown.

use super::table::Figure;
use prometheus_client::registry::Unit;

const fn figure(
    name: &'static str,
    unit: Option<Unit>,
    labels: &'static [&'static str],
    help: &'static str,
) -> Figure {
    Figure { name, unit, labels, statsd: "", help }
}

pub(super) const DEVICE_MOUNTED: Figure =
    figure("device_mounted", None, &["device"], "Whether the device can be used: 1, or 0");
pub(super) const DEVICE_SIZE: Figure =
    figure("device_size", Some(Unit::Bytes), &["device"], "Bytes of the device's file system");
pub(super) const DEVICE_USED: Figure = figure(
    "device_used",
    Some(Unit::Bytes),
    &["device"],
    "Bytes that are in use, with those that are held back from users",
);
pub(super) const DEVICE_AVAILABLE: Figure =
    figure("device_available", Some(Unit::Bytes), &["device"], "Bytes that can still be written");
pub(super) const DRIVE_ERRORS: Figure = figure(
    "drive_errors",
    None,
    &["device"],
    "Errors of the device in the kernel's log, as swift-drive-audit counted them last",
);
pub(super) const QUARANTINED: Figure = figure(
    "quarantined",
    None,
    &["kind", "policy"],
    "What is set aside on the devices: objects, containers, accounts",
);
pub(super) const REPLICATED: Figure = figure(
    "replication_last_pass",
    None,
    &["outcome"],
    "Counts of the replicator's last pass, by Swift's names (`replication_stats` of recon)",
);
pub(super) const REPLICATION_DURATION: Figure = figure(
    "replication_last_pass_duration",
    Some(Unit::Seconds),
    &[],
    "How long the replicator's last pass took",
);
pub(super) const REPLICATION_ENDED: Figure = figure(
    "replication_last_pass_end_timestamp",
    Some(Unit::Seconds),
    &[],
    "When the replicator's last pass ended (Unix time)",
);
pub(super) const RECONSTRUCTION_DURATION: Figure = figure(
    "reconstruction_last_pass_duration",
    Some(Unit::Seconds),
    &[],
    "How long the reconstructor's last pass took",
);
pub(super) const RECONSTRUCTION_ENDED: Figure = figure(
    "reconstruction_last_pass_end_timestamp",
    Some(Unit::Seconds),
    &[],
    "When the reconstructor's last pass ended (Unix time)",
);
pub(super) const AUDITED: Figure = figure(
    "audited",
    None,
    &["scan", "outcome"],
    "Audits since the auditor last told: passed, failed, quarantined. Scans of objects are ALL and ZBF (zero-byte files)",
);
pub(super) const AUDITED_BYTES: Figure =
    figure("audited", Some(Unit::Bytes), &["scan"], "Bytes that the object auditor read since it last told");
pub(super) const AUDIT_DURATION: Figure = figure(
    "audit_last_pass_duration",
    Some(Unit::Seconds),
    &[],
    "How long the last pass over all databases took",
);
pub(super) const ASYNC_PENDINGS: Figure = figure(
    "async_pendings",
    None,
    &[],
    "Updates that the object updater's last pass left on the devices, or swift-recon-cron found there",
);
pub(super) const ASYNC_PENDINGS_COUNTED: Figure = figure(
    "async_pendings_counted_timestamp",
    Some(Unit::Seconds),
    &[],
    "When they were counted (Unix time)",
);
pub(super) const UPDATER_DURATION: Figure =
    figure("updater_last_pass_duration", Some(Unit::Seconds), &[], "How long the updater's last pass took");
pub(super) const UPDATER_ENDED: Figure = figure(
    "updater_last_pass_end_timestamp",
    Some(Unit::Seconds),
    &[],
    "When the object updater's last pass ended (Unix time)",
);
pub(super) const UPDATER_OLDEST: Figure = figure(
    "updater_oldest_failure_age",
    Some(Unit::Seconds),
    &[],
    "Age of the oldest update that its container did not take",
);
pub(super) const UPDATER_CONTAINERS: Figure =
    figure("updater_failing_containers", None, &[], "Containers that did not take an update");
pub(super) const EXPIRER_DURATION: Figure =
    figure("expirer_last_pass_duration", Some(Unit::Seconds), &[], "How long the expirer's last pass took");
pub(super) const EXPIRED: Figure =
    figure("expirer_last_pass_expired", None, &[], "Objects that the expirer's last pass deleted");
pub(super) const RINGS: Figure = figure(
    "ring_info",
    None,
    &["ring", "md5"],
    "1, with the MD5 of each ring file that the node has: the same on every node of a cluster",
);
pub(super) const RELINKED: Figure = figure(
    "relinker_partitions",
    None,
    &["device", "state"],
    "Partitions of the relinker's last run: done, total",
);

/// All of them.
#[cfg(test)]
pub(super) const TABLE: [Figure; 24] = [
    DEVICE_MOUNTED,
    DEVICE_SIZE,
    DEVICE_USED,
    DEVICE_AVAILABLE,
    DRIVE_ERRORS,
    QUARANTINED,
    REPLICATED,
    REPLICATION_DURATION,
    REPLICATION_ENDED,
    RECONSTRUCTION_DURATION,
    RECONSTRUCTION_ENDED,
    AUDITED,
    AUDITED_BYTES,
    AUDIT_DURATION,
    ASYNC_PENDINGS,
    ASYNC_PENDINGS_COUNTED,
    UPDATER_DURATION,
    UPDATER_ENDED,
    UPDATER_OLDEST,
    UPDATER_CONTAINERS,
    EXPIRER_DURATION,
    EXPIRED,
    RINGS,
    RELINKED,
];

/// A number that a daemon left, as it is: the server whose daemon it is, the path of `/recon`, the place in what that tells,
/// and how many of the figure's units its unit is.
pub(super) struct Left(pub Figure, pub &'static str, pub &'static str, pub &'static str, pub f64);

const MINUTE: f64 = 60.0;

/// All that are shown as they are.
#[rustfmt::skip]
pub(super) const LEFT: [Left; 19] = [
    Left(REPLICATION_DURATION, "account-server", "replication/account", "/replication_time", 1.0),
    Left(REPLICATION_ENDED, "account-server", "replication/account", "/replication_last", 1.0),
    Left(REPLICATION_DURATION, "container-server", "replication/container", "/replication_time", 1.0),
    Left(REPLICATION_ENDED, "container-server", "replication/container", "/replication_last", 1.0),
    Left(REPLICATION_DURATION, "object-server", "replication/object", "/object_replication_time", MINUTE),
    Left(REPLICATION_ENDED, "object-server", "replication/object", "/object_replication_last", 1.0),
    Left(RECONSTRUCTION_DURATION, "object-server", "reconstruction/object", "/object_reconstruction_time", MINUTE),
    Left(RECONSTRUCTION_ENDED, "object-server", "reconstruction/object", "/object_reconstruction_last", 1.0),
    Left(AUDIT_DURATION, "account-server", "auditor/account", "/account_auditor_pass_completed", 1.0),
    Left(AUDIT_DURATION, "container-server", "auditor/container", "/container_auditor_pass_completed", 1.0),
    Left(ASYNC_PENDINGS, "object-server", "async", "/async_pending", 1.0),
    Left(ASYNC_PENDINGS_COUNTED, "object-server", "async", "/async_pending_last", 1.0),
    Left(UPDATER_DURATION, "container-server", "updater/container", "/container_updater_sweep", 1.0),
    Left(UPDATER_DURATION, "object-server", "updater/object", "/object_updater_sweep", 1.0),
    Left(UPDATER_ENDED, "object-server", "updater/object", "/object_updater_last", 1.0),
    Left(UPDATER_OLDEST, "object-server", "updater/object", "/object_updater_stats/failures_oldest_timestamp_age", 1.0),
    Left(UPDATER_CONTAINERS, "object-server", "updater/object", "/object_updater_stats/failures_account_container_count", 1.0),
    Left(EXPIRER_DURATION, "object-server", "expirer/object", "/object_expiration_pass", 1.0),
    Left(EXPIRED, "object-server", "expirer/object", "/expired_last_pass", 1.0),
];
