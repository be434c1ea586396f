use super::super::tests::{Fake, get, request, text};
use super::*;
use crate::proxy::tests::nodes::Cluster;
use serde_json::Value;

/// The filter for the rings of `cluster`.
fn filter(cluster: &Cluster) -> Arc<dyn App> {
    let placement = Placement::new(cluster.app.rings.clone(), cluster.app.hash.clone());
    let mut setup = Setup { placement: Some(placement), ..Setup::new(Arc::default()) };
    let next = Fake::new(|_| Response::new(204).with("X-Backend-Storage-Policy-Index", "0"));
    layer(&Options::new("p.conf", "filter:x"), &mut setup).unwrap()(Arc::new(next))
}

async fn json_of(filter: &Arc<dyn App>, path: &str) -> Value {
    let (status, body) = text(filter.call(get(path)).await).await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn names_the_nodes() {
    let cluster = Cluster::start(3, &[]).await;
    let filter = filter(&cluster);
    let app = &cluster.app;
    let ring = app.rings.object(0).unwrap();
    let partition = ring.partition(&app.hash.object("AUTH_a", "c", "o/ü"));
    let urls = ring
        .primaries(partition)
        .into_iter()
        .map(|node| format!("http://{}/{}/{partition}/AUTH_a/c/o/%C3%BC", node.host(false), node.device()));
    let urls: Vec<String> = urls.collect();
    assert_eq!(urls.len(), 3);
    let objects = json_of(&filter, "/endpoints/v2/AUTH_a/c/o/ü").await;
    assert_eq!(objects, json!({"endpoints": urls, "headers": {"X-Backend-Storage-Policy-Index": "0"}}));
    let container = json_of(&filter, "/endpoints/v2.0/AUTH_a/c").await;
    assert_eq!(container["headers"], json!({}));
    assert_eq!(json_of(&filter, "/endpoints/v1/AUTH_a/c").await, container["endpoints"]);
    assert!(json_of(&filter, "/endpoints/v_3/c").await[0].as_str().unwrap().ends_with("/v_3/c"));
    assert!(json_of(&filter, "/endpoints/a b").await[0].as_str().unwrap().ends_with("/a%20b"));
}

#[tokio::test]
async fn refuses_what_it_cannot_answer() {
    let filter = filter(&Cluster::start(3, &[]).await);
    for (path, why) in [
        ("/endpoints/", "No account specified"),
        ("/endpoints/v1", "No account specified"),
        ("/endpoints/v3/a", "Unsupported version 'v3'"),
        ("/endpoints/a//o", "No account specified"),
    ] {
        assert_eq!(text(filter.call(get(path)).await).await, (400, why.to_owned()), "{path}");
    }
    let refused = filter.call(request(Method::Put, "/endpoints/a", &[])).await;
    assert_eq!((refused.status, refused.headers.get_str("allow")), (405, Some("GET")));
    assert_eq!(filter.call(get("/endpoint")).await.status, 204);
    let none = layer(&Options::new("p.conf", "filter:x"), &mut Setup::new(Arc::default())).err().unwrap();
    assert_eq!(none.to_string(), "there are no rings");
}
