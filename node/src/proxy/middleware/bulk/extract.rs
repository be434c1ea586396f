//! `?extract-archive=`: every file of an archive becomes an object, and the first part of its name a container that is
//! made where there is none.

use super::Bulk;
use super::archive::{Archive, ArchiveError, Compression, Entry};
use crate::http::{Body, BodyError, BodyStream, Headers, Method, Response};
use crate::proxy::app::ProxyRequest;
use crate::proxy::checks::{is_chunked, is_valid_name};
use crate::proxy::deletions::Refusal;
use crate::proxy::heartbeat::{Report, status_text, status_words};
use crate::proxy::meta::ServerKind;
use crate::proxy::subrequest;
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::HashSet;
use std::sync::Arc;
use swiftlet_types::names::{quote, split_path};
use tokio::sync::Mutex;

const SOURCE: &str = "EA";

/// Prefixes of PAX fields that hold extended attributes, by who wrote the archive.
const XATTR_PREFIXES: [&str; 2] = ["SCHILY.xattr.user.", "LIBARCHIVE.xattr.user."];

impl Bulk {
    pub(super) async fn extract(
        self,
        mut request: ProxyRequest,
        compression: Compression,
        takes_report: bool,
    ) -> Report {
        let headers = &request.http.headers;
        let body = std::mem::replace(&mut request.http.body, Body::empty());
        let refusal = match (takes_report, headers.contains("Content-Length") || is_chunked(headers)) {
            (false, _) => Some(406),
            (true, false) => Some(411),
            (true, true) => None,
        };
        let mut extraction = Extraction::default();
        let end = match (refusal, Target::of(&request)) {
            (Some(status), _) => Err(Refusal::new(status, "")),
            (None, None) => Err(Refusal::new(404, "")),
            (None, Some(target)) => {
                let archive = Arc::new(Mutex::new(Archive::new(body, compression)));
                Extractor { bulk: &self, client: Arc::new(request), target, archive }
                    .run(&mut extraction)
                    .await
            }
        };
        extraction.report(end)
    }
}

/// Where the files go.
struct Target {
    /// `/version/account/`
    account: Vec<u8>,
    /// What names begin with: empty, `container/` or `container/prefix/`.
    base: Vec<u8>,
}

impl Target {
    fn of(request: &ProxyRequest) -> Option<Self> {
        let parts = split_path(&request.http.path, 2, 3, true)?;
        let base = parts.get(2).map(|base| base.to_vec()).unwrap_or_default();
        let end = base.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
        let base = if end == 0 { Vec::new() } else { [&base[..end], b"/"].concat() };
        Some(Self { account: [b"/", parts[0], b"/", parts[1], b"/"].concat(), base })
    }

    /// `container/object`; `None` for what would lie in no container.
    fn name_of(&self, entry: &Entry) -> Option<Vec<u8>> {
        let name = entry.name.strip_prefix(b"./").unwrap_or(&entry.name);
        let start = name.iter().position(|b| *b != b'/').unwrap_or(name.len());
        let name = [&self.base[..], &name[start..]].concat();
        name.contains(&b'/').then_some(name)
    }
}

/// What came of the files so far.
#[derive(Default)]
struct Extraction {
    created: u64,
    failed: Vec<(String, String)>,
    server_failed: bool,
    containers_seen: HashSet<Vec<u8>>,
    containers_created: usize,
}

impl Extraction {
    fn report(self, end: Result<(), Refusal>) -> Report {
        let (status, said) = match end {
            Err(refusal) => (refusal.status, refusal.said),
            Ok(()) if !self.failed.is_empty() => (if self.server_failed { 502 } else { 400 }, String::new()),
            Ok(()) if self.created == 0 => (400, "Invalid Tar File: No Valid Files".to_owned()),
            Ok(()) => (201, String::new()),
        };
        let mut report = Report { errors: self.failed, ..Report::default() };
        report.set("Response Status", status_words(status));
        report.set("Response Body", said);
        report.set("Number Files Created", self.created);
        report
    }
}

struct Extractor<'a> {
    bulk: &'a Bulk,
    client: Arc<ProxyRequest>,
    target: Target,
    archive: Arc<Mutex<Archive>>,
}

impl Extractor<'_> {
    async fn run(&self, extraction: &mut Extraction) -> Result<(), Refusal> {
        loop {
            let entry = self.archive.lock().await.next().await.map_err(unreadable)?;
            let Some(entry) =
                entry.filter(|_| extraction.failed.len() < self.bulk.options.max_failed_extractions)
            else {
                return Ok(());
            };
            if let Some(name) = self.target.name_of(&entry).filter(|_| entry.is_file) {
                self.extract(entry, name, extraction).await?;
            }
        }
    }

    /// Makes an object of `entry`; its failure is counted, and an error ends all.
    async fn extract(&self, entry: Entry, name: Vec<u8>, extraction: &mut Extraction) -> Result<(), Refusal> {
        let path = [&self.target.account[..], &name].concat();
        let shown = quote(&name[..name.len().min(self.bulk.max_path_length())]);
        let refusal = match entry.size > self.bulk.constraints.max_file_size {
            _ if !is_valid_name(&path, false) => Some(412),
            true => Some(413),
            // stored as it lies there it would be another file
            false => entry.is_sparse.then_some(422),
        };
        if let Some(status) = refusal {
            extraction.failed.push((shown, status_words(status)));
            return Ok(());
        }
        let container_failure = self.prepare_container(&name, extraction).await?;
        let response = self.put(entry, path).await;
        if response.is_success() {
            extraction.created += 1;
            return Ok(());
        }
        extraction.failed.extend(container_failure);
        extraction.server_failed |= response.status >= 500;
        extraction.failed.push((shown, status_text(&response)));
        if response.status == 401 { Err(Refusal::new(401, "")) } else { Ok(()) }
    }

    /// Sees to it that the container of `name` is there. Where it cannot be made, why: the object may go there all the
    /// same, where an ACL allows that.
    async fn prepare_container(
        &self,
        name: &[u8],
        extraction: &mut Extraction,
    ) -> Result<Option<(String, String)>, Refusal> {
        let container = name.split(|b| *b == b'/').next().unwrap_or_default();
        if !extraction.containers_seen.insert(container.to_vec()) {
            return Ok(None);
        }
        let path = [&self.target.account[..], container].concat();
        let mut response = self.ask_for_container(Method::Head, &path).await;
        if response.status == 404 {
            response = self.ask_for_container(Method::Put, &path).await;
            if response.is_success() {
                extraction.containers_created += 1;
                let most = self.bulk.options.max_containers_per_extraction;
                return match extraction.containers_created > most {
                    true => {
                        Err(Refusal::new(400, format!("More than {most} containers to create from tar.")))
                    }
                    false => Ok(None),
                };
            }
        }
        match response.status {
            401 => Err(Refusal::new(401, "")),
            _ if response.is_success() => Ok(None),
            _ => {
                let shown = quote(&path[..path.len().min(self.bulk.max_path_length())]);
                Ok(Some((shown, status_text(&response))))
            }
        }
    }

    async fn ask_for_container(&self, method: Method, path: &[u8]) -> Response {
        let mut request = subrequest::for_client(&self.client, method, path.to_vec(), "", SOURCE);
        // links further in read what the client asked for of all its files, as in Swift
        request.http.query = self.client.http.query.clone();
        request.http.headers.set("User-Agent", "Swift");
        request.http.headers.set("Content-Length", "0");
        self.bulk.next.call(request).await
    }

    async fn put(&self, entry: Entry, path: Vec<u8>) -> Response {
        let mut request = subrequest::for_client(&self.client, Method::Put, path, "BulkExpand", SOURCE);
        request.http.query = self.client.http.query.clone();
        let headers = &mut request.http.headers;
        headers.set_int("Content-Length", entry.size);
        for (name, value) in self.client.http.headers.iter() {
            let is_expiry =
                [&b"x-delete-at"[..], b"x-delete-after"].iter().any(|own| name.eq_ignore_ascii_case(own));
            if is_expiry || ServerKind::Object.user_meta_name(name).is_some() {
                headers.set(name.clone(), value.clone());
            }
        }
        add_attributes(&entry, headers);
        request.http.body = Body::stream(Some(entry.size), EntryBody(self.archive.clone()));
        self.bulk.next.call(request).await
    }
}

/// Extended attributes that tell the content type and metadata.
fn add_attributes(entry: &Entry, headers: &mut Headers) {
    for (name, value) in &entry.pax {
        let Some(name) = XATTR_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix.as_bytes())) else {
            continue;
        };
        // a line's end would begin another header field
        let splits =
            |bytes: &[u8], more: &[u8]| bytes.iter().any(|b| b"\r\n\0".contains(b) || more.contains(b));
        if splits(value, b"") || splits(name, b":") {
            continue;
        }
        match name.strip_prefix(b"meta.") {
            Some(key) => headers.set([b"X-Object-Meta-", key].concat(), value.clone()),
            None if name == b"mime_type" => headers.set("Content-Type", value.clone()),
            None => {}
        }
    }
}

fn unreadable(error: ArchiveError) -> Refusal {
    Refusal::new(400, format!("Invalid Tar File: {error}"))
}

/// The file that the archive is at.
struct EntryBody(Arc<Mutex<Archive>>);

#[async_trait]
impl BodyStream for EntryBody {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.0.lock().await.chunk().await.map_err(|error| match error {
            // what became of the client's own body tells the proxy what to answer
            ArchiveError::Io(error) => error.downcast().unwrap_or_else(BodyError::Io),
            error => BodyError::Other(format!("reading the archive: {error}")),
        })
    }
}
