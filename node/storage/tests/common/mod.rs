//! A node with one device, and Python Swift working on it.
#![allow(dead_code)] // each test binary uses its own part of it

use bytes::Bytes;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use swiftlet_storage::device::{Devices, Reserve};
use swiftlet_storage::object::{
    Change, Location, Metadata, ObjectPath, ObjectStore, OpenError, OpenObject, OpenOptions, StoreConfig,
    WriteError, hashes,
};
use swiftlet_types::{HashConf, Timestamp};

/// Long enough that the tests' old timestamps are not reclaimed.
const RECLAIM_AGE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A node with the device `sda` in a temporary folder.
pub struct Node {
    root: tempfile::TempDir,
    pub store: Arc<ObjectStore>,
}

impl Node {
    pub fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(root.path().join("sda")).expect("a device");
        let store = store_at(root.path().into());
        Self { root, store }
    }

    pub fn device(&self) -> PathBuf {
        self.root.path().join("sda")
    }

    pub fn at(&self, partition: u64, object: &str) -> Location {
        location(&self.store, partition, object)
    }

    pub fn open(&self, partition: u64, object: &str) -> Result<OpenObject, OpenError> {
        self.store
            .open(&self.at(partition, object), OpenOptions { now: Timestamp::now(), open_expired: false })
    }

    pub fn put(
        &self,
        partition: u64,
        object: &str,
        timestamp: &str,
        body: &[u8],
        fields: &[(&'static str, &[u8])],
    ) -> Result<(), WriteError> {
        put(&self.store, &self.at(partition, object), timestamp, body, fields)
    }

    /// As Python's `get_hashes` gives them.
    pub fn hashes(&self, partition: u64) -> Value {
        let (_, hashes) = hashes::get_hashes(&self.device(), 0, partition, &[], RECLAIM_AGE).expect("hashes");
        json!(hashes)
    }
}

pub fn store_at(root: PathBuf) -> Arc<ObjectStore> {
    let hash = HashConf { prefix: vec![], suffix: b"endcap".to_vec() };
    let config = StoreConfig {
        reserve: Reserve::Bytes(0),
        reclaim_age: RECLAIM_AGE,
        ..StoreConfig::new(hash, Devices::new(root, false))
    };
    Arc::new(ObjectStore::new(config))
}

pub fn location(store: &ObjectStore, partition: u64, object: &str) -> Location {
    let path = ObjectPath { account: "a".into(), container: "c".into(), object: object.into() };
    store.locate("sda", partition, 0, &path).expect("a usable device")
}

pub fn put(
    store: &Arc<ObjectStore>,
    at: &Location,
    timestamp: &str,
    body: &[u8],
    fields: &[(&'static str, &[u8])],
) -> Result<(), WriteError> {
    let mut writer = store.create(at, Some(body.len() as u64))?;
    writer.write(vec![bytes::Bytes::copy_from_slice(body)])?;
    let (size, etag) = writer.digest();
    let mut all = metadata(timestamp, fields);
    all.set("Content-Type", "text/plain");
    all.set("Content-Length", size.to_string());
    all.set("ETag", etag);
    writer.commit(all).map(Change::settle)
}

pub fn metadata(timestamp: &str, fields: &[(&'static str, &[u8])]) -> Metadata {
    let mut all: Metadata = [("X-Timestamp", timestamp.to_owned())].into_iter().collect();
    for (name, value) in fields {
        all.set(*name, Bytes::copy_from_slice(value));
    }
    all
}

/// A Python process that does to the node's device what it is told.
pub struct PythonSwift {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PythonSwift {
    pub fn start(node: &Node) -> Self {
        Self::run("diskfile_agent.py", node.root.path())
    }

    /// Runs a script of `tests/python`, which works below `root`.
    pub fn run(script: &str, root: &Path) -> Self {
        let mut child = Command::new(swiftlet_testing::python())
            .arg(format!("{}/tests/python/{script}", env!("CARGO_MANIFEST_DIR")))
            .arg(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let requests = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, requests, answers }
    }

    /// Does it and gives the answer.
    pub fn ask(&mut self, request: Value) -> Value {
        writeln!(self.requests, "{request}").expect("Python Swift listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("Python Swift answers");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{request} failed in Python: {e} {line:?}"))
    }

    /// Does it.
    pub fn tell(&mut self, request: Value) {
        self.ask(request);
    }
}

impl Drop for PythonSwift {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
