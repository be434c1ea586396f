//! Threads for blocking work on disks: a small pool for each device, so that a slow disk stalls only itself.

use parking_lot::{Condvar, Mutex};
use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::oneshot;

/// Threads a device may have.
const MAX_THREADS: usize = 16;
/// Jobs that may wait for a thread of a device. Each belongs to a request or daemon that waits for it, so this
/// many are only reached when the disk has stopped answering.
const MAX_QUEUED: usize = 2048;
/// How long a thread waits for another job before it ends.
const IDLE: Duration = Duration::from_secs(10);
/// Devices remembered; names come from requests, so whoever names more only makes idle ones be forgotten.
const MAX_DEVICES: usize = 1024;

/// Why a job gave no outcome.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PoolError {
    /// Too many jobs wait already.
    #[error("{device}: too many jobs wait for the disk")]
    Full {
        /// The device.
        device: String,
    },
    /// The job panicked.
    #[error("{device}: a job panicked")]
    Panicked {
        /// The device.
        device: String,
    },
    /// The system gave no thread.
    #[error("{device}: cannot start a thread: {why}")]
    NoThread {
        /// The device.
        device: String,
        /// The system's words.
        why: String,
    },
}

/// The pools of all devices of this process. Clones share them.
#[derive(Clone, Default)]
pub struct DevicePools {
    pools: Arc<Mutex<HashMap<Box<str>, Arc<DevicePool>>>>,
    jobs: Arc<AtomicU64>,
}

impl DevicePools {
    /// Runs `job` on a thread of `device`. Dropping the future does not stop a job that was queued: half a
    /// change to a disk is worse than one that nobody waits for.
    pub async fn run<T: Send + 'static>(
        &self,
        device: &str,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        self.jobs.fetch_add(1, Ordering::Relaxed);
        self.pool(device).run(job).await
    }

    /// How many jobs [`run`](Self::run) was given so far: what a request costs in hand-offs to disks.
    pub fn job_count(&self) -> u64 {
        self.jobs.load(Ordering::Relaxed)
    }

    /// The pool of `device`.
    pub fn pool(&self, device: &str) -> Arc<DevicePool> {
        let mut pools = self.pools.lock();
        if let Some(pool) = pools.get(device) {
            return pool.clone();
        }
        if pools.len() >= MAX_DEVICES {
            pools.retain(|_, pool| pool.shared.state.lock().threads > 0);
        }
        let pool = Arc::new(DevicePool::new(device));
        pools.insert(device.into(), pool.clone());
        pool
    }
}

/// The threads of one device. They start when there is work and end when there is none.
pub struct DevicePool {
    shared: Arc<Shared>,
}

struct Shared {
    device: Box<str>,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

type Job = Box<dyn FnOnce() + Send>;

impl DevicePool {
    fn new(device: &str) -> Self {
        Self {
            shared: Arc::new(Shared { device: device.into(), state: Mutex::default(), work: Condvar::new() }),
        }
    }

    /// Runs `job` on one of the threads; see [`DevicePools::run`].
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (done, outcome) = oneshot::channel();
        // A receiver that is gone was told that nobody waits.
        self.submit(Box::new(move || drop(done.send(job()))))?;
        outcome.await.map_err(|_| PoolError::Panicked { device: self.device() })
    }

    fn submit(&self, job: Job) -> Result<(), PoolError> {
        let mut state = self.shared.state.lock();
        if state.queue.len() >= MAX_QUEUED {
            return Err(PoolError::Full { device: self.device() });
        }
        state.queue.push_back(job);
        if state.idle >= state.queue.len() || state.threads >= MAX_THREADS {
            drop(state);
            self.shared.work.notify_one();
            return Ok(());
        }
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name(format!("disk {}", self.shared.device));
        match thread.spawn(move || shared.work()) {
            Ok(_) => state.threads += 1,
            // Those that there are will come to it.
            Err(_) if state.threads > 0 => {}
            Err(error) => {
                state.queue.pop_back();
                return Err(PoolError::NoThread { device: self.device(), why: error.to_string() });
            }
        }
        Ok(())
    }

    fn device(&self) -> String {
        self.shared.device.to_string()
    }
}

impl Shared {
    /// What each thread does.
    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                if std::panic::catch_unwind(AssertUnwindSafe(job)).is_err() {
                    tracing::error!(device = %self.device, "a disk job panicked");
                }
                state = self.state.lock();
                continue;
            }
            state.idle += 1;
            let waited = self.work.wait_for(&mut state, IDLE);
            state.idle -= 1;
            if waited.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[tokio::test]
    async fn a_stalled_device_stalls_no_other() {
        let pools = DevicePools::default();
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        let stalled: Vec<_> = (0..MAX_THREADS + 5)
            .map(|_| {
                let (pools, wait) = (pools.clone(), wait.clone());
                tokio::spawn(async move { pools.run("sda", move || wait.lock().recv().is_ok()).await })
            })
            .collect();
        assert_eq!(pools.run("sdb", || 7).await, Ok(7));
        assert!(pools.pool("sda").shared.state.lock().threads <= MAX_THREADS);
        drop(release);
        for job in stalled {
            assert_eq!(job.await.unwrap(), Ok(false));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_job_is_done_though_nobody_waits() {
        let pool = DevicePools::default().pool("sda");
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..500 {
            let done = done.clone();
            let job = pool.run(move || done.fetch_add(1, Ordering::SeqCst));
            // Polled once, so that it is queued, and then dropped.
            let _ = futures_util::FutureExt::now_or_never(job);
        }
        while done.load(Ordering::SeqCst) < 500 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!((1..=MAX_THREADS).contains(&pool.shared.state.lock().threads));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_thread_goes_on() {
        let pools = DevicePools::default();
        let outcome = pools.run("sda", || -> u8 { panic!("asked to") }).await;
        assert_eq!(outcome, Err(PoolError::Panicked { device: "sda".into() }));
        assert_eq!(pools.run("sda", || 1).await, Ok(1));
    }

    #[tokio::test]
    async fn a_full_queue_refuses() {
        let pool = DevicePools::default().pool("sda");
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        let mut outcome = Ok(());
        for _ in 0..MAX_QUEUED + MAX_THREADS + 1 {
            let wait = wait.clone();
            outcome = pool.submit(Box::new(move || assert!(wait.lock().recv().is_err())));
        }
        assert_eq!(outcome, Err(PoolError::Full { device: "sda".into() }));
        drop(release);
    }
}
