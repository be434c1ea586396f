//! What a request costs, proxy and storage servers together: system calls that read or write, and allocations.
//!
//! These are counts, not times, so they hold on any machine. Each is measured over many requests to a whole cluster in
//! this process, the client included, and may not pass a limit a little above what it was when it was set. Whoever
//! makes a request dearer meets the limit here; jobs handed to disks are counted in the object server's own tests.

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use swiftlet::dev::{DevCluster, DevOptions};
use swiftlet::http::{Body, Client, ClientOptions, Method, Request, Response, Timeouts};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(30), node: Duration::from_secs(60) };
/// Requests are counted by the batch, and the cheapest batch is what counts: daemons work in the same process.
const BATCHES: u64 = 10;
const BATCH: u64 = 20;

/// Counts so far, or a request.
#[derive(Debug, Clone, Copy)]
struct Cost {
    reads: f64,
    writes: f64,
    allocations: f64,
}

impl Cost {
    /// Reads of files (not of sockets, which the system does not count) and writes to files and sockets.
    fn so_far() -> Self {
        let text = std::fs::read_to_string("/proc/self/io").expect("this process may read its own counters");
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a counter of this name");
            line.trim().parse::<f64>().expect("a number")
        };
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) as f64;
        Self { reads: field("syscr:"), writes: field("syscw:"), allocations }
    }
}

struct User {
    client: Client,
    address: SocketAddr,
    token: String,
}

impl User {
    async fn send(&self, method: Method, path: &str, body: &[u8]) -> Response {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut request = Request::new(method, path.to_owned());
        request.query = query.to_owned().into();
        request.body = Body::full(body.to_vec());
        match self.token.is_empty() {
            true => {
                request.headers.set("X-Auth-User", "test:tester");
                request.headers.set("X-Auth-Key", "testing");
            }
            false => request.headers.set("X-Auth-Token", self.token.clone()),
        }
        let host = self.address.ip().to_string();
        let mut answer =
            self.client.request(&host, self.address.port(), request, &TIMEOUTS).await.expect("an answer");
        assert!(answer.is_success(), "{path}: {}", answer.status);
        let body = answer.body.read_all(4 << 20).await.expect("a whole body");
        Response { body: Body::full(body), ..answer }
    }

    /// What one of many requests costs; `path` has a `#` where their number goes.
    async fn cost(&self, method: Method, path: &str, body: &[u8]) -> Cost {
        let path = |n: u64| format!("/v1/AUTH_test/{}", path.replace('#', &n.to_string()));
        for n in 0..BATCH {
            self.send(method.clone(), &path(n), body).await;
        }
        let mut cheapest = Cost { reads: f64::MAX, writes: f64::MAX, allocations: f64::MAX };
        for batch in 1..=BATCHES {
            let before = Cost::so_far();
            for n in 0..BATCH {
                self.send(method.clone(), &path(batch * BATCH + n), body).await;
            }
            let after = Cost::so_far();
            let least = |of: fn(&Cost) -> f64| of(&cheapest).min((of(&after) - of(&before)) / BATCH as f64);
            cheapest = Cost {
                reads: least(|c| c.reads),
                writes: least(|c| c.writes),
                allocations: least(|c| c.allocations),
            };
        }
        cheapest
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_stay_cheap() {
    let folder = tempfile::tempdir().expect("a folder");
    let listen = "127.0.0.1:0".parse().expect("an address");
    let options = DevOptions { manifests: vec![], data: folder.path().join("data"), listen };
    let cluster = DevCluster::start(&options).await.expect("a cluster");
    let mut user = User {
        client: Client::new(ClientOptions::default()),
        address: cluster.address(),
        token: String::new(),
    };
    let answer = user.send(Method::Get, "/auth/v1.0", b"").await;
    user.token = answer.headers.get_str("X-Auth-Token").expect("a token").to_owned();
    user.send(Method::Put, "/v1/AUTH_test/c", b"").await;
    user.send(Method::Put, "/v1/AUTH_test/c/large", &vec![b'x'; 1 << 20]).await;

    let limit = |reads, writes, allocations| Cost { reads, writes, allocations };
    // Behind each, what was measured when the limit was set.
    let limits = [
        (Method::Put, "c/o#", 4096, limit(8.0, 60.0, 1500.0)), // 4, 45, 1243
        (Method::Get, "c/o#", 0, limit(4.0, 9.0, 450.0)),      // 1.7, 6.1, 378
        (Method::Head, "c/o#", 0, limit(2.0, 8.0, 410.0)),     // 0.2, 5.2, 341
        (Method::Get, "c?format=json&limit=200&n=#", 0, limit(8.0, 15.0, 4500.0)), // 3.2-5.5, 5-12, 603-3490
        (Method::Get, "c/large", 0, limit(4.0, 60.0, 900.0)),  // 1.2, 21, 540
        (Method::Delete, "c/o#", 0, limit(6.0, 45.0, 1900.0)), // 1.6, 32, 1501
    ];
    let mut wrong = Vec::new();
    for (method, path, length, limit) in limits {
        let cost = user.cost(method.clone(), path, &vec![b'x'; length]).await;
        println!("{method} {path}: {cost:?}");
        let within =
            cost.reads <= limit.reads && cost.writes <= limit.writes && cost.allocations <= limit.allocations;
        if !within {
            wrong.push(format!("{method} {path} costs {cost:?}, may cost {limit:?}"));
        }
    }
    cluster.stop().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
