//! `/info`: what this cluster can do, told by the app and by each filter that is built in.
//!
//! [`SwiftInfo`] collects the sections while the pipeline is built; [`InfoEndpoint`], the last link before the
//! app, answers for them.

use super::app::{App, ProxyRequest};
use super::config::ProxyConfig;
use super::query::Params;
use crate::http::{Method, Response};
use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha1::Sha1;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

type Live = dyn Fn() -> Value + Send + Sync;

/// Sections of `/info` by name.
#[derive(Clone, Default)]
pub struct SwiftInfo {
    public: Map<String, Value>,
    admin: Map<String, Value>,
    live: Vec<(&'static str, Arc<Live>)>,
}

impl SwiftInfo {
    /// Adds the keys of `values` (an object) to the section `name`.
    pub fn register(&mut self, name: &str, values: Value) {
        extend(&mut self.public, name, values);
    }

    /// The same, shown to signed requests only.
    pub fn register_admin(&mut self, name: &str, values: Value) {
        extend(&mut self.admin, name, values);
    }

    /// Adds to the section `name` the keys of what `values` gives each time that somebody asks.
    pub fn register_live(&mut self, name: &'static str, values: impl Fn() -> Value + Send + Sync + 'static) {
        self.register(name, values());
        self.live.push((name, Arc::new(values)));
    }

    /// The sections by name.
    pub fn sections(&self) -> &Map<String, Value> {
        &self.public
    }

    /// What is shown when the dotted names in `disallowed` are left out.
    fn shown(&self, disallowed: &[String]) -> Map<String, Value> {
        let mut shown = self.public.clone();
        for (name, values) in &self.live {
            extend(&mut shown, name, values());
        }
        for name in disallowed {
            let (path, last) = name.rsplit_once('.').unwrap_or(("", name));
            let mut parts = path.split('.').filter(|part| !part.is_empty());
            let parent = parts.try_fold(&mut shown, |parent, part| parent.get_mut(part)?.as_object_mut());
            if let Some(parent) = parent {
                parent.shift_remove(last);
            }
        }
        shown
    }
}

fn extend(sections: &mut Map<String, Value>, name: &str, values: Value) {
    let section = sections.entry(name).or_insert_with(|| Value::Object(Map::new()));
    if let (Value::Object(section), Value::Object(values)) = (section, values) {
        section.extend(values);
    }
}

/// Answers `/info` and passes everything else on.
pub struct InfoEndpoint {
    next: Arc<dyn App>,
    expose_info: bool,
    /// Signs requests for the admin section; none of them is answered without.
    admin_key: Option<String>,
    info: SwiftInfo,
    disallowed: Vec<String>,
}

impl InfoEndpoint {
    /// The endpoint in front of `next`; its options are the app's.
    pub fn new(next: Arc<dyn App>, info: &SwiftInfo, config: &ProxyConfig) -> Self {
        Self {
            next,
            expose_info: config.expose_info,
            admin_key: Some(config.admin_key.clone()).filter(|key| !key.is_empty()),
            info: info.clone(),
            disallowed: config.disallowed_sections.clone(),
        }
    }

    fn body(&self, is_admin: bool) -> String {
        let mut shown = self.info.shown(&self.disallowed);
        if is_admin {
            let mut admin = self.info.admin.clone();
            admin.insert("disallowed_sections".into(), self.disallowed.clone().into());
            shown.insert("admin".into(), Value::Object(admin));
        }
        Value::Object(shown).to_string()
    }

    fn answer(&self, request: &ProxyRequest) -> Response {
        if !self.expose_info {
            return Response::standard(403);
        }
        let params = Params::parse(&request.http.query);
        let signature = params.get("swiftinfo_sig").unwrap_or_default();
        let expires = params.get("swiftinfo_expires").unwrap_or_default();
        let is_admin = !signature.is_empty() || !expires.is_empty();
        if is_admin {
            let Some(key) = &self.admin_key else { return Response::standard(403) };
            if !is_signed(key, &request.http.method, signature, expires) {
                return Response::standard(401).with("Www-Authenticate", "Swift realm=\"unknown\"");
            }
        }
        let mut response = Response::new(200)
            .with("Content-Type", "application/json; charset=UTF-8")
            .with_body(self.body(is_admin));
        if let Some(origin) = request.http.headers.get("Origin") {
            response.headers.set("Access-Control-Allow-Origin", origin.to_vec());
            response.headers.set("Access-Control-Expose-Headers", "x-trans-id");
        }
        response
    }
}

/// Whether `signature` is the HMAC-SHA1 in hex of the method, `expires` and the path, and not expired. A
/// signature for GET lets HEAD in as well.
fn is_signed(key: &str, method: &Method, signature: &[u8], expires: &[u8]) -> bool {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let Some(expires_s) = std::str::from_utf8(expires).ok().and_then(|text| text.trim().parse::<i64>().ok())
    else {
        return false;
    };
    if u64::try_from(expires_s).is_ok_and(|expires_s| expires_s < now_s) || expires_s < 0 {
        return false;
    }
    let Ok(signature) = hex::decode(signature) else { return false };
    let methods: &[&str] = if *method == Method::Head { &["HEAD", "GET"] } else { &["GET"] };
    methods.iter().any(|method| {
        let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(format!("{method}\n{expires_s}\n/info").as_bytes());
        mac.verify_slice(&signature).is_ok()
    })
}

#[async_trait]
impl App for InfoEndpoint {
    async fn call(&self, request: ProxyRequest) -> Response {
        if &request.http.path[..] != b"/info" {
            return self.next.call(request).await;
        }
        match request.http.method {
            Method::Get | Method::Head => self.answer(&request),
            Method::Options => Response::html(200, "").with("Allow", "HEAD, GET, OPTIONS"),
            _ => Response::standard(405).with("Allow", "HEAD, GET, OPTIONS"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::middleware::tests::{Fake, get, request, text};
    use super::*;
    use serde_json::json;
    use swiftlet_types::conf::Options;

    fn endpoint(options: &[(&str, &str)]) -> InfoEndpoint {
        let mut info = SwiftInfo::default();
        info.register("swift", json!({"version": "1", "valid_api_versions": ["v1"]}));
        info.register("swift", json!({"auto_create_account_prefix": "."}));
        info.register("slo", json!({}));
        info.register_admin("encryption", json!({"enabled": true}));
        let section = Options::new("p.conf", "app:proxy-server");
        let section = options.iter().fold(section, |section, (option, value)| section.with(option, value));
        InfoEndpoint::new(Arc::new(Fake::status(404)), &info, &ProxyConfig::from_options(&section).unwrap())
    }

    async fn json_of(response: Response) -> Value {
        serde_json::from_str(&text(response).await.1).unwrap()
    }

    #[tokio::test]
    async fn shows_what_is_registered_and_not_disallowed() {
        let app = endpoint(&[]);
        let shown = json_of(app.call(get("/info")).await).await;
        assert_eq!(shown, json!({"swift": {"version": "1"}, "slo": {}}));
        let app = endpoint(&[("disallowed_sections", "slo, swift.version, a.b.c")]);
        let shown = json_of(app.call(get("/info")).await).await;
        assert_eq!(
            shown,
            json!({"swift": {"valid_api_versions": ["v1"], "auto_create_account_prefix": "."}})
        );
        assert_eq!(app.call(get("/infos")).await.status, 404);
        assert_eq!(app.call(request(Method::Put, "/info", &[])).await.status, 405);
        let hidden = endpoint(&[("expose_info", "no")]);
        assert_eq!(hidden.call(get("/info")).await.status, 403);
    }

    #[tokio::test]
    async fn signed_requests_see_the_admin_section() {
        let app = endpoint(&[("admin_key", "secret"), ("disallowed_sections", "slo")]);
        let signed = |method: &str, expires: i64| {
            let mut mac = Hmac::<Sha1>::new_from_slice(b"secret").unwrap();
            mac.update(format!("{method}\n{expires}\n/info").as_bytes());
            let signature = hex::encode(mac.finalize().into_bytes());
            format!("/info?swiftinfo_sig={signature}&swiftinfo_expires={expires}")
        };
        let shown = json_of(app.call(get(&signed("GET", 4_000_000_000))).await).await;
        assert_eq!(shown["admin"], json!({"encryption": {"enabled": true}, "disallowed_sections": ["slo"]}));
        assert_eq!(app.call(request(Method::Head, &signed("GET", 4_000_000_000), &[])).await.status, 200);
        assert_eq!(app.call(get(&signed("HEAD", 4_000_000_000))).await.status, 401);
        assert_eq!(app.call(get(&signed("GET", 1))).await.status, 401);
        assert_eq!(app.call(get("/info?swiftinfo_sig=00&swiftinfo_expires=x")).await.status, 401);
        assert_eq!(endpoint(&[]).call(get(&signed("GET", 4_000_000_000))).await.status, 403);
    }
}
