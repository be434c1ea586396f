//! The account auditor: an account's totals must be the sums of what it holds in each storage policy.

use crate::database::auditor::{AuditError, Databases, Depth, Verdict};
use std::path::Path;
use std::sync::Arc;
use swiftlet_storage::db::{Account, AccountBroker, AccountPolicyStat, Connections};

/// What it audits, and how.
pub const DATABASES: Databases = Databases {
    daemon: "account-auditor",
    server: "account",
    title: "Account",
    data_dir: AccountBroker::DATA_DIR,
    audit,
};

fn audit(file: &Path, depth: Depth, connections: &Arc<Connections>) -> Result<Verdict, AuditError> {
    depth.check::<Account>(file, connections)?;
    let broker = AccountBroker::of_existing(file, Arc::clone(connections))?;
    if broker.is_deleted()? {
        return Ok(Verdict::Deleted);
    }
    let info = broker.info()?;
    let stats = broker.policy_stats()?;
    // wide enough that not even a damaged row makes it overflow
    let sum = |of: fn(&AccountPolicyStat) -> i64| stats.iter().map(|stat| i128::from(of(stat))).sum::<i128>();
    let totals = [
        ("container_count", info.container_count, sum(|stat| stat.container_count)),
        ("object_count", info.object_count, sum(|stat| stat.object_count)),
        ("bytes_used", info.bytes_used, sum(|stat| stat.bytes_used)),
    ];
    match totals.into_iter().find(|(_, total, sum)| i128::from(*total) != *sum) {
        None => Ok(Verdict::Passed),
        Some((what, total, sum)) => Err(AuditError::Wrong(format!(
            "The total {what} for the account {} ({total}) does not match the sum of {what} across policies ({sum})",
            info.account
        ))),
    }
}
