use super::super::tests::{Fake, build_with, get, request, text};
use super::*;
use crate::http::Method;
use crate::proxy::cache::LocalCache;

const USERS: &[(&str, &str)] = &[
    ("user_admin_admin", "admin .admin .reseller_admin"),
    ("user_test_tester", "testing .admin"),
    ("user_test_tester3", "testing3"),
    ("user_test2_tester2", "testing2 .admin"),
    ("user_test5_tester5", "testing5 service"),
    ("user_audit_audit", "audit .reseller_reader"),
    ("user_far_far", "far .admin http://far:1/v1/AUTH_other"),
    ("user64_dW5kZXJfc2NvcmU_YV9i", "testing4"),
    ("reseller_prefix", "AUTH, SERVICE"),
    ("SERVICE_require_group", "service"),
];

/// The end of the pipeline: asks whoever decides, as the proxy's controllers do, with this container ACL.
struct Controller {
    acl: Option<&'static str>,
    account_acl: &'static str,
}

#[async_trait]
impl App for Controller {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        if request.env.source.is_some() {
            return Response::new(204).with("X-Account-Sysmeta-Core-Access-Control", self.account_acl);
        }
        request.env.acl = self.acl.map(str::to_owned);
        if let Some(authorize) = request.env.authorize.clone()
            && let Err(refusal) = authorize.authorize(&mut request).await
        {
            return refusal;
        }
        let mut response = Response::new(if request.env.owner { 299 } else { 200 });
        if let Some(acl) = request.http.headers.get_str("X-Account-Sysmeta-Core-Access-Control") {
            response.headers.set("Stored", acl.to_owned());
        }
        response
    }
}

fn app(options: &[(&str, &str)], acl: Option<&'static str>, account_acl: &'static str) -> Arc<dyn App> {
    let section = Options::new("proxy-server.conf", "filter:tempauth");
    let all = USERS.iter().chain(options);
    let section = all.fold(section, |section, (option, value)| section.with(option, value));
    layer(&section, &mut Setup::new(Arc::default())).unwrap()(Arc::new(Controller { acl, account_acl }))
}

async fn token(app: &Arc<dyn App>, user: &str, key: &str) -> String {
    let asked =
        request(Method::Get, "/auth/v1.0", &[("X-Auth-User", user), ("X-Auth-Key", key), ("Host", "h:8080")]);
    let response = app.call(asked).await;
    assert_eq!(response.status, 200, "{user}");
    response.headers.get_str("X-Auth-Token").unwrap().to_owned()
}

/// The status of `method` on `path` with this token; 299 is a 200 for the account's owner.
async fn status(app: &Arc<dyn App>, method: Method, path: &str, token: &str) -> u16 {
    app.call(request(method, path, &[("X-Auth-Token", token)])).await.status
}

#[tokio::test]
async fn tokens_are_handed_out_in_all_three_ways() {
    let app = app(&[("token_life", "100")], None, "");
    for (path, user, key, status) in [
        ("/auth/v1.0", ("X-Auth-User", "test:tester"), ("X-Auth-Key", "testing"), 200),
        ("/auth/v1.0", ("X-Storage-User", "test:tester"), ("X-Storage-Pass", "testing"), 200),
        ("/auth/auth", ("X-Auth-User", "test:tester"), ("X-Auth-Key", "testing"), 200),
        ("/auth/v1/test/auth", ("X-Storage-User", "tester"), ("X-Storage-Pass", "testing"), 200),
        ("/auth/v1/test/auth", ("X-Auth-User", "test:tester"), ("X-Auth-Key", "testing"), 200),
        ("/auth/v1/test/auth", ("X-Auth-User", "other:tester"), ("X-Auth-Key", "testing"), 401),
        ("/auth/v1.0", ("X-Auth-User", "under_score:a_b"), ("X-Auth-Key", "testing4"), 200),
        ("/auth/v1.0", ("X-Auth-User", "test:tester"), ("X-Auth-Key", "wrong"), 401),
        ("/auth/v1.0", ("X-Auth-User", "test:nobody"), ("X-Auth-Key", ""), 401),
        ("/auth/v1.0", ("X-Auth-User", "tester"), ("X-Auth-Key", "testing"), 401),
        ("/auth/v2", ("X-Auth-User", "test:tester"), ("X-Auth-Key", "testing"), 400),
        ("/auth/v1/test/other", ("X-Auth-User", "test:tester"), ("X-Auth-Key", "testing"), 400),
        ("/auth/", ("X-Auth-User", "test:tester"), ("X-Auth-Key", "testing"), 404),
    ] {
        let response = app.call(request(Method::Get, path, &[user, key, ("Host", "h:80")])).await;
        assert_eq!(response.status, status, "{path} {user:?} {key:?}");
    }
    assert_eq!(app.call(request(Method::Post, "/auth/v1.0", &[])).await.status, 405);

    let asked = [("X-Auth-User", "test:tester"), ("X-Auth-Key", "testing"), ("Host", "h:80")];
    let response = app.call(request(Method::Get, "/auth/v1.0", &asked)).await;
    let field = |name| response.headers.get_str(name).unwrap();
    assert_eq!(field("X-Storage-Url"), "http://h/v1/AUTH_test");
    assert_eq!(field("X-Auth-Token"), field("X-Storage-Token"));
    assert_eq!(field("X-Auth-Token-Expires"), "100");
    assert!(field("X-Auth-Token").starts_with("AUTH_stk"));
    let refused =
        app.call(request(Method::Get, "/auth/v1.0", &[("X-Auth-User", "test:x"), ("X-Auth-Key", "y")])).await;
    assert_eq!(refused.headers.get_str("Www-Authenticate"), Some("Swift realm=\"test\""));
}

#[tokio::test]
async fn storage_urls_are_what_the_client_can_reach() {
    let url = async |options: &[(&str, &str)], user: &str, secure: bool, host: &str| {
        let key = user.split(':').next().unwrap().replace("test", "testing");
        let mut asked = request(
            Method::Get,
            "/auth/v1.0",
            &[("X-Auth-User", user), ("X-Auth-Key", &key), ("Host", host)],
        );
        asked.env.secure = secure;
        asked.env.local = Some("127.0.0.1:8080".parse().unwrap());
        if host.is_empty() {
            asked.http.headers.remove("Host");
        }
        app(options, None, "").call(asked).await.headers.get_str("X-Storage-Url").unwrap().to_owned()
    };
    assert_eq!(url(&[], "test:tester", false, "h:8080").await, "http://h:8080/v1/AUTH_test");
    assert_eq!(url(&[], "test:tester", true, "h:443").await, "https://h/v1/AUTH_test");
    assert_eq!(url(&[], "test:tester", false, "").await, "http://127.0.0.1:8080/v1/AUTH_test");
    let https = [("storage_url_scheme", "https")];
    assert_eq!(url(&https, "test:tester", false, "h:8080").await, "https://h:8080/v1/AUTH_test");
    assert_eq!(url(&[], "far:far", false, "h").await, "http://far:1/v1/AUTH_other");
}

#[tokio::test]
async fn owners_resellers_and_strangers() {
    let app = app(&[], None, "");
    let owner = token(&app, "test:tester", "testing").await;
    let user = token(&app, "test:tester3", "testing3").await;
    let reseller = token(&app, "admin:admin", "admin").await;
    let reader = token(&app, "audit:audit", "audit").await;
    for (method, path, token, expected) in [
        (Method::Get, "/v1/AUTH_test", &owner, 299),
        (Method::Put, "/v1/AUTH_test/c", &owner, 299),
        (Method::Put, "/v1/AUTH_test", &owner, 403),
        (Method::Delete, "/v1/AUTH_test", &owner, 403),
        (Method::Get, "/v1/AUTH_test2", &owner, 403),
        (Method::Get, "/v1/AUTH_test/c", &user, 403),
        (Method::Delete, "/v1/AUTH_test", &reseller, 299),
        (Method::Get, "/v1/AUTH_.hidden", &reseller, 403),
        (Method::Get, "/v1/AUTH_", &reseller, 403),
        (Method::Get, "/v1/AUTH_test/c/o", &reader, 200),
        (Method::Put, "/v1/AUTH_test/c/o", &reader, 403),
        (Method::Get, "/v1/OTHER_test", &owner, 403),
        (Method::Options, "/v1/AUTH_test/c", &user, 200),
    ] {
        assert_eq!(status(&app, method.clone(), path, token).await, expected, "{method} {path}");
    }
    let anonymous = app.call(get("/v1/AUTH_test/c")).await;
    assert_eq!(
        (anonymous.status, anonymous.headers.get_str("Www-Authenticate")),
        (401, Some("Swift realm=\"AUTH_test\""))
    );
    assert_eq!(app.call(get("/v1/OTHER_x/c")).await.status, 401);
    assert_eq!(app.call(get("/v1.0")).await.status, 401);
    let bad = app.call(request(Method::Get, "/v1/AUTH_test", &[("X-Auth-Token", "AUTH_tkbad")])).await;
    assert_eq!(
        (bad.status, bad.headers.get_str("Www-Authenticate")),
        (401, Some("Swift realm=\"AUTH_test\""))
    );
}

#[tokio::test]
async fn service_accounts_want_both_tokens() {
    let app = app(&[], None, "");
    let owner = token(&app, "test:tester", "testing").await;
    let service = token(&app, "test5:tester5", "testing5").await;
    assert_eq!(status(&app, Method::Get, "/v1/SERVICE_test", &owner).await, 403);
    assert_eq!(status(&app, Method::Get, "/v1/SERVICE_test", &service).await, 403);
    let both = [("X-Auth-Token", owner.as_str()), ("X-Service-Token", service.as_str())];
    assert_eq!(app.call(request(Method::Get, "/v1/SERVICE_test", &both)).await.status, 299);
    let bad = [("X-Auth-Token", "AUTH_tkbad"), ("X-Service-Token", service.as_str())];
    assert_eq!(app.call(request(Method::Get, "/v1/SERVICE_test", &bad)).await.status, 401);
}

#[tokio::test]
async fn container_acls() {
    for (acl, path, referer, expected) in [
        ("test:tester3", "/v1/AUTH_test2/c/o", "", 200),
        ("test", "/v1/AUTH_test2/c/o", "", 200),
        ("test:other", "/v1/AUTH_test2/c/o", "", 403),
        (".r:*", "/v1/AUTH_test2/c/o", "", 200),
        (".r:*", "/v1/AUTH_test2/c", "", 403),
        (".r:*,.rlistings", "/v1/AUTH_test2/c", "", 200),
        (".r:.example.com", "/v1/AUTH_test2/c/o", "http://www.example.com/", 200),
        (".r:.example.com", "/v1/AUTH_test2/c/o", "http://example.org/", 403),
    ] {
        let app = app(&[], Some(acl), "");
        let token = token(&app, "test:tester3", "testing3").await;
        let headers = [("X-Auth-Token", token.as_str()), ("Referer", referer)];
        assert_eq!(app.call(request(Method::Get, path, &headers)).await.status, expected, "{acl} {path}");
    }
    let open = app(&[], Some(".r:*"), "");
    assert_eq!(open.call(get("/v1/AUTH_test2/c/o")).await.status, 200);
}

#[tokio::test]
async fn account_acls() {
    for (acl, method, path, expected) in [
        (r#"{"read-only": ["test:tester3"]}"#, Method::Get, "/v1/AUTH_test2", 200),
        (r#"{"read-only": ["test:tester3"]}"#, Method::Put, "/v1/AUTH_test2/c", 403),
        (r#"{"read-write": ["test"]}"#, Method::Put, "/v1/AUTH_test2/c", 200),
        (r#"{"read-write": ["test"]}"#, Method::Post, "/v1/AUTH_test2", 403),
        (r#"{"admin": ["test:tester3"]}"#, Method::Post, "/v1/AUTH_test2", 299),
        (r#"{"admin": ["test:tester"]}"#, Method::Get, "/v1/AUTH_test2", 403),
        ("nonsense", Method::Get, "/v1/AUTH_test2", 403),
    ] {
        let app = app(&[], None, acl);
        let token = token(&app, "test:tester3", "testing3").await;
        assert_eq!(status(&app, method.clone(), path, &token).await, expected, "{acl} {method} {path}");
    }
}

#[tokio::test]
async fn account_acls_are_checked_and_stored() {
    let app = app(&[], None, "");
    let token = token(&app, "test:tester", "testing").await;
    let post = async |acl: &str| {
        let headers = [("X-Auth-Token", token.as_str()), ("X-Account-Access-Control", acl)];
        app.call(request(Method::Post, "/v1/AUTH_test", &headers)).await
    };
    let acl = r#"{"admin":["a"]}"#;
    assert_eq!(post(acl).await.headers.get_str("Stored"), Some(acl));
    let why = "X-Account-Access-Control invalid: Key \"x\" not recognized\n\nInput: {\"x\": []}\n";
    assert_eq!(text(post("{\"x\": []}").await).await, (400, why.to_owned()));
}

#[tokio::test]
async fn signed_tokens_are_good_in_every_proxy_with_the_key_until_something_changes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "a key of more than sixteen bytes\n").unwrap();
    let path = file.to_str().unwrap();
    let keyed: &[(&str, &str)] = &[("token_key_path", path)];
    let token = token(&app(keyed, None, ""), "test:tester", "testing").await;
    let elsewhere = async |options: &[(&str, &str)]| {
        status(&app(options, None, ""), Method::Get, "/v1/AUTH_test", &token).await
    };
    assert_eq!(elsewhere(keyed).await, 299);
    assert_eq!(elsewhere(&[]).await, 401, "another key");
    assert_eq!(elsewhere(&[keyed[0], ("user_test_tester", "changed .admin")]).await, 401, "another password");
    assert_eq!(elsewhere(&[keyed[0], ("user_test_tester", "testing")]).await, 403, "no longer an admin");
    let mut forged = token.clone();
    forged.replace_range(20..21, if &token[20..21] == "A" { "B" } else { "A" });
    assert_eq!(status(&app(keyed, None, ""), Method::Get, "/v1/AUTH_test", &forged).await, 401);
    let short_lived = app(&[keyed[0], ("token_life", "0")], None, "");
    let expired = self::token(&short_lived, "test:tester", "testing").await;
    assert_eq!(status(&short_lived, Method::Get, "/v1/AUTH_test", &expired).await, 401);
}

#[tokio::test]
async fn fernet_tokens_are_good_in_every_proxy_with_the_key_whatever_else_it_makes() {
    let keys = [("fernet_key_a", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")];
    let made =
        token(&app(&[keys[0], ("active_fernet_key_id", "a")], None, ""), "test:tester", "testing").await;
    assert!(made.starts_with("AUTH_zftk"), "{made}");
    let another = app(&keys, None, "");
    assert_eq!(status(&another, Method::Get, "/v1/AUTH_test", &made).await, 299);
    assert_eq!(
        status(&app(&[], None, ""), Method::Get, "/v1/AUTH_test", &made).await,
        401,
        "without the key"
    );
    let signed = token(&another, "test:tester", "testing").await;
    assert!(signed.starts_with("AUTH_stk"), "no key is active: {signed}");
    assert_eq!(status(&another, Method::Get, "/v1/AUTH_test", &signed).await, 299);
}

#[tokio::test]
async fn a_kept_token_is_given_again_before_a_fernet_token_is_made() {
    let key = ("fernet_key_a", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=");
    let cache: Arc<dyn crate::proxy::info::SharedCache> = Arc::new(LocalCache::new(1 << 20, None));
    let ask = async |options: &[(&str, &str)]| {
        let mut setup = Setup { cache_is_shared: true, ..Setup::new(Arc::default()) };
        let options: Vec<_> = USERS.iter().chain(options).copied().collect();
        let app = build_with(layer, &options, Fake::status(200), &mut setup);
        let headers = [("X-Auth-User", "test:tester"), ("X-Auth-Key", "testing"), ("Host", "h")];
        let mut asked = request(Method::Get, "/auth/v1.0", &headers);
        asked.env.cache = Some(cache.clone());
        app.call(asked).await.headers.get_str("X-Auth-Token").unwrap().to_owned()
    };
    let sealing = [key, ("active_fernet_key_id", "a")];
    assert!(ask(&sealing).await.starts_with("AUTH_zftk"));
    let kept = ask(&[key]).await;
    assert!(kept.starts_with("AUTH_tk"));
    assert_eq!(ask(&sealing).await, kept);
}

#[tokio::test]
async fn cached_tokens_live_under_swifts_keys() {
    let mut setup = Setup::new(Arc::default());
    setup.cache_is_shared = true;
    let fake = Fake::status(200);
    let app = build_with(layer, USERS, fake.clone(), &mut setup);
    let cache: Arc<dyn crate::proxy::info::SharedCache> = Arc::new(LocalCache::new(1 << 20, None));
    let ask = async |key: &str| {
        let headers = [("X-Auth-User", "test:tester"), ("X-Auth-Key", key), ("Host", "h")];
        let mut asked = request(Method::Get, "/auth/v1.0", &headers);
        asked.env.cache = Some(cache.clone());
        app.call(asked).await.headers.get_str("X-Auth-Token").map(str::to_owned)
    };
    let token = ask("testing").await.unwrap();
    assert!(token.starts_with("AUTH_tk") && token.len() == 7 + 32, "{token}");
    assert_eq!(ask("testing").await.as_deref(), Some(token.as_str()), "the same while it lasts");
    let kept = cache.get(&format!("AUTH_/token/{token}")).await.unwrap();
    let (expires, groups): (f64, String) = serde_json::from_slice(&kept).unwrap();
    assert_eq!(groups, "test,test:tester,AUTH_test,SERVICE_test");
    assert!(expires > 1e9);
    assert_eq!(cache.get("AUTH_/user/test:tester").await.unwrap(), format!("\"{token}\""));

    let mut used = request(Method::Get, "/v1/AUTH_test", &[("X-Storage-Token", &token)]);
    used.env.cache = Some(cache.clone());
    app.call(used).await;
    let seen = fake.requests().remove(0).env;
    assert_eq!(seen.remote_user.as_deref(), Some(groups.as_str()));
    assert_eq!(seen.log.lock().user_id.as_deref(), Some("test:tester"));
}

#[tokio::test]
async fn overrides_pass_unless_they_are_not_allowed() {
    let mut overridden = get("/v1/AUTH_test");
    overridden.env.authorize_override = true;
    assert_eq!(app(&[], None, "").call(overridden).await.status, 200);
    let mut overridden = get("/v1/AUTH_test");
    overridden.env.authorize_override = true;
    assert_eq!(app(&[("allow_overrides", "no")], None, "").call(overridden).await.status, 401);
}

#[test]
fn bad_options_stop_the_start_without_showing_secrets() {
    let error = |option: &str, value: &str| {
        let section = Options::new("p.conf", "filter:tempauth").with(option, value);
        layer(&section, &mut Setup::new(Arc::default())).err().unwrap().to_string()
    };
    assert!(
        error("user_a_b_c", "secret").starts_with("p.conf [filter:tempauth] user_a_b_c: \"\" is not called")
    );
    assert!(error("user_a_b", "").contains("has no key set"));
    assert!(error("user64_!_b", "secret").contains("base64"));
    assert!(error("active_fernet_key_id", "k").contains("is the id of no fernet_key_<id>"));
    assert!(error("token_key_path", "/nowhere/key").starts_with("token_key_path /nowhere/key: "));
}
