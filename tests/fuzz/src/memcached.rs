//! What memcached answers: whatever it says, a question to it comes to an end.
#![no_main]

use fuzz::{cut, run, say_to_all};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use swiftlet::proxy::cache::{Memcached, memcached};
use swiftlet::proxy::info::SharedCache;
use swiftlet_types::conf::Options;
use tokio::net::TcpListener;

async fn client(listener: &TcpListener) -> Memcached {
    let address = listener.local_addr().expect("an address").to_string();
    let section = Options::new("proxy-server.conf", "filter:cache")
        .with("memcache_servers", &address)
        .with("swift_dir", "/nonexistent")
        .with("error_suppression_limit", "0")
        .with("error_suppression_interval", "0");
    let (options, _) = memcached::Options::read(&section).expect("the options are right");
    Memcached::new(options).expect("the options are right")
}

fuzz_target!(|bytes: &[u8]| {
    let (command, answer) = cut(bytes);
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = client(&listener).await;
        let minute = Duration::from_secs(60);
        let ask = async {
            match command.first() {
                Some(b'g') => drop(client.get("key").await),
                Some(b's') => drop(client.try_set("key", "1".into(), minute).await),
                Some(b'd') => client.delete("key").await,
                _ => drop(client.incr("key", 1, minute).await),
            }
        };
        tokio::select! { () = ask => {}, () = say_to_all(&listener, answer) => {} }
    });
});
