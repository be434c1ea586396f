//! Telling container servers that an object changed, and leaving a note for the updater where that fails.

use super::stored_headers::canonical;
use crate::http::headers::has_prefix;
use crate::http::{Body, Client, Headers, Method, Request, Response, Timeouts};
use crate::serve::DevicePools;
use bytes::Bytes;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use swiftlet_storage::object::async_pending::AsyncPending;
use swiftlet_storage::object::{ObjectPath, ObjectStore};
use swiftlet_types::Timestamp;
use swiftlet_types::conf::is_true;
use swiftlet_types::names::{quote, split_path, unquote};

/// A container server's replica of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub host: String,
    pub port: u16,
    pub partition: String,
    pub device: String,
}

impl Target {
    /// Reads `host:port`.
    pub fn parse(address: &str, partition: &str, device: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let complete = !host.is_empty() && !partition.is_empty() && !device.is_empty();
        let port = port.parse().ok().filter(|_| complete)?;
        Some(Self { host: host.to_owned(), port, partition: partition.to_owned(), device: device.to_owned() })
    }
}

/// One change of one row.
#[derive(Debug, Clone)]
pub(super) struct Update {
    /// PUT or DELETE.
    pub op: Method,
    /// The row: the container that holds it, and its name.
    pub path: ObjectPath,
    /// `account/container` of the shard to send it to.
    pub container_path: Option<String>,
    /// The header fields that say what the row becomes.
    pub headers: Headers,
    /// The state of the container's database as the proxy knew it.
    pub db_state: Option<String>,
    /// The object's own device, where a note is left.
    pub device: String,
    /// The object's policy, whose folder takes the note.
    pub policy: u32,
}

/// Sends updates.
#[derive(Clone)]
pub(super) struct Updates {
    pub client: Client,
    pub timeouts: Timeouts,
    pub pools: DevicePools,
    pub store: Arc<ObjectStore>,
}

/// How a container server took an update.
pub(super) enum Outcome {
    Done,
    /// To be sent to this `account/container` from now on.
    Redirected(String, Timestamp),
    Failed,
}

impl Updates {
    /// Sends `update` to `target`, or leaves a note where that fails or there is none. Whether either was done.
    pub async fn send_or_save(&self, target: Option<Target>, mut update: Update) -> bool {
        if let Some(target) = target {
            match self.send(&target, &update).await {
                Outcome::Done => return true,
                Outcome::Redirected(container_path, _) => update.container_path = Some(container_path),
                Outcome::Failed => {}
            }
        }
        self.save(update).await
    }

    /// Sends `update` to `target`; why it failed goes to the log.
    pub async fn send(&self, target: &Target, update: &Update) -> Outcome {
        let at = update.container_path.clone();
        let container = at.unwrap_or_else(|| format!("{}/{}", update.path.account, update.path.container));
        let path = format!("/{}/{}/{container}/{}", target.device, target.partition, update.path.object);
        let request = Request {
            headers: update.headers.clone(),
            body: Body::empty(),
            ..Request::new(update.op.clone(), path)
        };
        let node = format!("{}:{}/{}", target.host, target.port, target.device);
        let answer = match self.client.request(&target.host, target.port, request, &self.timeouts).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "ERROR container update failed with {node} (saving for async update later)");
                return Outcome::Failed;
            }
        };
        // An unread body would cost the connection; a container server's answers are short.
        let Response { status, headers, mut body, .. } = answer;
        let drained = body.read_all(64 << 10).await;
        match (status, drained) {
            (200..=299, _) => Outcome::Done,
            (301, _) => redirect(&headers).unwrap_or_else(|why| {
                tracing::error!(%node, why, "Container update failed; problem with redirect location");
                Outcome::Failed
            }),
            (status, _) => {
                tracing::error!(
                    "ERROR Container update failed (saving for async update later): {status} response from {node}"
                );
                Outcome::Failed
            }
        }
    }

    async fn save(&self, update: Update) -> bool {
        let (store, device) = (self.store.clone(), update.device.clone());
        match self.pools.run(&device, move || update.save(&store)).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => tracing::error!(%device, %error, "could not save a container update"),
            Err(error) => tracing::error!(%error, "could not save a container update"),
        }
        false
    }
}

impl Update {
    /// Leaves a note for the updater.
    pub fn save(self, store: &ObjectStore) -> io::Result<()> {
        let (device, policy, hash) = (self.folder(store), self.policy, &store.config().hash);
        let (pending, timestamp) = self.into_pending()?;
        pending.save(&device, policy, hash, timestamp).map(drop)
    }

    /// Leaves a note for the updater unless there is one already that no container has been told by. So whoever is
    /// cut off while leaving many does not begin from the start.
    pub fn save_anew(self, store: &ObjectStore) -> io::Result<()> {
        let (device, policy, hash) = (self.folder(store), self.policy, &store.config().hash);
        let (pending, timestamp) = self.into_pending()?;
        let there = AsyncPending::read(&pending.file(&device, policy, hash, timestamp));
        match there {
            Ok(Some(there)) if there.successes.is_empty() && there.op == pending.op => Ok(()),
            _ => pending.save(&device, policy, hash, timestamp).map(drop),
        }
    }

    /// The folder of the object's device.
    fn folder(&self, store: &ObjectStore) -> PathBuf {
        store.config().devices.path_of(&self.device)
    }

    fn into_pending(self) -> io::Result<(AsyncPending, Timestamp)> {
        let time = self.headers.get_str("X-Meta-Timestamp").or_else(|| self.headers.get_str("X-Timestamp"));
        let Some(timestamp) = time.and_then(|text| text.parse::<Timestamp>().ok()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an update without X-Timestamp"));
        };
        let headers = self.headers.iter().map(|(name, value)| (canonical(name), value.clone()));
        let pending = AsyncPending {
            op: self.op.as_str().to_owned(),
            path: self.path,
            headers: headers.collect(),
            db_state: self.db_state,
            container_path: self.container_path,
            successes: Vec::new(),
            redirect_history: Vec::new(),
        };
        Ok((pending, timestamp))
    }
}

/// Where a container server redirects to, and since when.
fn redirect(headers: &Headers) -> Result<Outcome, &'static str> {
    let location = headers.get("Location").ok_or("no Location")?;
    // an absolute URL or a path, without query
    let text = location.split(|b| *b == b'?' || *b == b'#').next().unwrap_or_default();
    let path = match memchr::memmem::find(text, b"://") {
        Some(at) => text[at + 3..]
            .iter()
            .position(|b| *b == b'/')
            .map(|slash| &text[at + 3 + slash..])
            .unwrap_or_default(),
        None => text,
    };
    let quoted = headers.get_str("X-Backend-Location-Is-Quoted").is_some_and(is_true);
    let path = if quoted { unquote(path) } else { path.to_vec() };
    let segments = split_path(&path, 2, 3, true).ok_or("a Location that is no container path")?;
    let utf8 = |at: usize| {
        segments.get(at).and_then(|s| std::str::from_utf8(s).ok()).ok_or("a Location that is no UTF-8")
    };
    let since = headers.get_str("X-Backend-Redirect-Timestamp").and_then(|text| text.parse().ok());
    let since = since.ok_or("no valid X-Backend-Redirect-Timestamp")?;
    Ok(Outcome::Redirected(format!("{}/{}", utf8(0)?, utf8(1)?), since))
}

/// What a request says about its container servers, and what every update on its behalf carries.
pub(super) struct UpdateContext {
    pub headers: Headers,
    pub referer: String,
}

impl UpdateContext {
    /// Of no request: what is told on the node's own account.
    pub fn own() -> Self {
        Self { headers: Headers::new(), referer: "-".to_owned() }
    }

    /// Of `request`, while its headers are still there.
    pub fn of(request: &Request) -> Self {
        Self { headers: request.headers.clone(), referer: referer(request) }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get_str(name).unwrap_or_default()
    }

    /// The fields that every update carries.
    pub fn common_headers(&self, policy: u32) -> Headers {
        let trans_id = self.headers.get("X-Trans-Id").unwrap_or(b"-");
        let mut headers = Headers::new();
        headers.set("X-Trans-Id", Bytes::copy_from_slice(trans_id));
        headers.set("Referer", self.referer.clone());
        headers.set_int("X-Backend-Storage-Policy-Index", policy);
        headers.set("User-Agent", format!("object-server {}", std::process::id()));
        headers
    }

    /// The container servers to tell: as many devices as hosts, or none.
    pub fn targets(&self) -> Vec<Option<Target>> {
        let partition = self.header("X-Container-Partition");
        let hosts: Vec<&str> = self.header("X-Container-Host").split(',').map(str::trim).collect();
        let devices: Vec<&str> = self.header("X-Container-Device").split(',').map(str::trim).collect();
        if hosts.len() != devices.len() {
            tracing::error!(
                ?hosts,
                ?devices,
                "ERROR Container update failed: different numbers of hosts and devices in request"
            );
            return Vec::new();
        }
        if partition.is_empty() {
            return Vec::new();
        }
        hosts.iter().zip(&devices).map(|(host, device)| Target::parse(host, partition, device)).collect()
    }

    /// The shard that holds the row now, as the proxy knew it.
    pub fn container_path(&self) -> Option<String> {
        let quoted = self.headers.get("X-Backend-Quoted-Container-Path").map(unquote);
        let path = quoted.or_else(|| self.headers.get("X-Backend-Container-Path").map(<[u8]>::to_vec))?;
        let path = String::from_utf8(path).ok()?;
        if split_path(format!("/{path}").as_bytes(), 2, 2, false).is_none() {
            tracing::error!(
                "Invalid X-Backend-Container-Path, should be of the form 'account/container' but got {path:?}."
            );
            return None;
        }
        Some(path)
    }
}

/// The request line that caused an update, as container servers log it.
fn referer(request: &Request) -> String {
    let host = request.headers.get_str("Host").unwrap_or_default();
    let mut line = format!("{} http://{host}{}", request.method, quote(&request.path));
    if !request.query.is_empty() {
        line.push('?');
        line.push_str(&String::from_utf8_lossy(&request.query));
    }
    line
}

const OVERRIDES: [&str; 2] =
    ["x-backend-container-update-override-", "x-object-sysmeta-container-update-override-"];

/// Lets `fields` override what the container's row says: later ones earlier ones, and the sysmeta form the other.
pub(super) fn apply_overrides<'a>(row: &mut Headers, fields: impl Iterator<Item = (&'a Bytes, &'a Bytes)>) {
    let is_override = |name: &Bytes| OVERRIDES.iter().any(|prefix| has_prefix(name, prefix));
    let fields: Vec<_> = fields.filter(|(name, _)| is_override(name)).collect();
    for prefix in OVERRIDES {
        for (name, value) in fields.iter().filter(|(name, _)| has_prefix(name, prefix)) {
            let field = [b"X-", &name[prefix.len()..]].concat();
            row.set(canonical(&field.into()), (*value).clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_complete_or_none() {
        let target = Target::parse("127.0.0.1:6201", "7", "sda").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("127.0.0.1", 6201));
        assert_eq!(Target::parse("[::1]:6201", "7", "sda").unwrap().host, "::1");
        for (address, partition, device) in
            [("", "7", "sda"), ("h:1", "", "sda"), ("h:1", "7", ""), ("h:x", "7", "sda")]
        {
            assert_eq!(Target::parse(address, partition, device), None);
        }
    }

    #[test]
    fn redirects_name_a_shard_and_its_time() {
        let headers: Headers = [
            ("Location", "/.shards_a/c-%201/o"),
            ("X-Backend-Location-Is-Quoted", "true"),
            ("X-Backend-Redirect-Timestamp", "1.5"),
        ]
        .into_iter()
        .collect();
        let Ok(Outcome::Redirected(path, since)) = redirect(&headers) else { panic!("a redirect") };
        assert_eq!((path.as_str(), since.normal().as_str()), (".shards_a/c- 1", "0000000001.50000"));
        let headers: Headers = [("Location", "/a/c/o")].into_iter().collect();
        assert!(redirect(&headers).is_err());
    }

    #[test]
    fn overrides_rename_to_row_fields() {
        let metadata: Headers = [
            ("X-Object-Sysmeta-Container-Update-Override-Etag", "sys"),
            ("X-Backend-Container-Update-Override-Size", "7"),
        ]
        .into_iter()
        .collect();
        let footers: Headers = [("x-backend-container-update-override-etag", "footer")].into_iter().collect();
        let mut row: Headers = [("X-Etag", "own"), ("X-Size", "1")].into_iter().collect();
        apply_overrides(&mut row, metadata.iter().chain(footers.iter()));
        assert_eq!(row.get_str("X-Etag"), Some("sys"));
        assert_eq!(row.get_str("X-Size"), Some("7"));
    }
}
