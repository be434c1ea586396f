//! One segment: asked for, checked against the manifest, and read to its end.

use super::SegmentError;
use super::body::Origin;
use super::coalesce::ObjectFetch;
use crate::http::conditions::normalize_etag;
use crate::http::{Body, Method, Response};
use crate::proxy::get::multipart::{PartReader, boundary};
use crate::proxy::subrequest::{self, length_of};
use bytes::Bytes;
use md5::{Digest, Md5};
use swiftlet_types::names::quote;

/// How much of an answer that says no is read, and how much of that is quoted.
const MAX_ERROR_BYTES: usize = 64 * 1024;
const MAX_QUOTED_CHARS: usize = 60;

/// A segment that is being read.
pub(super) struct Reading {
    path: Bytes,
    kind: Kind,
}

enum Kind {
    /// The whole object, whose bytes are held against its ETag and length.
    Whole { body: Body, digest: Md5, got: u64, length: Option<u64>, etag: String },
    /// One range of it, or an object of which there is nothing to check.
    Plain(Body),
    /// Several ranges of it, the one that is being read having so many bytes left.
    Parts { parts: PartReader, left: u64 },
}

impl Reading {
    /// Asks for `fetch`.
    pub async fn begin(origin: &Origin, fetch: ObjectFetch) -> Result<Self, SegmentError> {
        let mut request = subrequest::for_client(
            &origin.client,
            Method::Get,
            fetch.path.clone(),
            &format!("{} MultipartGET", origin.kind),
            origin.kind,
        );
        request.http.query = Bytes::from_static(b"multipart-manifest=get");
        if let Some(open_expired) = origin.client.http.headers.get("X-Open-Expired") {
            request.http.headers.set("X-Open-Expired", open_expired.to_vec());
        }
        if let Some(range) = &fetch.range {
            request.http.headers.set("Range", range.clone());
        }
        let response = origin.next.call(request).await;
        if !response.is_success() {
            return Err(refused(origin, &fetch, response).await);
        }
        Self::of(fetch, response)
    }

    /// What `response` holds, where it is still what the manifest says.
    fn of(fetch: ObjectFetch, response: Response) -> Result<Self, SegmentError> {
        let etag = response
            .headers
            .get("Etag")
            .map(|etag| String::from_utf8_lossy(normalize_etag(etag)).into_owned());
        let length = length_of(&response);
        let wrong_etag = fetch.etag.as_ref().is_some_and(|wanted| etag.as_ref() != Some(wanted));
        let wrong_length =
            fetch.range.is_none() && fetch.size.is_some_and(|size| size > 0 && length != Some(size));
        if wrong_etag || wrong_length {
            return Err(SegmentError::Segment(format!(
                "Object segment no longer valid: {} etag: {etag:?} != {:?} or {length:?} != {:?}.",
                quote(&fetch.path),
                fetch.etag,
                fetch.size
            )));
        }
        let body = response.body;
        let kind = match (boundary(&response.headers), etag) {
            (Some(boundary), _) if response.status == 206 => {
                Kind::Parts { parts: PartReader::new(body, boundary), left: 0 }
            }
            (_, Some(etag)) if fetch.range.is_none() => {
                Kind::Whole { body, digest: Md5::new(), got: 0, length, etag }
            }
            _ => Kind::Plain(body),
        };
        Ok(Self { path: fetch.path, kind })
    }

    /// More of it, or `None` at its end.
    pub async fn next(&mut self, name: &str) -> Result<Option<Bytes>, SegmentError> {
        let broken =
            |error| SegmentError::Segment(format!("While reading {} of {name}: {error}", quote(&self.path)));
        match &mut self.kind {
            Kind::Plain(body) => body.next().await.map_err(broken),
            Kind::Parts { parts, left } => {
                while *left == 0 {
                    match parts.next_head().await.map_err(broken)? {
                        Some(head) => *left = head.range.byte_count(),
                        None => return Ok(None),
                    }
                }
                let chunk = parts.chunk(*left).await.map_err(broken)?;
                *left -= chunk.len() as u64;
                Ok(Some(chunk))
            }
            Kind::Whole { body, digest, got, .. } => match body.next().await.map_err(broken)? {
                Some(chunk) => {
                    digest.update(&chunk);
                    *got += chunk.len() as u64;
                    Ok(Some(chunk))
                }
                None => self.check(name).map(|()| None),
            },
        }
    }

    /// Whether all of the object was what its header said.
    fn check(&self, name: &str) -> Result<(), SegmentError> {
        let Kind::Whole { digest, got, length, etag, .. } = &self.kind else { return Ok(()) };
        let what = |what| format!("{what} for {} as part of {name}: headers had", quote(&self.path));
        if length.is_some_and(|length| length != *got) {
            return Err(SegmentError::Segment(format!(
                "{} {length:?}, got {got} bytes",
                what("Bad response length")
            )));
        }
        let actual = hex::encode(digest.clone().finalize());
        match actual == *etag {
            true => Ok(()),
            false => Err(SegmentError::Segment(format!(
                "{} {etag}, but it was {actual}",
                what("Bad MD5 checksum")
            ))),
        }
    }
}

/// Why a segment was not served.
async fn refused(origin: &Origin, fetch: &ObjectFetch, mut response: Response) -> SegmentError {
    let status = response.status;
    let body = response.body.read_all(MAX_ERROR_BYTES).await.unwrap_or_default();
    let quoted: String = String::from_utf8_lossy(&body).chars().take(MAX_QUOTED_CHARS).collect();
    let said = format!(
        "While processing manifest {}, got {status} ({quoted}) while retrieving {}",
        origin.name,
        quote(&fetch.path)
    );
    if status >= 500 { SegmentError::Unavailable(said) } else { SegmentError::Segment(said) }
}
