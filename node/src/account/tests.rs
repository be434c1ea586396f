use super::AccountServer;
use crate::database::Jobs;
use crate::database::testing::{Read, TestNode, ask};
use crate::http::Method::{self, Delete, Get, Head, Options, Post, Put};

const T1: &str = "1402464677.04188";
const T2: &str = "1402464678.00000";
const T3: &str = "1402464679.00000";

struct Account {
    node: TestNode,
    server: AccountServer,
}

impl Account {
    fn new() -> Self {
        let node = TestNode::new();
        let options = node.options("app:account-server");
        let server = AccountServer::from_options(&options, node.swift(), Jobs::default()).unwrap();
        Self { node, server }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&'static str, &str)]) -> Read {
        ask(&self.server, method, &format!("/sda/7/{path}"), headers, "").await
    }

    async fn put_container(&self, name: &str, put: &str, deleted: &str, objects: &str) -> u16 {
        let headers = [
            ("X-Put-Timestamp", put),
            ("X-Delete-Timestamp", deleted),
            ("X-Object-Count", objects),
            ("X-Bytes-Used", "10"),
            ("X-Backend-Storage-Policy-Index", "1"),
        ];
        self.ask(Put, &format!("a/{name}"), &headers).await.status
    }
}

#[tokio::test]
async fn an_account_lives_and_dies() {
    let account = Account::new();
    assert_eq!(account.ask(Head, "a", &[]).await.status, 404);
    assert_eq!(account.ask(Put, "a", &[]).await.body, "Missing X-Timestamp header");
    let meta = [("X-Timestamp", T1), ("X-Account-Meta-Color", "blue"), ("X-Other", "no")];
    assert_eq!(account.ask(Put, "a", &meta).await.status, 201);
    assert_eq!(account.ask(Put, "a", &[("X-Timestamp", T2)]).await.status, 202);
    assert_eq!(account.ask(Post, "a", &[("X-Timestamp", T2), ("X-Account-Meta-B", "2")]).await.status, 204);
    let head = account.ask(Head, "a", &[]).await;
    assert_eq!(
        (head.status, head.header("X-Account-Meta-Color"), head.header("X-Account-Meta-B")),
        (204, "blue", "2")
    );
    assert_eq!((head.header("X-PUT-Timestamp"), head.header("X-Account-Container-Count")), (T2, "0"));
    assert_eq!(head.header("Content-Type"), "text/plain; charset=utf-8");
    assert!(!head.headers.contains("X-Other"));

    let gone = account.ask(Delete, "a", &[("X-Timestamp", T3)]).await;
    assert_eq!((gone.status, gone.header("X-Account-Status")), (204, "Deleted"));
    let head = account.ask(Head, "a", &[]).await;
    assert_eq!((head.status, head.header("X-Account-Status")), (404, "Deleted"));
    let again = account.ask(Put, "a", &[("X-Timestamp", T3)]).await;
    assert_eq!((again.status, again.body.as_str()), (403, "Recently deleted"));
    assert_eq!(account.ask(Post, "a", &[("X-Timestamp", T3)]).await.status, 404);
}

#[tokio::test]
async fn containers_are_listed_in_each_form() {
    let account = Account::new();
    assert_eq!(account.put_container("c", T1, "0", "1").await, 404, "no account yet");
    account.ask(Put, "a", &[("X-Timestamp", T1)]).await;
    let empty = account.ask(Get, "a", &[]).await;
    assert_eq!((empty.status, empty.body.as_str()), (204, ""));
    assert_eq!(account.put_container("ünï", T1, "0", "3").await, 201);
    assert_eq!(account.put_container("b-1", T1, "0", "0").await, 201);
    assert_eq!(account.put_container("gone", T1, T2, "0").await, 204);
    assert_eq!(account.put_container("odd", T1, "x", "0").await, 400);

    let json = account.ask(Get, "a?format=json", &[]).await;
    assert_eq!(json.header("X-Account-Storage-Policy-silver-Object-Count"), "3");
    assert_eq!(json.header("Content-Type"), "application/json; charset=utf-8");
    assert_eq!(
        json.body,
        "[{\"name\": \"b-1\", \"count\": 0, \"bytes\": 10, \"last_modified\": \"2014-06-11T05:31:17.041880\", \
         \"storage_policy\": \"silver\"}, {\"name\": \"\\u00fcn\\u00ef\", \"count\": 3, \"bytes\": 10, \
         \"last_modified\": \"2014-06-11T05:31:17.041880\", \"storage_policy\": \"silver\"}]"
    );
    assert_eq!(account.ask(Get, "a", &[]).await.body, "b-1\nünï\n");
    assert_eq!(
        account.ask(Get, "a?delimiter=-&limit=1&format=json", &[]).await.body,
        "[{\"subdir\": \"b-\"}]"
    );
    let xml = account.ask(Get, "a?marker=c", &[("Accept", "text/xml")]).await;
    assert!(xml.body.contains("<container><name>ünï</name><count>3</count>"), "{}", xml.body);
    assert_eq!(account.ask(Get, "a?limit=10001", &[]).await.body, "Maximum limit is 10000");
}

#[tokio::test]
async fn hidden_accounts_come_about_by_themselves() {
    let account = Account::new();
    let report = [
        ("X-Put-Timestamp", T1),
        ("X-Delete-Timestamp", "0"),
        ("X-Object-Count", "1"),
        ("X-Bytes-Used", "1"),
    ];
    assert_eq!(account.ask(Put, ".hidden/c", &report).await.status, 201);
    assert_eq!(account.ask(Get, ".hidden", &[]).await.body, "c\n");
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let account = Account::new();
    assert_eq!(ask(&account.server, Get, "/sdb/7/a", &[], "").await.status, 507);
    assert_eq!(account.ask(Get, "a/c", &[]).await.body, "Invalid path: /sda/7/a/c");
    assert_eq!(account.ask(Method::Copy, "a", &[]).await.status, 405);
    assert_eq!(account.ask(Put, "a", &[("X-Timestamp", "soon")]).await.body, "Invalid X-Timestamp header");
    let options = account.ask(Options, "a", &[]).await;
    assert!(options.header("Server").starts_with("account-server/"));
    let many: String = "x".repeat(5000);
    let too_large = account.ask(Put, "a", &[("X-Timestamp", T1), ("X-Account-Meta-A", &many)]).await;
    assert_eq!((too_large.status, too_large.body.as_str()), (400, "Total metadata too large; max 4096"));
    assert!(account.node.root.path().join("sda/accounts").exists());
}
