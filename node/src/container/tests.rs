use super::ContainerServer;
use crate::database::Jobs;
use crate::database::testing::{Read, TestNode, ask};
use crate::http::Method::{self, Delete, Get, Head, Post, Put, Update};
use crate::http::{Client, ClientOptions};

const T1: &str = "1402464677.04188";
const T2: &str = "1402464678.00000";
const T3: &str = "1402464679.00000";
const T4: &str = "1402464680.00000";

struct Container {
    node: TestNode,
    server: ContainerServer,
}

impl Container {
    fn new() -> Self {
        let node = TestNode::new();
        let options = node.options("app:container-server");
        let client = Client::new(ClientOptions::default());
        let server = ContainerServer::from_options(&options, node.swift(), Jobs::default(), client).unwrap();
        Self { node, server }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&'static str, &str)]) -> Read {
        ask(&self.server, method, &format!("/sda/7/{path}"), headers, "").await
    }

    async fn put(&self) {
        assert_eq!(self.ask(Put, "a/c", &[("X-Timestamp", T1)]).await.status, 201);
    }

    async fn put_object(&self, name: &str, content_type: &str) -> u16 {
        let headers =
            [("X-Timestamp", T1), ("X-Size", "5"), ("X-Content-Type", content_type), ("X-Etag", "e")];
        self.ask(Put, &format!("a/c/{name}"), &headers).await.status
    }
}

#[tokio::test]
async fn a_container_lives_and_dies() {
    let container = Container::new();
    let none = container.ask(Head, "a/c", &[]).await;
    assert_eq!((none.status, none.header("X-Backend-Timestamp")), (404, "0000000000.00000"));
    let put = [("X-Timestamp", T1), ("X-Backend-Storage-Policy-Index", "1"), ("X-Container-Read", ".r:*")];
    let created = container.ask(Put, "a/c", &put).await;
    assert_eq!((created.status, created.header("X-Backend-Storage-Policy-Index")), (201, "1"));
    let conflict =
        container.ask(Put, "a/c", &[("X-Timestamp", T2), ("X-Backend-Storage-Policy-Index", "0")]).await;
    assert_eq!((conflict.status, conflict.header("X-Backend-Storage-Policy-Index")), (409, "1"));
    assert_eq!(container.ask(Put, "a/c", &[("X-Timestamp", T2)]).await.status, 202);
    assert_eq!(
        container.ask(Post, "a/c", &[("X-Timestamp", T2), ("X-Container-Meta-A", "b")]).await.status,
        204
    );
    let head = container.ask(Head, "a/c", &[]).await;
    assert_eq!(
        (head.status, head.header("X-Container-Read"), head.header("X-Container-Meta-A")),
        (204, ".r:*", "b")
    );
    assert_eq!((head.header("X-PUT-Timestamp"), head.header("X-Backend-Sharding-State")), (T2, "unsharded"));
    assert_eq!(head.header("Last-Modified"), "Wed, 11 Jun 2014 05:31:18 GMT");

    container.put_object("o", "a/b").await;
    assert_eq!(container.ask(Delete, "a/c", &[("X-Timestamp", T3)]).await.status, 409);
    assert_eq!(container.ask(Delete, "a/c/o", &[("X-Timestamp", T3)]).await.status, 204);
    assert_eq!(container.ask(Delete, "a/c", &[("X-Timestamp", T3)]).await.status, 204);
    let gone = container.ask(Head, "a/c", &[]).await;
    assert_eq!((gone.status, gone.header("X-Backend-DELETE-Timestamp")), (404, T3));
    assert!(!gone.headers.contains("X-Container-Object-Count"));
    assert_eq!(container.ask(Delete, "a/c", &[("X-Timestamp", T4)]).await.status, 404);
    let again = [("X-Timestamp", T4), ("X-Backend-Storage-Policy-Index", "0")];
    assert_eq!(container.ask(Put, "a/c", &again).await.status, 201, "deleted, it may change its policy");
    let head = container.ask(Head, "a/c", &[]).await;
    assert_eq!((head.header("X-Backend-Status-Changed-At"), head.header("X-Container-Read")), (T4, ""));
}

#[tokio::test]
async fn objects_are_listed_in_each_form() {
    let container = Container::new();
    assert_eq!(container.put_object("o", "a/b").await, 404);
    container.put().await;
    assert_eq!(container.ask(Get, "a/c", &[]).await.status, 204);
    assert_eq!(container.ask(Get, "a/c?format=json", &[]).await.body, "[]");
    assert_eq!(container.put_object("p/1", "a/b; x=y; swift_bytes=77").await, 201);
    assert_eq!(container.put_object("ü\"", "text/plain").await, 201);
    assert_eq!(
        container.ask(Get, "a/c?format=json", &[]).await.body,
        "[{\"bytes\": 77, \"hash\": \"e\", \"name\": \"p/1\", \"content_type\": \"a/b;x=y\", \"last_modified\": \
         \"2014-06-11T05:31:17.041880\"}, {\"bytes\": 5, \"hash\": \"e\", \"name\": \"\\u00fc\\\"\", \
         \"content_type\": \"text/plain\", \"last_modified\": \"2014-06-11T05:31:17.041880\"}]"
    );
    let text = container.ask(Get, "a/c?delimiter=/", &[]).await;
    assert_eq!((text.body.as_str(), text.header("X-Container-Object-Count")), ("p/\nü\"\n", "2"));
    assert_eq!(container.ask(Get, "a/c?path=p", &[]).await.body, "p/1\n");
    let xml = container.ask(Get, "a/c?prefix=p", &[("Accept", "application/xml")]).await;
    assert!(xml.body.contains("<object><name>p/1</name><hash>e</hash><bytes>77</bytes>"), "{}", xml.body);
    let other = container.ask(Get, "a/c?format=json", &[("X-Backend-Storage-Policy-Index", "1")]).await;
    assert_eq!((other.body.as_str(), other.header("X-Backend-Record-Storage-Policy-Index")), ("[]", "1"));
    let bad = container.ask(Get, "a/c", &[("X-Backend-Storage-Policy-Index", "9")]).await;
    assert_eq!((bad.status, bad.body.as_str()), (400, "Invalid X-Backend-Storage-Policy-Index 9"));
}

#[tokio::test]
async fn rows_and_shard_ranges_come_in_batches() {
    let container = Container::new();
    container.put().await;
    let shard = [("X-Timestamp", T2), ("X-Backend-Record-Type", "shard")];
    let range = |name: &str, lower: &str, upper: &str| {
        format!(
            "{{\"name\": \".shards_a/{name}\", \"timestamp\": \"{T2}\", \"lower\": \"{lower}\", \"upper\": \"{upper}\", \
             \"object_count\": 0, \"bytes_used\": 0, \"meta_timestamp\": \"{T2}\", \"deleted\": 0, \"state\": 40, \
             \"state_timestamp\": \"{T2}\", \"epoch\": null, \"reported\": 0, \"tombstones\": -1}}"
        )
    };
    let body = format!("[{}, {}]", range("c-1", "", "m"), range("c-2", "m", ""));
    assert_eq!(ask(&container.server, Put, "/sda/7/a/c", &shard, &body).await.status, 202);
    let rows = format!(
        "[{{\"name\": \"o\", \"created_at\": \"{T1}\", \"size\": 1, \"content_type\": \"a/b\", \"etag\": \"e\", \"deleted\": 0}}]"
    );
    let update = ask(&container.server, Update, "/sda/7/a/c", &[("X-Timestamp", T2)], &rows).await;
    assert_eq!(update.status, 202);
    assert_eq!(container.ask(Get, "a/c", &[]).await.body, "o\n");
    assert_eq!(ask(&container.server, Update, "/sda/7/a/c", &[("X-Timestamp", T2)], "x").await.status, 400);
    assert_eq!(ask(&container.server, Put, "/sda/7/a/c", &shard, "[{}]").await.status, 400);
}

#[tokio::test]
async fn updates_are_sent_on_to_shards() {
    let container = Container::new();
    container.put().await;
    let shard = [("X-Timestamp", T2), ("X-Backend-Record-Type", "shard")];
    let range = format!(
        "[{{\"name\": \".shards_a/c-1\", \"timestamp\": \"{T2}\", \"lower\": \"\", \"upper\": \"m\", \
         \"object_count\": 0, \"bytes_used\": 0, \"meta_timestamp\": null, \"deleted\": 0, \"state\": \"active\", \
         \"state_timestamp\": null, \"epoch\": null}}]"
    );
    assert_eq!(ask(&container.server, Put, "/sda/7/a/c", &shard, &range).await.status, 202);
    let headers = [
        ("X-Timestamp", T3),
        ("X-Size", "5"),
        ("X-Content-Type", "a/b"),
        ("X-Etag", "e"),
        ("X-Backend-Accept-Redirect", "true"),
    ];
    let there = container.ask(Put, "a/c/k", &headers).await;
    assert_eq!((there.status, there.header("Location")), (301, "/.shards_a/c-1/k"));
    assert_eq!(there.header("X-Backend-Redirect-Timestamp"), T2);
    assert_eq!(container.ask(Put, "a/c/z", &headers).await.status, 201);
    assert_eq!(container.ask(Put, "a/c/k k", &headers).await.status, 201, "an old sender cannot read %20");

    let listed = container.ask(Get, "a/c?format=json&states=listing", &shard).await;
    assert_eq!(listed.header("X-Backend-Record-Type"), "shard");
    let names: Vec<serde_json::Value> = serde_json::from_str(&listed.body).unwrap();
    let bounds: Vec<_> =
        names.iter().map(|r| (r["name"].as_str().unwrap(), r["lower"].as_str().unwrap())).collect();
    assert_eq!(bounds, [(".shards_a/c-1", ""), ("a/c", "m")], "the rest is the container's own");
    let namespaces = [("X-Backend-Record-Type", "shard"), ("X-Backend-Record-Shard-Format", "namespace")];
    let only = container.ask(Get, "a/c?format=json&includes=k", &namespaces).await;
    assert_eq!(only.body, "[{\"name\": \".shards_a/c-1\", \"lower\": \"\", \"upper\": \"m\"}]");
    assert_eq!(container.ask(Get, "a/c?states=odd", &shard).await.body, "Bad state");
}

#[tokio::test]
async fn hidden_containers_come_about_by_themselves() {
    let container = Container::new();
    let row = [("X-Timestamp", T1), ("X-Size", "5"), ("X-Content-Type", "a/b"), ("X-Etag", "e")];
    assert_eq!(container.ask(Put, ".expiring_objects/c/o", &row).await.status, 201);
    assert_eq!(container.ask(Put, ".shards_a/c/o", &row).await.status, 404, "only the sharder makes shards");
    let told = [row.as_slice(), &[("X-Backend-Auto-Create", "yes")]].concat();
    assert_eq!(container.ask(Put, "a/c/o", &told).await.status, 201);
}

#[tokio::test]
async fn synced_containers_are_on_the_list() {
    let container = Container::new();
    container.put().await;
    let sync = |to: &'static str, time: &'static str| {
        [("X-Timestamp", time), ("X-Container-Sync-To", to), ("X-Container-Sync-Key", "k")]
    };
    let refused = container.ask(Post, "a/c", &sync("http://evil/v1/a/c", T2)).await;
    assert_eq!((refused.status, refused.body.as_str()), (400, "Invalid host 'evil' in X-Container-Sync-To"));
    let links = || walk(&container.node.root.path().join("sda/sync_containers"));
    assert_eq!(links(), 0);
    assert_eq!(container.ask(Post, "a/c", &sync("http://127.0.0.1/v1/a/c", T2)).await.status, 204);
    assert_eq!(links(), 1);
    assert_eq!(container.ask(Post, "a/c", &sync("", T3)).await.status, 204);
    assert_eq!(links(), 0);
}

/// How many links lie below `dir`.
fn walk(dir: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| if entry.file_type().unwrap().is_symlink() { 1 } else { walk(&entry.path()) })
        .sum()
}
