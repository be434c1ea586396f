//! What a user system answers that external_auth asks: the JSON of a right answer, or all that it says.
#![no_main]

use fuzz::{answer, filter, request, run, say_to_all};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use swiftlet::http::{Method, Response};
use swiftlet::proxy::app::App;
use swiftlet::proxy::middleware::external_auth;
use tokio::net::TcpListener;

thread_local! {
    /// Made once: the authorities that https would be checked with take long to read.
    static SERVICE: (TcpListener, Arc<dyn App>) = {
        let listener = run(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let options = [("url", &url[..]), ("cache_time", "0"), ("negative_cache_time", "0")];
        (listener, filter(external_auth::layer, &options, |_| Response::new(200)))
    };
}

async fn ask(app: &dyn App) {
    let mut login = request(Method::Get, "/auth/v1.0", b"");
    login.http.headers.set("X-Auth-User", "act:user");
    login.http.headers.set("X-Auth-Key", "key");
    answer(app, login).await;
    let mut use_token = request(Method::Get, "/v1/AUTH_act/c", b"");
    use_token.http.headers.set("X-Auth-Token", "token");
    answer(app, use_token).await;
}

fuzz_target!(|bytes: &[u8]| {
    let said = match bytes.strip_prefix(b"\n") {
        None => bytes.to_vec(),
        Some(body) => {
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            [head.as_bytes(), body].concat()
        }
    };
    SERVICE.with(|(listener, app)| {
        run(async {
            tokio::select! { () = ask(&**app) => {}, () = say_to_all(listener, &said) => {} }
        });
    });
});
