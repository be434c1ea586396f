//! Storing an object in fragments, in two phases: every node stores its archive, and when enough of them have, they are
//! told that it counts.

use super::{CONTENT_LENGTH, ETAG, FRAGMENT_INDEX, Scheme, off_the_workers};
use crate::http::dates::format_http_date;
use crate::http::{Body, Headers, Response};
use crate::proxy::backend::Call;
use crate::proxy::fanout::best_of;
use crate::proxy::put::{Put, Putter};
use crate::proxy::rings::Node;
use crate::proxy::server::Application;
use bytes::Bytes;
use futures_util::future::join_all;
use md5::{Digest, Md5};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;

/// A PUT of an object to the nodes of its partition, a fragment archive to each.
pub struct FragmentsPut {
    /// What is put, and where.
    pub put: Put,
    /// How it is encoded.
    pub scheme: Arc<Scheme>,
    /// The MD5 that the client says its object has.
    pub expected_etag: Option<Vec<u8>>,
    /// The partition's own nodes, in the ring's order: each has the index of its place.
    pub primaries: Vec<Arc<Node>>,
}

/// A node and the index of its archive.
struct Archive {
    putter: Putter,
    index: usize,
}

/// What is encoded so far, as MD5s.
struct Encoder {
    scheme: Arc<Scheme>,
    object: Md5,
    /// By index.
    archives: Vec<Md5>,
}

impl Encoder {
    fn new(scheme: Arc<Scheme>) -> Self {
        let archives = vec![Md5::new(); scheme.codec.fragment_count()];
        Self { scheme, object: Md5::new(), archives }
    }

    fn encode(&mut self, segment: &[u8]) -> Vec<Bytes> {
        self.object.update(segment);
        let fragments = self.scheme.codec.encode(segment);
        self.archives.iter_mut().zip(&fragments).for_each(|(md5, fragment)| md5.update(fragment));
        fragments.into_iter().map(Bytes::from).collect()
    }
}

/// An object on its way to its nodes.
struct Transfer<'a> {
    app: &'a Application,
    call: &'a Call,
    archives: Vec<Archive>,
    encoder: Option<Encoder>,
    segment: Vec<u8>,
    received: u64,
    needed: usize,
}

impl Application {
    /// Stores the object; what the client is answered.
    pub async fn store_fragments(&self, put: FragmentsPut) -> Response {
        self.try_to_store_fragments(put).await.unwrap_or_else(|refusal| refusal)
    }

    async fn try_to_store_fragments(&self, put: FragmentsPut) -> Result<Response, Response> {
        let FragmentsPut { put, scheme, expected_etag, primaries } = put;
        let Put { call, nodes, mut headers, body, length, only_if_missing, timestamp } = put;
        let boundary = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        let archive_len = length.filter(|n| *n > 0).map(|len| scheme.archive_len(len));
        headers.iter_mut().for_each(|headers| announce_documents(headers, &boundary, archive_len));
        let (node_count, needed) = (headers.len(), scheme.quorum());
        let putters = self.connect(&call, nodes, headers, None).await;
        self.check_connections(&putters, needed, only_if_missing)?;
        let archives = assign(putters, &primaries, &scheme);
        let encoder = Some(Encoder::new(scheme));
        let mut transfer =
            Transfer { app: self, call: &call, archives, encoder, segment: Vec::new(), received: 0, needed };
        transfer.send_all(format!("--{boundary}\r\nX-Document: object body\r\n\r\n").into()).await?;
        transfer.run(body, length).await?;
        let etag = transfer.end(&boundary, expected_etag).await?;
        transfer.commit(&boundary).await?;
        let putters = transfer.archives.into_iter().map(|archive| archive.putter).collect();
        let settled = |statuses: &[u16]| statuses.iter().filter(|s| **s / 100 == 2).count() >= needed;
        let (mut answers, _) = self.collect(&call, putters, node_count, settled).await;
        // what the object servers say in header fields is not for the client
        answers.iter_mut().for_each(|answer| answer.headers = Headers::new());
        let mut response = best_of(answers, needed, &[], "Object PUT");
        if response.is_success() {
            response.headers.set("Etag", etag);
        }
        response.headers.set("Last-Modified", format_http_date(timestamp.seconds_ceil()));
        Ok(response)
    }
}

/// Tells an object server that MIME documents come, the last of them saying that the rest counts.
fn announce_documents(headers: &mut Headers, boundary: &str, archive_len: Option<u64>) {
    // these are of the whole object
    headers.remove("Content-Length");
    headers.remove("Etag");
    if let Some(len) = archive_len {
        headers.set_int("X-Backend-Obj-Content-Length", len);
    }
    headers.set("X-Backend-Obj-Metadata-Footer", "yes");
    headers.set("X-Backend-Obj-Multiphase-Commit", "yes");
    headers.set("X-Backend-Obj-Multipart-Mime-Boundary", boundary.to_owned());
}

/// Gives each node the index of its place in the partition, and a handoff one that is missing, those that no node has
/// at all before those that lack a duplicate.
fn assign(putters: Vec<Putter>, primaries: &[Arc<Node>], scheme: &Scheme) -> Vec<Archive> {
    let count = scheme.codec.fragment_count();
    let places: HashMap<&str, usize> =
        primaries.iter().enumerate().map(|(place, node)| (node.key(), place % count)).collect();
    let mut stored = vec![0; count];
    let (mut archives, mut handoffs) = (Vec::new(), Vec::new());
    for putter in putters {
        match places.get(putter.node.key()) {
            Some(index) => {
                stored[*index] += 1;
                archives.push(Archive { putter, index: *index });
            }
            None => handoffs.push(putter),
        }
    }
    for putter in handoffs {
        let rarest = (0..count).min_by_key(|index| stored[*index]).unwrap_or(0);
        stored[rarest] += 1;
        archives.push(Archive { putter, index: rarest });
    }
    archives
}

impl Transfer<'_> {
    /// Passes the client's data on, a segment at a time and no faster than the slowest node takes it.
    async fn run(&mut self, mut body: Body, length: Option<u64>) -> Result<(), Response> {
        while let Some(mut chunk) = self.app.next_chunk(&mut body).await? {
            self.received += chunk.len() as u64;
            if self.received > self.app.constraints.max_file_size {
                return Err(Response::standard(413));
            }
            while !chunk.is_empty() {
                let segment_len = self.encoder.as_ref().map_or(1, |encoder| encoder.scheme.segment_len);
                let take = chunk.len().min(segment_len - self.segment.len());
                self.segment.extend_from_slice(&chunk.split_to(take));
                if self.segment.len() == segment_len {
                    self.send_segment().await?;
                }
            }
        }
        if length.is_some_and(|length| self.received < length) {
            tracing::warn!("Client disconnected without sending enough data");
            return Err(Response::standard(499));
        }
        if !self.segment.is_empty() {
            self.send_segment().await?;
        }
        Ok(())
    }

    async fn send_segment(&mut self) -> Result<(), Response> {
        let mut segment = std::mem::take(&mut self.segment);
        let Some(mut encoder) = self.encoder.take() else { return Err(Response::standard(500)) };
        let work = move || {
            let fragments = encoder.encode(&segment);
            segment.clear();
            (encoder, segment, fragments)
        };
        let (encoder, segment, fragments) = off_the_workers(work).await.map_err(|error| {
            tracing::error!("ERROR {}", error.escape_ascii());
            Response::standard(500)
        })?;
        (self.encoder, self.segment) = (Some(encoder), segment);
        let (app, call) = (self.app, self.call);
        let sends = self.archives.iter_mut().map(|archive| {
            let fragment = fragments.get(archive.index).cloned().unwrap_or_default();
            app.send(call, &mut archive.putter, fragment)
        });
        join_all(sends).await;
        self.drop_failed("exceptions during send, ")
    }

    async fn send_all(&mut self, bytes: Bytes) -> Result<(), Response> {
        let (app, call) = (self.app, self.call);
        join_all(self.archives.iter_mut().map(|a| app.send(call, &mut a.putter, bytes.clone()))).await;
        self.drop_failed("exceptions during send, ")
    }

    fn drop_failed(&mut self, when: &str) -> Result<(), Response> {
        self.archives.retain(|archive| !archive.putter.has_failed());
        self.app.check_count(self.archives.len(), self.needed, when)
    }

    /// Ends the first phase: metadata goes after each archive, and enough nodes must say that both are stored. The
    /// object's MD5.
    async fn end(&mut self, boundary: &str, expected_etag: Option<Vec<u8>>) -> Result<String, Response> {
        let Some(Encoder { scheme, object, archives }) = self.encoder.take() else {
            return Err(Response::standard(500));
        };
        let etag = hex::encode(object.finalize());
        if expected_etag.is_some_and(|expected| expected != etag.as_bytes()) {
            return Err(Response::standard(422));
        }
        let footers = Footers { scheme: &scheme, etag: &etag, object_len: self.received };
        let (app, call) = (self.app, self.call);
        let ends = self.archives.iter_mut().map(|archive| {
            let md5 = archives.get(archive.index).cloned().unwrap_or_default();
            let document = footers.document(boundary, archive.index, &hex::encode(md5.finalize()));
            async move {
                app.send(call, &mut archive.putter, document).await;
                app.finish(call, &mut archive.putter).await;
                app.acknowledge(call, &mut archive.putter).await;
            }
        });
        join_all(ends).await;
        self.archives.retain(|archive| !archive.putter.has_failed());
        let acknowledged = self.archives.iter().filter(|archive| archive.putter.is_sending()).count();
        if acknowledged < self.needed {
            tracing::error!("Not enough object servers ack'ed (got {acknowledged})");
            return Err(Response::standard(503));
        }
        Ok(etag)
    }

    /// Tells the nodes that what they have counts.
    async fn commit(&mut self, boundary: &str) -> Result<(), Response> {
        let document =
            Bytes::from(format!("X-Document: put commit\r\n\r\nput_commit_confirmation\r\n--{boundary}--"));
        let (app, call) = (self.app, self.call);
        let commits = self.archives.iter_mut().map(|archive| {
            let document = document.clone();
            async move {
                app.send(call, &mut archive.putter, document).await;
                app.finish(call, &mut archive.putter).await;
            }
        });
        join_all(commits).await;
        self.archives.retain(|archive| !archive.putter.has_failed());
        Ok(())
    }
}

/// The metadata that follows an archive.
struct Footers<'a> {
    scheme: &'a Scheme,
    etag: &'a str,
    object_len: u64,
}

impl Footers<'_> {
    fn document(&self, boundary: &str, index: usize, archive_etag: &str) -> Bytes {
        let footers = json!({
            "Etag": archive_etag,
            ETAG: self.etag,
            CONTENT_LENGTH: self.object_len.to_string(),
            FRAGMENT_INDEX: index.to_string(),
            "X-Object-Sysmeta-Ec-Scheme": self.scheme.description,
            "X-Object-Sysmeta-Ec-Segment-Size": self.scheme.segment_len.to_string(),
            "X-Backend-Container-Update-Override-Etag": self.etag,
            "X-Backend-Container-Update-Override-Size": self.object_len.to_string(),
        })
        .to_string();
        let md5 = hex::encode(Md5::digest(&footers));
        format!(
            "\r\n--{boundary}\r\nX-Document: object metadata\r\nContent-MD5: {md5}\r\n\r\n{footers}\r\n--{boundary}\r\n"
        )
        .into()
    }
}
