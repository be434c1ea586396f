//! Comparing what servers say.

use super::servers::{Fault, Listed, Row, Servers};
use super::tally::Tally;
use anyhow::Context;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use swiftlet_ring::Device;
use swiftlet_types::names::split_path;
use tokio::sync::OnceCell;

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// An account and all in it.
    Account(String),
    /// A container and its objects.
    Container(String, String),
    /// An object.
    Object(String, String, String),
}

impl Job {
    /// What `url` means: an account, a container or an object.
    pub fn of(url: &str) -> anyhow::Result<Self> {
        let path = format!("/{}", url.trim_end_matches(['\r', '\n']).trim_start_matches('/'));
        let names =
            split_path(path.as_bytes(), 1, 3, true).with_context(|| format!("Invalid path: {path}"))?;
        let name = |at: usize| names.get(at).map(|name| String::from_utf8_lossy(name).into_owned());
        Ok(match (name(0).unwrap_or_default(), name(1), name(2)) {
            (account, Some(container), Some(object)) => Self::Object(account, container, object),
            (account, Some(container), None) => Self::Container(account, container),
            (account, None, _) => Self::Account(account),
        })
    }
}

/// A container in an account's listing.
#[derive(Deserialize)]
struct ContainerRow {
    name: String,
}

/// An object in a container's listing.
#[derive(Debug, Clone, Deserialize)]
struct ObjectRow {
    name: String,
    hash: String,
    last_modified: String,
}

impl Row for ContainerRow {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Row for ObjectRow {
    fn name(&self) -> &str {
        &self.name
    }
}

/// What is listed, looked at once however many ask.
type Once<K, V> = Mutex<HashMap<K, Arc<OnceCell<Arc<V>>>>>;
/// The objects of a container by name, the newest of what its servers list.
type Objects = BTreeMap<String, ObjectRow>;

/// An audit.
pub(super) struct Audit {
    servers: Servers,
    is_deep: bool,
    /// Where inconsistent paths are added.
    error_file: Option<PathBuf>,
    tally: Mutex<Tally>,
    accounts: Once<String, BTreeSet<String>>,
    containers: Once<(String, String), Objects>,
}

impl Audit {
    /// An audit that has not begun.
    pub fn new(servers: Servers, is_deep: bool, error_file: Option<PathBuf>) -> Self {
        let tally = Mutex::default();
        Self { servers, is_deep, error_file, tally, accounts: Mutex::default(), containers: Mutex::default() }
    }

    /// What was counted.
    pub fn tally(&self) -> Tally {
        self.tally.lock().clone()
    }

    /// Looks at all of `jobs` and what is in them, so many at once.
    pub async fn run(&self, jobs: Vec<Job>, concurrency: usize) {
        let mut waiting: VecDeque<Job> = jobs.into();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < concurrency
                && let Some(job) = waiting.pop_front()
            {
                running.push(self.look(job));
            }
            match running.next().await {
                Some(more) => waiting.extend(more),
                None => return,
            }
        }
    }

    /// Looks at one; what is in it.
    async fn look(&self, job: Job) -> Vec<Job> {
        match job {
            Job::Account(account) => {
                let containers = self.account(&account).await;
                containers.iter().map(|name| Job::Container(account.clone(), name.clone())).collect()
            }
            Job::Container(account, container) => {
                let objects = self.container(&account, &container).await;
                let object = |name: &String| Job::Object(account.clone(), container.clone(), name.clone());
                objects.keys().map(object).collect()
            }
            Job::Object(account, container, object) => {
                self.object(&account, &container, &object).await;
                Vec::new()
            }
        }
    }

    /// The containers of an account, by any of its servers.
    async fn account(&self, account: &str) -> Arc<BTreeSet<String>> {
        let cell = self.accounts.lock().entry(account.to_owned()).or_default().clone();
        cell.get_or_init(async || Arc::new(self.audit_account(account).await)).await.clone()
    }

    /// The objects of a container, by any of its servers.
    async fn container(&self, account: &str, container: &str) -> Arc<Objects> {
        let key = (account.to_owned(), container.to_owned());
        let cell = self.containers.lock().entry(key).or_default().clone();
        cell.get_or_init(async || Arc::new(self.audit_container(account, container).await)).await.clone()
    }

    async fn audit_account(&self, account: &str) -> BTreeSet<String> {
        say(&format!("Auditing account \"{account}\""));
        let path = format!("/{account}");
        let (partition, nodes) = self.servers.of_account(account);
        let (mut containers, mut answers, mut is_consistent) = (BTreeSet::new(), Vec::new(), true);
        for node in nodes {
            let listed: Listed<ContainerRow> = self.servers.list(node, partition, &path).await;
            containers.extend(listed.rows.into_iter().map(|row| row.name));
            answers.extend(listed.headers);
            let Some(fault) = listed.fault else { continue };
            is_consistent = false;
            let counts = &mut self.tally.lock().accounts;
            let what = match fault {
                Fault::Status(_) => {
                    counts.not_found += 1;
                    format!("Bad status GETting account '{account}'  from")
                }
                Fault::Exception => {
                    counts.exceptions += 1;
                    format!("Exception GETting account '{account}' on")
                }
            };
            say(&format!("  {what} {}:{}", node.ip, node.device));
        }
        let counts =
            |name: &str| answers.iter().map(|headers| count(headers.get_str(name))).collect::<Vec<_>>();
        for (field, what) in
            [("X-Account-Container-Count", "containers"), ("X-Account-Object-Count", "objects")]
        {
            let counts = counts(field);
            if agree(&counts) {
                continue;
            }
            is_consistent = false;
            let mut tally = self.tally.lock();
            match what {
                "containers" => tally.account_container_mismatch += 1,
                _ => tally.account_object_mismatch += 1,
            }
            say(&format!("  Account databases for '{account}' don't agree on number of {what}."));
            say_range(&counts);
        }
        self.tally.lock().accounts.checked += 1;
        self.note(&path, is_consistent);
        containers
    }

    async fn audit_container(&self, account: &str, container: &str) -> Objects {
        say(&format!("Auditing container \"{container}\""));
        let path = format!("/{account}/{container}");
        let mut is_consistent = self.account(account).await.contains(container);
        if !is_consistent {
            say(&format!("  Container {path} not in account listing!"));
        }
        let (partition, nodes) = self.servers.of_container(account, container);
        let (mut objects, mut counts) = (Objects::new(), Vec::new());
        for node in nodes {
            let listed: Listed<ObjectRow> = self.servers.list(node, partition, &path).await;
            let headers = listed.headers.as_ref();
            counts.extend(headers.map(|headers| count(headers.get_str("X-Container-Object-Count"))));
            is_consistent &= self.merge(container, &mut objects, listed.rows);
            if let Some(fault) = listed.fault {
                is_consistent = false;
                self.tell_container_fault(fault, &path, node);
            }
        }
        if counts.is_empty() {
            is_consistent = false;
            say(&format!("  Failed to fetch container {path} at all!"));
        } else if !agree(&counts) {
            is_consistent = false;
            self.tally.lock().container_count_mismatch += 1;
            say("  Container databases don't agree on number of objects.");
            say_range(&counts);
        }
        self.tally.lock().containers.checked += 1;
        self.note(&path, is_consistent);
        objects
    }

    /// Adds what one more server lists; whether that is what the others list of the same objects.
    fn merge(&self, container: &str, objects: &mut Objects, rows: Vec<ObjectRow>) -> bool {
        let mut is_consistent = true;
        for row in rows {
            let known = objects.entry(row.name.clone()).or_insert_with(|| row.clone());
            if known.last_modified != row.last_modified {
                is_consistent = false;
                self.tally.lock().container_object_mismatch += 1;
                say(&format!("  Different versions of {container}/{} in container dbs.", row.name));
                if row.last_modified > known.last_modified {
                    *known = row;
                }
            }
        }
        is_consistent
    }

    fn tell_container_fault(&self, fault: Fault, path: &str, node: &Device) {
        let counts = &mut self.tally.lock().containers;
        let what = match fault {
            Fault::Status(_) => {
                counts.not_found += 1;
                "Bad status"
            }
            Fault::Exception => {
                counts.exceptions += 1;
                "Exception"
            }
        };
        say(&format!("  {what} GETting container \"{path}\" on {}/{}", node.ip, node.device));
    }

    async fn object(&self, account: &str, container: &str, object: &str) {
        let path = format!("/{account}/{container}/{object}");
        let (partition, nodes) = self.servers.of_object(account, container, object);
        let objects = self.container(account, container).await;
        let listed = objects.get(object).map(|row| row.hash.as_str());
        let mut is_consistent = listed.is_some();
        if !is_consistent {
            say(&format!("  Object {path} missing in container listing!"));
        }
        let mut etags = Vec::new();
        for node in nodes {
            match self.servers.object(node, partition, &path, self.is_deep).await {
                Ok(told) => {
                    if told.md5.as_ref().is_some_and(|md5| *md5 != told.etag) {
                        is_consistent = false;
                        self.tally.lock().object_checksum_mismatch += 1;
                        say(&format!(
                            "  MD5 does not match etag for \"{path}\" on {}/{}",
                            node.ip, node.device
                        ));
                    }
                    etags.push((told.listed_etag, node));
                }
                Err(fault) => {
                    is_consistent = false;
                    self.tell_object_fault(fault, &path, node);
                }
            }
        }
        if etags.is_empty() {
            is_consistent = false;
            say(&format!("  Failed fo fetch object {path} at all!"));
        }
        for (_, node) in etags.iter().filter(|(etag, _)| listed.is_some_and(|hash| hash != etag)) {
            is_consistent = false;
            self.tally.lock().object_checksum_mismatch += 1;
            say(&format!("  ETag mismatch for \"{path}\" on {}/{}", node.ip, node.device));
        }
        self.tally.lock().objects.checked += 1;
        self.note(&path, is_consistent);
    }

    fn tell_object_fault(&self, fault: Fault, path: &str, node: &Device) {
        let counts = &mut self.tally.lock().objects;
        let (ip, device) = (&node.ip, &node.device);
        match fault {
            Fault::Status(status) => {
                counts.not_found += 1;
                let doing = if self.is_deep { "GETting" } else { "HEADing" };
                say(&format!("  Bad status {status} {doing} object \"{path}\" on {ip}/{device}"));
            }
            Fault::Exception => {
                counts.exceptions += 1;
                say(&format!("  Exception fetching object \"{path}\" on {ip}/{device}"));
            }
        }
    }

    /// Adds the path of what is not consistent to the file that was asked for.
    fn note(&self, path: &str, is_consistent: bool) {
        let Some(file) = self.error_file.as_ref().filter(|_| !is_consistent) else { return };
        let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
        if let Err(error) = opened.and_then(|mut opened| writeln!(opened, "{path}")) {
            eprintln!("{}: {error}", file.display());
        }
    }
}

fn count(text: Option<&str>) -> u64 {
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Whether there is one number, and all are it.
fn agree(counts: &[u64]) -> bool {
    counts.first().is_some_and(|first| counts.iter().all(|count| count == first))
}

fn say_range(counts: &[u64]) {
    if let (Some(max), Some(min)) = (counts.iter().max(), counts.iter().min()) {
        say(&format!("  Max: {max}, Min: {min}"));
    }
}

fn say(line: &str) {
    // a closed pipe is the reader's wish to see no more
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::super::tally::Counts;
    use super::*;
    use crate::internal_client::Path as Name;
    use crate::role::testing::TestCluster;

    fn counts(checked: u64, not_found: u64) -> Counts {
        Counts { checked, not_found, exceptions: 0 }
    }

    #[tokio::test]
    async fn what_servers_lack_is_counted_and_noted() {
        let cluster = TestCluster::start().await;
        let client = cluster.client();
        for container in ["c", "d"] {
            client.put(Name::container("a", container), &[], "").await;
            for object in ["1", "2", "é"] {
                client.put(Name::object("a", container, object), &[], "hello").await;
            }
        }
        cluster.run(crate::role::DaemonKind::ContainerUpdater, "").await;
        let file = cluster.dir().join("errors");
        let audit = || Audit::new(Servers::load(cluster.dir()).unwrap(), true, Some(file.clone()));
        let sound = audit();
        sound.run(vec![Job::of("a\r\n").unwrap()], 3).await;
        let expected = Tally {
            accounts: counts(1, 0),
            containers: counts(2, 0),
            objects: counts(6, 0),
            ..Tally::default()
        };
        assert_eq!((sound.tally(), file.exists()), (expected, false));

        std::fs::remove_dir_all(cluster.dir().join("node/sda/objects")).unwrap();
        std::fs::remove_dir_all(cluster.dir().join("node/sdb/containers")).unwrap();
        let damaged = audit();
        damaged
            .run(vec![Job::of("/a/c").unwrap(), Job::of("a/d/1").unwrap(), Job::of("a/d/none").unwrap()], 3)
            .await;
        let expected = Tally {
            accounts: counts(1, 0),
            containers: counts(2, 2),
            objects: Counts { checked: 5, not_found: 4 + 3, exceptions: 0 },
            ..Tally::default()
        };
        assert_eq!(damaged.tally(), expected);
        let noted = std::fs::read_to_string(file).unwrap();
        let mut noted: Vec<_> = noted.lines().collect();
        noted.sort_unstable();
        assert_eq!(noted, ["/a/c", "/a/c/1", "/a/c/2", "/a/c/é", "/a/d", "/a/d/1", "/a/d/none"]);
    }

    #[test]
    fn a_url_is_an_account_a_container_or_an_object() {
        assert_eq!(Job::of("a").unwrap(), Job::Account("a".into()));
        assert_eq!(Job::of("/a/c").unwrap(), Job::Container("a".into(), "c".into()));
        assert_eq!(Job::of("a/c/o/p").unwrap(), Job::Object("a".into(), "c".into(), "o/p".into()));
        assert!(Job::of("").is_err() && Job::of("a//o").is_err());
    }
}
