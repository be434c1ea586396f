//! The expirer's I/O: the queue's listings, and deletions.

use super::config::ExpirerConfig;
use super::plan::{Judgement, RoundRobin, Task, is_due, is_expected, queue_second};
use crate::daemon::{Daemon, RateLimit, ReconCache, Share};
use crate::direct_client::DirectClient;
use crate::http::Method;
use crate::internal_client::{Accepts, Ask, InternalClient, InternalError, Path};
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use swiftlet_types::Timestamp;

/// How many passes a node has time for a task, where nodes share by their ring, before the next one does it.
const TAKEOVER_PASSES: u32 = 2;
/// Unexpected containers that are named in the log.
const MAX_EXAMPLES: usize = 5;

/// Deletes what the queue says.
pub struct ObjectExpirer {
    config: ExpirerConfig,
    client: InternalClient,
    direct: DirectClient,
    recon: ReconCache,
    expired: AtomicU64,
    begun: Mutex<Instant>,
    reported: Mutex<Instant>,
}

impl ObjectExpirer {
    /// An expirer of the cluster that `client` is one of; `direct` speaks to its container servers.
    pub fn new(
        config: ExpirerConfig,
        client: InternalClient,
        direct: DirectClient,
        recon: ReconCache,
    ) -> Self {
        let now = || Mutex::new(Instant::now());
        Self { config, client, direct, recon, expired: AtomicU64::new(0), begun: now(), reported: now() }
    }

    /// Works through the queue once.
    async fn sweep(&self) -> Result<(), InternalError> {
        let account = &self.config.account;
        let (containers, objects) = self.client.account_counts(account).await?;
        if containers == 0 {
            return Ok(());
        }
        tracing::info!(
            "Pass beginning for task account {account}; {containers} possible containers; {objects} possible objects"
        );
        let mut rate = RateLimit::new(self.config.tasks_per_second);
        let mut waiting = RoundRobin::default();
        let takeover = self.config.interval.saturating_mul(TAKEOVER_PASSES);
        let share = self.config.sharing.share(self.client.container_ring().get(), takeover).await;
        for queue in self.due_containers().await? {
            if let Err(error) = self.sweep_container(&queue, share, &mut waiting, &mut rate).await
                && error.status() != Some(404)
            {
                tracing::error!(%error, "listing objects in container {account} {queue}");
            }
        }
        self.expire_all(waiting.take(), &mut rate).await;
        Ok(())
    }

    /// The queue's containers that may hold what is due, earliest first.
    async fn due_containers(&self) -> Result<Vec<String>, InternalError> {
        let account = &self.config.account;
        let (mut due, mut unexpected, mut examples) = (Vec::new(), 0, Vec::new());
        let mut listing = self.client.listing(Path::account(account), Accepts::SUCCESS_OR_NOT_FOUND);
        while let Some(entry) = listing.next().await? {
            let Some(second) = queue_second(&entry.name) else {
                tracing::error!("skipping invalid task container: {account}/{}", entry.name);
                continue;
            };
            if !is_expected(second, self.config.divisor) {
                unexpected += 1;
                if examples.len() < MAX_EXAMPLES {
                    examples.push(entry.name.clone());
                }
            }
            if !is_due(second, Timestamp::now()) {
                break;
            }
            due.push(entry.name);
        }
        if unexpected > 0 {
            tracing::info!(
                "processing {unexpected} unexpected task containers (e.g. {})",
                examples.join(" ")
            );
        }
        Ok(due)
    }

    /// Gathers what is due in one of the queue's containers, and does it where enough waits. An empty container is
    /// removed.
    async fn sweep_container(
        &self,
        queue: &str,
        share: Share,
        waiting: &mut RoundRobin,
        rate: &mut RateLimit,
    ) -> Result<(), InternalError> {
        let path = Path::container(&self.config.account, queue);
        let mut listing = self.client.listing(path.clone(), Accepts::SUCCESS);
        let mut is_empty = true;
        while let Some(entry) = listing.next().await? {
            is_empty = false;
            let Some(task) = Task::parse(queue, &entry) else {
                tracing::error!("Unexpected error handling task {:?}", entry.name);
                continue;
            };
            match task.judge(&self.config.delays, share, Timestamp::now()) {
                Judgement::TooEarly => break,
                Judgement::Delayed | Judgement::AnotherProcess => {}
                Judgement::Due => {
                    if waiting.push(task) > self.config.round_robin_task_cache_size {
                        self.expire_all(waiting.take(), rate).await;
                    }
                }
            }
        }
        if is_empty {
            let delete = Ask::new(Method::Delete, path);
            if let Err(error) = self.client.settle(delete, Accepts(&[2, 404, 409])).await {
                tracing::error!(%error, "deleting container {} {queue}", self.config.account);
            }
        }
        Ok(())
    }

    /// Does all of `tasks`, some at once, no faster than they may begin.
    async fn expire_all(&self, tasks: Vec<Task>, rate: &mut RateLimit) {
        let paced = stream::unfold((tasks.into_iter(), rate), |(mut tasks, rate)| async move {
            let task = tasks.next()?;
            rate.step().await;
            Some((task, (tasks, rate)))
        });
        paced.for_each_concurrent(self.config.concurrency, |task| self.expire(task)).await;
    }

    /// Deletes an object and takes its entry out of the queue. Where that fails the entry stays, for the next pass.
    async fn expire(&self, task: Task) {
        let account = &self.config.account;
        match self.delete(&task).await {
            Err(error) if !self.gives_up_on(&task, &error) => {
                tracing::error!(%error, "deleting object {account} {} {}", task.queue, task.entry);
            }
            _ => {
                self.direct.delete_entry(account, &task.queue, &task.entry, None).await;
                self.expired.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.report_progress();
    }

    /// Deletes an object; one that expires only where that is its time still.
    async fn delete(&self, task: &Task) -> Result<(), InternalError> {
        let time = task.delete_at.normal();
        let path = Path::object(&task.account, &task.container, &task.object);
        let delete = Ask::new(Method::Delete, path).with("X-Timestamp", time.clone());
        let (delete, accepts) = match task.is_async {
            true => (delete, Accepts(&[2, 409, 404])),
            false => {
                let delete = delete.with("X-If-Delete-At", time);
                // its entry is ours to take out
                (delete.with("X-Backend-Clean-Expiring-Object-Queue", "no"), Accepts(&[2, 409]))
            }
        };
        self.client.settle(delete, accepts).await.map(drop)
    }

    /// Whether an object that is not there, or has another time, has been so for long enough: until then it may be that
    /// what would be deleted is to arrive yet.
    fn gives_up_on(&self, task: &Task, error: &InternalError) -> bool {
        let age = Timestamp::now().as_secs_f64() - task.delete_at.as_secs_f64();
        matches!(error.status(), Some(404 | 412)) && age >= self.config.reclaim_age.as_secs_f64()
    }

    fn report_progress(&self) {
        let mut reported = self.reported.lock();
        if reported.elapsed() >= self.config.report_interval {
            *reported = Instant::now();
            let (elapsed, expired) = (self.begun.lock().elapsed(), self.expired.load(Ordering::Relaxed));
            tracing::info!("Pass so far {}s; {expired} objects expired", elapsed.as_secs());
        }
    }

    async fn report_end(&self) {
        let (elapsed, expired) = (self.begun.lock().elapsed(), self.expired.load(Ordering::Relaxed));
        tracing::info!("Pass completed in {}s; {expired} objects expired", elapsed.as_secs());
        let figures =
            [("object_expiration_pass", json!(elapsed.as_secs_f64())), ("expired_last_pass", json!(expired))];
        let recon = self.recon.clone();
        // a panic there was told already
        let _ = tokio::task::spawn_blocking(move || recon.dump(figures)).await;
    }
}

#[async_trait]
impl Daemon for ObjectExpirer {
    fn name(&self) -> &'static str {
        "object-expirer"
    }

    fn interval(&self) -> Duration {
        self.config.interval
    }

    fn pause_after(&self, elapsed: Duration) -> Duration {
        // processes that share a queue drift apart
        self.config.interval.saturating_sub(elapsed).mul_f64(rand::random())
    }

    async fn pass(&self) {
        if !self.config.dequeue_from_legacy {
            return tracing::info!(
                "This node is not configured to dequeue tasks from the queue: it expires nothing. At least one node of \
                 the cluster must have dequeue_from_legacy = true."
            );
        }
        (*self.begun.lock(), *self.reported.lock()) = (Instant::now(), Instant::now());
        self.expired.store(0, Ordering::Relaxed);
        match self.sweep().await {
            Ok(()) => self.report_end().await,
            Err(error) => tracing::error!(%error, "Unhandled exception"),
        }
    }
}
