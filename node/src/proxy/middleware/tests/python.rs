//! The same requests through Python Swift's filters and through ours, with the same end of the pipeline: what the
//! client sees and what comes to the end must be the same.

use super::super::{Setup, copy, gatekeeper, listing_formats, proxy_logging, tempauth};
use super::lines_of;
use crate::http::{Body, Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::cache::LocalCache;
use crate::proxy::info::SharedCache;
use crate::proxy::query::Params;
use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use swiftlet_testing::run_python;
use swiftlet_types::conf::Options;
use swiftlet_types::names::quote;

const ACCOUNT_ACL: &str = r#"{"read-only": ["guest:reader"], "read-write": ["guest:writer"]}"#;
const OBJECT: [(&str, &str); 7] = [
    ("Content-Type", "a/b"),
    ("Etag", "900150983cd24fb0d6963f7d28e17f72"),
    ("Last-Modified", "Fri, 01 Mar 2024 00:00:00 GMT"),
    ("X-Object-Meta-Color", "red"),
    ("X-Object-Sysmeta-Own", "s"),
    ("X-Timestamp", "1709251200.00000"),
    ("X-Delete-At", "99999999999"),
];

/// The options of every filter. The log shows no times and no protocol: those cannot be the same.
const OPTIONS: [(&str, &str); 6] = [
    (
        "log_msg_template",
        "{client_ip} {remote_addr} {method} {path} {status_int} {referer} {user_agent} {auth_token} {bytes_recvd} \
         {bytes_sent} {client_etag} {transaction_id} {source} {log_info} {policy_index} {access_user_id} \
         {account} {container} {object} {path.anonymized} {wire_status_int}",
    ),
    ("log_anonymization_salt", "pepper"),
    ("user_test_tester", "testing .admin"),
    ("user_test_tester3", "testing3 http://far/v1/AUTH_x"),
    ("user64_dW5kZXJfc2NvcmU_YV9i", "testing4"),
    ("storage_url_scheme", "https"),
];

/// Groups by token.
fn tokens() -> Value {
    json!({
        "AUTH_tkowner": "test,test:tester,AUTH_test",
        "AUTH_tkuser": "test,test:tester3",
        "AUTH_tkreseller": "admin,admin:admin,.reseller_admin,AUTH_admin",
        "AUTH_tkreader": "guest,guest:reader",
        "AUTH_tkwriter": "guest,guest:writer",
    })
}

fn case(method: &str, path: &str, headers: &[(&str, &str)]) -> Value {
    let json_type = [("Content-Type", "application/json; charset=utf-8")];
    // Anew written JSON has another length in Python.
    let is_json =
        path.to_lowercase().contains("json") || headers.iter().any(|(_, value)| value.contains("json"));
    let listing = match path.split('?').next().unwrap().trim_end_matches('/').split('/').count() {
        3 => {
            r#"[{"name": "c\u00fc&", "count": 1, "bytes": 2, "last_modified": "2014-01-01T00:00:00.000000"}, {"subdir": "d<"}]"#
        }
        _ if is_json => "[]",
        _ => {
            r#"[{"name": "o", "hash": "h", "bytes": 2, "content_type": "a/b", "last_modified": "l"}, {"subdir": "d<"}, {"subdir": "\u0000x"}]"#
        }
    };
    let is_object = path.split('?').next().unwrap().split('/').count() > 4;
    let (get_headers, get_body) = if is_object { (&OBJECT[..], "abc") } else { (&json_type[..], listing) };
    let answer = |status: u16, headers: &[(&str, &str)], body: &str| json!({"status": status, "headers": headers.iter().copied().collect::<BTreeMap<_, _>>(), "body": body});
    json!({
        "method": method, "path": path, "headers": headers.iter().copied().collect::<BTreeMap<_, _>>(),
        "answers": {
            "GET": answer(200, get_headers, get_body), "HEAD": answer(204, &json_type, ""),
            "PUT": answer(201, &[], ""), "POST": answer(204, &[], ""), "DELETE": answer(204, &[], ""),
            "OPTIONS": answer(200, &[("Allow", "GET, PUT"), ("Access-Control-Allow-Methods", "GET")], ""),
        },
    })
}

fn with(mut case: Value, key: &str, value: Value) -> Value {
    case[key] = value;
    case
}

fn cases() -> Vec<Value> {
    let owner = ("X-Auth-Token", "AUTH_tkowner");
    let mut cases = Vec::new();
    for accept in [
        "",
        "text/plain",
        "application/json",
        "text/xml",
        "application/xml;q=0.5,*/*;q=0.1",
        "a/b",
        "x",
        "*/*",
    ] {
        for path in [
            "/v1/AUTH_test",
            "/v1/AUTH_test/c",
            "/v1/AUTH_test/c?format=xml&limit=1",
            "/v1/AUTH_test/c?format=Json",
        ] {
            for method in ["GET", "HEAD"] {
                let accept = (accept, accept);
                let headers: Vec<_> =
                    if accept.0.is_empty() { vec![owner] } else { vec![owner, ("Accept", accept.1)] };
                cases.push(case(method, path, &headers));
            }
        }
    }
    for token in [
        "AUTH_tkowner",
        "AUTH_tkuser",
        "AUTH_tkreseller",
        "AUTH_tkreader",
        "AUTH_tkwriter",
        "AUTH_tkbad",
        "x",
        "",
    ] {
        for path in [
            "/v1/AUTH_test",
            "/v1/AUTH_test/c",
            "/v1/AUTH_test/c/o",
            "/v1/AUTH_.dot/c",
            "/v1/AUTH_",
            "/v1/OTHER_a/c",
            "/v1",
            "/v1.0/auth",
        ] {
            for method in ["GET", "PUT", "POST", "DELETE", "OPTIONS"] {
                cases.push(case(method, path, &[("X-Auth-Token", token)]));
            }
        }
    }
    for acl in
        [".r:*", ".r:*,.rlistings", ".r:.example.com,.r:-bad.example.com", "guest:reader", "test", "other"]
    {
        for (token, referer) in [
            ("", "http://www.example.com/a"),
            ("", "http://bad.example.com"),
            ("AUTH_tkuser", ""),
            ("AUTH_tkreader", "x"),
        ] {
            for path in ["/v1/AUTH_a/c", "/v1/AUTH_a/c/o"] {
                let headers = [("X-Auth-Token", token), ("Referer", referer)];
                cases.push(with(case("PUT", path, &headers), "acl", acl.into()));
            }
        }
    }
    cases.extend(copies(owner));
    cases.extend(header_cases(owner));
    cases.extend(auth_cases());
    cases
}

fn copies(owner: (&'static str, &'static str)) -> Vec<Value> {
    let copy = |method: &str, path: &str, headers: &[(&'static str, &'static str)]| {
        let headers: Vec<_> = headers.iter().copied().chain([owner]).collect();
        case(method, path, &headers)
    };
    let put = "/v1/AUTH_test/c/o 2";
    vec![
        copy("COPY", "/v1/AUTH_test/c/o", &[("Destination", "d/o%20x")]),
        copy("COPY", "/v1/AUTH_test/c/o", &[("Destination", "/d/o/x"), ("X-Object-Meta-Color", "blue")]),
        copy("COPY", "/v1/AUTH_test/c/o", &[("Destination", "/d/o"), ("Destination-Account", "AUTH_a%20b")]),
        copy("COPY", "/v1/AUTH_test/c/o", &[("Destination", "/d/o"), ("Destination-Account", "a/b")]),
        copy("COPY", "/v1/AUTH_test/c/o", &[("Destination", "d")]),
        copy("COPY", "/v1/AUTH_test/c/o", &[]),
        copy("COPY", "/v1/AUTH_test/c", &[("Destination", "d/o")]),
        copy("PUT", put, &[("X-Copy-From", "c/o")]),
        copy("PUT", put, &[("X-Copy-From", "/c/o"), ("Content-Type", "x/y"), ("Etag", "mine")]),
        copy("PUT", put, &[("X-Copy-From", "c/o"), ("X-Fresh-Metadata", "yes"), ("X-Object-Meta-New", "1")]),
        copy("PUT", put, &[("X-Copy-From", "c"), ("X-Copy-From-Account", "AUTH_test")]),
        copy("PUT", put, &[("X-Copy-From", "c/o"), ("X-Copy-From-Account", "AUTH_other")]),
        copy("PUT", put, &[("X-Copy-From", "")]),
        copy("PUT", &format!("{put}?multipart-manifest=get&version-id=3"), &[("X-Copy-From", "c/o")]),
        with(copy("PUT", put, &[("X-Copy-From", "c/o")]), "body", "not empty".into()),
        copy("OPTIONS", put, &[]),
    ]
}

fn header_cases(owner: (&'static str, &'static str)) -> Vec<Value> {
    let acl = |value| case("POST", "/v1/AUTH_test", &[owner, ("X-Account-Access-Control", value)]);
    vec![
        acl(""),
        acl(r#"{"admin": ["a"], "read-only": []}"#),
        acl(r#"{"admin": "a"}"#),
        acl(r#"{"admin": [1]}"#),
        acl(r#"{"adm\u00efn": []}"#),
        acl("nonsense's"),
        acl("[]"),
        case(
            "POST",
            "/v1/AUTH_test/c/o",
            &[
                owner,
                ("X-Timestamp", "1"),
                ("X-Backend-Replication", "1"),
                ("X-Container-Sysmeta-A", "1"),
                ("X-Account-Host", "h"),
                ("X-Container-Root-Db-State", "s"),
                ("X-Object-Meta-Stays", "1"),
            ],
        ),
    ]
}

fn auth_cases() -> Vec<Value> {
    let mut cases = Vec::new();
    let users = ["test:tester", "test:tester3", "tester", "test:nobody", "under_score:a_b", ":", ""];
    for path in [
        "/auth/v1.0",
        "/auth/v1/test/auth",
        "/auth/auth/x",
        "/auth/v1",
        "/auth/v3/test/auth",
        "/auth/",
        "/auth",
    ] {
        for user in users {
            for key in ["testing", "testing4", ""] {
                for (user_header, key_header) in
                    [("X-Auth-User", "X-Auth-Key"), ("X-Storage-User", "X-Storage-Pass")]
                {
                    cases.push(case(
                        "GET",
                        path,
                        &[(user_header, user), (key_header, key), ("Host", "h:8080")],
                    ));
                }
            }
        }
    }
    cases.push(case("POST", "/auth/v1.0", &[]));
    cases.push(case(
        "GET",
        "/auth/v1.0",
        &[("X-Auth-User", "test:tester"), ("X-Storage-Pass", "testing"), ("Host", "h:80")],
    ));
    cases
}

/// What `script` says of the cases in `setup`, run by the interpreter that has Python Swift.
pub(super) fn python(script: &str, setup: &Value) -> Vec<Value> {
    serde_json::from_str(&run_python(script, &[], &setup.to_string())).unwrap()
}

/// The same end of the pipeline as Python's.
struct End {
    case: Value,
    seen: Arc<Mutex<Vec<Value>>>,
}

#[async_trait]
impl App for End {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        if request.env.source == Some("TA") {
            return Response::new(204).with("X-Account-Sysmeta-Core-Access-Control", ACCOUNT_ACL);
        }
        request.env.acl = self.case["acl"].as_str().map(str::to_owned);
        if let Some(authorize) = request.env.authorize.clone()
            && let Err(refusal) = authorize.authorize(&mut request).await
        {
            return refusal;
        }
        let http = &mut request.http;
        let body = match http.method {
            Method::Put => http.body.read_all(1000).await.unwrap(),
            _ => bytes::Bytes::new(),
        };
        let headers: Vec<_> = http
            .headers
            .iter()
            .map(|(n, v)| [String::from_utf8_lossy(n), String::from_utf8_lossy(v)])
            .collect();
        let mut query: Vec<[String; 2]> = Vec::new();
        for (name, value) in swiftlet_types::names::query_pairs(&Params::parse(&http.query).to_query()) {
            query.push([String::from_utf8(name).unwrap(), String::from_utf8(value).unwrap()]);
        }
        query.sort();
        self.seen.lock().push(json!({
            "method": http.method.as_str(), "path": quote(&http.path), "query": query, "headers": headers,
            "body": String::from_utf8_lossy(&body), "user": request.env.remote_user.as_deref(),
            "owner": request.env.owner, "source": request.env.source,
        }));
        let Some(answer) = self.case["answers"].get(http.method.as_str()) else {
            return Response::html(404, "");
        };
        let mut response = Response::html(
            answer["status"].as_u64().unwrap() as u16,
            answer["body"].as_str().unwrap().to_owned(),
        );
        for (name, value) in answer["headers"].as_object().unwrap() {
            response.headers.set(name.clone(), value.as_str().unwrap().to_owned());
        }
        if http.method == Method::Head {
            response.body = Body::empty();
        }
        response
    }
}

/// What our filters make of a case.
async fn ours(case: &Value, cache: Arc<dyn SharedCache>) -> Value {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut setup = Setup::new(Arc::default());
    setup.cache_is_shared = true;
    let section = Options::new("p.conf", "filter:x");
    let section = OPTIONS.iter().fold(section, |section, (option, value)| section.with(option, value));
    let layers = [
        proxy_logging::layer,
        gatekeeper::layer,
        listing_formats::layer,
        tempauth::layer,
        copy::layer,
        proxy_logging::layer,
    ];
    let end: Arc<dyn App> = Arc::new(End { case: case.clone(), seen: seen.clone() });
    let app = layers.iter().rev().fold(end, |next, layer| layer(&section, &mut setup).unwrap()(next));
    let headers: Vec<(&str, &str)> =
        case["headers"].as_object().unwrap().iter().map(|(n, v)| (n.as_str(), v.as_str().unwrap())).collect();
    let method = Method::from_name(case["method"].as_str().unwrap());
    let mut request = super::request(method.clone(), case["path"].as_str().unwrap(), &headers);
    if let Some(body) = case["body"].as_str() {
        request.http.headers.set_int("Content-Length", body.len());
        request.http.body = body.to_owned().into();
    }
    request.env.cache = Some(cache);
    let mut response = Response::new(500);
    let mut body = bytes::Bytes::new();
    let log = lines_of(async {
        response = app.call(request).await;
        if method != Method::Head {
            body = response.body.read_all(100_000).await.unwrap();
        }
        response.body = Body::empty();
    })
    .await;
    let headers: Vec<_> = response
        .headers
        .iter()
        .map(|(n, v)| [String::from_utf8_lossy(n), String::from_utf8_lossy(v)])
        .collect();
    let body = String::from_utf8_lossy(&body);
    let answer = json!({"status": response.status, "body": body, "headers": headers, "log": log});
    let seen = std::mem::take(&mut *seen.lock());
    with(answer, "seen", seen.into())
}

/// An outcome in which only what matters is left, in an order of its own.
fn essence(mut outcome: Value) -> Value {
    // What swob and our connections each add by themselves, and what no backend looks at.
    let incidental = ["host", "user-agent", "content-length", "accept", "expect"];
    let sort = |headers: &Value| -> Value {
        let mut fields: Vec<(String, String)> = Vec::new();
        for pair in headers.as_array().unwrap() {
            let (name, mut value) =
                (pair[0].as_str().unwrap().to_lowercase(), pair[1].as_str().unwrap().to_owned());
            if value.starts_with("AUTH_tk") && value.len() == 39 {
                value.truncate(7); // the rest of a token is random
            }
            if name == "x-auth-token-expires" {
                let left_s: u32 = value.parse().unwrap();
                value = if (86_300..=86_400).contains(&left_s) { "a day".to_owned() } else { value };
            }
            if !incidental.contains(&name.as_str()) && !value.is_empty() {
                fields.push((name, value));
            }
        }
        fields.sort();
        json!(fields)
    };
    // Python puts blanks between the parts of a JSON listing that it writes anew.
    if let Some(listing) = outcome["body"].as_str().and_then(|body| serde_json::from_str(body).ok()) {
        outcome["body"] = listing;
    }
    outcome["headers"] = sort(&outcome["headers"]);
    // Only the account of the case is in Python's cache; others are asked for, as ours always is.
    outcome["seen"].as_array_mut().unwrap().retain(|seen| seen["source"] != "TA");
    let log = outcome["log"].as_array_mut().unwrap();
    log.retain(|line| !line.as_str().unwrap().contains(" TA "));
    for line in log {
        // How much of a copy's source is read before its destination is refused is nobody's promise.
        *line = line
            .as_str()
            .unwrap()
            .replace(" 499 - Swift AUTH_tkowner - 3 ", " 499 - Swift AUTH_tkowner - - ")
            .into();
    }
    for seen in outcome["seen"].as_array_mut().unwrap() {
        seen["headers"] = sort(&seen["headers"]);
    }
    outcome
}

#[tokio::test]
async fn filters_do_what_pythons_do() {
    let cases = cases();
    let options: BTreeMap<_, _> = OPTIONS.into_iter().collect();
    let filters = ["proxy_logging", "gatekeeper", "listing_formats", "tempauth", "copy", "proxy_logging"];
    let filters = filters.map(|name| json!([name, options]));
    let setup = json!({"filters": filters, "tokens": tokens(), "account_acl": ACCOUNT_ACL, "cases": cases});
    let theirs = python(include_str!("filters.py"), &setup);
    let cache: Arc<dyn SharedCache> = Arc::new(LocalCache::new(1 << 20, None));
    let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 60;
    for (token, groups) in tokens().as_object().unwrap() {
        let value = json!([expires, groups]).to_string();
        cache.set(&format!("AUTH_/token/{token}"), value.into(), Duration::from_secs(60)).await;
    }
    let mut wrong = Vec::new();
    for (case, theirs) in cases.iter().zip(theirs) {
        let (ours, theirs) = (essence(ours(case, cache.clone()).await), essence(theirs));
        if ours != theirs {
            let request = format!("{} {} {}", case["method"], case["path"], case["headers"]);
            wrong.push(format!("{request} acl={}\n  ours   {ours}\n  theirs {theirs}", case["acl"]));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong[..wrong.len().min(12)].join("\n")
    );
}
