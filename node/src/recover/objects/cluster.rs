//! A cluster that objects are recovered into, as its client by Swift's auth version 1.
//!
//! Each object keeps its account, container, name and metadata; what is there already stays. Manifests of static large
//! objects are given as such, once their segments are there.

use super::{Content, Object, PutError, Taken, Target};
use crate::http::{Body, BodyError, BodyStream};
use crate::web_client::{Limits, WebAnswer, WebClient, WebClientError};
use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::io;
use std::time::Duration;
use swiftlet_storage::db::split_swift_bytes;
use swiftlet_types::Timestamp;
use swiftlet_types::names::{quote, quote_component};
use thiserror::Error;
use tokio::runtime::Handle;

/// Answers are short; a manifest's PUT has its segments looked at before it is answered.
const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(10),
    timeout: Duration::from_secs(300),
    max_body_bytes: 1 << 20,
};
/// Far longer than a manifest of as many segments as Swift takes.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;
/// Fields of an object's metadata that its client gave.
const CLIENT_FIELDS: [&str; 9] = [
    "content-type",
    "content-encoding",
    "content-disposition",
    "content-language",
    "cache-control",
    "expires",
    "x-delete-at",
    "x-object-manifest",
    "x-robots-tag",
];
/// Where a symbolic link keeps what it points to, and the field by which one is made.
const SYMLINK_FIELDS: [(&str, &str); 2] = [
    ("X-Object-Sysmeta-Symlink-Target", "X-Symlink-Target"),
    ("X-Object-Sysmeta-Symlink-Target-Account", "X-Symlink-Target-Account"),
];

/// Who recovers. The key is never shown.
pub struct Credentials {
    /// `account:user`
    pub user: String,
    /// Their key.
    pub key: String,
}

/// Why a cluster cannot be used.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// It cannot be asked.
    #[error("{url}: {error}")]
    Client {
        /// What was asked.
        url: String,
        /// Why.
        error: WebClientError,
    },
    /// It refuses.
    #[error("{url}: refused with status {status}")]
    Refused {
        /// What was asked.
        url: String,
        /// The status of its answer.
        status: u16,
    },
    /// It says nothing that helps.
    #[error("{url}: its answer has no {field}")]
    Answer {
        /// What was asked.
        url: String,
        /// What is missing.
        field: &'static str,
    },
}

/// What a request is allowed by.
#[derive(Clone)]
struct Session {
    token: String,
    /// The URL of accounts: that of one, without its name.
    accounts: String,
}

/// The cluster.
pub struct ClusterTarget {
    client: WebClient,
    runtime: Handle,
    auth_url: String,
    credentials: Credentials,
    session: Mutex<Session>,
    /// Containers that are there, by URL.
    containers: Mutex<HashSet<String>>,
}

impl ClusterTarget {
    /// The cluster whose auth service is at `auth_url`, which is asked for a token.
    pub fn connect(
        client: impl FnOnce(Limits) -> Result<WebClient, WebClientError>,
        auth_url: &str,
        credentials: Credentials,
        runtime: Handle,
    ) -> Result<Self, ClusterError> {
        let failed = |error| ClusterError::Client { url: auth_url.to_owned(), error };
        let client = client(LIMITS).map_err(failed)?;
        let session = runtime.block_on(authenticate(&client, auth_url, &credentials))?;
        let (session, containers) = (Mutex::new(session), Mutex::default());
        Ok(Self { client, runtime, auth_url: auth_url.to_owned(), credentials, session, containers })
    }

    /// Sends a request; with a new token where the old one has expired.
    fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, Vec<u8>)],
        body: Bytes,
    ) -> Result<WebAnswer, PutError> {
        for is_retry in [false, true] {
            let session = self.session.lock().clone();
            let request = request(method, &session, path, headers)?.map(|()| body.clone());
            let answer = self.runtime.block_on(self.client.send(request)).map_err(target)?;
            if answer.status != 401 || is_retry {
                return Ok(answer);
            }
            self.renew()?;
        }
        Err(PutError::Target("refused with status 401".into()))
    }

    fn renew(&self) -> Result<(), PutError> {
        let session = self.runtime.block_on(authenticate(&self.client, &self.auth_url, &self.credentials));
        *self.session.lock() = session.map_err(target)?;
        Ok(())
    }

    fn make_container(&self, object: &Object) -> Result<(), PutError> {
        let container = quote_component(&object.path.container);
        let path = format!("{}/{container}", quote_component(&object.path.account));
        if self.containers.lock().contains(&path) {
            return Ok(());
        }
        let answer = self.send("PUT", &path, &[], Bytes::new())?;
        if answer.status / 100 != 2 {
            return Err(refused("PUT", &path, &answer));
        }
        self.containers.lock().insert(path);
        Ok(())
    }

    fn put_bytes(&self, path: &str, object: &Object, content: Content) -> Result<Taken, PutError> {
        let mut headers = client_headers(object);
        headers.push(("If-None-Match".into(), b"*".to_vec()));
        headers.push(("ETag".into(), content.etag.clone().into_bytes()));
        headers.push(("Content-Length".into(), content.len.to_string().into_bytes()));
        let session = self.session.lock().clone();
        let request = request("PUT", &session, path, &headers)?;
        let body = Body::stream(Some(content.len), Chunks(Some(content)));
        let answer = self.runtime.block_on(self.client.upload(request, body)).map_err(target)?;
        match answer.status {
            412 => Ok(Taken::Present),
            422 => Err(PutError::Damaged("its bytes are not those that its ETag says".into())),
            401 => {
                self.renew()?;
                Err(PutError::Target("the token had expired: run again".into()))
            }
            400 if object.has_expired(Timestamp::now()) => Ok(Taken::Expired),
            status if status / 100 == 2 => Ok(Taken::Stored),
            _ => Err(refused("PUT", path, &answer)),
        }
    }

    fn put_manifest(&self, path: &str, object: &Object, mut content: Content) -> Result<Taken, PutError> {
        let head = self.send("HEAD", path, &[], Bytes::new())?;
        if head.status / 100 == 2 {
            return Ok(Taken::Present);
        }
        let body = manifest(&mut content).map_err(|error| PutError::Damaged(error.to_string()))?;
        let path = format!("{path}?multipart-manifest=put");
        let answer = self.send("PUT", &path, &client_headers(object), body.into())?;
        match answer.status {
            400 if object.has_expired(Timestamp::now()) => Ok(Taken::Expired),
            400 | 409 => Ok(Taken::Later),
            status if status / 100 == 2 => Ok(Taken::Stored),
            _ => Err(refused("PUT", &path, &answer)),
        }
    }
}

impl Target for ClusterTarget {
    fn put(&self, object: &Object, content: Content) -> Result<Taken, PutError> {
        if object.is_encrypted() {
            let why = "only its ciphertext is here, which a cluster with its keys can read: recover rings or containers";
            return Err(PutError::Target(why.into()));
        }
        self.make_container(object)?;
        let path = &object.path;
        let path = format!(
            "{}/{}/{}",
            quote_component(&path.account),
            quote_component(&path.container),
            quote(&path.object)
        );
        match object.is_static_manifest() {
            true => self.put_manifest(&path, object, content),
            false => self.put_bytes(&path, object, content),
        }
    }

    /// It says so when it has it.
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn has_folders(&self) -> bool {
        false
    }
}

async fn authenticate(
    client: &WebClient,
    url: &str,
    Credentials { user, key }: &Credentials,
) -> Result<Session, ClusterError> {
    let failed = |error| ClusterError::Client { url: url.to_owned(), error };
    let request = Request::get(url).header("X-Auth-User", user).header("X-Auth-Key", key).body(Bytes::new());
    let request = request.map_err(|error| failed(WebClientError::Failed(error.to_string())))?;
    let answer = client.send(request).await.map_err(failed)?;
    if answer.status / 100 != 2 {
        return Err(ClusterError::Refused { url: url.to_owned(), status: answer.status });
    }
    let field = |name: &'static str| {
        let value = answer.headers.get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned).ok_or_else(|| ClusterError::Answer { url: url.to_owned(), field: name })
    };
    let storage_url = field("X-Storage-Url")?;
    let accounts =
        storage_url.trim_end_matches('/').rsplit_once('/').map(|(accounts, _)| accounts.to_owned());
    let accounts = accounts
        .ok_or_else(|| ClusterError::Answer { url: url.to_owned(), field: "usable X-Storage-Url" })?;
    Ok(Session { token: field("X-Auth-Token")?, accounts })
}

fn request(
    method: &str,
    session: &Session,
    path: &str,
    headers: &[(String, Vec<u8>)],
) -> Result<Request<()>, PutError> {
    let mut request = Request::builder().method(method).uri(format!("{}/{path}", session.accounts));
    request = request.header("X-Auth-Token", &session.token);
    for (name, value) in headers {
        request = request.header(name, value.as_slice());
    }
    request.body(()).map_err(target)
}

fn target(error: impl std::fmt::Display) -> PutError {
    PutError::Target(error.to_string())
}

fn refused(method: &str, path: &str, answer: &WebAnswer) -> PutError {
    PutError::Target(format!("{method} {path} was refused with status {}", answer.status))
}

/// The fields by which a client would put the object again.
fn client_headers(object: &Object) -> Vec<(String, Vec<u8>)> {
    let metadata = &object.state.metadata;
    let mut headers = Vec::new();
    for (name, value) in metadata.iter() {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        let lower = name.to_ascii_lowercase();
        let value = match lower.as_str() {
            "content-type" => match std::str::from_utf8(value) {
                // the size of a manifest's object is the cluster's to tell
                Ok(text) => split_swift_bytes(text).0.into_owned().into_bytes(),
                Err(_) => value.to_vec(),
            },
            _ => value.to_vec(),
        };
        if CLIENT_FIELDS.contains(&lower.as_str()) || lower.starts_with("x-object-meta-") {
            headers.push((name.to_owned(), value));
        }
    }
    for (kept, given) in SYMLINK_FIELDS {
        headers.extend(metadata.get(kept).map(|value| (given.to_owned(), value.to_vec())));
    }
    headers
}

/// A manifest as it is put, by what is stored of it.
fn manifest(content: &mut Content) -> io::Result<Vec<u8>> {
    if content.len > MANIFEST_BYTES_MAX {
        return Err(io::Error::other(format!("a manifest of {} bytes", content.len)));
    }
    let mut stored = Vec::new();
    loop {
        let chunk = content.read()?;
        if chunk.is_empty() {
            break;
        }
        stored.extend_from_slice(&chunk);
    }
    let segments: Vec<Map<String, Value>> = serde_json::from_slice(&stored)?;
    let given: Vec<Value> = segments.iter().map(segment).collect();
    Ok(serde_json::to_vec(&given)?)
}

fn segment(stored: &Map<String, Value>) -> Value {
    if let Some(data) = stored.get("data") {
        return json!({ "data": data });
    }
    let mut given = Map::new();
    let is_manifest = stored.get("sub_slo").is_some_and(|value| value == &Value::Bool(true));
    for (kept, name) in [("name", "path"), ("hash", "etag"), ("bytes", "size_bytes"), ("range", "range")] {
        // size and ETag of a manifest's object are what its own segments make them
        if is_manifest && matches!(kept, "hash" | "bytes") {
            continue;
        }
        given.extend(stored.get(kept).map(|value| (name.to_owned(), value.clone())));
    }
    given.into()
}

/// A content as a body, read where blocking is allowed.
struct Chunks(Option<Content>);

#[async_trait]
impl BodyStream for Chunks {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let Some(mut content) = self.0.take() else { return Ok(None) };
        let read = tokio::task::spawn_blocking(move || (content.read(), content)).await;
        let (chunk, content) = read.map_err(|error| BodyError::Other(error.to_string()))?;
        self.0 = Some(content);
        let chunk = chunk?;
        Ok((!chunk.is_empty()).then(|| chunk.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_segments_are_given_as_they_were_put() {
        let stored = json!([
            {"name": "/c/one", "hash": "e1", "bytes": 7, "content_type": "t", "last_modified": "x", "range": "0-3"},
            {"name": "/c/two", "hash": "e2", "bytes": 9, "sub_slo": true},
            {"data": "aGk="},
        ]);
        let given: Vec<Value> =
            stored.as_array().unwrap().iter().map(|one| segment(one.as_object().unwrap())).collect();
        let expected = json!([
            {"path": "/c/one", "etag": "e1", "size_bytes": 7, "range": "0-3"},
            {"path": "/c/two"},
            {"data": "aGk="},
        ]);
        assert_eq!(Value::from(given), expected);
    }
}
