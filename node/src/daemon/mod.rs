//! The loop that every daemon runs in: pass after pass with jitter before the first, or one pass alone.
//!
//! What a pass does is the daemon's; when passes begin, how they stop and what is said of them is here, and what several
//! daemons need: walking devices, remembering how far they came, leaving figures for recon, knowing
//! which devices of a ring are the node's own, sharing a queue.

mod checkpoint;
mod ctime;
mod own_devices;
mod recon_cache;
mod ring;
mod rsync_module;
mod sharing;
mod walk;

pub use checkpoint::Checkpoint;
pub use ctime::Ctime;
pub use own_devices::OwnAddress;
pub use recon_cache::ReconCache;
pub use ring::look_at_ring;
pub use rsync_module::RsyncModule;
pub use sharing::{Share, Sharing};
pub use walk::{Found, Walk};

use async_trait::async_trait;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A daemon: work that is done in passes.
#[async_trait]
pub trait Daemon: Send + Sync {
    /// Its name in logs, as Swift calls it (`object-updater`).
    fn name(&self) -> &'static str;

    /// How long from the beginning of one pass to that of the next.
    fn interval(&self) -> Duration;

    /// Whether the first pass begins at once, without waiting for a random part of the interval.
    fn begins_at_once(&self) -> bool {
        false
    }

    /// How long to wait after a pass that took `elapsed`.
    fn pause_after(&self, elapsed: Duration) -> Duration {
        self.interval().saturating_sub(elapsed)
    }

    /// Does one pass. Errors are the daemon's to log: a failed pass is followed by the next.
    async fn pass(&self);
}

/// How a daemon is to run, beside what its configuration says: what commands ask for.
#[derive(Debug, Clone, Default)]
pub struct HowToRun {
    /// One pass, not one after the other.
    pub once: bool,
    /// These devices alone, in one pass; empty: all.
    pub devices: Vec<String>,
    /// These partitions alone, in one pass; empty: all.
    pub partitions: Vec<u32>,
    /// These storage policies alone, in one pass; empty: all (`object-replicator`).
    pub policies: Vec<u32>,
    /// Sizes of objects alone, so many a second, 0 as fast as can be (`object-auditor`).
    pub zero_byte_fps: Option<f64>,
    /// Which of `processes` this one is, from 0 (`object-expirer`).
    pub process: Option<u64>,
    /// How many processes share the work; 0: this one does all of it.
    pub processes: Option<u64>,
}

/// Tells a daemon to stop; it finishes nothing first. Dropping the sender stops it too.
pub type Shutdown = watch::Receiver<bool>;

/// Does one pass.
pub async fn run_once(daemon: &dyn Daemon) {
    let begun = Instant::now();
    tracing::info!(daemon = daemon.name(), "pass begins");
    daemon.pass().await;
    tracing::info!(daemon = daemon.name(), elapsed_s = begun.elapsed().as_secs_f64(), "pass completed");
}

/// Does passes until told to stop. The first waits a random part of the interval, so that the daemons of a
/// cluster that was started at once do not all begin at once.
pub async fn run_forever(daemon: &dyn Daemon, mut shutdown: Shutdown) {
    let passes = async {
        if !daemon.begins_at_once() {
            tokio::time::sleep(daemon.interval().mul_f64(rand::random())).await;
        }
        loop {
            let begun = Instant::now();
            run_once(daemon).await;
            tokio::time::sleep(daemon.pause_after(begun.elapsed())).await;
        }
    };
    tokio::select! {
        () = passes => {}
        // an error: nobody is left to tell it
        _ = shutdown.wait_for(|stop| *stop) => tracing::info!(daemon = daemon.name(), "stopped"),
    }
}

/// Spreads work evenly: at most so many steps a second.
#[derive(Debug)]
pub struct RateLimit {
    step: Duration,
    next: Instant,
}

impl RateLimit {
    /// At most `per_second` steps; 0 is no limit.
    pub fn new(per_second: f64) -> Self {
        let step = if per_second > 0.0 { Duration::from_secs_f64(1.0 / per_second) } else { Duration::ZERO };
        Self { step, next: Instant::now() }
    }

    /// Waits until the next step may be taken.
    pub async fn step(&mut self) {
        self.take(1.0).await;
    }

    /// Waits until the next step may be taken, where it is worth `amount` of them (bytes, say).
    pub async fn take(&mut self, amount: f64) {
        let now = Instant::now();
        if self.next > now {
            tokio::time::sleep_until(self.next).await;
        }
        self.next = self.next.max(now) + self.step.mul_f64(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Counting(AtomicUsize);

    #[async_trait]
    impl Daemon for Counting {
        fn name(&self) -> &'static str {
            "counting"
        }
        fn interval(&self) -> Duration {
            Duration::from_millis(20)
        }
        async fn pass(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn passes_follow_until_told_to_stop() {
        let daemon = std::sync::Arc::new(Counting::default());
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn({
            let daemon = daemon.clone();
            async move { run_forever(&*daemon, stopped).await }
        });
        while daemon.0.load(Ordering::Relaxed) < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.send(true).expect("it listens");
        running.await.expect("it stops");
    }

    #[tokio::test]
    async fn a_rate_limit_spreads_steps() {
        let begun = Instant::now();
        let mut limit = RateLimit::new(100.0);
        for _ in 0..6 {
            limit.step().await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(50));
        // a large step keeps the next one waiting
        limit.take(5.0).await;
        limit.step().await;
        assert!(begun.elapsed() >= Duration::from_millis(110));
    }
}
