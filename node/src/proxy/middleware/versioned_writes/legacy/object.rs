//! Objects whose former versions are kept in another container, by name and time.

use super::shared::{DELETE_MARKER, Names, authorize_write, open, put_of};
use super::{SOURCE, refuse};
use crate::http::dates::parse_http_date;
use crate::http::{Headers, Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::listing::{self, Read};
use crate::proxy::subrequest;
use bytes::Bytes;
use serde_json::Value;
use std::collections::VecDeque;
use swiftlet_types::Timestamp;
use swiftlet_types::names::quote;

/// An object in a container whose versions are kept.
pub struct Versioned<'a> {
    pub next: &'a dyn App,
    pub names: &'a Names,
    /// The container of former versions.
    pub versions: &'a str,
    pub max_file_size: u64,
}

/// A former version, as a listing tells of it.
struct Version {
    name: String,
    is_marker: bool,
}

impl Versioned<'_> {
    /// What the names of its versions begin with: the length keeps objects apart that begin alike.
    fn prefix(&self) -> String {
        format!("{:03x}{}/", self.names.object.len(), self.names.object)
    }

    fn version_path(&self, version: &str) -> String {
        self.names.path_in(self.versions, version)
    }

    /// Keeps what is there, and goes on.
    pub async fn put(&self, mut request: ProxyRequest) -> Result<Response, Response> {
        self.copy_current(&mut request).await?;
        Ok(self.next.call(request).await)
    }

    /// Keeps what is there and that it was deleted, and deletes it.
    pub async fn push(&self, mut request: ProxyRequest) -> Result<Response, Response> {
        self.copy_current(&mut request).await?;
        let path = self.version_path(&format!("{}{}", self.prefix(), Timestamp::now().internal()));
        let mut marker = subrequest::with_every_right(&request, Method::Put, path, SOURCE);
        marker.http.headers.set("Content-Type", DELETE_MARKER);
        marker.http.headers.set("Content-Length", "0");
        marker.env.content_type_overridden = true;
        self.settle(marker).await?;
        Ok(self.next.call(request).await)
    }

    async fn copy_current(&self, request: &mut ProxyRequest) -> Result<(), Response> {
        authorize_write(self.next, request, self.names).await?;
        let path = request.http.path.clone();
        let Some(source) = open(self.next, request, path, SOURCE, self.max_file_size, refuse).await? else {
            return Ok(());
        };
        let version = format!("{}{}", self.prefix(), written_at(&source.response.headers).internal());
        request.http.query = Bytes::new();
        self.settle(put_of(request, self.version_path(&version), source, SOURCE)).await
    }

    /// Does a step on the way; an error where it was not done.
    async fn settle(&self, request: ProxyRequest) -> Result<(), Response> {
        let response = self.next.call(request).await;
        if !response.is_success() {
            return Err(refuse(response));
        }
        subrequest::drain(response).await;
        Ok(())
    }

    /// Deletes the object, and brings its last version back.
    pub async fn pop(&self, mut request: ProxyRequest) -> Result<Response, Response> {
        let mut versions = Newest::default();
        let mut is_authorized = false;
        while let Some(version) = versions.next(self, &request).await? {
            if !is_authorized {
                authorize_write(self.next, &mut request, self.names).await?;
                is_authorized = true;
            }
            let gone = if version.is_marker {
                if self.exists(&request).await? {
                    // back to how it was between: deleted
                    break;
                }
                self.restore_before_marker(&mut request, &mut versions).await?;
                version.name
            } else {
                request.http.query = Bytes::new();
                if !self.restore(&request, &version.name).await? {
                    continue;
                }
                version.name
            };
            request =
                subrequest::with_every_right(&request, Method::Delete, self.version_path(&gone), SOURCE);
            break;
        }
        Ok(self.next.call(request).await)
    }

    async fn exists(&self, request: &ProxyRequest) -> Result<bool, Response> {
        let path = request.http.path.clone();
        let mut head = subrequest::with_every_right(request, Method::Head, path, SOURCE);
        head.http.headers.set("X-Newest", "True");
        let response = self.next.call(head).await;
        match response.status {
            404 => Ok(false),
            _ if response.is_success() => Ok(true),
            _ => Err(refuse(response)),
        }
    }

    /// The object is deleted: what was there before the marker comes back, unless that is a marker too.
    async fn restore_before_marker(
        &self,
        request: &mut ProxyRequest,
        versions: &mut Newest,
    ) -> Result<(), Response> {
        while let Some(version) = versions.next(self, request).await? {
            if version.is_marker {
                break;
            }
            request.http.query = Bytes::new();
            if self.restore(request, &version.name).await? {
                let path = self.version_path(&version.name);
                let delete = subrequest::with_every_right(request, Method::Delete, path, SOURCE);
                let response = self.next.call(delete).await;
                // if it is gone already, it was there for long enough
                if !response.is_success() && response.status != 404 {
                    return Err(refuse(response));
                }
                break;
            }
        }
        Ok(())
    }

    /// Makes a version the object again; whether it was there.
    async fn restore(&self, request: &ProxyRequest, version: &str) -> Result<bool, Response> {
        let path = self.version_path(version);
        let Some(source) = open(self.next, request, path, SOURCE, self.max_file_size, refuse).await? else {
            return Ok(false);
        };
        let current = self.names.path_in(&self.names.container, &self.names.object);
        self.settle(put_of(request, current, source, SOURCE)).await?;
        Ok(true)
    }
}

/// When an object was written, as its headers tell.
fn written_at(headers: &Headers) -> Timestamp {
    let told = headers.get_str("X-Timestamp").and_then(|text| text.parse().ok());
    let date = || {
        parse_http_date(headers.get_str("Last-Modified")?).and_then(|second| second.to_string().parse().ok())
    };
    told.or_else(date).unwrap_or(Timestamp::ZERO)
}

/// The versions of an object, the newest first, asked for page by page.
#[derive(Default)]
struct Newest {
    page: VecDeque<Version>,
    marker: String,
    is_complete: bool,
}

impl Newest {
    async fn next(&mut self, of: &Versioned<'_>, client: &ProxyRequest) -> Result<Option<Version>, Response> {
        if self.page.is_empty() && !self.is_complete {
            self.page = self.fetch(of, client).await?;
            match self.page.back() {
                Some(last) => self.marker = last.name.clone(),
                None => self.is_complete = true,
            }
        }
        Ok(self.page.pop_front())
    }

    async fn fetch(&self, of: &Versioned<'_>, client: &ProxyRequest) -> Result<VecDeque<Version>, Response> {
        let path = format!("/v1/{}/{}", of.names.account, of.versions);
        let mut get = subrequest::with_every_right(client, Method::Get, path, SOURCE);
        get.http.query =
            format!("prefix={}&marker={}&reverse=on", quote(of.prefix()), quote(&self.marker)).into();
        let mut response = of.next.call(get).await;
        match response.status {
            404 => return Ok(VecDeque::new()),
            _ if response.is_success() => {}
            status if status / 100 == 4 => return Err(Response::standard(412)),
            _ => return Err(Response::standard(500)),
        }
        let Ok(Read::Entries(entries)) = listing::read(&mut response).await else {
            return Ok(VecDeque::new());
        };
        let text = |entry: &Value, field: &str| entry.get(field).and_then(Value::as_str).map(str::to_owned);
        let version = |entry: &Value| {
            let is_marker = text(entry, "content_type").is_some_and(|told| told == DELETE_MARKER);
            Some(Version { name: text(entry, "name")?, is_marker })
        };
        Ok(entries.iter().filter_map(version).collect())
    }
}
