//! Against a real memcached, started on loopback, and against Python Swift's own client.

use super::*;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command as Process, Stdio};
use std::time::Instant;
use swiftlet_testing::{free_port, run_python};

const LONG: Duration = Duration::from_secs(60);

/// A memcached of its own, ended when dropped.
struct Daemon {
    process: Child,
    address: String,
}

impl Daemon {
    fn start() -> Self {
        let port = free_port();
        let mut memcached = Process::new("memcached");
        memcached.args(["-l", "127.0.0.1", "-U", "0", "-m", "8", "-p", &port.to_string()]);
        // memcached refuses to run as root unless told whom to become.
        memcached.args(["-u", "nobody"]).stdout(Stdio::null()).stderr(Stdio::null());
        let process = memcached.spawn().expect("memcached starts (package memcached)");
        let address = format!("127.0.0.1:{port}");
        let begun = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "memcached does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { process, address }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn client(servers: &[&str], more: &str) -> Memcached {
    let text =
        format!("[DEFAULT]\nswift_dir=/nowhere\n[f]\nmemcache_servers={}\n{more}\n", servers.join(","));
    let section = swiftlet_types::conf::Ini::parse("p.conf", &text).unwrap().paste("f").unwrap();
    Memcached::new(Options::read(&section).unwrap().0).unwrap()
}

/// What `script` prints in Python Swift's environment; its lines.
fn python(script: &str, arguments: &[&str]) -> Vec<String> {
    run_python(script, arguments, "").lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn keeps_forgets_and_counts() {
    let daemon = Daemon::start();
    let cache = client(&[&daemon.address], "");
    assert_eq!(cache.get("a").await, None);
    assert!(cache.try_set("a", Bytes::from_static(b"{\"x\": 1}"), LONG).await);
    assert_eq!(cache.get("a").await.as_deref(), Some(&b"{\"x\": 1}"[..]));
    cache.delete("a").await;
    assert_eq!(cache.get("a").await, None);
    assert_eq!(cache.incr("n", 5, LONG).await, Some(5));
    assert_eq!(cache.incr("n", -2, LONG).await, Some(3));
    assert_eq!(cache.incr("n", -9, LONG).await, Some(0));
    assert_eq!(cache.incr("below", -1, LONG).await, Some(0));
    let big: Bytes = vec![b'7'; 900_000].into();
    cache.set("big", big.clone(), LONG).await;
    assert_eq!(cache.get("big").await, Some(big));
}

#[tokio::test]
async fn concurrent_requests_share_few_connections() {
    let daemon = Daemon::start();
    let cache = client(&[&daemon.address], "memcache_max_connections=2");
    let each = (0..100).map(|_| cache.incr("n", 1, LONG));
    let counters = futures_util::future::join_all(each).await;
    assert!(counters.iter().all(Option::is_some));
    assert_eq!(cache.incr("n", 1, LONG).await, Some(101));
}

#[tokio::test]
async fn a_dead_server_is_stepped_over_then_left_alone() {
    let daemon = Daemon::start();
    let dead = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let cache = client(&[&daemon.address, &dead], "error_suppression_limit=2");
    for n in 0..40 {
        let key = format!("k{n}");
        cache.set(&key, Bytes::from_static(b"1"), LONG).await;
        assert!(cache.get(&key).await.is_some(), "{key} goes to the server that lives");
    }
    let (_, server) = cache.servers.iter().find(|(name, _)| *name == dead).unwrap();
    assert!(server.is_error_limited());
    let alone = client(&[&dead], "");
    assert!(!alone.try_set("k", Bytes::from_static(b"1"), LONG).await);
    assert_eq!(alone.get("k").await, None);
}

#[tokio::test]
async fn a_server_that_does_not_answer_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let cache = client(&[&listener.local_addr().unwrap().to_string()], "io_timeout=0.05");
    // The default is 2 seconds. One quick answer shows that it is not that; others may be late on a busy machine.
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        assert_eq!(cache.get("k").await, None);
        quickest = quickest.min(begun.elapsed());
    }
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
}

#[tokio::test]
async fn python_reads_what_we_write_and_the_other_way() {
    let daemon = Daemon::start();
    let cache = client(&[&daemon.address], "");
    cache.set("AUTH_/token/AUTH_tkx", Bytes::from_static(b"[1.5, \"a,b\"]"), LONG).await;
    cache.incr("counter", 41, LONG).await;
    let script = "import sys, json\n\
        from swift.common.memcached import MemcacheRing\n\
        from swift.common.utils import get_logger\n\
        m = MemcacheRing([sys.argv[1]], logger=get_logger({}))\n\
        print(json.dumps(m.get('AUTH_/token/AUTH_tkx')))\n\
        print(m.incr('counter'))\n\
        m.set('container/a/c', {'status': 200, 'n': '\\u00fc'}, time=60)\n\
        m.delete('AUTH_/token/AUTH_tkx')";
    assert_eq!(python(script, &[&daemon.address]), ["[1.5, \"a,b\"]", "42"]);
    let value = cache.get("container/a/c").await.expect("Python's value is found");
    let value: serde_json::Value = serde_json::from_slice(&value).unwrap();
    assert_eq!(value, serde_json::json!({"status": 200, "n": "ü"}));
    assert_eq!(cache.get("AUTH_/token/AUTH_tkx").await, None);
    assert_eq!(cache.incr("counter", 1, LONG).await, Some(43));
}

#[test]
fn keys_go_to_the_servers_python_would_choose() {
    let servers: Vec<String> = (1..=5).map(|n| format!("10.0.0.{n}:11211")).collect();
    let script = "import sys\n\
        from swift.common.memcached import MemcacheRing, md5hash, MemcacheCommand\n\
        from bisect import bisect\n\
        servers = sys.argv[1].split(',')\n\
        m = MemcacheRing(servers, tries=len(servers))\n\
        class Pool:\n\
        \x20   def get(self): return None, None\n\
        \x20   def put(self, item): pass\n\
        m._client_cache = {s: Pool() for s in servers}\n\
        for n in range(200):\n\
        \x20   key = 'shard-updating-v2/a/c\\u00fc%d' % n\n\
        \x20   order = [s for s, _, _ in m._get_conns(MemcacheCommand('get', key))]\n\
        \x20   print(md5hash(key).decode(), ','.join(order))";
    let ring = ServerRing::new(&servers);
    let ours: Vec<String> = (0..200)
        .map(|n| {
            let key = format!("shard-updating-v2/a/cü{n}");
            let order: Vec<&str> = ring.servers(&key).map(|index| servers[index].as_str()).collect();
            format!("{} {}", hash_key(&key), order.join(","))
        })
        .collect();
    assert_eq!(python(script, &[&servers.join(",")]), ours);
}
