//! The server on real sockets, spoken to in raw bytes.

use super::*;
use crate::http::{Body, BodyError, BodyStream, Headers, Request, Response};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Answers with what it understood of the request; some paths do more.
struct Echo;

#[async_trait]
impl Service for Echo {
    async fn call(&self, mut request: Request) -> Response {
        match &request.path[..] {
            b"/panic" => panic!("asked to"),
            b"/unread" => return Response::new(413).with_body("no"),
            b"/stream" => return Response::new(200).with_body(Body::stream(None, Parts(vec!["ab", "c"]))),
            b"/short" => return Response::new(200).with_body(Body::stream(Some(9), Parts(vec!["ab", "c"]))),
            b"/head" => return Response::new(200).with("Content-Length", "77").with("X-Name", "v"),
            b"/duplex" => return Response::new(200).with_body(Body::stream(None, Duplex(request.body))),
            b"/nocontent" => return Response::new(204),
            b"/footers" => {
                let interim = request.interim.take().expect("the client waits");
                let headers: Headers = [("X-Obj-Metadata-Footer", "yes")].into_iter().collect();
                interim.send(100, headers).await.unwrap();
                interim.send(100, Headers::new()).await.unwrap();
            }
            b"/phases" => {
                let interim = request.interim.take().expect("the client waits");
                let first = request.body.read_all(99).await.unwrap();
                interim.send(100, Headers::new()).await.unwrap();
                let second = interim.next_body().expect("the first has ended").read_all(99).await.unwrap();
                return Response::new(200).with_body(Bytes::from([&first[..], b"+", &second].concat()));
            }
            _ => {}
        }
        match request.body.read_all(1 << 20).await {
            Ok(body) => {
                let what = format!("{} {} {:?} ", request.method, request.path.escape_ascii(), request.query);
                Response::new(200).with_body(Bytes::from([what.as_bytes(), &body].concat()))
            }
            Err(BodyError::Timeout(_)) => Response::new(408),
            Err(BodyError::Disconnected { .. }) => Response::new(499),
            Err(_) => Response::new(400),
        }
    }
}

struct Parts(Vec<&'static str>);

#[async_trait]
impl BodyStream for Parts {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        Ok(if self.0.is_empty() { None } else { Some(self.0.remove(0).into()) })
    }
}

/// Sends back what comes in, as it comes.
struct Duplex(Body);

#[async_trait]
impl BodyStream for Duplex {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.0.next().await
    }
}

struct TestServer {
    address: SocketAddr,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
    budget: Budget,
}

async fn start(options: ServerOptions) -> TestServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let budget = options.budget.clone();
    let running = tokio::spawn(serve(listener, None, options, Arc::new(Echo), stop.clone()));
    TestServer { address, stop, running, budget }
}

fn quick() -> ServerOptions {
    ServerOptions {
        client_timeout: Duration::from_secs(1),
        new_trans_id: || "tx1".into(),
        ..Default::default()
    }
}

/// Sends `request`, and reads until the server closes.
async fn talk(server: &TestServer, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(request).await.unwrap();
    read_to_end(&mut socket).await
}

async fn read_to_end(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    without_dates(&answer)
}

async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(end.as_bytes()) {
        answer.push(socket.read_u8().await.unwrap_or_else(|e| panic!("{e} after {answer:?}")));
    }
    without_dates(&answer)
}

fn without_dates(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer).into_owned();
    text.split_inclusive("\r\n").filter(|line| !line.starts_with("Date: ")).collect()
}

#[tokio::test]
async fn answers_one_request_after_another_on_one_connection() {
    let server = start(quick()).await;
    let answer = talk(
        &server,
        b"GET /a%20b?q=1 HTTP/1.1\r\n\r\nPUT /c HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz\
          PUT /d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nGET /e HTTP/1.1\r\nConnection: close\r\n\r\n",
    )
    .await;
    let ok = |length, body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    let want = ok(16, "GET /a b b\"q=1\" ")
        + &ok(14, "PUT /c b\"\" xyz")
        + &ok(13, "PUT /d b\"\" hi")
        + "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\nGET /e b\"\" ";
    assert_eq!(answer, want);
}

#[tokio::test]
async fn an_empty_line_is_no_request() {
    let server = start(quick()).await;
    let answer = talk(&server, b"\r\nGET /a HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad request syntax ('')\r\nConnection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn http_1_0_gets_no_chunks_and_a_closed_connection() {
    let server = start(quick()).await;
    let answer = talk(&server, b"GET /stream HTTP/1.0\r\n\r\n").await;
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
    let answer =
        talk(&server, b"GET /nocontent HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /head HTTP/1.0\r\n\r\n")
            .await;
    assert_eq!(
        answer,
        "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n\
         HTTP/1.1 200 OK\r\nX-Name: v\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

#[tokio::test]
async fn bodies_are_framed_as_their_length_is_known() {
    let server = start(quick()).await;
    let answer =
        talk(&server, b"GET /stream HTTP/1.1\r\n\r\nHEAD /head HTTP/1.1\r\n\r\nGET /short HTTP/1.1\r\n\r\n")
            .await;
    assert_eq!(
        answer,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n\
         HTTP/1.1 200 OK\r\nX-Name: v\r\nContent-Length: 77\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"
    );
}

#[tokio::test]
async fn continue_is_sent_when_the_body_is_read() {
    let server = start(quick()).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = b"PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    socket.write_all(head).await.unwrap();
    assert_eq!(read_until(&mut socket, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"ok").await.unwrap();
    assert!(
        read_until(&mut socket, " ok").await.starts_with("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n")
    );

    // Nobody reads this one: no 100, and the connection cannot go on.
    socket
        .write_all(b"PUT /unread HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .await
        .unwrap();
    let answer = read_to_end(&mut socket).await;
    assert_eq!(
        answer,
        "HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    );
}

#[tokio::test]
async fn an_empty_body_can_be_waited_for_too() {
    let server = start(quick()).await;
    let request = b"PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\nGET /y HTTP/1.1\r\nConnection: close\r\n\r\n";
    let answer = talk(&server, request).await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("GET /y b\"\" "));
}

#[tokio::test]
async fn interim_answers_carry_headers_and_may_be_several() {
    let server = start(quick()).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket
        .write_all(b"PUT /footers HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let first = read_until(&mut socket, "\r\n\r\n").await;
    assert_eq!(first, "HTTP/1.1 100 Continue\r\nX-Obj-Metadata-Footer: yes\r\n\r\n");
    assert_eq!(read_until(&mut socket, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"1\r\nZ\r\n0\r\n\r\n").await.unwrap();
    assert!(read_until(&mut socket, " Z").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_second_body_follows_on_a_further_100_and_then_the_next_request() {
    let server = start(quick()).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = b"PUT /phases HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
    socket.write_all(head).await.unwrap();
    assert_eq!(read_until(&mut socket, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"3\r\none\r\n0\r\n\r\n").await.unwrap();
    assert_eq!(read_until(&mut socket, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"3\r\ntwo\r\n0\r\n\r\nGET /y HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(read_until(&mut socket, "one+two").await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(read_until(&mut socket, "GET /y b\"\" ").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn an_unread_body_is_thrown_away_and_the_connection_goes_on() {
    let server = start(quick()).await;
    let mut request = b"PUT /unread HTTP/1.1\r\nContent-Length: 300000\r\n\r\n".to_vec();
    request.resize(request.len() + 300_000, b'x');
    request.extend_from_slice(b"GET /next HTTP/1.1\r\nConnection: close\r\n\r\n");
    let answer = talk(&server, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("GET /next b\"\" "), "{answer}");
    assert_eq!(server.budget.free(), quick().budget.free());
}

#[tokio::test]
async fn request_and_answer_stream_at_once() {
    let server = start(quick()).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket
        .write_all(b"SSYNC /duplex HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        .await
        .unwrap();
    read_until(&mut socket, "3\r\none\r\n").await;
    socket.write_all(b"3\r\ntwo\r\n").await.unwrap();
    assert_eq!(read_until(&mut socket, "\r\n").await, "3\r\n");
    assert_eq!(read_until(&mut socket, "\r\n").await, "two\r\n");
    socket.write_all(b"0\r\n\r\nGET /next HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(read_until(&mut socket, "\r\n\r\n").await, "0\r\n\r\n");
    read_until(&mut socket, "GET /next b\"\" ").await;
}

#[tokio::test]
async fn what_breaks_the_limits_gets_eventlets_answers() {
    let server = start(quick()).await;
    let long = "x".repeat(9000);
    let refused =
        |status: &str| format!("HTTP/1.0 {status}\r\nConnection: close\r\nContent-length: 0\r\n\r\n");
    let answer = talk(&server, format!("GET /{long} HTTP/1.1\r\n\r\n").as_bytes()).await;
    assert_eq!(answer, refused("414 Request URI Too Long"));
    let answer = talk(&server, format!("GET / HTTP/1.1\r\nA: {long}\r\n\r\n").as_bytes()).await;
    assert_eq!(answer, refused("400 Header Line Too Long"));
    let many = format!("A: {}\r\n", "x".repeat(8000)).repeat(9);
    let answer = talk(&server, format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes()).await;
    assert_eq!(answer, refused("400 Headers Too Large"));
    let answer =
        talk(&server, b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(answer, refused("400 Bad Request"));
    let answer = talk(&server, format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(201)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 Too many headers\r\n"), "{answer}");
    assert!(answer.contains("X-Trans-Id: tx1\r\n") && answer.contains("<p>Error code: 431</p>"));
    let answer = talk(&server, b"GET /a <b> HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad request syntax ('GET /a <b> HTTP/1.1')\r\n"), "{answer}");
    assert!(answer.contains("<p>Message: Bad request syntax ('GET /a &lt;b&gt; HTTP/1.1').</p>"));
}

#[tokio::test]
async fn slow_and_vanishing_clients_are_noticed() {
    let server = start(quick()).await;
    assert_eq!(talk(&server, b"GET / HT").await, "");
    let answer = talk(&server, b"PUT /slow HTTP/1.1\r\nContent-Length: 5\r\n\r\nab").await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"PUT /gone HTTP/1.1\r\nContent-Length: 5\r\n\r\nab").await.unwrap();
    socket.shutdown().await.unwrap();
    assert!(read_to_end(&mut socket).await.starts_with("HTTP/1.1 499 Client Disconnect\r\n"));
    let answer = talk(&server, b"PUT /bad HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
}

#[tokio::test]
async fn a_panic_costs_one_request_only() {
    let server = start(quick()).await;
    let answer = talk(&server, b"GET /panic HTTP/1.1\r\n\r\n").await;
    assert_eq!(answer, "HTTP/1.1 500 Internal Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert!(talk(&server, b"GET /a HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn the_proxy_protocol_tells_who_the_client_is() {
    let server = start(ServerOptions { require_proxy_protocol: true, ..quick() }).await;
    let answer = talk(&server, b"PROXY TCP4 1.2.3.4 5.6.7.8 9 80\r\nGET /a HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let answer = talk(&server, b"GET /a HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 Invalid PROXY line b'GET /a HTTP/1.0\\r\\n'\r\n"), "{answer}");
}

#[tokio::test]
async fn a_full_budget_waits_and_then_answers_503() {
    let server = start(ServerOptions { budget: Budget::new(1000), ..quick() }).await;
    let taken = server.budget.take(900, Duration::ZERO).await.unwrap();
    let put = b"PUT /x HTTP/1.1\r\nContent-Length: 500\r\nConnection: close\r\n\r\n";
    assert!(talk(&server, put).await.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(put).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(taken);
    socket.write_all(&[b'x'; 500]).await.unwrap();
    assert!(read_to_end(&mut socket).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn clients_that_pause_hold_little_memory() {
    let server = start(ServerOptions { client_timeout: Duration::from_secs(20), ..quick() }).await;
    let whole = server.budget.free();
    let mut paused = Vec::new();
    for _ in 0..20 {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let head = b"PUT /duplex HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n";
        socket.write_all(&[&head[..], &[b'x'; 100_000]].concat()).await.unwrap();
        let mut echoed = vec![0; 100_000];
        socket.read_exact(&mut echoed).await.unwrap();
        paused.push(socket);
    }
    let held = || whole - server.budget.free();
    for _ in 0..400 {
        if held() <= 20 * (4 << 10) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} bytes for 20 clients that send nothing", held());
}

#[tokio::test]
async fn stopping_closes_idle_connections_and_finishes_running_requests() {
    let server = start(ServerOptions { client_timeout: Duration::from_secs(20), ..quick() }).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /a HTTP/1.1\r\n\r\n").await.unwrap();
    read_until(&mut idle, "/a b\"\" ").await;
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(b"PUT /busy HTTP/1.1\r\nContent-Length: 4\r\n\r\nab").await.unwrap();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(5)).await; // a turn of the server's each
    }
    server.stop.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    assert!(TcpStream::connect(server.address).await.is_err());
    busy.write_all(b"cd").await.unwrap();
    let answer = read_to_end(&mut busy).await;
    assert!(answer.contains("Connection: close\r\n") && answer.ends_with("PUT /busy b\"\" abcd"), "{answer}");
    server.running.await.unwrap();
}

#[tokio::test]
async fn what_was_sent_before_stopping_is_served() {
    let server = start(quick()).await;
    let mut kept = TcpStream::connect(server.address).await.unwrap();
    kept.write_all(b"GET /a HTTP/1.1\r\n\r\n").await.unwrap();
    read_until(&mut kept, "/a b\"\" ").await;
    // the server does not run between these two: it hears of both at once
    kept.write_all(b"GET /b HTTP/1.1\r\n\r\n").await.unwrap();
    server.stop.cancel();
    let answer = read_to_end(&mut kept).await;
    assert!(answer.contains("GET /b"), "{answer}");
    server.running.await.unwrap();
}

#[tokio::test]
async fn hostile_bytes_never_bring_the_server_down() {
    let server = start(quick()).await;
    let mut seed = 7u64;
    for _ in 0..60 {
        let mut bytes: Vec<u8> = (0..200)
            .map(|_| {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                b"GETPUT /\r\n\r\n:1 HTTP/1.1chunked\0\xff%"[(seed >> 33) as usize % 33]
            })
            .collect();
        bytes.splice(
            0..0,
            b"PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".iter().copied().take(seed as usize % 50),
        );
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(&bytes).await.unwrap();
    }
    assert!(talk(&server, b"GET /alive HTTP/1.0\r\n\r\n").await.ends_with("GET /alive b\"\" "));
}
