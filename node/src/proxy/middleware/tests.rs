//! What the filters' tests share: an app that remembers its requests, and requests and answers made short.

pub mod compare;
mod python;

use super::{FilterError, Layer, Setup};
use crate::http::{Body, Headers, Method, Request, Response};
use crate::proxy::app::{App, Env, ProxyRequest};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::fmt::Write as _;
use std::sync::Arc;
use swiftlet_types::conf::Options;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

type Answer = dyn Fn(&ProxyRequest) -> Response + Send + Sync;

/// The end of a test's pipeline: answers as it is told to, and remembers what it was asked.
#[derive(Clone)]
pub struct Fake {
    answer: Arc<Answer>,
    requests: Arc<Mutex<Vec<Seen>>>,
}

/// A request that came to a [`Fake`].
pub struct Seen {
    pub path: String,
    pub query: String,
    pub headers: Headers,
    pub body: String,
    pub env: Env,
}

impl Fake {
    /// Answers whatever `answer` makes of the request.
    pub fn new(answer: impl Fn(&ProxyRequest) -> Response + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), requests: Arc::default() }
    }

    /// Always answers `status`.
    pub fn status(status: u16) -> Self {
        Self::new(move |_| Response::standard(status))
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Seen> {
        std::mem::take(&mut self.requests.lock())
    }
}

#[async_trait]
impl App for Fake {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        let body = request.http.body.read_all(1 << 20).await.map(|b| b.to_vec()).unwrap_or_default();
        self.requests.lock().push(Seen {
            path: String::from_utf8_lossy(&request.http.path).into_owned(),
            query: String::from_utf8_lossy(&request.http.query).into_owned(),
            headers: request.http.headers.clone(),
            body: String::from_utf8_lossy(&body).into_owned(),
            env: request.env.clone(),
        });
        (self.answer)(&request)
    }
}

/// The filter of `layer` with these options in front of `end`, and what it left behind.
pub fn build(
    layer: fn(&Options, &mut Setup) -> Result<Layer, FilterError>,
    options: &[(&str, &str)],
    end: Fake,
) -> (Arc<dyn App>, Setup) {
    let mut setup = Setup::new(Arc::default());
    let app = build_with(layer, options, end, &mut setup);
    (app, setup)
}

/// The same with what outer filters left behind.
pub fn build_with(
    layer: fn(&Options, &mut Setup) -> Result<Layer, FilterError>,
    options: &[(&str, &str)],
    end: Fake,
    setup: &mut Setup,
) -> Arc<dyn App> {
    let section = Options::new("proxy-server.conf", "filter:under-test");
    let section = options.iter().fold(section, |section, (option, value)| section.with(option, value));
    let layer = layer(&section, setup).expect("the options are right");
    assert_eq!(section.warnings(), [""; 0]);
    layer(Arc::new(end))
}

/// A request of `method` for `path` (which may carry a query) with these header fields.
pub fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> ProxyRequest {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut http = Request::new(method, path.to_owned());
    http.query = query.to_owned().into();
    http.headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    http.peer = "10.1.2.3:4567".parse().expect("an address");
    ProxyRequest { http, env: Env::default() }
}

/// A GET of `path`.
pub fn get(path: &str) -> ProxyRequest {
    request(Method::Get, path, &[])
}

/// The status and the body of `response`, which ends as it should.
pub async fn text(mut response: Response) -> (u16, String) {
    let body = response.body.read_all(1 << 26).await.expect("the body ends as it should");
    (response.status, String::from_utf8_lossy(&body).into_owned())
}

/// A body of these chunks whose length is not known beforehand.
pub fn chunked(chunks: &[&'static str]) -> Body {
    struct Chunks(Vec<&'static str>);
    #[async_trait]
    impl crate::http::BodyStream for Chunks {
        async fn next(&mut self) -> Result<Option<bytes::Bytes>, crate::http::BodyError> {
            Ok(self.0.pop().map(bytes::Bytes::from))
        }
    }
    Body::stream(None, Chunks(chunks.iter().rev().copied().collect()))
}

/// Collects the access log's lines of one thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "proxy-access"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    let _ = write!(self.0, "{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().push(message.0);
    }
}

/// Runs `work` and returns the lines it logged.
pub async fn lines_of(work: impl Future<Output = ()>) -> Vec<String> {
    let lines = Lines::default();
    let guard = tracing::subscriber::set_default(lines.clone());
    work.await;
    drop(guard);
    std::mem::take(&mut lines.0.lock())
}
