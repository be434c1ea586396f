//! What a client sends on a connection: a line of the PROXY protocol, heads, chunked bodies, one request after the other. However the bytes come in
//! pieces, the same requests are understood.
#![no_main]

use async_trait::async_trait;
use fuzz::run;
use libfuzzer_sys::fuzz_target;
use std::net::SocketAddr;
use std::sync::Mutex;
use swiftlet::http::server::serve_stream;
use swiftlet::http::{Request, Response, ServerOptions, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// What services must see alike: who sent a request, its parts, and its body where that came whole.
type Understood = (SocketAddr, Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>, Option<Vec<u8>>);

#[derive(Default)]
struct Witness(Mutex<Vec<Understood>>);

#[async_trait]
impl Service for Witness {
    async fn call(&self, mut request: Request) -> Response {
        let target = [request.method.as_str().as_bytes(), b" ", &request.path, b"?", &request.query].concat();
        let headers = request.headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        let body = request.body.read_all(1 << 20).await.ok().map(|body| body.to_vec());
        self.0.lock().expect("nobody panicked").push((request.peer, target, headers, body));
        Response::new(200)
    }
}

/// The requests that `bytes` are, sent in pieces of `piece` bytes.
async fn understood(bytes: &[u8], piece: usize) -> Vec<Understood> {
    let (client, server) = tokio::io::duplex(1 << 20);
    let witness = Witness::default();
    let require_proxy_protocol = bytes.starts_with(b"PROXY");
    let options = ServerOptions { require_proxy_protocol, ..ServerOptions::default() };
    let (mut answers, mut sender) = tokio::io::split(client);
    let send = async {
        for piece in bytes.chunks(piece) {
            if sender.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = sender.shutdown().await;
    };
    let mut answer = Vec::new();
    let peer = ([127, 0, 0, 1], 4567).into();
    let stop = CancellationToken::new();
    let serve = serve_stream(server, peer, &options, &witness, &stop);
    let _ = tokio::join!(send, answers.read_to_end(&mut answer), serve);
    witness.0.into_inner().expect("nobody panicked")
}

fuzz_target!(|bytes: &[u8]| {
    run(async {
        let at_once = understood(bytes, bytes.len().max(1)).await;
        let in_pieces = understood(bytes, 7).await;
        assert_eq!(at_once, in_pieces);
    });
});
