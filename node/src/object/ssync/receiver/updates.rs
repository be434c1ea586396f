//! Storing what is sent: each subrequest goes through the object server's own handler of its verb.
//!
//! Small objects are read and stored many at once, so that the disk syncs them together; a large one is stored as it
//! comes. Two subrequests about the same object keep their order.

use super::super::lines::LineError;
use super::super::subrequest::Subrequest;
use super::error::ReceiveError;
use super::{Input, Place, UPDATES_END};
use crate::http::{Body, BodyError, BodyStream, Method, Request, Response};
use crate::object::server::ObjectServer;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use swiftlet_storage::object::Layout;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// Up to so many bytes an object is read before it is stored.
const SMALL: u64 = 64 << 10;
/// The most small objects that get their names together, and the most bytes of them.
const MAX_TOGETHER: usize = 64;
const MAX_TOGETHER_LEN: usize = 512 << 10;
/// What is stored at once: the disk's threads.
const MAX_UNDER_WAY: usize = 16;

/// How a subrequest ended.
struct Ended {
    path: Vec<u8>,
    is_success: bool,
}

impl Ended {
    fn of(method: &Method, path: Vec<u8>, status: u16) -> Self {
        // A deletion of what is not here has still left its tombstone.
        let is_success = matches!(status, 200..=299 | 404);
        if !is_success {
            tracing::warn!("ssync subrequest failed with {status}: {method} {}", path.escape_ascii());
        }
        Self { path, is_success }
    }
}

/// Small objects that are to be stored together, and what follows about the same ones.
#[derive(Default)]
struct Batch {
    puts: Vec<(Subrequest, Bytes)>,
    len: usize,
    after: Vec<Subrequest>,
}

/// The receiving of updates.
pub(super) struct Updates<'a> {
    server: &'a Arc<ObjectServer>,
    place: &'a Place,
    peer: SocketAddr,
    input: &'a Arc<Mutex<Input>>,
    batch: Batch,
    storing: JoinSet<Vec<Ended>>,
    /// The objects in `batch`, and those in `storing`.
    gathered: HashSet<Vec<u8>>,
    under_way: HashSet<Vec<u8>>,
    successes: u64,
    failures: u64,
}

impl<'a> Updates<'a> {
    pub fn new(
        server: &'a Arc<ObjectServer>,
        place: &'a Place,
        peer: SocketAddr,
        input: &'a Arc<Mutex<Input>>,
    ) -> Self {
        Self {
            server,
            place,
            peer,
            input,
            batch: Batch::default(),
            storing: JoinSet::new(),
            gathered: HashSet::new(),
            under_way: HashSet::new(),
            successes: 0,
            failures: 0,
        }
    }

    /// Reads and stores to the end. What has come is stored, however it ends.
    pub async fn run(mut self) -> Result<(), ReceiveError> {
        let received = self.receive().await;
        self.store_batch().await?;
        self.all_end().await?;
        received?;
        match (self.failures, self.successes) {
            (0, _) => Ok(()),
            (failures, successes) => Err(ReceiveError::Failures { failures, successes }),
        }
    }

    async fn receive(&mut self) -> Result<(), ReceiveError> {
        let layouts = &self.server.store.config().layouts;
        let is_whole = layouts.of_policy(self.place.policy) == Layout::Whole;
        while let Some((subrequest, small)) = self.next().await? {
            while self.under_way.contains(&subrequest.path) {
                self.one_ends().await?;
            }
            let is_gathered = self.gathered.contains(&subrequest.path);
            match small {
                Some(bytes) if is_whole && subrequest.method == Method::Put && !is_gathered => {
                    self.gather(subrequest, bytes).await?;
                }
                Some(_) if is_gathered && subrequest.method != Method::Put => {
                    self.batch.after.push(subrequest);
                }
                small => {
                    if is_gathered {
                        self.store_batch().await?;
                        self.all_end().await?;
                    }
                    self.take(subrequest, small).await?;
                }
            }
        }
        Ok(())
    }

    /// Puts a small object to those that are stored together.
    async fn gather(&mut self, put: Subrequest, bytes: Bytes) -> Result<(), ReceiveError> {
        self.gathered.insert(put.path.clone());
        self.batch.len += bytes.len();
        self.batch.puts.push((put, bytes));
        if self.batch.puts.len() >= MAX_TOGETHER || self.batch.len >= MAX_TOGETHER_LEN {
            self.store_batch().await?;
        }
        Ok(())
    }

    /// Takes one subrequest on its own.
    async fn take(&mut self, subrequest: Subrequest, small: Option<Bytes>) -> Result<(), ReceiveError> {
        if let Some(bytes) = small {
            self.room().await?;
            self.under_way.insert(subrequest.path.clone());
            let answer = self.answer(subrequest, Body::full(bytes));
            self.storing.spawn(async move { vec![answer.await] });
            return Ok(());
        }
        let body = Body::stream(Some(subrequest.length), ObjectBody(self.input.clone()));
        let ended = self.answer(subrequest, body).await;
        self.count(ended)?;
        self.skip().await
    }

    /// Begins to store what was gathered.
    async fn store_batch(&mut self) -> Result<(), ReceiveError> {
        if self.batch.puts.is_empty() {
            return Ok(());
        }
        self.room().await?;
        self.under_way.extend(std::mem::take(&mut self.gathered));
        let Batch { puts, after, .. } = std::mem::take(&mut self.batch);
        let after: Vec<_> =
            after.into_iter().map(|subrequest| self.answer(subrequest, Body::full(Bytes::new()))).collect();
        let (paths, puts): (Vec<_>, Vec<_>) =
            puts.into_iter().map(|(put, bytes)| (put.path.clone(), (self.request(put), bytes))).unzip();
        let server = self.server.clone();
        self.storing.spawn(async move {
            let statuses = server.put_together(puts).await;
            let ended = |(path, status)| Ended::of(&Method::Put, path, status);
            let mut ended: Vec<Ended> = paths.into_iter().zip(statuses).map(ended).collect();
            for answer in after {
                ended.push(answer.await);
            }
            ended
        });
        Ok(())
    }

    /// Waits until something more may be stored at once.
    async fn room(&mut self) -> Result<(), ReceiveError> {
        while self.storing.len() >= MAX_UNDER_WAY {
            self.one_ends().await?;
        }
        Ok(())
    }

    async fn all_end(&mut self) -> Result<(), ReceiveError> {
        while !self.storing.is_empty() {
            self.one_ends().await?;
        }
        Ok(())
    }

    /// The next subrequest, and its body where that is small; `None` at the end.
    async fn next(&self) -> Result<Option<(Subrequest, Option<Bytes>)>, ReceiveError> {
        let input = &mut *self.input.lock().await;
        let failed = |error| ReceiveError::read("updates line", error);
        let Some(line) = input.lines.next().await.map_err(failed)? else { return Ok(None) };
        if line == UPDATES_END {
            return Ok(None);
        }
        let subrequest = Subrequest::read(&line, &mut input.lines).await?;
        if subrequest.length > SMALL {
            input.left = subrequest.length;
            return Ok(Some((subrequest, None)));
        }
        let mut body = BytesMut::with_capacity(subrequest.length as usize);
        while (body.len() as u64) < subrequest.length {
            let missing = subrequest.length - body.len() as u64;
            body.extend_from_slice(&input.lines.bytes(missing).await.map_err(failed)?);
        }
        Ok(Some((subrequest, Some(body.freeze()))))
    }

    /// The request that a subrequest stands for, without its body.
    fn request(&self, subrequest: Subrequest) -> Request {
        let Place { device, partition, policy, fragment_index, .. } = self.place;
        let path = [format!("/{device}/{partition}").as_bytes(), &subrequest.path].concat();
        let names = subrequest.replication_headers();
        let mut request = Request::new(subrequest.method, path);
        request.peer = self.peer;
        request.headers = subrequest.headers;
        request.headers.set_int("X-Backend-Storage-Policy-Index", *policy);
        request.headers.set("X-Backend-Replication", "True");
        request.headers.set("X-Backend-Replication-Headers", names);
        if let Some(index) = fragment_index {
            request.headers.set_int("X-Backend-Ssync-Frag-Index", *index);
        }
        request
    }

    /// Has the object server answer a subrequest.
    fn answer(&self, subrequest: Subrequest, body: Body) -> impl Future<Output = Ended> + Send + use<> {
        let (server, path) = (self.server.clone(), subrequest.path.clone());
        let mut request = self.request(subrequest);
        request.body = body;
        let method = request.method.clone();
        async move {
            let Response { status, .. } = server.dispatch(request).await.unwrap_or_else(|refusal| refusal);
            Ended::of(&method, path, status)
        }
    }

    async fn one_ends(&mut self) -> Result<(), ReceiveError> {
        match self.storing.join_next().await {
            Some(Ok(ended)) => ended.into_iter().try_for_each(|ended| {
                self.under_way.remove(&ended.path);
                self.count(ended)
            }),
            Some(Err(error)) => Err(ReceiveError::Protocol(format!("a subrequest failed: {error}"))),
            None => Ok(()),
        }
    }

    fn count(&mut self, ended: Ended) -> Result<(), ReceiveError> {
        if ended.is_success {
            self.successes += 1;
            return Ok(());
        }
        self.failures += 1;
        let (failures, successes) = (self.failures, self.successes);
        let config = &self.server.config.replication;
        let is_many = failures >= config.failure_threshold;
        let ratio = failures as f64 / successes.max(1) as f64;
        if is_many && (successes == 0 || ratio > config.failure_ratio) {
            return Err(ReceiveError::TooManyFailures { failures, successes });
        }
        Ok(())
    }

    /// Reads what the handler has left of a body.
    async fn skip(&self) -> Result<(), ReceiveError> {
        let input = &mut *self.input.lock().await;
        if let Some(error) = input.broken.take() {
            return Err(ReceiveError::read("updates body", error));
        }
        while input.left > 0 {
            let piece = input.lines.bytes(input.left).await;
            input.left -= piece.map_err(|error| ReceiveError::read("updates body", error))?.len() as u64;
        }
        Ok(())
    }
}

/// The body of a large object, which is part of what the sender sends.
struct ObjectBody(Arc<Mutex<Input>>);

#[async_trait]
impl BodyStream for ObjectBody {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let input = &mut *self.0.lock().await;
        if input.left == 0 {
            return Ok(None);
        }
        match input.lines.bytes(input.left).await {
            Ok(piece) => {
                input.left -= piece.len() as u64;
                Ok(Some(piece))
            }
            Err(error) => {
                let told = match &error {
                    LineError::Body(BodyError::Timeout(what)) => BodyError::Timeout(what),
                    error => BodyError::Other(error.to_string()),
                };
                input.broken = Some(error);
                Err(told)
            }
        }
    }
}
