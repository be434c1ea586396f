//! The locks that replication takes: one conversation about a partition at a time, and so many on a device.

use crate::serve::{DevicePools, PoolError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use swiftlet_storage::lock::{DirLock, LockError, LockOptions, lock_dir};
use thiserror::Error;
use tokio::time::Instant;

/// Between two attempts. Nobody waits on a thread: the device's few would soon all wait.
const PAUSE: Duration = Duration::from_millis(20);

/// Why a lock was not taken.
#[derive(Debug, Error)]
pub(in crate::object) enum ReplicationLockError {
    /// It was held by someone else all the time, or cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No thread of the device tried.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

/// Held locks; dropping it releases them.
#[derive(Debug)]
#[must_use = "the locks are released when this is dropped"]
pub(in crate::object) struct ReplicationLock {
    _partition: DirLock,
    _device: Option<DirLock>,
}

/// What is to be locked.
#[derive(Debug, Clone)]
pub(in crate::object) struct ToLock {
    /// The device's name.
    pub device: String,
    /// Its folder.
    pub device_dir: PathBuf,
    /// The partition's folder, which is made where it is missing.
    pub partition_dir: PathBuf,
    /// How many may hold a lock of the device at once; 0: it is not locked.
    pub per_device: usize,
}

impl ToLock {
    /// Takes the locks, waiting up to `patience` for both together.
    pub async fn lock(
        self,
        pools: &DevicePools,
        patience: Duration,
    ) -> Result<ReplicationLock, ReplicationLockError> {
        let deadline = Instant::now() + patience;
        let partition = LockOptions { name: Some("replication"), slots: 1, timeout: Duration::ZERO };
        let partition = self.try_until(pools, deadline, &self.partition_dir, partition).await?;
        let slots = LockOptions { name: None, slots: self.per_device, timeout: Duration::ZERO };
        let device = match self.per_device {
            0 => None,
            _ => Some(self.try_until(pools, deadline, &self.device_dir, slots).await?),
        };
        Ok(ReplicationLock { _partition: partition, _device: device })
    }

    async fn try_until(
        &self,
        pools: &DevicePools,
        deadline: Instant,
        dir: &Path,
        options: LockOptions<'static>,
    ) -> Result<DirLock, ReplicationLockError> {
        loop {
            let dir = dir.to_owned();
            match pools.run(&self.device, move || lock_dir(&dir, options)).await? {
                Err(LockError::Timeout { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(PAUSE).await
                }
                taken => return Ok(taken?),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_a_partition_and_so_many_a_device() {
        let (root, pools) = (tempfile::tempdir().unwrap(), DevicePools::default());
        let lock = |partition: &str| {
            let to_lock = ToLock {
                device: "sda".into(),
                device_dir: root.path().to_owned(),
                partition_dir: root.path().join("objects").join(partition),
                per_device: 2,
            };
            let pools = pools.clone();
            async move { to_lock.lock(&pools, Duration::from_millis(60)).await }
        };
        let first = lock("1").await.unwrap();
        assert!(matches!(lock("1").await, Err(ReplicationLockError::Lock(LockError::Timeout { .. }))));
        let _second = lock("2").await.unwrap();
        assert!(lock("3").await.is_err(), "the device has two already");
        drop(first);
        let _third = lock("3").await.unwrap();
    }
}
