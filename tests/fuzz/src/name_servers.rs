//! What name servers answer that cname_lookup asks: by UDP, and by TCP where that was cut short.
#![no_main]

use fuzz::{answer, filter, request, run};
use libfuzzer_sys::fuzz_target;
use swiftlet::http::{Method, Response};
use swiftlet::proxy::middleware::cname_lookup;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// An answer to `question` as far as its number goes.
fn to(question: &[u8], answer: &[u8]) -> Vec<u8> {
    [question.get(..2).unwrap_or_default(), answer].concat()
}

/// What says that there is no such name: it ends the wait for another answer where the first was to something else.
fn refusal_of(question: &[u8]) -> Vec<u8> {
    [question.get(..2).unwrap_or_default(), b"\x81\x83", question.get(4..).unwrap_or_default()].concat()
}

async fn serve_udp(socket: &UdpSocket, answer: &[u8]) {
    let mut question = [0; 512];
    while let Ok((length, peer)) = socket.recv_from(&mut question).await {
        let question = &question[..length];
        for answer in [to(question, answer), refusal_of(question)] {
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

async fn serve_tcp(listener: &TcpListener, answer: &[u8]) {
    while let Ok((mut socket, _)) = listener.accept().await {
        let mut question = [0; 512];
        let length = socket.read(&mut question).await.unwrap_or_default();
        let answer = to(question.get(2..length).unwrap_or_default(), answer);
        let _ = socket.write_all(&[&(answer.len() as u16).to_be_bytes(), &answer[..]].concat()).await;
        let _ = socket.shutdown().await;
    }
}

fuzz_target!(|bytes: &[u8]| {
    // more does not fit into a datagram
    let bytes = &bytes[..bytes.len().min(4000)];
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let socket = UdpSocket::bind(address).await.expect("the same port");
        let options = [("storage_domain", "example.com"), ("nameservers", &address.to_string())];
        let app = filter(cname_lookup::layer, &options, |request| {
            let host = request.http.headers.get_str("Host").expect("a name that can stand in a header");
            assert!(host.to_ascii_lowercase().ends_with("example.com"), "{host}");
            Response::new(200)
        });
        let ask = async {
            let mut request = request(Method::Get, "/v1/a/c/o", b"");
            request.http.headers.set("Host", "www.customer.test");
            answer(&*app, request).await;
        };
        tokio::select! {
            () = ask => {}
            () = serve_udp(&socket, bytes) => {}
            () = serve_tcp(&listener, bytes) => {}
        }
    });
});
