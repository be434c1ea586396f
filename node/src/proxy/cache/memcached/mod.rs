//! memcached as Swift uses it: keys are the MD5 of Swift's names, values JSON under flag 2, servers chosen by
//! Swift's consistent hash. A Python proxy beside ours reads what we write.

mod connection;
mod options;
mod ring;
mod server;
mod tls;

pub use options::Options;

use crate::proxy::info::SharedCache;
use async_trait::async_trait;
use bytes::Bytes;
use connection::{Command, MemcacheError, Reply};
use ring::{ServerRing, hash_key};
use server::{BadServer, Failure, Server};
use std::time::Duration;
use thiserror::Error;
use tokio_rustls::TlsConnector;

/// Why there can be no client of these options.
#[derive(Debug, Error)]
pub enum SetupError {
    /// A server's name is none.
    #[error(transparent)]
    Server(#[from] BadServer),
    /// The files for TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
}

/// A client of all memcached servers.
pub struct Memcached {
    ring: ServerRing,
    servers: Vec<(String, Server)>,
    options: Options,
    tls: Option<TlsConnector>,
}

impl Memcached {
    /// A client; connections are opened when they are first needed.
    pub fn new(options: Options) -> Result<Self, SetupError> {
        let server = |name: &String| Ok((name.clone(), Server::new(name, options.max_connections)?));
        Ok(Self {
            ring: ServerRing::new(&options.servers),
            servers: options.servers.iter().map(server).collect::<Result<_, BadServer>>()?,
            tls: options.tls.as_ref().map(tls::connector).transpose()?,
            options,
        })
    }

    /// Runs `command` on the first server of `key` that answers; `None` where none does.
    async fn run(&self, key: &str, command: Command<'_>) -> Option<Reply> {
        let hashed_key = hash_key(key);
        let mut asked = false;
        for index in self.ring.servers(key).take(self.options.tries) {
            let (name, server) = &self.servers[index];
            if server.is_error_limited() {
                continue;
            }
            asked = true;
            match server.run(&hashed_key, &command, &self.options, self.tls.as_ref()).await {
                Ok(reply) => return Some(reply),
                Err(failure) => self.count(name, server, key, &command, failure),
            }
        }
        if !asked {
            tracing::error!(
                "Error connecting to memcached: ALL: with key_prefix {}, method {}: No more memcached \
                 servers to try",
                key_prefix(key),
                command.name()
            );
        }
        None
    }

    fn count(&self, name: &str, server: &Server, key: &str, command: &Command<'_>, failure: Failure) {
        let Failure { action, error } = failure;
        let what = if matches!(error, MemcacheError::Timeout(_)) { "Timeout" } else { "Error" };
        tracing::error!(
            "{what} {action} to memcached: {name}: with key_prefix {}, method {}: {error}",
            key_prefix(key),
            command.name()
        );
        let is_server_fault = !matches!(error, MemcacheError::CounterExpired);
        if is_server_fault && server.count_error(&self.options.error_limit) {
            tracing::error!("Error limiting server {name}");
        }
    }

    fn warn_of_size(&self, value: &Bytes) {
        if let Some(threshold_bytes) = self.options.item_size_warning_bytes
            && value.len() >= threshold_bytes
        {
            tracing::warn!("Item size larger than warning threshold: {} >= {threshold_bytes}", value.len());
        }
    }
}

/// What may be logged of a key: the end can be a token.
fn key_prefix(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(prefix, _)| prefix)
}

#[async_trait]
impl SharedCache for Memcached {
    async fn get(&self, key: &str) -> Option<Bytes> {
        match self.run(key, Command::Get).await? {
            Reply::Value(value) => value,
            Reply::Done | Reply::Counter(_) => None,
        }
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) {
        self.try_set(key, value, ttl).await;
    }

    async fn try_set(&self, key: &str, value: Bytes, ttl: Duration) -> bool {
        self.warn_of_size(&value);
        self.run(key, Command::Set { value: &value, ttl_s: ttl.as_secs() }).await.is_some()
    }

    async fn delete(&self, key: &str) {
        self.run(key, Command::Delete).await;
    }

    async fn incr(&self, key: &str, delta: i64, ttl: Duration) -> Option<i64> {
        match self.run(key, Command::Incr { delta, ttl_s: ttl.as_secs() }).await? {
            Reply::Counter(counter) => Some(counter),
            Reply::Done | Reply::Value(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
