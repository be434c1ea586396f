//! One filter, or some, beside Python Swift's own: the same requests through both, with the same end of the
//! pipeline. What the client sees and what comes to the end must be the same.

use super::super::{FilterError, Layer, Setup};
use super::python::python;
use crate::http::{Body, Method, Response};
use crate::proxy::app::{App, Authorize, ProxyRequest};
use crate::proxy::cache::LocalCache;
use crate::proxy::query::Params;
use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use swiftlet_types::Policies;
use swiftlet_types::conf::{Ini, Options};
use swiftlet_types::names::quote;

/// A filter: the name of Python's module, ours, and the options of both.
pub struct Filter<'a>(
    pub &'static str,
    pub fn(&Options, &mut Setup) -> Result<Layer, FilterError>,
    pub &'a [(&'a str, &'a str)],
);

/// A request, and what the end of the pipeline answers to it and to what filters make of it.
pub struct Case(Value);

/// A request of `method` for `path` (percent-encoded, with its query). The end answers what is not said otherwise with
/// 200, and HEADs of filters' own with 204.
pub fn case(method: &str, path: &str, headers: &[(&str, &str)]) -> Case {
    let headers: BTreeMap<_, _> = headers.iter().copied().collect();
    Case(json!({"method": method, "path": path, "headers": headers, "answers": {}}))
}

impl Case {
    /// The same where the end answers `request` (`GET /v1/a`, perhaps with a query) so.
    pub fn path(self, request: &str, status: u16, headers: &[(&str, &str)]) -> Self {
        self.page(request, status, headers, "")
    }

    /// The same with a body.
    pub fn page(mut self, request: &str, status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers: BTreeMap<_, _> = headers.iter().copied().collect();
        self.0["answers"][request] = json!({"status": status, "headers": headers, "body": body});
        self
    }

    /// The same where only requests with this ACL are authorized.
    pub fn allowed_by(self, acl: &str) -> Self {
        self.with("allowed_by", acl.into())
    }

    /// The same with the request's `body`, the container's `acl`, the `user`, whether that is a `reseller` admin.
    pub fn with(mut self, what: &str, value: Value) -> Self {
        self.0[what] = value;
        self
    }

    pub fn value(self) -> Value {
        self.0
    }
}

/// Panics with what differs where a case comes out in another way than through Python's filters.
pub async fn same(filters: &[Filter<'_>], cases: Vec<Value>) {
    let named = filters
        .iter()
        .map(|Filter(name, _, options)| json!([name, options.iter().copied().collect::<BTreeMap<_, _>>()]));
    let setup = json!({"filters": named.collect::<Vec<_>>(), "cases": cases});
    let theirs = python(include_str!("compare.py"), &setup);
    let mut wrong = Vec::new();
    for (case, theirs) in cases.iter().zip(theirs) {
        let (ours, theirs) = (essence(ours(filters, case).await), essence(theirs));
        if ours != theirs {
            wrong.push(format!("{case}\n  ours   {ours}\n  theirs {theirs}"));
        }
    }
    let shown = wrong.iter().take(8).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {} differ:\n{shown}", wrong.len(), cases.len());
}

/// The same end of the pipeline as Python's.
struct End {
    case: Value,
    seen: Arc<Mutex<Vec<Value>>>,
}

struct AllowedBy(String);

#[async_trait]
impl Authorize for AllowedBy {
    async fn authorize(&self, request: &mut ProxyRequest) -> Result<(), Response> {
        match request.env.acl.as_deref() == Some(&self.0) {
            true => Ok(()),
            false => Err(Response::standard(403)),
        }
    }
}

#[async_trait]
impl App for End {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        if let Some(authorize) = request.env.authorize.clone() {
            request.env.acl = self.case["acl"].as_str().map(str::to_owned);
            if let Err(refusal) = authorize.authorize(&mut request).await {
                return refusal;
            }
        }
        let http = &mut request.http;
        let body = match http.method {
            Method::Put | Method::Post => http.body.read_all(1 << 20).await.unwrap(),
            _ => bytes::Bytes::new(),
        };
        let key = format!("{} {}", http.method, quote(&http.path));
        let mut query: Vec<[String; 2]> = Vec::new();
        for (name, value) in swiftlet_types::names::query_pairs(&Params::parse(&http.query).to_query()) {
            query.push([String::from_utf8_lossy(&name).into(), String::from_utf8_lossy(&value).into()]);
        }
        query.sort();
        let headers = fields(&http.headers);
        let body: String = body.iter().map(|b| char::from(*b)).collect();
        self.seen.lock().push(json!({
            "request": key, "query": query, "body": body, "headers": headers,
            "user": request.env.remote_user.as_deref(), "source": request.env.source,
        }));
        let answers = &self.case["answers"];
        let with_query = format!("{key}?{}", String::from_utf8_lossy(&http.query));
        let answer = answers.get(&with_query).or_else(|| answers.get(&key));
        let is_head = http.method == Method::Head;
        let Some(answer) = answer else {
            return Response::html(if is_head && request.env.source.is_some() { 204 } else { 200 }, "");
        };
        let text = answer["body"].as_str().unwrap().to_owned();
        let mut response = Response::html(answer["status"].as_u64().unwrap() as u16, text);
        for (name, value) in answer["headers"].as_object().unwrap() {
            response.headers.set(name.clone(), value.as_str().unwrap().to_owned());
        }
        if is_head {
            response.body = Body::empty();
        }
        response
    }
}

fn fields(headers: &crate::http::Headers) -> Vec<[String; 2]> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    headers.iter().map(|(name, value)| [text(name), text(value)]).collect()
}

/// What our filters make of a case.
async fn ours(filters: &[Filter<'_>], case: &Value) -> Value {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let policies = Ini::parse("swift.conf", "[storage-policy:0]\nname = gold\n").unwrap();
    let policies = Arc::new(Policies::from_ini(&policies).unwrap());
    let mut setup = Setup { policies, ..Setup::new(Arc::default()) };
    let mut layers = Vec::new();
    for Filter(_, layer, options) in filters {
        let section = Options::new("p.conf", "filter:x");
        let section = options.iter().fold(section, |section, (option, value)| section.with(option, value));
        layers.push(layer(&section, &mut setup).unwrap());
    }
    let end: Arc<dyn App> = Arc::new(End { case: case.clone(), seen: seen.clone() });
    let app = layers.into_iter().rev().fold(end, |next, layer| layer(next));
    let headers: Vec<(&str, &str)> =
        case["headers"].as_object().unwrap().iter().map(|(n, v)| (n.as_str(), v.as_str().unwrap())).collect();
    let method = Method::from_name(case["method"].as_str().unwrap());
    let mut request = super::request(method.clone(), case["path"].as_str().unwrap(), &headers);
    request.http.path = swiftlet_types::names::unquote(&request.http.path).into();
    if let Some(body) = case["body"].as_str() {
        request.http.headers.set_int("Content-Length", body.chars().count());
        request.http.body = body.chars().map(|c| c as u8).collect::<bytes::Bytes>().into();
    }
    request.env.cache = Some(Arc::new(LocalCache::new(1 << 20, None)));
    request.env.reseller = case["reseller"] == true;
    request.env.remote_user = case["user"].as_str().map(Into::into);
    request.env.local = Some("127.0.0.1:80".parse().unwrap());
    if let Some(acl) = case["allowed_by"].as_str() {
        request.env.authorize = Some(Arc::new(AllowedBy(acl.to_owned())));
    }
    let mut response = app.call(request).await;
    let body = match method {
        Method::Head => bytes::Bytes::new(),
        _ => response.body.read_all(1 << 20).await.unwrap(),
    };
    let seen = std::mem::take(&mut *seen.lock());
    json!({
        "status": response.status, "body": String::from_utf8_lossy(&body), "headers": fields(&response.headers),
        "seen": seen,
    })
}

/// An outcome in which only what matters is left, in an order of its own.
fn essence(mut outcome: Value) -> Value {
    // What swob and our connections each add by themselves, and what no backend looks at.
    let incidental = ["host", "user-agent", "content-length", "x-backend-allow-reserved-names"];
    let sort = |headers: &Value| -> Value {
        let fields = headers
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap().to_lowercase(), pair[1].as_str().unwrap().to_owned()));
        let mut fields: Vec<_> = fields.filter(|(name, _)| !incidental.contains(&name.as_str())).collect();
        fields.sort();
        json!(fields)
    };
    outcome["headers"] = sort(&outcome["headers"]);
    // How often information is asked for is the caches' affair.
    let seen = outcome["seen"].as_array_mut().unwrap();
    seen.retain(|seen| seen["source"].is_null() || !seen["request"].as_str().unwrap().starts_with("HEAD "));
    for seen in seen {
        seen["headers"] = sort(&seen["headers"]);
    }
    outcome
}
