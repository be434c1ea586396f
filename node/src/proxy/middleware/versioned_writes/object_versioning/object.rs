//! Objects of a versioned container, asked for without a version: what comes is kept as a new version, and what goes
//! leaves a marker.

use super::shared::{DELETE_MARKER, Names, authorize_write, open, put_of};
use super::{
    NULL, SOURCE, VERSION_ID, VERSIONS_SYMLINK, allow_reserved, hidden, names, no_hidden_container, refuse,
};
use crate::http::dates::parse_http_date;
use crate::http::{Body, BodyError, BodyStream, Headers, Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::meta;
use crate::proxy::subrequest;
use crate::proxy::symlinks::{
    ALLOWS_RESERVED, EXTENDS_LOOP, KEPT_TARGET_BYTES, KEPT_TARGET_ETAG, TARGET, TARGET_ACCOUNT,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use swiftlet_types::Timestamp;
use swiftlet_types::names::{quote, split_path, unquote};

/// What a symlink to a version does not take over from the version.
const NOT_FOR_LINK: [&str; 8] = [
    "ETag",
    "X-If-Delete-At",
    TARGET_ACCOUNT,
    "X-Object-Manifest",
    "X-Static-Large-Object",
    "X-Object-Sysmeta-Slo-Etag",
    "X-Object-Sysmeta-Slo-Size",
    "Transfer-Encoding",
];

/// The objects of one request.
pub struct Objects<'a> {
    pub next: &'a dyn App,
    pub names: Names,
    /// The hidden container of versions.
    pub versions: String,
    pub max_file_size: u64,
}

/// A version, as the symlink to it tells.
pub struct Version {
    /// Its hidden name.
    pub name: String,
    pub etag: Bytes,
    /// Its size in bytes.
    pub size: Bytes,
    pub content_type: Bytes,
}

impl Objects<'_> {
    /// The path of a version by its hidden name.
    pub fn version_path(&self, name: &str) -> String {
        self.names.path_in(&self.versions, name)
    }

    /// The hidden name of the version of `time`.
    pub fn version_name(&self, time: Timestamp) -> Result<String, Response> {
        names::version_object(&self.names.object, time)
            .ok_or_else(|| Response::html(400, "Invalid version parameter"))
    }

    /// Keeps what the client sends as the newest version, and links to it.
    pub async fn put(&self, mut request: ProxyRequest) -> Result<Response, Response> {
        self.copy_current(&mut request).await?;
        let time = timestamp_of(&mut request);
        let version = self.put_version(&mut request, time).await?;
        Ok(self.link(request, version).await)
    }

    /// Leaves a marker as the newest version, and takes the link away.
    pub async fn delete(&self, mut request: ProxyRequest) -> Result<Response, Response> {
        self.copy_current(&mut request).await?;
        let time = timestamp_of(&mut request);
        let path = self.version_path(&self.version_name(time.normalized())?);
        let mut marker = hidden(&request, Method::Put, path);
        marker.http.headers.set("Content-Type", DELETE_MARKER);
        marker.http.headers.set("Content-Length", "0");
        marker.http.headers.set("X-Timestamp", time.internal());
        marker.env.content_type_overridden = true;
        self.settle(marker, refuse).await?;
        let mut response = self.next.call(request).await;
        if response.is_success() || response.status == 404 {
            response.headers.set(VERSION_ID, time.normalized().internal());
            response.headers.set("X-Backend-Content-Type", DELETE_MARKER);
        }
        Ok(response)
    }

    /// Changes the metadata of the newest version.
    pub async fn post(&self, request: ProxyRequest) -> Response {
        let mut post = hidden(&request, Method::Post, String::new());
        inherit(&request.http.headers, &mut post.http.headers);
        let response = self.next.call(request).await;
        if response.status != 307 || !meta::is_true(&response.headers, VERSIONS_SYMLINK) {
            return response;
        }
        let location = unquote(response.headers.get("Location").unwrap_or_default());
        let is_ours = split_path(&location, 4, 4, true).is_some_and(|segments| {
            segments[1..3] == [self.names.account.as_bytes(), self.versions.as_bytes()]
        });
        if !is_ours {
            return response;
        }
        subrequest::drain(response).await;
        post.http.path = location.into();
        self.next.call(post).await
    }

    /// Reads the newest version, and tells which it is.
    pub async fn read(&self, request: ProxyRequest) -> Response {
        let mut response = self.next.call(request).await;
        let headers = &mut response.headers;
        headers.set(VERSION_ID, NULL);
        let own = format!("{}/{}", self.names.container, self.names.object);
        let decoded = |headers: &Headers, name| unquote(headers.get(name).unwrap_or_default());
        let location = decoded(headers, "Content-Location");
        if let Some(&[_, account, container, object]) = split_path(&location, 4, 4, true).as_deref()
            && account == self.names.account.as_bytes()
            && let Some(id) = self.version_id(container, object)
        {
            let path = quote(format!("/{}/{}/{own}", self.names.version, self.names.account));
            headers.set("Content-Location", format!("{path}?version-id={id}"));
            headers.set(VERSION_ID, id);
        }
        let target = [b"/", &decoded(headers, TARGET)[..]].concat();
        if let Some(&[container, object]) = split_path(&target, 2, 2, true).as_deref()
            && let Some(id) = self.version_id(container, object)
        {
            headers.set(TARGET, format!("{}?version-id={id}", quote(own)));
            headers.set(VERSION_ID, id);
        }
        response
    }

    /// The id of what is a version in the hidden container.
    fn version_id(&self, container: &[u8], object: &[u8]) -> Option<String> {
        let object = std::str::from_utf8(object).ok().filter(|_| container == self.versions.as_bytes())?;
        Some(names::parse_version_object(object)?.1)
    }

    /// Makes a version of an object from before versioning was on.
    async fn copy_current(&self, request: &mut ProxyRequest) -> Result<(), Response> {
        authorize_write(self.next, request, &self.names).await?;
        let path = request.http.path.clone();
        let Some(source) = open(self.next, request, path, SOURCE, self.max_file_size, refuse).await? else {
            return Ok(());
        };
        if source.response.headers.get(VERSIONS_SYMLINK) == Some(b"true") {
            subrequest::drain(source.response).await;
            return Ok(());
        }
        let path = self.version_path(&self.version_name(written_at(&source.response.headers).normalized())?);
        let mut put = put_of(request, path, source, SOURCE);
        allow_reserved(&mut put.http.headers);
        self.settle(put, refuse_version).await
    }

    /// Does a step in the hidden container; what `refuse` says where it was not done.
    async fn settle(&self, request: ProxyRequest, refuse: fn(Response) -> Response) -> Result<(), Response> {
        let response = self.next.call(request).await;
        if !response.is_success() {
            return Err(refuse(response));
        }
        subrequest::drain(response).await;
        Ok(())
    }

    async fn put_version(&self, request: &mut ProxyRequest, time: Timestamp) -> Result<Version, Response> {
        let name = self.version_name(time.normalized())?;
        let path = self.version_path(&name);
        let mut put = hidden(request, Method::Put, path.clone());
        inherit(&request.http.headers, &mut put.http.headers);
        put.env.content_type_overridden = std::mem::take(&mut request.env.content_type_overridden);
        let body = std::mem::replace(&mut request.http.body, Body::empty());
        let size = Arc::new(AtomicU64::new(0));
        put.http.body = Body::stream(body.len(), Counted { body, size: size.clone() });
        let slo_size = put.http.headers.get("X-Object-Sysmeta-Slo-Size").map(Bytes::copy_from_slice);
        let response = self.next.call(put).await;
        if !response.is_success() {
            return Err(refuse_version(response));
        }
        let etag = response.headers.get("Etag").map(Bytes::copy_from_slice).unwrap_or_default();
        subrequest::drain(response).await;
        let told = request.http.headers.get("Content-Type").filter(|told| !told.is_empty());
        let told = told.filter(|_| !meta::is_true(&request.http.headers, "X-Detect-Content-Type"));
        let content_type = match told {
            Some(told) => Bytes::copy_from_slice(told),
            // whatever was made of it further in
            None => {
                let mut head = hidden(request, Method::Head, path);
                head.http.query = "symlink=get".into();
                let head = self.next.call(head).await;
                head.headers.get("Content-Type").map(Bytes::copy_from_slice).unwrap_or_default()
            }
        };
        let bare = content_type.split(|b| *b == b';').next().unwrap_or_default().trim_ascii_end();
        let content_type = content_type.slice_ref(bare);
        let size = slo_size.unwrap_or_else(|| size.load(Ordering::Relaxed).to_string().into());
        Ok(Version { name, etag, size, content_type })
    }

    /// Makes the object a symlink to `version`.
    pub async fn link(&self, mut request: ProxyRequest, version: Version) -> Response {
        let time = timestamp_of(&mut request);
        let id = names::parse_version_object(&version.name).map(|(_, id)| id).unwrap_or_default();
        let headers = &mut request.http.headers;
        // a moment later than the version
        headers.set("X-Timestamp", time.with_offset(1).internal());
        headers.set(KEPT_TARGET_ETAG, version.etag.clone());
        headers.set(KEPT_TARGET_BYTES, version.size);
        headers.set("Content-Type", version.content_type);
        headers.set(TARGET, quote(format!("{}/{}", self.versions, version.name)));
        for name in [VERSIONS_SYMLINK, EXTENDS_LOOP, ALLOWS_RESERVED] {
            headers.set(name, "true");
        }
        allow_reserved(headers);
        NOT_FOR_LINK.iter().for_each(|name| drop(headers.remove(name)));
        headers.set("Content-Length", "0");
        request.http.body = Body::empty();
        request.http.method = Method::Put;
        request.env.source = Some(SOURCE);
        let mut response = self.next.call(request).await;
        response.headers.set("Etag", version.etag);
        response.headers.set(VERSION_ID, id);
        response
    }
}

/// What a client is told where a version was not kept.
fn refuse_version(response: Response) -> Response {
    if response.status == 404 { no_hidden_container() } else { refuse(response) }
}

/// Gives a request for a version what the client's said, but no expiry: that is the link's.
fn inherit(client: &Headers, version: &mut Headers) {
    for (name, value) in client.iter() {
        if !["x-delete-at", "x-delete-after"]
            .iter()
            .any(|expiry| name.eq_ignore_ascii_case(expiry.as_bytes()))
        {
            version.set(name.clone(), value.clone());
        }
    }
}

/// The time of a request, which from now on is set.
fn timestamp_of(request: &mut ProxyRequest) -> Timestamp {
    let headers = &mut request.http.headers;
    let told = headers.get_str("X-Timestamp").and_then(|text| text.parse().ok());
    let time: Timestamp = told.unwrap_or_else(Timestamp::now);
    headers.set("X-Timestamp", time.internal());
    time
}

/// When an object was written, as its headers tell.
fn written_at(headers: &Headers) -> Timestamp {
    let told =
        ["X-Backend-Timestamp", "X-Timestamp"].iter().find_map(|name| headers.get_str(name)?.parse().ok());
    let date = || parse_http_date(headers.get_str("Last-Modified")?)?.to_string().parse().ok();
    told.or_else(date).unwrap_or(Timestamp::ZERO)
}

/// A body that tells how long it was.
struct Counted {
    body: Body,
    size: Arc<AtomicU64>,
}

#[async_trait]
impl BodyStream for Counted {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let chunk = self.body.next().await?;
        let length = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        self.size.fetch_add(length, Ordering::Relaxed);
        Ok(chunk)
    }
}
