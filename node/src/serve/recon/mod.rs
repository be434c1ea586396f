//! The `recon` filter: `/recon/…` tells what `swift-recon` and the operator ask. Storage servers have it in front of
//! them as [`Recon`]; the proxy's filter gives the same [`Answers`].
//!
//! `system` reads what the machine and its disks say now; `cache` what daemons left in the recon cache files.

mod cache;
mod system;

pub use system::checksum;

use super::Service;
use crate::http::{Method, Request, Response};
use async_trait::async_trait;
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use swiftlet_storage::device::Devices;
use swiftlet_types::Policies;
use swiftlet_types::conf::Options;

/// The filter of a storage server.
pub struct Recon {
    inner: Arc<dyn Service>,
    answers: Answers,
}

/// What is answered below `/recon/`, whichever server is asked. Clones are the same.
#[derive(Clone)]
pub struct Answers(Arc<Sources>);

/// Where the figures come from.
struct Sources {
    devices: Devices,
    cache_dir: PathBuf,
    swift_dir: PathBuf,
    ring_names: Vec<String>,
}

impl Recon {
    /// The filter in front of `inner`.
    pub fn new(inner: Arc<dyn Service>, options: &Options, policies: &Policies) -> Self {
        Self { inner, answers: Answers::new(options, policies) }
    }
}

impl Answers {
    /// Reads the options of `[filter:recon]`.
    pub fn new(options: &Options, policies: &Policies) -> Self {
        let object_rings = policies.iter().map(|policy| policy.path_name("object"));
        let ring_names =
            ["account".to_owned(), "container".to_owned()].into_iter().chain(object_rings).collect();
        let devices = Devices::new(options.str_or("devices", "/srv/node"), options.bool("mount_check", true));
        let sources = Sources {
            devices,
            cache_dir: options.str_or("recon_cache_path", "/var/cache/swift").into(),
            swift_dir: options.str_or("swift_dir", "/etc/swift").into(),
            ring_names,
        };
        Self(Arc::new(sources))
    }

    /// What `/recon/<what>` tells; `None` for a path that nobody knows. Waits for disks: not for async workers.
    pub(in crate::serve) fn tell(&self, what: &str) -> io::Result<Option<Value>> {
        self.0.answer(what)
    }

    /// The answer to `request`; `None` where it is for somebody else.
    pub async fn answer(&self, request: &Request) -> Option<Response> {
        let what = request.path.strip_prefix(b"/recon/")?;
        if !matches!(request.method, Method::Get | Method::Head) {
            return Some(Response::standard(405));
        }
        let what = String::from_utf8_lossy(what).into_owned();
        let sources = self.0.clone();
        // Some of these wait for disks.
        let content = tokio::task::spawn_blocking(move || sources.answer(&what)).await;
        Some(match content {
            Ok(Ok(Some(content))) => {
                Response::new(200).with("Content-Type", "application/json").with_body(content.to_string())
            }
            Ok(Ok(None)) => Response::plain(404, format!("Invalid path: {}", request.path.escape_ascii())),
            Ok(Err(error)) => {
                tracing::error!(path = %request.path.escape_ascii(), %error, "recon failed");
                Response::plain(500, "Internal server error.")
            }
            Err(_) => Response::plain(500, "Internal server error."),
        })
    }
}

#[async_trait]
impl Service for Recon {
    async fn call(&self, request: Request) -> Response {
        match self.answers.answer(&request).await {
            Some(answer) => answer,
            None => self.inner.call(request).await,
        }
    }
}

impl Sources {
    /// What `/recon/<what>` tells; `None` for a path that nobody knows.
    fn answer(&self, what: &str) -> io::Result<Option<Value>> {
        if let Some(entry) = cache::entry(what) {
            return Ok(Some(entry.read(&self.cache_dir)));
        }
        Ok(Some(match what {
            "version" => serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }),
            "mem" => system::memory()?,
            "load" => system::load()?,
            "mounted" => system::mounted()?,
            "sockstat" => system::sockets()?,
            "time" => system::time(),
            "devices" => self.device_names(),
            "unmounted" => self.unmounted()?,
            "diskusage" => self.disk_usage()?,
            "ringmd5" => self.ring_checksums(),
            "swiftconfmd5" => self.swift_conf_checksum(),
            "quarantined" => self.quarantined()?,
            _ => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests;
