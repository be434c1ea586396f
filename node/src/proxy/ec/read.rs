//! GET and HEAD of an object in fragments.

use super::body::{Decoded, Decoding, archive_range, is_of};
use super::gather::{Asking, Gathered, Heard};
use super::{CONTENT_LENGTH, ETAG, Scheme, head};
use crate::http::byte_ranges::{Asked, Piece, asked, content_range, multipart};
use crate::http::{Headers, Method, Response};
use crate::proxy::answer::copy_headers;
use crate::proxy::fanout::best_of;
use crate::proxy::get::Get;
use crate::proxy::meta::{ServerKind, append_csv};
use crate::proxy::quorum::quorum_size;
use crate::proxy::rings::RingView;
use crate::proxy::server::Application;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// A GET or HEAD of an object.
pub struct FragmentsRead {
    /// The same of a whole object.
    pub get: Get,
    /// The object's ring.
    pub ring: Arc<RingView>,
    /// The policy.
    pub policy_index: u32,
    /// How it is encoded.
    pub scheme: Arc<Scheme>,
}

/// How often a GET of ranges begins anew because the object was replaced between its two steps.
const MAX_LOOKS: usize = 3;

impl Application {
    /// Answers with the object, its body on the way, or with what nodes say instead.
    pub async fn read_fragments(&self, mut read: FragmentsRead) -> Response {
        append_csv(&mut read.get.headers, "X-Backend-Etag-Is-At", ETAG);
        if read.get.call.method == Method::Head {
            return self.head_of_fragments(read.get).await;
        }
        let range = read.get.headers.get("Range").map(Bytes::copy_from_slice);
        read.get.headers.remove("Range");
        let mut asking = Asking {
            app: self.clone(),
            call: read.get.call,
            headers: read.get.headers,
            ring: read.ring,
            policy_index: read.policy_index,
            scheme: read.scheme,
        };
        let Some(range) = range else { return asking.whole().await };
        let unless_present = asking.headers.get("X-Backend-Ignore-Range-If-Metadata-Present");
        let unless_present = unless_present.map(Bytes::copy_from_slice).unwrap_or_default();
        asking.headers.remove("X-Backend-Ignore-Range-If-Metadata-Present");
        for _ in 0..MAX_LOOKS {
            if let Some(answer) = asking.ranges(&range, &unless_present).await {
                return answer;
            }
        }
        Response::standard(503)
    }

    /// Any fragment tells of the object all that there is to tell.
    async fn head_of_fragments(&self, get: Get) -> Response {
        let mut response = self.get_or_head(get).await;
        head::of_object(&mut response);
        response
    }
}

impl Asking {
    /// The whole object.
    async fn whole(self) -> Response {
        let gathered = match self.gather(None).await {
            Ok(gathered) => gathered,
            Err(heard) => return self.refusal(heard),
        };
        let headers = gathered.headers.clone();
        let Some(object_len) = length_in(&headers) else { return Response::standard(503) };
        let mut response = answer_of(200, &headers);
        response.headers.set_int("Content-Length", object_len);
        response.body =
            self.decoded(&headers, object_len, VecDeque::new(), gathered, 0..object_len).into_body();
        response
    }

    /// Byte ranges of it: what they are of the object is only known once its length is. `None` where the object was
    /// replaced in between.
    async fn ranges(&self, range: &[u8], unless_present: &[u8]) -> Option<Response> {
        let head = self.look().await;
        let (object_len, etag) = match (head.status, length_in(&head.headers), head.headers.get(ETAG)) {
            (200, Some(object_len), Some(etag)) => (object_len, Bytes::copy_from_slice(etag)),
            _ => return Some(without_body(head)),
        };
        let names =
            unless_present.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
        let is_there = |name: &[u8]| head.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let ranges = match asked(Some(range), object_len) {
            Asked::All => return Some(self.clone().whole().await),
            _ if names.into_iter().any(is_there) => return Some(self.clone().whole().await),
            Asked::Unsatisfiable => {
                let mut answer = answer_of(416, &head.headers);
                answer.headers.set("Content-Range", format!("bytes */{object_len}"));
                answer.body = Response::standard(416).body;
                return Some(answer);
            }
            Asked::Ranges(ranges) => ranges,
        };
        let mut answer = answer_of(206, &head.headers);
        let mut pieces: VecDeque<Piece> = match &ranges[..] {
            [range] => {
                answer.headers.set("Content-Range", content_range(range, object_len));
                [Piece::Object(range.clone())].into()
            }
            _ => {
                let boundary = format!("{:032x}", rand::random::<u128>());
                let content_type = answer.headers.get("Content-Type").unwrap_or_default().to_vec();
                answer.headers.set("Content-Type", format!("multipart/byteranges;boundary={boundary}"));
                multipart(ranges, &content_type, &boundary, object_len).into()
            }
        };
        // The first is looked for now, while there is still a status to tell of what goes wrong.
        let first = pieces.iter().find_map(|piece| match piece {
            Piece::Object(range) => Some(range.clone()),
            Piece::Literal(_) => None,
        })?;
        let archive = archive_range(self, &first, object_len);
        let gathered = match self.gather(Some(&archive)).await {
            Ok(gathered) if is_of(&gathered.headers, &etag) => gathered,
            Ok(_) => return None,
            Err(heard) => return Some(self.refusal(heard)),
        };
        answer.headers.set_int("Content-Length", pieces.iter().map(Piece::len_bytes).sum::<u64>());
        answer.body = match pieces.len() {
            1 => {
                self.clone().decoded(&head.headers, object_len, VecDeque::new(), gathered, first).into_body()
            }
            _ => {
                drop(gathered);
                let asking = self.clone();
                Decoded { asking, object_len, etag, pieces: std::mem::take(&mut pieces), current: None }
                    .into_body()
            }
        };
        Some(answer)
    }

    /// What a node says of the object.
    async fn look(&self) -> Response {
        let mut call = self.call.clone();
        call.method = Method::Head;
        let get = Get {
            kind: ServerKind::Object,
            call,
            headers: self.headers.clone(),
            concurrency: 1,
            nodes: self.app.nodes(self.ring.clone(), self.call.partition, Some(self.policy_index)),
            policy_index: Some(self.policy_index),
            newest: false,
        };
        self.app.get_or_head(get).await
    }

    fn decoded(
        self,
        headers: &Headers,
        object_len: u64,
        pieces: VecDeque<Piece>,
        gathered: Gathered,
        range: std::ops::Range<u64>,
    ) -> Decoded {
        let etag = headers.get(ETAG).map(Bytes::copy_from_slice).unwrap_or_default();
        Decoded { asking: self, object_len, etag, pieces, current: Some(Decoding::new(gathered, range)) }
    }

    fn refusal(&self, heard: Heard) -> Response {
        let options = self.app.config.policy_options(Some(self.policy_index));
        let primaries = self.ring.primaries(self.call.partition).len();
        let suppressed = options.rebalance_missing_suppression_count.min(primaries.saturating_sub(1));
        let answers = heard.into_answers(self.scheme.codec.data_count(), suppressed);
        let quorum = quorum_size(answers.len());
        let mut response = best_of(answers, quorum, &[], "Object GET");
        head::of_object(&mut response);
        response
    }
}

/// What tells of the object, without its body and its length.
fn answer_of(status: u16, headers: &Headers) -> Response {
    let mut response = Response::new(status);
    if let Some(content_type) = headers.get("Content-Type") {
        response.headers.set("Content-Type", Bytes::copy_from_slice(content_type));
    }
    copy_headers(headers, &mut response.headers);
    response.headers.remove("Content-Range");
    response.headers.set("Accept-Ranges", "bytes");
    if let Some(etag) = headers.get(ETAG).map(Bytes::copy_from_slice) {
        response.headers.set("Etag", etag);
    }
    head::hide(&mut response.headers);
    response
}

/// The answer to a GET where a HEAD was answered so: without the object, the status alone says why.
fn without_body(mut head: Response) -> Response {
    head::of_object(&mut head);
    if head.status >= 400 {
        head.headers.remove("Content-Length");
        head.body = Response::standard(head.status).body;
    }
    head
}

fn length_in(headers: &Headers) -> Option<u64> {
    headers.get_str(CONTENT_LENGTH)?.parse().ok()
}
