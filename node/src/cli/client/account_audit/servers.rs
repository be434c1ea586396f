//! Asking one server after the other.

use crate::http::{Body, Client, ClientOptions, Headers, Method, Request, Response, Timeouts};
use md5::{Digest, Md5};
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;
use swiftlet_ring::{Device, Ring};
use swiftlet_types::names::quote_component;
use swiftlet_types::{HashConf, SwiftConf};

/// How long a server may take to accept a connection, and to answer.
const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(5), node: Duration::from_secs(60) };
/// A page of the longest names, etags and content types there may be stays below.
const MAX_PAGE_BYTES: usize = 64 << 20;

/// The servers of a cluster.
pub(super) struct Servers {
    client: Client,
    hash: HashConf,
    account_ring: Ring,
    container_ring: Ring,
    object_ring: Ring,
}

/// Why a server tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It answered with this status.
    Status(u16),
    /// It gave no answer, or none that can be read.
    Exception,
}

/// What one server lists, up to where it failed.
pub(super) struct Listed<T> {
    /// Of its first answer.
    pub headers: Option<Headers>,
    pub rows: Vec<T>,
    pub fault: Option<Fault>,
}

/// What one server says of an object.
pub(super) struct Told {
    /// Its ETag, and the one that listings show where that is another, without quotes.
    pub etag: String,
    pub listed_etag: String,
    /// The MD5 of its bytes, if they were read.
    pub md5: Option<String>,
}

/// A row of a listing.
pub(super) trait Row: DeserializeOwned {
    fn name(&self) -> &str;
}

impl Servers {
    /// Those that the rings in `swift_dir` name.
    pub fn load(swift_dir: &Path) -> anyhow::Result<Self> {
        let ring = |name: &str| Ring::load(swift_dir.join(format!("{name}.ring.gz")));
        Ok(Self {
            client: Client::new(ClientOptions::default()),
            hash: SwiftConf::read(swift_dir.join("swift.conf"))?.hash,
            account_ring: ring("account")?,
            container_ring: ring("container")?,
            object_ring: ring("object")?,
        })
    }

    /// The servers of an account, and the partition.
    pub fn of_account(&self, account: &str) -> (u32, Vec<&Device>) {
        nodes(&self.account_ring, self.account_ring.partition(&self.hash.account(account)))
    }

    /// The servers of a container.
    pub fn of_container(&self, account: &str, container: &str) -> (u32, Vec<&Device>) {
        nodes(&self.container_ring, self.container_ring.partition(&self.hash.container(account, container)))
    }

    /// The servers of an object of the first storage policy.
    pub fn of_object(&self, account: &str, container: &str, object: &str) -> (u32, Vec<&Device>) {
        nodes(&self.object_ring, self.object_ring.partition(&self.hash.object(account, container, object)))
    }

    /// All that a server lists of `path`, page after page.
    pub async fn list<T: Row>(&self, node: &Device, partition: u32, path: &str) -> Listed<T> {
        let mut listed = Listed { headers: None, rows: Vec::<T>::new(), fault: None };
        loop {
            let marker = quote_component(listed.rows.last().map_or("", Row::name));
            let query = format!("format=json&marker={marker}");
            match self.page(node, partition, path, query).await {
                Ok((headers, rows)) => {
                    listed.headers.get_or_insert(headers);
                    if rows.is_empty() {
                        return listed;
                    }
                    listed.rows.extend(rows);
                }
                Err(fault) => {
                    listed.fault = Some(fault);
                    return listed;
                }
            }
        }
    }

    async fn page<T: Row>(
        &self,
        node: &Device,
        partition: u32,
        path: &str,
        query: String,
    ) -> Result<(Headers, Vec<T>), Fault> {
        let mut answer = self.ask(Method::Get, node, partition, path, query).await?;
        let body = answer.body.read_all(MAX_PAGE_BYTES).await.map_err(|_| Fault::Exception)?;
        let rows = match answer.status {
            204 => Vec::new(),
            _ => serde_json::from_slice(&body).map_err(|_| Fault::Exception)?,
        };
        Ok((answer.headers, rows))
    }

    /// What a server says of the object at `path`; its bytes are read where `is_deep`.
    pub async fn object(
        &self,
        node: &Device,
        partition: u32,
        path: &str,
        is_deep: bool,
    ) -> Result<Told, Fault> {
        let method = if is_deep { Method::Get } else { Method::Head };
        let mut answer = self.ask(method, node, partition, path, String::new()).await?;
        let md5 = if is_deep { Some(md5_of(&mut answer.body).await?) } else { None };
        let field = |name: &str| answer.headers.get_str(name).map(|etag| etag.trim_matches('"').to_owned());
        let etag = field("ETag").ok_or(Fault::Exception)?;
        let listed_etag = field("X-Object-Sysmeta-Container-Update-Override-Etag");
        Ok(Told { listed_etag: listed_etag.unwrap_or_else(|| etag.clone()), etag, md5 })
    }

    async fn ask(
        &self,
        method: Method,
        node: &Device,
        partition: u32,
        path: &str,
        query: String,
    ) -> Result<Response, Fault> {
        let mut request = Request::new(method, format!("/{}/{partition}{path}", node.device));
        request.query = query.into();
        let answer = self.client.request(&node.ip, node.port, request, &TIMEOUTS).await;
        match answer {
            Ok(answer) if answer.is_success() => Ok(answer),
            Ok(answer) => Err(Fault::Status(answer.status)),
            Err(_) => Err(Fault::Exception),
        }
    }
}

fn nodes(ring: &Ring, partition: u32) -> (u32, Vec<&Device>) {
    (partition, ring.nodes(partition).collect())
}

async fn md5_of(body: &mut Body) -> Result<String, Fault> {
    let mut md5 = Md5::new();
    while let Some(chunk) = body.next().await.map_err(|_| Fault::Exception)? {
        md5.update(&chunk);
    }
    Ok(hex::encode(md5.finalize()))
}
