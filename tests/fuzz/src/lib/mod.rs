//! What targets share: a filter of the proxy in front of an end that answers as it is told, requests made short, a
//! server that says what it is told, and a runtime to drive them on.

use async_trait::async_trait;
use std::sync::Arc;
use swiftlet::http::{Method, Request, Response};
use swiftlet::proxy::app::{App, Env, ProxyRequest};
use swiftlet::proxy::middleware::{FilterError, Layer, Setup};
use swiftlet_types::conf::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A filter's constructor.
pub type LayerOf = fn(&Options, &mut Setup) -> Result<Layer, FilterError>;

/// The longest answer that is read: filters answer with less than a few times what they were given.
const MAX_ANSWER_BYTES: usize = 64 << 20;

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
}

/// Runs `work` to its end.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(work))
}

/// The end of a pipeline: reads the request's body, then answers.
struct End<F>(F);

#[async_trait]
impl<F: Fn(&ProxyRequest) -> Response + Send + Sync> App for End<F> {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        while let Ok(Some(_)) = request.http.body.next().await {}
        (self.0)(&request)
    }
}

/// The filter of `layer` with these options, in front of what answers as `answer` says.
pub fn filter(
    layer: LayerOf,
    options: &[(&str, &str)],
    answer: impl Fn(&ProxyRequest) -> Response + Send + Sync + 'static,
) -> Arc<dyn App> {
    let section = Options::new("proxy-server.conf", "filter:fuzzed");
    let section = options.iter().fold(section, |section, (option, value)| section.with(option, value));
    let layer = layer(&section, &mut Setup::new(Arc::default())).expect("the options are right");
    layer(Arc::new(End(answer)))
}

/// A request without header fields.
pub fn request(method: Method, path: &str, query: &[u8]) -> ProxyRequest {
    let mut http = Request::new(method, path.to_owned());
    http.query = query.to_vec().into();
    http.peer = ([127, 0, 0, 1], 4567).into();
    ProxyRequest { http, env: Env::default() }
}

/// What `app` answers: the status and the whole body, which comes to an end.
pub async fn answer(app: &dyn App, request: ProxyRequest) -> (u16, Vec<u8>) {
    let mut response = app.call(request).await;
    let body = response.body.read_all(MAX_ANSWER_BYTES).await.unwrap_or_default();
    assert!(response.status != 500, "500 {}", String::from_utf8_lossy(&body));
    (response.status, body.to_vec())
}

/// Says `answer` to the first thing that is said on each connection, then closes it; goes on until it is dropped.
pub async fn say_to_all(listener: &TcpListener, answer: &[u8]) {
    loop {
        let Ok((mut socket, _)) = listener.accept().await else { continue };
        let mut heard = [0; 4096];
        let _ = socket.read(&mut heard).await;
        let _ = socket.write_all(answer).await;
        let _ = socket.shutdown().await;
        while matches!(socket.read(&mut heard).await, Ok(read) if read > 0) {}
    }
}

/// Cuts `bytes` at its first line end: a part for the query or a header, and the rest.
pub fn cut(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, b""),
    }
}
