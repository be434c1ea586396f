//! Cross-origin requests: which sites' scripts may see a container's answers (`X-Container-Meta-Access-Control-…`).

use super::config::ProxyConfig;
use super::info::Cors;
use crate::http::headers::has_prefix;
use crate::http::{Headers, Response};
use std::collections::BTreeSet;

/// Response headers that scripts may always see.
const ALWAYS_EXPOSED: &[&str] = &[
    "cache-control",
    "content-language",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
    "etag",
    "x-timestamp",
    "x-trans-id",
    "x-openstack-request-id",
];

/// The site whose script sends a request; an empty name is none.
pub fn origin_of(request: &Headers) -> Option<&str> {
    request.get_str("Origin").filter(|origin| !origin.is_empty())
}

/// Whether scripts of `origin` may use a container with these settings.
fn is_allowed(cors: &Cors, origin: &str, config: &ProxyConfig) -> bool {
    let by_container = cors.allow_origin.as_deref().unwrap_or_default().split(' ').map(str::trim);
    let mut allowed = by_container.chain(config.cors_allow_origin.iter().map(String::as_str));
    allowed.any(|a| a == "*" || (!a.is_empty() && a == origin))
}

fn allows_any(cors: &Cors) -> bool {
    cors.allow_origin.as_deref().is_some_and(|origins| origins.trim() == "*")
}

/// Says on an answer to a script of `origin` what the browser may let it see.
pub fn expose(response: &mut Response, cors: &Cors, origin: &str, config: &ProxyConfig) {
    if config.strict_cors_mode && !is_allowed(cors, origin, config) {
        return;
    }
    if !response.headers.contains("Access-Control-Expose-Headers") {
        let exposed = exposed_headers(&response.headers, cors, config);
        response.headers.set("Access-Control-Expose-Headers", exposed);
    }
    if !response.headers.contains("Access-Control-Allow-Origin") {
        if allows_any(cors) {
            response.headers.set("Access-Control-Allow-Origin", "*");
        } else {
            response.headers.set("Access-Control-Allow-Origin", origin.to_owned());
            add_vary(&mut response.headers, "Origin");
        }
    }
}

fn exposed_headers(headers: &Headers, cors: &Cors, config: &ProxyConfig) -> String {
    let mut exposed: BTreeSet<String> = ALWAYS_EXPOSED.iter().map(|name| (*name).to_owned()).collect();
    exposed.extend(config.cors_expose_headers.iter().cloned());
    let is_meta = |name: &[u8]| has_prefix(name, "x-container-meta") || has_prefix(name, "x-object-meta");
    let metadata = headers.iter().filter(|(name, _)| is_meta(name));
    exposed.extend(metadata.map(|(name, _)| String::from_utf8_lossy(name).to_lowercase()));
    let by_container = cors.expose_headers.as_deref().unwrap_or_default().split_whitespace();
    exposed.extend(by_container.map(str::to_lowercase));
    exposed.into_iter().collect::<Vec<_>>().join(", ")
}

fn add_vary(headers: &mut Headers, what: &str) {
    let vary = match headers.get_str("Vary") {
        Some(others) => format!("{others}, {what}"),
        None => what.to_owned(),
    };
    headers.set("Vary", vary);
}

/// The answer to OPTIONS: which methods there are, and to a browser's question ahead of a script's request
/// whether that may go. `cors` are the container's settings; `None` for accounts, which have none.
pub fn options(request: &Headers, cors: Option<&Cors>, methods: &[&str], config: &ProxyConfig) -> Response {
    let allow = methods.join(", ");
    let mut response = Response::html(200, "").with("Allow", allow.clone());
    let (Some(origin), Some(cors)) = (origin_of(request), cors) else { return response };
    let wanted = request.get_str("Access-Control-Request-Method").unwrap_or_default();
    if !is_allowed(cors, origin, config) || !methods.contains(&wanted) {
        let page = Response::standard(401);
        return Response { status: 401, body: page.body, ..response };
    }
    let headers = &mut response.headers;
    headers.remove("Content-Type");
    if allows_any(cors) {
        headers.set("Access-Control-Allow-Origin", "*");
    } else {
        headers.set("Access-Control-Allow-Origin", origin.to_owned());
        headers.set("Vary", "Origin");
    }
    if let Some(max_age) = &cors.max_age {
        headers.set("Access-Control-Max-Age", max_age.clone());
    }
    headers.set("Access-Control-Allow-Methods", allow);
    let wanted = request.get_str("Access-Control-Request-Headers").unwrap_or_default();
    let wanted: BTreeSet<&str> = wanted.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if !wanted.is_empty() {
        headers.set("Access-Control-Allow-Headers", wanted.into_iter().collect::<Vec<_>>().join(", "));
        add_vary(headers, "Access-Control-Request-Headers");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use swiftlet_types::conf::Options;

    fn config() -> ProxyConfig {
        ProxyConfig::from_options(&Options::new("proxy-server.conf", "app:proxy-server")).unwrap()
    }

    fn cors(allow_origin: &str) -> Cors {
        Cors {
            allow_origin: Some(allow_origin.to_owned()),
            expose_headers: Some("X-Mine".into()),
            max_age: None,
        }
    }

    #[test]
    fn answers_are_shown_to_allowed_origins_alone() {
        let mut response = Response::new(200).with("X-Object-Meta-Color", "red");
        expose(&mut response, &cors("http://a http://b"), "http://c", &config());
        assert_eq!(response.headers.len(), 1);
        expose(&mut response, &cors("http://a http://b"), "http://b", &config());
        assert_eq!(response.headers.get_str("access-control-allow-origin"), Some("http://b"));
        assert_eq!(response.headers.get_str("vary"), Some("Origin"));
        let exposed = response.headers.get_str("access-control-expose-headers").unwrap();
        assert!(
            exposed.contains("x-object-meta-color") && exposed.contains("x-mine") && exposed.contains("etag")
        );
    }

    #[test]
    fn preflights() {
        let ask = |origin: &'static str, method: &'static str| {
            let request: Headers = [
                ("Origin", origin),
                ("Access-Control-Request-Method", method),
                ("Access-Control-Request-Headers", "x-b, x-a"),
            ]
            .into_iter()
            .collect();
            options(&request, Some(&cors("*")), &["GET", "PUT"], &config())
        };
        let response = ask("http://a", "PUT");
        assert_eq!(response.status, 200);
        assert_eq!(response.headers.get_str("access-control-allow-origin"), Some("*"));
        assert_eq!(response.headers.get_str("access-control-allow-headers"), Some("x-a, x-b"));
        assert_eq!(response.headers.get_str("vary"), Some("Access-Control-Request-Headers"));
        assert_eq!(response.headers.get("content-type"), None);
        assert_eq!(ask("", "PUT").headers.get("access-control-allow-origin"), None);
        assert_eq!(ask("http://a", "COPY").status, 401);
        let plain = options(&Headers::new(), Some(&cors("")), &["GET"], &config());
        assert_eq!((plain.status, plain.headers.get_str("allow")), (200, Some("GET")));
    }
}
