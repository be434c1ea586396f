//! Container sync between two containers of one cluster, through a proxy that checks what is signed.

use crate::http::{Body, Headers, Method};
use crate::internal_client::{Accepts, Ask, InternalClient, Path};
use crate::role::DaemonKind;
use crate::role::testing::TestCluster;

const PROXY: &str = "[pipeline:main]\npipeline = catch_errors gatekeeper cache container_sync proxy-server\n\
    [app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\nallow_account_management = true\nbind_port = 8080\n\
    [filter:catch_errors]\nuse = egg:swift#catch_errors\n[filter:gatekeeper]\nuse = egg:swift#gatekeeper\n\
    [filter:cache]\nuse = egg:swift#memcache\n[filter:container_sync]\nuse = egg:swift#container_sync\n";
const LONG: usize = 300_000;

/// A cluster whose container `a/c` is sent to its `b/d`.
async fn synced() -> (TestCluster, InternalClient) {
    let cluster = TestCluster::start().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let realms = format!("[realm]\nkey = shared\ncluster_here = http://127.0.0.1:{port}/v1/\n");
    std::fs::write(cluster.dir().join("container-sync-realms.conf"), realms).unwrap();
    cluster.start_proxy(listener, PROXY);
    let client = cluster.client();
    let key = ("X-Container-Sync-Key", "own");
    let to = ("X-Container-Sync-To", "//realm/here/b/d");
    for (account, container, headers) in [("b", "d", &[key][..]), ("a", "c", &[key, to])] {
        assert_eq!(client.put(Path::container(account, container), &[], "").await, 201);
        cluster.set_on_servers(account, container, headers).await;
    }
    (cluster, client)
}

/// Two passes: in the first each node sends its share of what is new, in the second whatever is left.
async fn sync(cluster: &TestCluster) {
    let options = format!("bind_port = {}\n", cluster.container_port);
    for _ in 0..2 {
        cluster.run(DaemonKind::ContainerSync, &options).await;
    }
}

#[tokio::test]
async fn objects_and_deletions_arrive_as_they_are() {
    let (cluster, client) = synced().await;
    let metadata = [("X-Object-Meta-Color", "blue"), ("Content-Type", "text/x-own")];
    for name in ["a b/\u{e9}%", "short", "gone"] {
        assert_eq!(client.put(Path::object("a", "c", name), &metadata, "hello").await, 201);
    }
    let long = Ask::new(Method::Put, Path::object("a", "c", "long"))
        .upload(Headers::new(), Body::full(vec![b'x'; LONG]));
    client.settle(long.with("Content-Length", LONG.to_string()), Accepts::SUCCESS).await.unwrap();
    sync(&cluster).await;
    assert_eq!(client.names(Path::container("b", "d")).await, ["a b/\u{e9}%", "gone", "long", "short"]);

    let ours = client.ask(Method::Head, Path::object("a", "c", "short"), &[]).await;
    let mut theirs = client.ask(Method::Get, Path::object("b", "d", "short"), &[]).await;
    for field in ["Etag", "Content-Type", "X-Object-Meta-Color", "X-Timestamp", "Last-Modified"] {
        assert_eq!(theirs.headers.get_str(field), ours.headers.get_str(field), "{field}");
    }
    assert_eq!(&theirs.body.read_all(100).await.unwrap()[..], b"hello");
    let mut long = client.ask(Method::Get, Path::object("b", "d", "long"), &[]).await;
    assert_eq!(long.body.read_all(1 << 20).await.unwrap(), vec![b'x'; LONG]);

    client.ask(Method::Delete, Path::object("a", "c", "gone"), &[]).await;
    sync(&cluster).await;
    assert_eq!(client.names(Path::container("b", "d")).await, ["a b/\u{e9}%", "long", "short"]);
}

#[tokio::test]
async fn what_was_refused_is_sent_once_it_may_be() {
    let (cluster, client) = synced().await;
    let set_key = async |key: &str| {
        cluster.set_on_servers("b", "d", &[("X-Container-Sync-Key", key)]).await;
        // the proxy knows the old one for a second
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    };
    set_key("another").await;
    client.put(Path::object("a", "c", "o"), &[], "hello").await;
    sync(&cluster).await;
    assert_eq!(client.names(Path::container("b", "d")).await, [""; 0]);
    set_key("own").await;
    sync(&cluster).await;
    assert_eq!(client.names(Path::container("b", "d")).await, ["o"]);
}

#[tokio::test]
async fn a_container_that_is_not_to_be_sent_any_more_is_not() {
    let (cluster, client) = synced().await;
    let stop = [("X-Container-Sync-To", ""), ("X-Container-Sync-Key", "")];
    cluster.set_on_servers("a", "c", &stop).await;
    client.put(Path::object("a", "c", "o"), &[], "hello").await;
    sync(&cluster).await;
    assert_eq!(client.names(Path::container("b", "d")).await, [""; 0]);
}
