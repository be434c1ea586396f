use super::*;
use crate::role::testing::TestCluster;
use async_trait::async_trait;
use std::sync::atomic::{AtomicU32, Ordering};
use swiftlet_types::conf::Options;

#[tokio::test]
async fn reads_and_changes_a_cluster_page_by_page() {
    let cluster = TestCluster::start().await;
    let client = cluster.client();
    assert_eq!(client.account_counts(".queue").await.unwrap(), (0, 0));
    assert_eq!(
        client.names(Path::container(".queue", "c")).await,
        [""; 0],
        "there is none, which is no error"
    );
    let refused = client.listing(Path::container(".queue", "c"), Accepts::SUCCESS).next().await;
    assert_eq!(refused.unwrap_err().status(), Some(404));

    let container = Path::container(".queue", "c");
    assert_eq!(client.put(container.clone(), &[], "").await, 201);
    for name in ["a/é %&", "b", "\u{0}reserved"] {
        assert_eq!(client.put(Path::object(".queue", "c", name), &[], "hello").await, 201, "{name}");
    }
    let entries = client.entries(container.clone()).await;
    let seen: Vec<_> = entries.iter().map(|e| (e.name.as_str(), e.hash.as_str())).collect();
    let etag = "5d41402abc4b2a76b9719d911017c592";
    assert_eq!(seen, [("\u{0}reserved", etag), ("a/é %&", etag), ("b", etag)]);

    let gone = Ask::new(Method::Delete, Path::object(".queue", "c", "b"));
    assert_eq!(client.settle(gone, Accepts::SUCCESS).await.unwrap(), 204);
    assert_eq!(client.names(container).await, ["\u{0}reserved", "a/é %&"]);
}

#[tokio::test]
async fn objects_are_where_the_policy_says_that_a_request_names() {
    let cluster = TestCluster::start().await;
    let client = cluster.client();
    let (container, object) = (Path::container("a", "c"), Path::object("a", "c", "o"));
    assert_eq!(client.put(container, &[("X-Storage-Policy", "gold")], "").await, 201);
    let silver = ("X-Backend-Storage-Policy-Index", "1");
    assert_eq!(client.put(object.clone(), &[silver], "hello").await, 201);
    assert_eq!(client.ask(Method::Get, object.clone(), &[]).await.status, 404);
    assert_eq!(client.ask(Method::Get, object, &[silver]).await.status, 200);
    assert!(client.is_policy_settled(1) && !client.is_policy_settled(2));
}

/// Fails a few times, and then works.
struct Failing(AtomicU32);

#[async_trait]
impl App for Failing {
    async fn call(&self, _: ProxyRequest) -> Response {
        match self.0.fetch_sub(1, Ordering::Relaxed) > 1 {
            true => Response::new(503).with_body("not now"),
            false => Response::new(204),
        }
    }
}

#[tokio::test]
async fn failures_are_tried_again_and_refusals_are_not() {
    let cluster = TestCluster::start().await;
    let client = |tries_needed: u32| InternalClient {
        app: Arc::new(Failing(tries_needed.into())),
        first_pause: Duration::from_millis(1),
        ..cluster.client()
    };
    let ask = || Ask::new(Method::Get, Path::account("a"));
    assert_eq!(client(3).settle(ask(), Accepts::SUCCESS).await.unwrap(), 204);
    let error = client(4).settle(ask(), Accepts::SUCCESS).await.unwrap_err();
    assert_eq!(error.to_string(), "Unexpected response: 503 not now");
    let error = client(1).settle(ask(), Accepts(&[404])).await.unwrap_err();
    assert_eq!(error.to_string(), "Unexpected response: 204");
}

#[tokio::test]
async fn the_gatekeeper_is_refused() {
    let cluster = TestCluster::start().await;
    let text = "[pipeline:main]\npipeline = gatekeeper proxy-server\n[app:proxy-server]\nuse = egg:swift#proxy\n\
                [filter:gatekeeper]\nuse = egg:swift#gatekeeper\n";
    let file = ClientFile::At(cluster.conf("internal-client", text));
    let options = Options::new("d.conf", "daemon").with("swift_dir", &cluster.dir().display().to_string());
    let error = InternalClient::load(&file, &options, &cluster.swift(), "Test").err().unwrap().to_string();
    assert!(error.contains("[filter:gatekeeper]: the gatekeeper takes from requests"), "{error}");
    let none = options.with("request_tries", "0");
    let error = InternalClient::load(&ClientFile::Usual, &none, &cluster.swift(), "Test").err().unwrap();
    assert_eq!(error.to_string(), "d.conf [daemon] request_tries: \"0\" must be at least 1");
}
