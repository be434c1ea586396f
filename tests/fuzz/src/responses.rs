//! What nodes answer to the proxy: heads, 1xx ahead of them, bodies of every framing.
#![no_main]

use fuzz::{run, say_to_all};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use swiftlet::http::{Client, ClientOptions, Method, Request, Timeouts};
use tokio::net::TcpListener;

const MINUTE: Duration = Duration::from_secs(60);
const TIMEOUTS: Timeouts = Timeouts { connect: MINUTE, node: MINUTE };
const MAX_BODY_BYTES: usize = 1 << 20;

thread_local! {
    static NODE: TcpListener = run(TcpListener::bind("127.0.0.1:0")).expect("a port");
}

fuzz_target!(|bytes: &[u8]| {
    NODE.with(|node| {
        let port = node.local_addr().expect("an address").port();
        let client = Client::new(ClientOptions::default());
        let ask = async {
            for method in [Method::Get, Method::Head, Method::Put] {
                let mut request = Request::new(method.clone(), "/sda1/0/a/c/o");
                if method == Method::Put {
                    request.headers.set("Expect", "100-continue");
                    request.headers.set("Content-Length", "5");
                    request.body = "hello".into();
                }
                let answer = client.request("127.0.0.1", port, request, &TIMEOUTS).await;
                let Ok(mut response) = answer else { continue };
                assert!((100..1000).contains(&response.status));
                let body = response.body.read_all(MAX_BODY_BYTES).await.unwrap_or_default();
                assert!(body.len() <= bytes.len());
            }
        };
        run(async {
            tokio::select! { () = ask => {}, () = say_to_all(node, bytes) => {} }
        });
    });
});
