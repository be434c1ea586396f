//! The client against our own server, and against scripted peers.

use super::*;
use crate::http::server::{ServerOptions, serve};
use crate::http::{Body, BodyError, BodyStream, Headers, Method, Service};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Long enough for a machine that does much else.
const PATIENT: Timeouts = Timeouts { connect: Duration::from_secs(30), node: Duration::from_secs(30) };

struct Upper;

#[async_trait]
impl Service for Upper {
    async fn call(&self, mut request: Request) -> Response {
        if request.path == "/large" {
            return Response::new(200).with_body(Body::stream(None, Zeros(64)));
        }
        if request.path == "/full" {
            return Response::new(507);
        }
        if let Some(interim) = request.interim.take() {
            let headers: Headers = [("X-Obj-Metadata-Footer", "yes")].into_iter().collect();
            interim.send(100, headers).await.unwrap();
        }
        let body = request.body.read_all(1 << 20).await.unwrap();
        Response::new(201).with("X-Path", request.path).with_body(Bytes::from(body.to_ascii_uppercase()))
    }
}

struct Zeros(usize);

#[async_trait]
impl BodyStream for Zeros {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.0 = match self.0.checked_sub(1) {
            Some(left) => left,
            None => return Ok(None),
        };
        Ok(Some(Bytes::from_static(&[0; 65536])))
    }
}

async fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, None, ServerOptions::default(), Arc::new(Upper), CancellationToken::new()));
    port
}

/// A peer that answers the connections that come to it with these bytes, one after the other.
async fn scripted(answers: &'static [&'static str]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    port
}

fn put(path: &'static str, body: impl Into<Body>) -> Request {
    let mut request = Request::new(Method::Put, path);
    request.body = body.into();
    request
}

#[tokio::test]
async fn a_connection_serves_request_after_request() {
    let (client, port) = (Client::new(ClientOptions::default()), server().await);
    for _ in 0..3 {
        let mut response = client.request("127.0.0.1", port, put("/a b", "hey"), &PATIENT).await.unwrap();
        assert_eq!((response.status, response.headers.get("x-path")), (201, Some(&b"/a b"[..])));
        assert_eq!(response.body.read_all(10).await.unwrap(), "HEY");
        assert_eq!(client.shared.pool.len(), 1);
    }
}

#[tokio::test]
async fn a_long_answer_streams_and_then_returns_its_connection() {
    let (client, port) = (Client::new(ClientOptions::default()), server().await);
    let budget = client.shared.options.budget.clone();
    let whole = budget.free();
    let get = || client.request("127.0.0.1", port, Request::new(Method::Get, "/large"), &PATIENT);
    let mut response = get().await.unwrap();
    assert_eq!(client.shared.pool.len(), 0);
    let mut length = 0;
    while let Some(chunk) = response.body.next().await.unwrap() {
        length += chunk.len();
    }
    assert_eq!((length, client.shared.pool.len()), (64 * 65536, 1));
    // Left half way, it is closed instead.
    let mut response = get().await.unwrap();
    let chunk = response.body.next().await.unwrap().unwrap();
    drop(response);
    assert_eq!(client.shared.pool.len(), 0);
    drop(chunk);
    assert_eq!(budget.free(), whole);
}

#[tokio::test]
async fn interim_answers_come_with_their_headers() {
    let (client, port) = (Client::new(ClientOptions::default()), server().await);
    let mut request = Request::new(Method::Put, "/x");
    request.headers.set("Expect", "100-continue");
    let head = RequestHead::of(&request);
    let mut exchange = client.open("127.0.0.1", port, &head, BodyLength::Chunked, &PATIENT).await.unwrap();
    let Answer::Interim { status: 100, headers } = exchange.answer().await.unwrap() else { panic!("no 100") };
    assert_eq!(headers.get("X-Obj-Metadata-Footer"), Some(&b"yes"[..]));
    exchange.send("ab".into()).await.unwrap();
    exchange.send("cd".into()).await.unwrap();
    exchange.finish().await.unwrap();
    let mut response = exchange.response().await.unwrap();
    assert_eq!(response.body.read_all(10).await.unwrap(), "ABCD");
    drop(exchange);
    assert_eq!(client.shared.pool.len(), 1);
}

#[tokio::test]
async fn an_early_refusal_comes_before_the_body_is_sent() {
    let (client, port) = (Client::new(ClientOptions::default()), server().await);
    let mut request = put("/full", "never sent");
    request.headers.set("Expect", "100-continue");
    assert_eq!(client.request("127.0.0.1", port, request, &PATIENT).await.unwrap().status, 507);
    assert_eq!(client.shared.pool.len(), 0);
}

#[tokio::test]
async fn a_stale_connection_is_replaced() {
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    // The peer closes each connection after one answer, without having said so.
    let port = scripted(&[OK, OK, "HTTP/1.1 200 OK\r\n"]).await;
    let client = Client::new(ClientOptions::default());
    let head = || client.request("127.0.0.1", port, Request::new(Method::Head, "/"), &PATIENT);
    assert_eq!(head().await.unwrap().status, 200);
    assert_eq!(head().await.unwrap().status, 200);
    // On a fresh connection a cut answer is an error.
    assert!(matches!(head().await, Err(ClientError::Broken { .. })));
}

/// A connection from the pool on which one request was answered, and which its peer closes on the next.
async fn stale_exchange(client: &Client, port: u16, length: BodyLength) -> Exchange {
    assert_eq!(
        client.request("127.0.0.1", port, Request::new(Method::Get, "/"), &PATIENT).await.unwrap().status,
        200
    );
    assert_eq!(client.shared.pool.len(), 1);
    let request = Request::new(Method::Put, "/");
    client.open("127.0.0.1", port, &RequestHead::of(&request), length, &PATIENT).await.unwrap()
}

/// Answers one request on the first connection and closes it; echoes the body that comes on the second.
async fn closes_then_echoes() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        assert!(socket.read(&mut buffer).await.unwrap() > 0);
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        assert!(socket.read(&mut buffer).await.unwrap() > 0);
        drop(socket);
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"hello") {
            request.push(socket.read_u8().await.unwrap());
        }
        socket.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let _ = socket.read(&mut buffer).await;
    });
    port
}

#[tokio::test]
async fn a_body_sent_in_one_piece_on_a_stale_connection_is_sent_again() {
    let client = Client::new(ClientOptions::default());
    let mut exchange = stale_exchange(&client, closes_then_echoes().await, BodyLength::Known(5)).await;
    exchange.send("hello".into()).await.unwrap();
    exchange.finish().await.unwrap();
    assert_eq!(exchange.response().await.unwrap().status, 201);
    drop(exchange);
    assert_eq!(client.shared.pool.len(), 1);
}

#[tokio::test]
async fn a_body_of_several_pieces_is_not_sent_again() {
    let client = Client::new(ClientOptions::default());
    let mut exchange = stale_exchange(&client, closes_then_echoes().await, BodyLength::Known(5)).await;
    exchange.send("hel".into()).await.unwrap();
    let sent = exchange.send("lo".into()).await;
    let answered = exchange.response().await;
    assert!(sent.is_err() || matches!(answered, Err(ClientError::Broken { .. })));
}

#[tokio::test]
async fn answers_may_end_with_the_connection() {
    let port = scripted(&["HTTP/1.0 200 OK\r\n\r\nuntil the end"]).await;
    let client = Client::new(ClientOptions::default());
    let mut response =
        client.request("127.0.0.1", port, Request::new(Method::Get, "/"), &PATIENT).await.unwrap();
    assert_eq!(response.body.read_all(100).await.unwrap(), "until the end");
    assert_eq!(client.shared.pool.len(), 0);
}

#[tokio::test]
async fn silent_absent_and_senseless_nodes_are_told_apart() {
    let client = Client::new(ClientOptions::default());
    let quick = Timeouts { connect: Duration::from_secs(30), node: Duration::from_millis(500) };
    let get = |port| client.request("127.0.0.1", port, Request::new(Method::Get, "/"), &quick);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = get(silent.local_addr().unwrap().port()).await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }) && error.is_timeout(), "{error}");
    let error = get(swiftlet_testing::free_port()).await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }) && !error.is_timeout(), "{error}");
    let malformed = scripted(&["SSH-2.0\r\n\r\n\r\n"]).await;
    let error =
        client.request("127.0.0.1", malformed, Request::new(Method::Get, "/"), &PATIENT).await.unwrap_err();
    assert!(matches!(error, ClientError::Malformed { .. }), "{error}");
}
