//! Reaping one account: its containers, page by page.

use super::container::Home;
use super::nodes::Nodes;
use super::plan::share_of;
use super::run::AccountReaper;
use super::stats::Stats;
use crate::serve::pool::PoolError;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use swiftlet_ring::Device;
use swiftlet_storage::db::{AccountBroker, AccountInfo, ContainerEntry, DbError, ListingQuery};
use swiftlet_types::Timestamp;
use thiserror::Error;

/// Containers looked at once, for each primary.
const PAGE: usize = 1000;

/// Why an account's database gave nothing.
#[derive(Debug, Error)]
pub(super) enum ReapError {
    /// It failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Its disk did.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

/// An account's database on one of the node's devices.
pub(super) struct Account {
    pub device: String,
    pub file: PathBuf,
    pub partition: u32,
    /// Its primaries.
    pub nodes: Vec<Device>,
    /// Which of them this device is.
    pub share: usize,
}

impl AccountReaper {
    /// Reaps this device's share of the account, if it was deleted and is not empty, and long enough ago.
    pub(super) async fn reap_account(&self, of: &Account) -> Result<(), ReapError> {
        let begun = (Instant::now(), Timestamp::now());
        let dead = self.on_disk(of, |broker| match broker.is_status_deleted()? && !broker.is_empty()? {
            true => broker.info().map(Some),
            false => Ok(None),
        });
        let Some(info) = dead.await? else { return Ok(()) };
        let AccountInfo { account, delete_timestamp, .. } = info;
        let deleted: Timestamp = delete_timestamp.parse().unwrap_or(Timestamp::ZERO);
        let age_s = begun.1.as_secs_f64() - deleted.as_secs_f64();
        if age_s <= self.delay_reaping.as_secs_f64() {
            return Ok(());
        }
        tracing::info!("Beginning pass on account {account}");
        let stats = Mutex::new(Stats::default());
        let nodes = Nodes { client: &self.client, timeouts: self.timeouts, stats: &stats };
        let reaped = self.reap_containers(&nodes, of, &account).await;
        if let Err(error) = &reaped {
            tracing::error!("Exception with account {account}: {error}");
        }
        let stats = stats.into_inner();
        tracing::info!("{}", stats.line(&account, reaped.is_ok(), begun.0.elapsed()));
        let warn_after = (self.reap_warn_after + self.delay_reaping).as_secs_f64();
        if stats.containers.remaining > 0 && age_s >= warn_after {
            tracing::warn!("Account {account} has not been reaped since {}", deleted.isoformat());
        }
        Ok(())
    }

    async fn reap_containers(&self, nodes: &Nodes<'_>, of: &Account, account: &str) -> Result<(), ReapError> {
        let home = Home { account, partition: of.partition, nodes: &of.nodes };
        let mut marker = String::new();
        loop {
            let page = self.containers_after(of, marker).await?;
            let Some(last) = page.last() else { return Ok(()) };
            marker = last.clone();
            let own = page.into_iter().filter(|container| share_of(container, of.nodes.len()) == of.share);
            let reaping = stream::iter(own).for_each_concurrent(self.each_at_once, |container| {
                self.reap_container(nodes, &home, container)
            });
            reaping.await;
        }
    }

    async fn containers_after(&self, of: &Account, marker: String) -> Result<Vec<String>, ReapError> {
        let limit = PAGE * of.nodes.len();
        self.on_disk(of, move |broker| {
            let query = ListingQuery { limit, marker, allow_reserved: true, ..ListingQuery::default() };
            let mut names = Vec::new();
            broker.list_containers(&query, &mut |entry| {
                if let ContainerEntry::Container { name, .. } = entry {
                    names.push(name.to_owned());
                }
            })?;
            Ok(names)
        })
        .await
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        of: &Account,
        job: impl FnOnce(&AccountBroker) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, ReapError> {
        let (file, connections) = (of.file.clone(), Arc::clone(self.store.connections()));
        let done = self.pools.run(&of.device, move || job(&AccountBroker::of_existing(&file, connections)?));
        Ok(done.await??)
    }
}
