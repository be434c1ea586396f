//! Our sender to our receiver, on real disks; and what a receiver says to senders that cannot be right.

mod fragments;

use super::offer;
use super::sender::{Mode, SendError, Sender, SenderTimeouts, Source};
use crate::http::{
    Body, BodyError, BodyStream, Client, ClientOptions, Method, Request, Response, ServerOptions, Service,
    server,
};
use crate::object::tests::{Node, recent};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_ring::Device;
use swiftlet_storage::lock::{LockOptions, lock_dir};
use swiftlet_storage::object::CleanupRules;
use swiftlet_storage::object::summary::{Summary, suffixes, summarize};
use swiftlet_types::Policies;
use swiftlet_types::hash_path::PathHash;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

const AGE: Duration = Duration::from_secs(604_800);

/// Two nodes, the second one listening.
struct Pair {
    from: Node,
    to: Node,
    device: Device,
    sender: Sender,
    _stop: DropGuard,
}

impl Pair {
    async fn new(option: &str, value: &str) -> Self {
        Self::of(Node::new(), Node::with(option, value)).await
    }

    async fn of(from: Node, to: Node) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let serving =
            server::serve(listener, None, ServerOptions::default(), to.server.clone(), stop.clone());
        tokio::spawn(serving);
        let device = Device {
            device: "sda".into(),
            id: 1,
            ip: "127.0.0.1".into(),
            meta: String::new(),
            port,
            region: 1,
            replication_ip: "127.0.0.1".into(),
            replication_port: port,
            weight: 1.0,
            zone: 1,
        };
        let patience = Duration::from_secs(20);
        let sender = Sender {
            client: Client::new(ClientOptions::default()),
            store: from.server.store.clone(),
            pools: from.pools.clone(),
            timeouts: SenderTimeouts { connect: patience, node: patience, http: patience },
        };
        Self { from, to, device, sender, _stop: stop.drop_guard() }
    }

    fn source(&self) -> Source {
        let device_dir = self.from.root.path().join("sda");
        Source { device: "sda".into(), device_dir, partition: 7, policy: 0, fragments: None }
    }

    async fn sync(&self, mode: Mode) -> Result<HashSet<String>, SendError> {
        let missing = self.sender.sync(&self.source(), &self.device, &summaries(&self.from), mode).await?;
        Ok(missing.iter().map(ToString::to_string).collect())
    }
}

/// Everything in partition 7 of a node.
fn summaries(node: &Node) -> Vec<Summary> {
    let device = node.root.path().join("sda");
    let suffixes = suffixes(&device, 0, 7).unwrap();
    suffixes
        .iter()
        .flat_map(|suffix| summarize(&device, 0, 7, suffix, CleanupRules::whole(AGE)).unwrap())
        .collect()
}

async fn request(node: &Node, method: Method, object: &str, time: &str, body: &str) {
    let mut request = Request::new(method, format!("/sda/7/a/c/{object}"));
    for (name, value) in [("X-Timestamp", time), ("Content-Type", "a/b"), ("X-Object-Meta-Colour", "blü")] {
        request.headers.set(name, value.to_owned());
    }
    request.headers.set_int("Content-Length", body.len());
    request.body = Body::full(body.to_owned());
    let status = node.send(request).await.status;
    assert!(status < 300 || status == 404, "{status}");
}

/// Objects of all kinds.
async fn fill(node: &Node) {
    for n in 0..40 {
        let body = "x".repeat(if n % 10 == 7 { 3_000_000 } else { n * 100 });
        request(node, Method::Put, &format!("ö{n}"), &recent(n as u64), &body).await;
        match n % 4 {
            1 => request(node, Method::Post, &format!("ö{n}"), &recent(100), "").await,
            2 => request(node, Method::Delete, &format!("ö{n}"), &recent(100), "").await,
            _ => {}
        }
    }
    request(node, Method::Delete, "never there", &recent(100), "").await;
}

#[tokio::test]
async fn a_partition_becomes_the_other_and_stays_so() {
    let pair = Pair::new("replication_concurrency_per_device", "2").await;
    fill(&pair.from).await;
    let all = summaries(&pair.from);
    assert_eq!(pair.sync(Mode::CheckOnly).await.unwrap().len(), all.len(), "nothing is there");
    assert!(summaries(&pair.to).is_empty(), "and nothing was sent");
    assert!(pair.sync(Mode::Send).await.unwrap().is_empty());
    assert_eq!(summaries(&pair.to), all);
    assert!(pair.to.async_pendings().is_empty(), "containers know already");
    assert!(pair.sync(Mode::CheckOnly).await.unwrap().is_empty());
    // what is newer there stays
    request(&pair.to, Method::Delete, "ö4", &recent(500), "").await;
    request(&pair.from, Method::Post, "ö3", &recent(600), "").await;
    assert_eq!(pair.sync(Mode::CheckOnly).await.unwrap().len(), 1);
    assert!(pair.sync(Mode::Send).await.unwrap().is_empty());
    let differing = summaries(&pair.to).into_iter().filter(|object| !all.contains(object)).count();
    assert_eq!(differing, 2);
}

#[tokio::test]
async fn damage_at_either_end_loses_nothing() {
    let pair = Pair::new("replication_concurrency", "0").await;
    fill(&pair.from).await;
    let all = summaries(&pair.from);
    pair.sync(Mode::Send).await.unwrap();
    let cut = |node: &Node, object: &Summary| {
        let dir = node.root.path().join(format!("sda/objects/7/{}/{}", object.hash.suffix(), object.hash));
        let file = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).find(|p| p.ends_with_data());
        file.map(|file| std::fs::write(file, "short").unwrap()).is_some()
    };
    let damaged = all.iter().filter(|object| cut(&pair.to, object)).count();
    assert_eq!(pair.sync(Mode::CheckOnly).await.unwrap().len(), damaged, "set aside, and wanted");
    pair.sync(Mode::Send).await.unwrap();
    assert_eq!(summaries(&pair.to), all);

    let cut_here = all.iter().filter(|object| cut(&pair.from, object)).count();
    let offers = all.clone();
    std::fs::remove_dir_all(pair.to.root.path().join("sda/objects")).unwrap();
    let missing = pair.sender.sync(&pair.source(), &pair.device, &offers, Mode::Send).await.unwrap();
    assert_eq!(missing.len(), cut_here, "what cannot be read is not said to be there");
}

trait IsData {
    fn ends_with_data(&self) -> bool;
}

impl IsData for PathBuf {
    fn ends_with_data(&self) -> bool {
        self.extension().is_some_and(|extension| extension == "data")
    }
}

#[tokio::test]
async fn a_partition_that_is_being_replicated_is_left_alone() {
    let pair = Pair::new("replication_lock_timeout", "0").await;
    fill(&pair.from).await;
    let options = LockOptions { name: Some("replication"), ..LockOptions::default() };
    let held = lock_dir(&pair.to.root.path().join("sda/objects/7"), options).unwrap();
    let error = pair.sync(Mode::Send).await.unwrap_err().to_string();
    assert!(error.contains(":ERROR: 0") && error.contains(".lock-replication"), "{error}");
    drop(held);
    assert!(pair.sync(Mode::Send).await.unwrap().is_empty());
    let mut elsewhere = pair.device.clone();
    elsewhere.device = "sdz".into();
    let refused = pair.sender.sync(&pair.source(), &elsewhere, &[], Mode::Send).await.unwrap_err();
    assert!(matches!(refused, SendError::Refused { status: 507, .. }), "{refused}");
}

/// Sends these pieces, and then waits for ever where it is not `closed`.
struct Script {
    pieces: VecDeque<Bytes>,
    closed: bool,
}

#[async_trait]
impl BodyStream for Script {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        match self.pieces.pop_front() {
            Some(piece) => Ok(Some(piece)),
            None if self.closed => Ok(None),
            None => std::future::pending().await,
        }
    }
}

/// What the node says to a sender that says `text`.
async fn hear(node: &Node, text: &str) -> (u16, String) {
    let mut request = Request::new(Method::Ssync, "/sda/7");
    let pieces = VecDeque::from([Bytes::copy_from_slice(text.as_bytes())]);
    request.body = Body::stream(None, Script { pieces, closed: true });
    let mut answer = node.server.call(request).await;
    let mut said = Vec::new();
    while let Ok(Some(piece)) = answer.body.next().await {
        said.extend_from_slice(&piece);
    }
    (answer.status, String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn what_a_sender_says_wrong_is_told() {
    let node = Node::with("replication_failure_threshold", "2");
    let start = ":MISSING_CHECK: START\r\n";
    let checked = format!("{start}:MISSING_CHECK: END\r\n:UPDATES: START\r\n");
    let bad_put = "PUT /a/c/o\r\nContent-Length: 1\r\nContent-Type: a/b\r\n\r\nx";
    let one_bad = format!(
        "{checked}{bad_put}PUT /a/c/p\r\nContent-Length: 1\r\nContent-Type: a/b\r\nX-Timestamp: 2\r\n\r\ny:UPDATES: END\r\n"
    );
    for (text, said) in [
        ("GET / HTTP/1.1\r\n".to_owned(), "Looking for :MISSING_CHECK: START got GET / HTTP/1.1"),
        (format!("{start}../../x 1\r\n"), "missing_check line: no offer: ../../x 1"),
        (format!("{checked}MOVE /a/c/o\r\n\r\n"), "Invalid subrequest method: MOVE /a/c/o"),
        (format!("{checked}{bad_put}{bad_put}"), "Too many 2 failures to 0 successes"),
        (one_bad, ":ERROR: 500 'ERROR: With :UPDATES: 1 failures to 1 successes'"),
        ("x".repeat(100_000), "a line of more than"),
    ] {
        let (status, heard) = hear(&node, &text).await;
        assert!(status == 200 && heard.contains(":ERROR:") && heard.contains(said), "{heard}");
    }
    assert_eq!(hear(&node, "").await, (200, "\r\n".to_owned()), "it hung up");
    let whole = hear(&node, &format!("{checked}:UPDATES: END\r\n")).await.1;
    assert_eq!(
        whole,
        "\r\n:MISSING_CHECK: START\r\n:MISSING_CHECK: END\r\n:UPDATES: START\r\n:UPDATES: END\r\n"
    );
    let got = node.send(Request::new(Method::Get, "/sda/7/a/c/p")).await;
    assert_eq!((got.status, got.body), (200, b"y".to_vec()));
}

#[tokio::test]
async fn what_is_said_of_one_object_happens_in_that_order() {
    let node = Node::new();
    let put = |object: &str, time: u64, body: &str| {
        let time = recent(time);
        let length = body.len();
        format!(
            "PUT /a/c/{object}\r\nContent-Length: {length}\r\nContent-Type: a/b\r\nX-Timestamp: {time}\r\n\r\n{body}"
        )
    };
    let post = |object: &str, time: u64, colour: &str| {
        format!(
            "POST /a/c/{object}\r\nX-Object-Meta-Colour: {colour}\r\nX-Timestamp: {}\r\n\r\n",
            recent(time)
        )
    };
    let delete =
        |object: &str, time: u64| format!("DELETE /a/c/{object}\r\nX-Timestamp: {}\r\n\r\n", recent(time));
    let mut text = ":MISSING_CHECK: START\r\n:MISSING_CHECK: END\r\n:UPDATES: START\r\n".to_owned();
    for n in 0..150 {
        let object = format!("o{n}");
        text += &put(&object, 1, "first");
        match n % 4 {
            0 => text += &post(&object, 2, "red"),
            1 => text += &delete(&object, 2),
            2 => text += &put(&object, 2, "second"),
            _ => {}
        }
    }
    text += &post("o2", 3, "blue");
    text += ":UPDATES: END\r\n";
    let heard = hear(&node, &text).await.1;
    assert!(heard.ends_with(":UPDATES: START\r\n:UPDATES: END\r\n"), "{heard}");
    for n in 0..150 {
        let got = node.send(Request::new(Method::Get, format!("/sda/7/a/c/o{n}"))).await;
        let colour = got.headers.get_str("X-Object-Meta-Colour");
        match n % 4 {
            0 => assert_eq!((got.status, &got.body[..], colour), (200, &b"first"[..], Some("red"))),
            1 => assert_eq!(got.status, 404),
            2 => assert_eq!((got.status, &got.body[..]), (200, &b"second"[..])),
            _ => assert_eq!((got.status, &got.body[..], colour), (200, &b"first"[..], None)),
        }
        assert!(n != 2 || colour == Some("blue"));
    }
}

/// A conversation that has begun, and does not end of itself.
async fn begun(node: &Node) -> Response {
    let mut request = Request::new(Method::Ssync, "/sda/8");
    let pieces = VecDeque::from([Bytes::from_static(b":MISSING_CHECK: START\r\n:MISSING_CHECK: END\r\n")]);
    request.body = Body::stream(None, Script { pieces, closed: false });
    let mut answer = node.server.call(request).await;
    for _ in 0..2 {
        answer.body.next().await.unwrap().expect("it goes on");
    }
    answer
}

#[tokio::test]
async fn so_many_at_once_and_no_more() {
    let options = [("replication_concurrency", "1"), ("replication_lock_timeout", "0")];
    let node = Node::with_options(&options, Policies::new(vec![]).unwrap());
    let first = begun(&node).await;
    let (_, heard) = hear(&node, ":MISSING_CHECK: START\r\n").await;
    assert!(heard.contains(":ERROR: 503"), "{heard}");
    drop(first);
    assert!(!hear(&node, "").await.1.contains("503"));
}

#[tokio::test]
async fn the_next_one_waits_for_its_turn() {
    let options = [("replication_concurrency", "1"), ("replication_concurrency_per_device", "0")];
    let node = Node::with_options(&options, Policies::new(vec![]).unwrap());
    let first = begun(&node).await;
    let over = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(first);
    };
    let (heard, ()) = tokio::join!(hear(&node, ":MISSING_CHECK: START\r\n:MISSING_CHECK: END\r\n"), over);
    assert!(heard.1.contains(":MISSING_CHECK: END"), "{}", heard.1);
}

#[tokio::test]
async fn an_offer_of_what_is_here_is_not_wanted() {
    let node = Node::new();
    request(&node, Method::Put, "o", &recent(0), "hello").await;
    let offer = offer::encode(&summaries(&node)[0]);
    let unknown = offer.replace(|c: char| c.is_ascii_alphabetic(), "0");
    let text = format!(":MISSING_CHECK: START\r\n{offer}\r\n{unknown}\r\n:MISSING_CHECK: END\r\n");
    let hash = unknown.split(' ').next().unwrap();
    let expected = format!("\r\n:MISSING_CHECK: START\r\n{hash} dm\r\n:MISSING_CHECK: END\r\n");
    assert_eq!(hear(&node, &text).await.1, expected);
}
