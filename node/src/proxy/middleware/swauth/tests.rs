//! The API over a cluster in memory: accounts, users, services and tokens, and who may do what.

use super::super::tests::{request, text};
use super::*;
use crate::http::Headers;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Accounts, containers and objects by their paths; more than that no request of swauth's asks of Swift.
#[derive(Default)]
struct Memory {
    stored: Mutex<BTreeMap<String, (Headers, bytes::Bytes)>>,
    /// How many of the next PUTs are answered as by a node that lags behind, and with which status.
    lagging: Mutex<(u32, u16)>,
}

impl Memory {
    fn paths(&self) -> Vec<String> {
        self.stored.lock().keys().cloned().collect()
    }

    /// What lies directly below `path`.
    fn below(&self, path: &str) -> Vec<String> {
        let inside = format!("{path}/");
        let paths = self.paths();
        let names = paths.iter().filter_map(|path| path.strip_prefix(&inside));
        names.filter(|name| !name.contains('/')).map(str::to_owned).collect()
    }

    fn put(&self, path: String, headers: Headers, body: bytes::Bytes) -> Response {
        let mut lagging = self.lagging.lock();
        if lagging.0 > 0 {
            lagging.0 -= 1;
            return Response::standard(lagging.1);
        }
        let parent = path.rsplit_once('/').map(|(parent, _)| parent).unwrap_or_default();
        let mut stored = self.stored.lock();
        if parent != "/v1" && !stored.contains_key(parent) {
            return Response::standard(404);
        }
        stored.insert(path, (headers, body));
        Response::standard(201)
    }

    fn listing(&self, path: &str, marker: &str) -> String {
        let names = self.below(path).into_iter().filter(|name| name.as_str() > marker);
        json!(names.map(|name| json!({"name": name})).collect::<Vec<_>>()).to_string()
    }
}

#[async_trait]
impl App for Memory {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        let path = String::from_utf8(request.http.path.to_vec()).expect("names in these tests are text");
        let body = request.http.body.read_all(1 << 20).await.expect("it is short");
        let (found, is_object) = (self.stored.lock().get(&path).cloned(), path.split('/').count() > 4);
        let Some((headers, stored)) = found else {
            return match request.http.method {
                Method::Put => self.put(path, request.http.headers, body),
                _ => Response::standard(404),
            };
        };
        match request.http.method {
            Method::Put => self.put(path, request.http.headers, body),
            Method::Post => {
                self.stored.lock().insert(path, (request.http.headers, stored));
                Response::standard(202)
            }
            Method::Delete if !is_object && !self.below(&path).is_empty() => Response::standard(409),
            Method::Delete => {
                self.stored.lock().remove(&path);
                Response::standard(204)
            }
            _ => {
                let params = crate::proxy::query::Params::parse(&request.http.query);
                let marker = String::from_utf8_lossy(params.get("marker").unwrap_or_default()).into_owned();
                let body = if is_object { stored } else { self.listing(&path, &marker).into() };
                Response { headers, ..Response::new(200).with_body(body) }
            }
        }
    }
}

/// swauth in front of a [`Memory`].
struct Api {
    memory: Arc<Memory>,
    app: Arc<dyn App>,
}

const SUPER: &str = ".super_admin key";

impl Api {
    /// As it is before anything was prepared.
    fn bare() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let conf =
            "[swift-hash]\nswift_hash_path_suffix = s\n[storage-policy:0]\nname = gold\ndefault = yes\n";
        std::fs::write(folder.path().join("swift.conf"), conf).expect("it is written");
        let section = Options::new("proxy-server.conf", "filter:swauth")
            .with("super_admin_key", "key")
            .with("swift_dir", folder.path().to_str().expect("a path of text"))
            .with("default_swift_cluster", "local#https://objstore.example.jp/v1");
        let memory = Arc::new(Memory::default());
        let layer = layer(&section, &mut Setup::new(Arc::default())).expect("the options are right");
        Self { app: layer(memory.clone()), memory }
    }

    async fn prepared() -> Self {
        let api = Self::bare();
        assert_eq!(api.ask(SUPER, Method::Post, "/auth/v2/.prep", &[]).await.0, 204);
        api
    }

    /// With the account `orion` and its users: `boss` is its admin, `joe` is not, `root` of `ops` is a reseller admin.
    async fn with_users() -> Self {
        let api = Self::prepared().await;
        for account in ["orion", "ops", "other"] {
            let path = format!("/auth/v2/{account}");
            assert_eq!(api.ask(SUPER, Method::Put, &path, &[]).await.0, 201);
        }
        for (user, headers) in [
            ("orion/boss", &[("X-Auth-User-Key", "key"), ("X-Auth-User-Admin", "true")][..]),
            ("orion/joe", &[("X-Auth-User-Key", "key")]),
            ("ops/root", &[("X-Auth-User-Key", "key"), ("X-Auth-User-Reseller-Admin", "true")]),
        ] {
            assert_eq!(api.ask(SUPER, Method::Put, &format!("/auth/v2/{user}"), headers).await.0, 201);
        }
        api
    }

    /// The answer to `asker` (a user and a key).
    async fn ask(&self, asker: &str, method: Method, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let (user, key) = asker.split_once(' ').unwrap_or_default();
        let own = [("X-Auth-Admin-User", user), ("X-Auth-Admin-Key", key)];
        text(self.app.call(request(method, path, &[&own, headers].concat())).await).await
    }

    async fn json(&self, asker: &str, path: &str) -> Value {
        let (status, body) = self.ask(asker, Method::Get, path, &[]).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    async fn token(&self, user: &str, more: &[(&str, &str)]) -> Response {
        let own = [("X-Auth-User", user), ("X-Auth-Key", "key")];
        self.app.call(request(Method::Get, "/auth/v1.0", &[&own, more].concat())).await
    }
}

const BOSS: &str = "orion:boss key";
const JOE: &str = "orion:joe key";
const ROOT: &str = "ops:root key";

#[tokio::test]
async fn only_the_super_admin_prepares() {
    let api = Api::bare();
    for (asker, status) in [("", 401), (".super_admin wrong", 401), (BOSS, 401)] {
        assert_eq!(api.ask(asker, Method::Post, "/auth/v2/.prep", &[]).await.0, status, "{asker}");
    }
    assert!(api.memory.paths().is_empty());
    assert_eq!(api.ask(SUPER, Method::Post, "/auth/v2/.prep", &[]).await.0, 204);
    let containers = api.memory.below("/v1/AUTH_.auth");
    assert_eq!((containers.len(), containers[0].as_str()), (17, ".account_id"));
    assert_eq!(api.ask(SUPER, Method::Post, "/auth/v2/.prep", &[]).await.0, 204, "a second time");
}

#[tokio::test]
async fn nodes_that_lag_behind_are_waited_for() {
    let api = Api::bare();
    for status in [404, 503] {
        *api.memory.lagging.lock() = (2, status);
        assert_eq!(api.ask(SUPER, Method::Post, "/auth/v2/.prep", &[]).await.0, 204, "{status}");
    }
    *api.memory.lagging.lock() = (2, 404);
    assert_eq!(api.ask(SUPER, Method::Put, "/auth/v2/orion", &[]).await.0, 201);
    *api.memory.lagging.lock() = (u32::MAX, 404);
    assert_eq!(api.ask(SUPER, Method::Put, "/auth/v2/late", &[]).await.0, 503, "but not for ever");
}

#[tokio::test]
async fn accounts_are_made_shown_and_deleted() {
    let api = Api::prepared().await;
    let put = |suffix: &'static str| {
        let api = &api;
        async move { api.ask(SUPER, Method::Put, "/auth/v2/orion", &[("X-Account-Suffix", suffix)]).await.0 }
    };
    assert_eq!((put("a/b").await, put(".x").await), (400, 400));
    assert_eq!((put("cabinet").await, put("again").await), (201, 202));
    let shown = api.json(SUPER, "/auth/v2/orion").await;
    let services =
        json!({"storage": {"default": "local", "local": "https://objstore.example.jp/v1/AUTH_cabinet"}});
    assert_eq!(shown, json!({"account_id": "AUTH_cabinet", "services": services, "users": []}));
    assert_eq!(api.json(SUPER, "/auth/v2").await, json!({"accounts": [{"name": "orion"}]}));
    assert!(api.memory.paths().contains(&"/v1/AUTH_.auth/.account_id/AUTH_cabinet".to_owned()));

    let user = [("X-Auth-User-Key", "key")];
    assert_eq!(api.ask(SUPER, Method::Put, "/auth/v2/orion/joe", &user).await.0, 201);
    assert_eq!(api.ask(SUPER, Method::Delete, "/auth/v2/orion", &[]).await.0, 409, "it has a user");
    assert_eq!(api.ask(SUPER, Method::Delete, "/auth/v2/orion/joe", &[]).await.0, 204);
    assert_eq!(api.ask(SUPER, Method::Delete, "/auth/v2/orion", &[]).await.0, 204);
    for method in [Method::Get, Method::Delete] {
        assert_eq!(api.ask(SUPER, method, "/auth/v2/orion", &[]).await.0, 404);
    }
    assert_eq!(api.memory.paths().len(), 18, "{:?}", api.memory.paths());
}

#[tokio::test]
async fn names_with_a_dot_are_swauths_own() {
    let api = Api::prepared().await;
    for path in [".hidden", "orion/.services", ".prep/x", "a/b/c"] {
        let path = format!("/auth/v2/{path}");
        assert_eq!(api.ask(SUPER, Method::Put, &path, &[("X-Auth-User-Key", "k")]).await.0, 400, "{path}");
    }
}

#[tokio::test]
async fn who_may_do_what() {
    let api = Api::with_users().await;
    let (get, put, delete) = (Method::Get, Method::Put, Method::Delete);
    let key = &[("X-Auth-User-Key", "key")][..];
    let admin = &[("X-Auth-User-Key", "key"), ("X-Auth-User-Admin", "true")][..];
    let reseller = &[("X-Auth-User-Key", "key"), ("X-Auth-User-Reseller-Admin", "true")][..];
    for (asker, method, path, headers, status) in [
        (ROOT, &get, "", &[][..], 200),
        (BOSS, &get, "", &[], 403),
        ("orion:joe wrong", &get, "/orion", &[], 401),
        ("nobody:x key", &get, "/orion", &[], 401),
        ("nonsense", &get, "/orion", &[], 401),
        (JOE, &get, "/orion", &[], 403),
        (BOSS, &get, "/orion", &[], 200),
        (BOSS, &get, "/other", &[], 403),
        (BOSS, &get, "/orion/joe", &[], 200),
        (BOSS, &get, "/orion/boss", &[], 403),
        (ROOT, &get, "/orion/boss", &[], 200),
        (ROOT, &get, "/ops/root", &[], 403),
        (BOSS, &get, "/orion/gone", &[], 404),
        (BOSS, &get, "/orion/.groups", &[], 200),
        (ROOT, &put, "/new", &[], 201),
        (BOSS, &put, "/newer", &[], 403),
        (BOSS, &put, "/orion/ann", key, 201),
        (BOSS, &put, "/orion/ann", admin, 201),
        (BOSS, &put, "/orion/ann", reseller, 403),
        (ROOT, &put, "/orion/ann", reseller, 403),
        (SUPER, &put, "/orion/ann", reseller, 201),
        (BOSS, &put, "/other/ann", key, 403),
        (BOSS, &put, "/gone/ann", key, 403),
        (SUPER, &put, "/gone/ann", key, 404),
        (SUPER, &put, "/orion/none", &[], 400),
        (JOE, &put, "/orion/joe", key, 201),
        (JOE, &put, "/orion/joe", admin, 403),
        (JOE, &delete, "/orion/boss", &[], 403),
        (BOSS, &delete, "/orion/ann", &[], 403),
        (SUPER, &delete, "/orion/ann", &[], 204),
        (BOSS, &delete, "/orion/joe", &[], 204),
        (BOSS, &delete, "/orion/joe", &[], 404),
    ] {
        let answer = api.ask(asker, method.clone(), &format!("/auth/v2{path}"), headers).await;
        assert_eq!(answer.0, status, "{asker}: {method} {path} {headers:?}: {}", answer.1);
    }
}

#[tokio::test]
async fn users_and_their_groups() {
    let api = Api::with_users().await;
    let shown = api.json(SUPER, "/auth/v2/orion/boss").await;
    let groups = json!([{"name": "orion:boss"}, {"name": "orion"}, {"name": ".admin"}]);
    assert_eq!(shown, json!({"auth": "plaintext:key", "groups": groups}));
    let all = api.json(BOSS, "/auth/v2/orion/.groups").await;
    let names = [".admin", "orion", "orion:boss", "orion:joe"].map(|name| json!({"name": name}));
    assert_eq!(all, json!({"groups": names}));
    let hashed = [("X-Auth-User-Key-Hash", "sha1:salt$d0be2dc421be4fcd0172e5afceea3970e2f3d940")];
    assert_eq!(api.ask(SUPER, Method::Put, "/auth/v2/orion/ann", &hashed).await.0, 201);
    let bad = [("X-Auth-User-Key-Hash", "nonsense")];
    assert_eq!(api.ask(SUPER, Method::Put, "/auth/v2/orion/ann", &bad).await.0, 400);
}

#[tokio::test]
async fn services_are_set_by_reseller_admins() {
    let api = Api::with_users().await;
    let set = |asker: &'static str, account: &str, body: &'static str| {
        let (user, key) = asker.split_once(' ').unwrap_or_default();
        let own = [("X-Auth-Admin-User", user), ("X-Auth-Admin-Key", key)];
        let mut sent = request(Method::Post, &format!("/auth/v2/{account}/.services"), &own);
        sent.http.body = body.into();
        let app = api.app.clone();
        async move { text(app.call(sent).await).await }
    };
    let new = r#"{"storage": {"far": "https://far/v1/AUTH_x", "default": "far"}}"#;
    assert_eq!(set(BOSS, "orion", new).await.0, 403);
    assert_eq!(set(ROOT, "gone", new).await.0, 404);
    for wrong in ["", "nonsense", "[]", r#"{"storage": "x"}"#, r#"{"storage": {"far": 1}}"#] {
        assert_eq!(set(ROOT, "orion", wrong).await.0, 400, "{wrong}");
    }
    let (status, body) = set(ROOT, "orion", new).await;
    assert_eq!(status, 200);
    let services: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(services["storage"]["default"], "far");
    assert_eq!(api.json(BOSS, "/auth/v2/orion").await["services"], services);
    let token = api.token("orion:joe", &[]).await;
    assert_eq!(token.headers.get_str("X-Storage-Url"), Some("https://far/v1/AUTH_x"));
}

#[tokio::test]
async fn a_token_lasts_until_its_user_changes() {
    let api = Api::with_users().await;
    let told = |response: &Response| response.headers.get_str("X-Auth-Token").map(str::to_owned);
    let first = told(&api.token("orion:joe", &[]).await).expect("a token");
    assert_eq!(told(&api.token("orion:joe", &[]).await).as_ref(), Some(&first), "the one that is at hand");
    let show = format!("/auth/v2/.token/{first}");
    assert_eq!(api.ask("", Method::Get, &show, &[]).await.0, 204);
    let second = told(&api.token("orion:joe", &[("X-Auth-New-Token", "true")]).await).expect("a token");
    assert_ne!(first, second);
    assert_eq!(api.ask("", Method::Get, &show, &[]).await.0, 404);
    assert_eq!(api.ask(BOSS, Method::Put, "/auth/v2/orion/joe", &[("X-Auth-User-Key", "new")]).await.0, 201);
    assert_eq!(api.ask("", Method::Get, &format!("/auth/v2/.token/{second}"), &[]).await.0, 404);
    assert_eq!(api.token("orion:joe", &[]).await.status, 401, "the key is another");
    assert_eq!(api.token("orion:gone", &[]).await.status, 401);
    assert_eq!(api.token("nonsense", &[]).await.status, 401);
}
