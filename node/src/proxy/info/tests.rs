use super::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Answers HEADs from a table of containers, counting them.
struct Answers {
    heads: AtomicUsize,
    status: u16,
}

#[async_trait]
impl App for Answers {
    async fn call(&self, request: ProxyRequest) -> Response {
        self.heads.fetch_add(1, Ordering::Relaxed);
        assert_eq!(request.http.method, Method::Head);
        assert!(request.env.owner && request.env.authorize.is_none());
        Response::new(self.status)
            .with("X-Container-Read", ".r:*")
            .with("X-Container-Object-Count", "3")
            .with("X-Account-Container-Count", "1")
            .with("X-Backend-Storage-Policy-Index", "1")
            .with("X-Container-Meta-Access-Control-Allow-Origin", "*")
            .with(RECHECK_CONTAINER, "30")
    }
}

#[derive(Default)]
struct Table(Mutex<HashMap<String, (Bytes, Duration)>>);

#[async_trait]
impl SharedCache for Table {
    async fn get(&self, key: &str) -> Option<Bytes> {
        self.0.lock().get(key).map(|(value, _)| value.clone())
    }
    async fn set(&self, key: &str, value: Bytes, ttl: Duration) {
        self.0.lock().insert(key.to_owned(), (value, ttl));
    }
    async fn delete(&self, key: &str) {
        self.0.lock().remove(key);
    }
    async fn incr(&self, _: &str, _: i64, _: Duration) -> Option<i64> {
        None
    }
}

fn env_with(cache: &Arc<Table>) -> Env {
    Env { cache: Some(cache.clone()), ..Env::default() }
}

#[tokio::test]
async fn looked_up_once_a_request_and_shared_between_requests() {
    let (app, cache) = (Answers { heads: AtomicUsize::new(0), status: 204 }, Arc::new(Table::default()));
    let env = env_with(&cache);
    let info = container_info(&app, &env, "a", "c").await;
    assert_eq!((info.status, info.object_count, info.policy_index()), (204, 3, 1));
    assert_eq!(info.read_acl.as_deref(), Some(".r:*"));
    assert_eq!(info.cors.allow_origin.as_deref(), Some("*"));
    assert_eq!(app.heads.load(Ordering::Relaxed), 2, "account and container");
    container_info(&app, &env, "a", "c").await;
    let again = container_info(&app, &env_with(&cache), "a", "c").await;
    assert_eq!(app.heads.load(Ordering::Relaxed), 2);
    assert_eq!(again, info, "it comes back from JSON as it was");
    assert_eq!(cache.0.lock()["container/a/c"].1, Duration::from_secs(30));
    forget_container(&env, "a", "c").await;
    container_info(&app, &env, "a", "c").await;
    assert_eq!(app.heads.load(Ordering::Relaxed), 3, "the account is still known");
}

#[tokio::test]
async fn what_is_missing_is_remembered_for_a_tenth_and_failures_not_at_all() {
    let (missing, cache) = (Answers { heads: AtomicUsize::new(0), status: 404 }, Arc::new(Table::default()));
    assert_eq!(container_info(&missing, &env_with(&cache), "a", "c").await.status, 0, "no account");
    assert_eq!(cache.0.lock()["account/a"].1, Duration::from_secs(6));
    assert_eq!(container_info(&missing, &env_with(&cache), ".a", "c").await.status, 404);
    assert_eq!(cache.0.lock()["container/.a/c"].1, Duration::from_secs(3));
    let failing = Answers { heads: AtomicUsize::new(0), status: 503 };
    let cache = Arc::new(Table::default());
    assert_eq!(account_info(&failing, &env_with(&cache), "a").await.status, 503);
    assert!(cache.0.lock().is_empty());
}

#[test]
fn reads_what_python_keeps() {
    let json = r#"{"status": 204, "read_acl": null, "write_acl": "a:b", "sync_to": null, "sync_key": null,
        "object_count": "12", "bytes": "34", "versions": null, "storage_policy": "0",
        "cors": {"allow_origin": null, "expose_headers": null, "max_age": null},
        "meta": {"color": "red"}, "sysmeta": {}, "sharding_state": "unsharded",
        "created_at": "1700000000.00000", "put_timestamp": "1700000000.00000",
        "delete_timestamp": "0000000000.00000", "status_changed_at": "1700000000.00000"}"#;
    let info: ContainerInfo = serde_json::from_str(json).unwrap();
    assert_eq!((info.object_count, info.bytes), (12, 34));
    assert_eq!(info.write_acl.as_deref(), Some("a:b"));
    let written: serde_json::Value = serde_json::to_value(&info).unwrap();
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(json).unwrap());
}
