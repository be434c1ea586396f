//! Fragments from node to node: those of one index, committed or not.

use super::*;
use crate::object::ssync::sender::{Fragments, Rebuild};
use crate::object::tests::fragments::ec_policies;
use swiftlet_storage::object::{CleanupRules, FragmentChoice, HashDir, ObjectState};

async fn pair() -> Pair {
    let node = || Node::with_policies("replication_concurrency_per_device", "0", ec_policies());
    Pair::of(node(), node()).await
}

/// Stores a fragment as a reconstructor sends one.
async fn put(node: &Node, time: &str, index: u32, body: &'static str, is_committed: bool) {
    let mut request = Request::new(Method::Put, "/sda/7/a/c/o");
    for (name, value) in [
        ("X-Timestamp", time.to_owned()),
        ("Content-Type", "a/b".to_owned()),
        ("Content-Length", body.len().to_string()),
        ("X-Backend-Storage-Policy-Index", "1".to_owned()),
        ("X-Object-Sysmeta-Ec-Etag", "0123".to_owned()),
        ("X-Object-Sysmeta-Ec-Frag-Index", index.to_string()),
        ("X-Backend-Ssync-Frag-Index", index.to_string()),
    ] {
        request.headers.set(name, value);
    }
    if !is_committed {
        request.headers.set("X-Backend-No-Commit", "True");
    }
    request.body = Body::full(body);
    assert_eq!(node.send(request).await.status, 201);
}

fn files(node: &Node) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![node.root.path().join("sda/objects-1/7")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => folders.push(entry.path()),
                false => names.push(entry.file_name().to_string_lossy().into_owned()),
            }
        }
    }
    names.retain(|name| name.ends_with(".data"));
    names.sort();
    names
}

impl Pair {
    /// Sends fragments `own` of the first node as fragments `wanted`.
    async fn revert(&self, own: u32, wanted: u32, rebuild: Option<Arc<dyn Rebuild>>) -> HashSet<PathHash> {
        let fragments = Fragments { own: Some(own), wanted, with_uncommitted: true, rebuild };
        let source = Source { policy: 1, fragments: Some(fragments), ..self.source() };
        let layout = self.sender.store.config().layouts.of_policy(1);
        let rules =
            CleanupRules { choice: FragmentChoice::newest(Some(own)), ..CleanupRules::of(layout, AGE) };
        let device = self.from.root.path().join("sda");
        let suffixes = suffixes(&device, 1, 7).unwrap();
        let offers: Vec<_> =
            suffixes.iter().flat_map(|suffix| summarize(&device, 1, 7, suffix, rules).unwrap()).collect();
        self.sender.sync(&source, &self.device, &offers, Mode::Send).await.unwrap()
    }
}

#[tokio::test]
async fn a_fragment_is_committed_where_it_waits() {
    let pair = pair().await;
    let (first, second) = (recent(0), recent(10));
    put(&pair.from, &first, 2, "fragment", false).await;
    assert!(pair.revert(2, 2, None).await.is_empty());
    assert_eq!(files(&pair.to), [format!("{first}#2.data")]);
    assert!(pair.revert(2, 2, None).await.is_empty(), "it is not asked for again");

    put(&pair.from, &first, 2, "fragment", true).await;
    assert!(pair.revert(2, 2, None).await.is_empty());
    assert_eq!(files(&pair.to), [format!("{first}#2#d.data")]);

    put(&pair.from, &second, 2, "newer", false).await;
    assert!(pair.revert(2, 2, None).await.is_empty());
    assert_eq!(files(&pair.to), [format!("{first}#2#d.data"), format!("{second}#2.data")]);
}

#[tokio::test]
async fn another_index_does_not_stand_against_one() {
    let pair = pair().await;
    let (first, second) = (recent(0), recent(10));
    put(&pair.to, &second, 5, "newer", false).await;
    put(&pair.to, &first, 5, "other", true).await;
    put(&pair.from, &first, 2, "fragment", true).await;
    put(&pair.from, &first, 3, "stays", true).await;
    assert!(pair.revert(2, 2, None).await.is_empty());
    let expected = [format!("{first}#2#d.data"), format!("{first}#5#d.data"), format!("{second}#5.data")];
    assert_eq!(files(&pair.to), expected);
}

/// Says the same of every object.
struct Says(Option<&'static str>);

#[async_trait]
impl Rebuild for Says {
    async fn rebuild(&self, _: &HashDir, _: &ObjectState) -> Option<Body> {
        self.0.map(Body::full)
    }
}

#[tokio::test]
async fn what_is_missing_is_made_on_its_way() {
    let pair = pair().await;
    let time = recent(0);
    put(&pair.from, &time, 2, "fragment", true).await;
    assert_eq!(pair.revert(2, 4, Some(Arc::new(Says(None)))).await.len(), 1);
    assert_eq!(pair.revert(2, 4, Some(Arc::new(Says(Some("short"))))).await.len(), 1);
    assert!(files(&pair.to).is_empty());
    assert!(pair.revert(2, 4, Some(Arc::new(Says(Some("rebuilt!"))))).await.is_empty());
    assert_eq!(files(&pair.to), [format!("{time}#4#d.data")]);
}

#[tokio::test]
async fn an_index_that_is_none_is_refused() {
    let node = Node::with_policies("replication_concurrency_per_device", "0", ec_policies());
    let mut request = Request::new(Method::Ssync, "/sda/7");
    request.headers.set("X-Backend-Storage-Policy-Index", "1");
    request.headers.set("X-Backend-Ssync-Frag-Index", "two");
    assert_eq!(node.send(request).await.status, 400);
}
