//! One row: what it takes to bring the other cluster's object to where ours is.

use super::super::sync_to::SyncTarget;
use crate::http::{Body, Headers, Method, Response};
use crate::internal_client::{Accepts, Ask, InternalClient, InternalError, Path, body_of};
use crate::web_client::{WebAnswer, WebClient, WebClientError};
use swiftlet_storage::db::ObjectRecord;
use swiftlet_types::Timestamp;
use swiftlet_types::names::quote;
use swiftlet_types::sync_realms;
use swiftlet_types::timestamp::{EncodedTimestamps, TimestampError};
use thiserror::Error;

/// Fields of an answer that say nothing of the object in it.
const NOT_THE_OBJECTS: [&str; 7] = [
    "connection",
    "date",
    "last-modified",
    "transfer-encoding",
    "accept-ranges",
    "x-trans-id",
    "x-openstack-request-id",
];
/// What links to versions have; versions are not sent.
const VERSIONS_SYMLINK: &str = "X-Object-Sysmeta-Versions-Symlink";

/// Why a row was not sent.
#[derive(Debug, Error)]
pub(super) enum RowError {
    /// Its time makes no sense.
    #[error(transparent)]
    Timestamp(#[from] TimestampError),
    /// Our object cannot be read.
    #[error("reading the object: {0}")]
    Source(#[from] InternalError),
    /// Our object is not there yet, or older than its row.
    #[error("the object as of {wanted} cannot be had (status {status}, as of {found})", wanted = wanted.internal(),
        found = found.internal())]
    Stale {
        /// What our cluster answered.
        status: u16,
        /// When the row says it was changed.
        wanted: Timestamp,
        /// When the object there is was changed.
        found: Timestamp,
    },
    /// A field of our object's cannot be sent over HTTP as clients speak it.
    #[error("the object's field {0:?} cannot be sent")]
    Field(String),
    /// The other cluster cannot be reached.
    #[error(transparent)]
    Remote(#[from] WebClientError),
    /// The other cluster refuses.
    #[error("the other cluster answered {0}")]
    Refused(u16),
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The other cluster has deleted it.
    Deleted,
    /// The other cluster has it; so many bytes went over.
    Put(u64),
    /// Nothing was to do.
    Nothing,
}

/// A container that is sent, and where it goes.
pub(super) struct Sender<'a> {
    pub client: &'a InternalClient,
    pub web: &'a WebClient,
    pub account: &'a str,
    pub container: &'a str,
    pub policy_index: i64,
    pub target: &'a SyncTarget,
    /// The container's own secret.
    pub user_key: &'a str,
}

impl Sender<'_> {
    /// Sends what a row tells of.
    pub(super) async fn send(&self, row: &ObjectRecord) -> Result<Sent, RowError> {
        let (data, _, meta) = EncodedTimestamps::parse(&row.created_at)?.resolved();
        if row.deleted {
            let mut headers = Headers::new();
            headers.set("X-Timestamp", data.internal());
            return match self.ask(Method::Delete, &row.name, headers, Body::empty()).await?.status {
                200..300 | 404 | 409 => Ok(Sent::Deleted),
                status => Err(RowError::Refused(status)),
            };
        }
        if self.has(&row.name, meta).await? {
            return Ok(Sent::Nothing);
        }
        let mut source = self.source(&row.name).await?;
        if source.headers.get(VERSIONS_SYMLINK).is_some_and(|value| !value.is_empty()) {
            tracing::info!("Skipping versioning symlink {}/{}/{}", self.account, self.container, row.name);
            return Ok(Sent::Nothing);
        }
        let found = source.headers.get_str("X-Timestamp").and_then(|text| text.parse().ok());
        let found = found.unwrap_or(Timestamp::ZERO);
        if !source.is_success() || found < meta.normalized() {
            return Err(RowError::Stale { status: source.status, wanted: meta, found });
        }
        let headers = headers_of(&source);
        let body = body_of(&mut source);
        match self.ask(Method::Put, &row.name, headers, body).await?.status {
            200..300 => Ok(Sent::Put(u64::try_from(row.size).unwrap_or(0))),
            status => Err(RowError::Refused(status)),
        }
    }

    /// Whether the other cluster has the object as of `timestamp`, or newer.
    async fn has(&self, name: &str, timestamp: Timestamp) -> Result<bool, RowError> {
        let mut headers = Headers::new();
        headers.set("X-Timestamp", timestamp.internal());
        let answer = self.ask(Method::Head, name, headers, Body::empty()).await?;
        let theirs = answer.headers.get("x-timestamp").and_then(|value| value.to_str().ok()?.parse().ok());
        match answer.status {
            // what it tells is without the offset
            200..300 => Ok(theirs.is_some_and(|theirs: Timestamp| theirs >= timestamp.normalized())),
            404 => Ok(false),
            status => Err(RowError::Refused(status)),
        }
    }

    /// Our newest, as it is: a link is not followed.
    async fn source(&self, name: &str) -> Result<Response, InternalError> {
        let get = Ask::new(Method::Get, Path::object(self.account, self.container, name))
            .query("symlink=get")
            .with("X-Newest", "true")
            .with("X-Backend-Storage-Policy-Index", self.policy_index.to_string());
        self.client.send(get, Accepts(&[2, 4])).await
    }

    /// Asks the other cluster, showing that we may.
    async fn ask(
        &self,
        method: Method,
        name: &str,
        headers: Headers,
        body: Body,
    ) -> Result<WebAnswer, RowError> {
        let url = format!("{}/{}", self.target.url.trim_end_matches('/'), quote(name));
        let mut request = http::Request::builder().method(method.as_str()).uri(&url);
        for (field, value) in headers.iter() {
            request = request.header(&field[..], &value[..]);
        }
        request = match &self.target.realm {
            None => request.header("X-Container-Sync-Key", self.user_key),
            Some((realm, key)) => {
                let nonce = format!("{:032x}", rand::random::<u128>());
                let timestamp = headers.get("X-Timestamp").unwrap_or(b"0");
                let path = path_of(&url);
                let signature =
                    sync_realms::sign(key, method.as_str(), path, timestamp, &nonce, self.user_key);
                request.header("X-Container-Sync-Auth", format!("{realm} {nonce} {signature}"))
            }
        };
        let request = request.body(()).map_err(|_| RowError::Field(unsendable(&headers)))?;
        Ok(self.web.upload(request, body).await?)
    }
}

/// The path of a URL, with its leading slash.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("/", |at| &rest[at..])
}

/// The first field that HTTP libraries refuse.
fn unsendable(headers: &Headers) -> String {
    let is_bad = |name: &[u8], value: &[u8]| {
        http::HeaderName::from_bytes(name).is_err() || http::HeaderValue::from_bytes(value).is_err()
    };
    let bad = headers.iter().find(|(name, value)| is_bad(name, value));
    bad.map(|(name, _)| String::from_utf8_lossy(name).into_owned()).unwrap_or_default()
}

/// What an answer says of the object in it, as a client may say it.
fn headers_of(answer: &Response) -> Headers {
    let mut headers = answer.headers.clone();
    headers.retain(|name, _| {
        let is_backends = name.len() > 10 && name[..10].eq_ignore_ascii_case(b"x-backend-");
        !is_backends && !NOT_THE_OBJECTS.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
    });
    if let Some(etag) = headers.get_str("Etag").map(|etag| etag.trim_matches('"').to_owned()) {
        headers.set("Etag", etag);
    }
    if let Some(length) = answer.body.len().filter(|_| !headers.contains("Content-Length")) {
        headers.set_int("Content-Length", length);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_the_path_alone() {
        assert_eq!(path_of("https://h:8080/v1/a/c/o%20p"), "/v1/a/c/o%20p");
        assert_eq!(path_of("http://h"), "/");
    }

    #[test]
    fn only_what_is_the_objects_is_sent() {
        let answer = Response::new(200)
            .with("Etag", "\"abc\"")
            .with("X-Backend-Timestamp", "1")
            .with("X-Timestamp", "2")
            .with("Date", "now")
            .with("X-Object-Meta-Color", "blue")
            .with_body("hello");
        let headers = headers_of(&answer);
        let names: Vec<_> = headers.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
        assert_eq!(names, ["Etag", "X-Timestamp", "X-Object-Meta-Color", "Content-Length"]);
        assert_eq!(headers.get_str("Etag"), Some("abc"));
        let mut bad = Headers::new();
        bad.set("X-Object-Meta-é", "x");
        assert_eq!(unsendable(&bad), "X-Object-Meta-é");
    }
}
