//! The container auditor: a container's database must tell what it holds.

use crate::database::auditor::{AuditError, Databases, Depth, Verdict};
use std::path::Path;
use std::sync::Arc;
use swiftlet_storage::db::{Connections, Container, ContainerBroker};

/// What it audits, and how.
pub const DATABASES: Databases = Databases {
    daemon: "container-auditor",
    server: "container",
    title: "Container",
    data_dir: ContainerBroker::DATA_DIR,
    audit,
};

fn audit(file: &Path, depth: Depth, connections: &Arc<Connections>) -> Result<Verdict, AuditError> {
    depth.check::<Container>(file, connections)?;
    let broker = ContainerBroker::of_existing(file, Arc::clone(connections))?;
    if broker.is_deleted()? {
        return Ok(Verdict::Deleted);
    }
    broker.info()?;
    Ok(Verdict::Passed)
}
