//! Objects of an erasure-coded policy: fragments, and the commit that makes them count.

use super::*;
use serde_json::{Value, json};
use swiftlet_types::conf::Ini;

const POLICIES: &str = "[storage-policy:0]\nname=gold\ndefault=yes\n[storage-policy:1]\nname=ec\n\
    policy_type=erasure_coding\nec_type=liberasurecode_rs_vand\nec_num_data_fragments=4\nec_num_parity_fragments=2\n";

/// A whole policy and one of 4+2.
pub fn ec_policies() -> Policies {
    let ini = Ini::parse("swift.conf", POLICIES).expect("parses");
    Policies::from_ini(&ini).expect("two policies")
}

fn node() -> Node {
    Node::with_policies("container_update_timeout", "5", ec_policies())
}

/// The MIME documents of a PUT in two phases; without the commit, if it is to be cut off there.
fn documents(fragment: &str, index: u32, commit: bool) -> String {
    let footers = json!({
        "Etag": hex::encode(Md5::digest(fragment)),
        "X-Object-Sysmeta-Ec-Etag": "0123",
        "X-Object-Sysmeta-Ec-Content-Length": "40",
        "X-Object-Sysmeta-Ec-Frag-Index": index.to_string(),
        "X-Backend-Container-Update-Override-Etag": "0123",
        "X-Backend-Container-Update-Override-Size": "40",
    });
    let (footers, md5) = (footers.to_string(), hex::encode(Md5::digest(footers.to_string())));
    let mut text = format!(
        "--b\r\nX-Document: object body\r\n\r\n{fragment}\r\n--b\r\nX-Document: object metadata\r\n\
         Content-MD5: {md5}\r\n\r\n{footers}\r\n--b"
    );
    if commit {
        text.push_str("\r\nX-Document: put commit\r\n\r\nput_commit\r\n--b");
    }
    text + "--"
}

async fn put(node: &Node, timestamp: &str, body: String) -> u16 {
    let fields = [
        ("X-Backend-Storage-Policy-Index", "1"),
        ("X-Timestamp", timestamp),
        ("Content-Type", "text/plain"),
        ("Transfer-Encoding", "chunked"),
        ("X-Backend-Obj-Content-Length", "8"),
        ("X-Backend-Obj-Metadata-Footer", "yes"),
        ("X-Backend-Obj-Multiphase-Commit", "yes"),
        ("X-Backend-Obj-Multipart-Mime-Boundary", "b"),
        ("X-Container-Host", "127.0.0.1:1"),
        ("X-Container-Device", "sdb"),
        ("X-Container-Partition", "1"),
    ];
    node.call(Method::Put, &fields, Body::stream(None, Once(Some(body)))).await.status
}

/// A body of unknown length.
struct Once(Option<String>);

#[async_trait]
impl crate::http::BodyStream for Once {
    async fn next(&mut self) -> Result<Option<bytes::Bytes>, BodyError> {
        Ok(self.0.take().map(Into::into))
    }
}

async fn read(node: &Node, method: Method, preferences: Option<&'static str>) -> Answer {
    let mut fields = vec![("X-Backend-Storage-Policy-Index", "1")];
    fields.extend(preferences.map(|value| ("X-Backend-Fragment-Preferences", value)));
    node.call(method, &fields, Body::empty()).await
}

fn files(node: &Node) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![node.root.path().join("sda/objects-1/7")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            match entry.file_type().expect("a type").is_dir() {
                true => folders.push(entry.path()),
                false => names.push(entry.file_name().to_string_lossy().into_owned()),
            }
        }
    }
    names.retain(|name| name.ends_with(".data") || name.ends_with(".ts"));
    names.sort();
    names
}

#[tokio::test]
async fn a_fragment_counts_when_it_is_committed() {
    let node = node();
    assert_eq!(put(&node, T1, documents("fragment", 3, true)).await, 201);
    assert_eq!(files(&node), [format!("{T1}#3#d.data")]);
    let got = read(&node, Method::Get, None).await;
    assert_eq!((got.status, got.text()), (200, "fragment"));
    for (name, value) in [
        ("X-Backend-Fragments", format!("{{\"{T1}\": [3]}}").as_str()),
        ("X-Backend-Durable-Timestamp", T1),
        ("X-Backend-Data-Timestamp", T1),
        ("X-Object-Sysmeta-Ec-Etag", "0123"),
        ("X-Object-Sysmeta-Ec-Frag-Index", "3"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    let rows = node.async_pendings_of("async_pending-1");
    let field = |name: &str| {
        rows[0].headers.iter().find(|(key, _)| &key[..] == name.as_bytes()).map(|(_, v)| v.clone())
    };
    assert_eq!((field("X-Size"), field("X-Etag")), (Some("40".into()), Some("0123".into())));
}

#[tokio::test]
async fn what_was_not_committed_is_there_for_whoever_asks() {
    let node = node();
    assert_eq!(put(&node, T1, documents("fragment", 3, true)).await, 201);
    assert_eq!(put(&node, T2, documents("newer_fr", 1, false)).await, 400, "no commit came");
    assert_eq!(files(&node), [format!("{T1}#3#d.data"), format!("{T2}#1.data")]);
    assert_eq!(read(&node, Method::Get, None).await.text(), "fragment");
    let newest = read(&node, Method::Get, Some("[]")).await;
    assert_eq!((newest.text(), newest.header("X-Backend-Durable-Timestamp")), ("newer_fr", T1));
    let listed: Value = serde_json::from_str(newest.header("X-Backend-Fragments")).expect("JSON");
    assert_eq!(listed, json!({T2: [1], T1: [3]}));
    let other = r#"[{"timestamp": "1402464677.04188", "exclude": []}]"#;
    assert_eq!(read(&node, Method::Get, Some(other)).await.text(), "fragment");
    assert_eq!(read(&node, Method::Head, Some("7")).await.status, 400);
}

#[tokio::test]
async fn a_fragment_without_index_and_a_delete() {
    let node = node();
    assert_eq!(put(&node, T1, documents("fragment", 6, true)).await, 500, "4 and 2 have no fragment 6");
    assert_eq!(put(&node, T1, documents("fragment", 2, true)).await, 201);
    let now = recent(0);
    let fields = [("X-Backend-Storage-Policy-Index", "1"), ("X-Timestamp", now.as_str())];
    assert_eq!(node.call(Method::Delete, &fields, Body::empty()).await.status, 204);
    assert_eq!(files(&node), [format!("{now}.ts")]);
    assert_eq!(read(&node, Method::Get, None).await.status, 404);
}
