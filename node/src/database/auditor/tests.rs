//! Both auditors on real databases, sound and damaged.

use super::*;
use crate::database::testing::TestNode;
use serde_json::Value;
use swiftlet_storage::db::{BrokerOptions, ContainerBroker, ContainerRecord};
use swiftlet_testing::run_python;
use swiftlet_types::Timestamp;

/// A node with some databases.
struct Node {
    node: TestNode,
    store: DatabaseStore,
}

impl Node {
    fn new() -> Self {
        let node = TestNode::new();
        let store = DatabaseStore::from_options(&node.options("x"), node.swift().hash.clone()).unwrap();
        Self { node, store }
    }

    fn root(&self) -> &Path {
        self.node.root.path()
    }

    /// A new account with one container; its file.
    fn account(&self, name: &str) -> PathBuf {
        let broker = self.store.account(self.root().join("sda"), "7", name, BrokerOptions::default());
        broker.initialize(Timestamp::now(), 0).unwrap();
        broker
            .put_container(ContainerRecord {
                name: "c".into(),
                put_timestamp: Timestamp::now().internal(),
                delete_timestamp: "0".into(),
                object_count: 3,
                bytes_used: 30,
                deleted: false,
                storage_policy_index: 0,
            })
            .unwrap();
        broker.info().unwrap();
        broker.file().unwrap()
    }

    fn container(&self, name: &str) -> ContainerBroker {
        let options = BrokerOptions::default();
        let broker = self.store.container(self.root().join("sda"), "7", "a", name, options);
        broker.initialize(Timestamp::now(), 0).unwrap();
        broker
    }

    /// One pass of an auditor: how many passed, and how many did not.
    async fn audit(&self, databases: Databases) -> (u64, u64) {
        let options = self
            .node
            .options("auditor")
            .with("recon_cache_path", &self.root().display().to_string())
            .with("accounts_per_second", "0")
            .with("containers_per_second", "0");
        let (hash, pools) = (self.node.swift().hash.clone(), DevicePools::default());
        let auditor = DatabaseAuditor::from_options(databases, &options, hash, pools, true).unwrap();
        auditor.pass().await;
        let since = auditor.since.lock();
        (since.passed, since.failed)
    }

    async fn accounts(&self) -> (u64, u64) {
        self.audit(crate::account::auditor::DATABASES).await
    }

    async fn containers(&self) -> (u64, u64) {
        self.audit(crate::container::auditor::DATABASES).await
    }

    /// What Python's auditor of accounts or containers comes to.
    fn python(&self, server: &str) -> (u64, u64) {
        const PROGRAM: &str = "\
import json, logging, sys\n\
from swift.account.auditor import AccountAuditor\n\
from swift.container.auditor import ContainerAuditor\n\
logging.disable(logging.CRITICAL)\n\
kind = {'account': AccountAuditor, 'container': ContainerAuditor}[sys.argv[2]]\n\
auditor = kind({'devices': sys.argv[1], 'mount_check': 'false', 'recon_cache_path': sys.argv[1]})\n\
auditor.run_once()\n\
print(json.dumps([auditor.passes, auditor.failures]))\n";
        let printed = run_python(PROGRAM, &[&self.root().display().to_string(), server], "");
        serde_json::from_str(&printed).unwrap()
    }

    fn quarantined(&self, data_dir: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.root().join("sda/quarantined").join(data_dir));
        let names = entries.into_iter().flatten().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn recon(&self, server: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.root().join(format!("{server}.recon"))).unwrap()).unwrap()
    }
}

fn sql(file: &Path, statement: &str) {
    rusqlite::Connection::open(file).unwrap().execute_batch(statement).unwrap();
}

fn folder_name(file: &Path) -> String {
    file.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn sound_databases_pass_and_deleted_ones_are_not_counted() {
    let node = Node::new();
    node.account("a");
    node.account("b");
    node.container("c");
    let gone = node.container("gone");
    gone.delete_db(Timestamp::now()).unwrap();
    assert_eq!(node.accounts().await, (2, 0));
    assert_eq!(node.containers().await, (1, 0));
    assert_eq!((node.python("account"), node.python("container")), ((2, 0), (1, 0)));
    let recon = node.recon("container");
    assert!(recon["container_auditor_pass_completed"].as_f64().is_some_and(|s| s >= 0.0), "{recon}");
}

#[tokio::test]
async fn totals_that_do_not_add_up_fail_and_stay() {
    let node = Node::new();
    node.account("a");
    let file = node.account("wrong");
    sql(&file, "UPDATE account_stat SET object_count = 7");
    assert_eq!(node.accounts().await, (1, 1));
    assert_eq!(node.python("account"), (1, 1));
    assert!(file.exists());
    sql(&file, &format!("UPDATE policy_stat SET object_count = {0}, bytes_used = {0}", i64::MAX));
    assert_eq!(node.accounts().await, (1, 1));
}

#[tokio::test]
async fn what_is_no_database_is_set_aside_and_the_rest_is_audited() {
    let node = Node::new();
    node.account("sound");
    let garbage = node.account("garbage");
    std::fs::write(&garbage, "SQLite format 3\0 and nothing else".repeat(300)).unwrap();
    let no_row = node.account("no row");
    sql(&no_row, "DELETE FROM account_stat");
    let no_table = node.account("no table");
    sql(&no_table, "DROP TABLE account_stat");
    std::fs::create_dir_all(node.root().join("sda/accounts/7/abc")).unwrap();
    std::fs::write(node.root().join("sda/accounts/7/abc/file"), "no folder").unwrap();
    let empty = node.root().join("sda/accounts/7/abd/00000000000000000000000000000abd");
    std::fs::create_dir_all(&empty).unwrap();
    assert_eq!(node.accounts().await, (1, 3));
    let mut aside = [folder_name(&garbage), folder_name(&no_row), folder_name(&no_table)];
    aside.sort();
    assert_eq!(node.quarantined("accounts"), aside);
    assert_eq!(node.accounts().await, (1, 0), "what was set aside is gone");
}

#[tokio::test]
async fn what_only_a_write_would_meet_is_set_aside() {
    let node = Node::new();
    node.account("sound");
    let broken = node.account("broken");
    let told = "SELECT replace(sql, 'account_stat', 'accoun4_stat') FROM sqlite_master WHERE name = 'container_insert'";
    sql(
        &broken,
        &format!(
            "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = ({told}) WHERE name = 'container_insert'"
        ),
    );
    assert_eq!(node.python("account"), (2, 0), "its facts read well");
    assert_eq!(node.accounts().await, (1, 1));
    assert_eq!(node.quarantined("accounts"), [folder_name(&broken)]);
}

#[tokio::test]
async fn the_same_is_set_aside_as_by_python() {
    let damage = |node: &Node| {
        node.container("sound");
        let cut = node.container("cut").file().unwrap();
        std::fs::File::options().write(true).open(cut).unwrap().set_len(5000).unwrap();
        std::fs::write(node.container("garbage").file().unwrap(), "no database".repeat(300)).unwrap();
    };
    let (ours, theirs) = (Node::new(), Node::new());
    damage(&ours);
    damage(&theirs);
    assert_eq!(ours.containers().await, theirs.python("container"));
    assert_eq!(ours.quarantined("containers").len(), 2);
    assert_eq!(ours.quarantined("containers"), theirs.quarantined("containers"));
}

#[tokio::test]
async fn a_locked_database_fails_and_stays() {
    let node = Node::new();
    let file = node.account("locked");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(node.accounts().await, (0, 1));
    connection.execute_batch("ROLLBACK").unwrap();
    assert!(file.exists());
    assert_eq!(node.accounts().await, (1, 0));
}

#[tokio::test]
async fn a_device_that_is_not_there_is_no_end() {
    let node = Node::new();
    node.account("a");
    std::fs::write(node.root().join("sdb"), "no folder").unwrap();
    std::os::unix::fs::symlink("loop", node.root().join("sda/accounts/loop")).unwrap();
    assert_eq!(node.accounts().await, (1, 1));
}
