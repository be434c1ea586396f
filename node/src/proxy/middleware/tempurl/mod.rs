//! `tempurl`: lets anyone who has a signed URL do one thing to one object (or all that share a prefix) for a while.
//!
//! `link` is what the query says and whether its signature is right, `headers` what of the header fields passes in
//! either direction; here the request goes through, with no more rights than the key gives.

mod headers;
mod ip_range;
mod link;

use super::{FilterError, Layer, Setup};
use crate::http::dates::format_http_date;
use crate::http::{Body, Method, Response};
use crate::proxy::app::{App, Authorize, ProxyRequest};
use crate::proxy::auth::{realm, unauthorized};
use crate::proxy::signature::{AllowedDigests, Scope, keys};
use async_trait::async_trait;
use headers::{HeaderFilter, disposition};
use link::{Link, Target};
use serde_json::{Value, json};
use std::sync::Arc;
use swiftlet_types::conf::Options;
use swiftlet_types::names::split_path;

/// What the access log calls the requests made here.
const SOURCE: &str = "TU";
/// Header fields with which an upload would stand for data that its URL does not open.
const DISALLOWED: [&str; 3] = ["X-Object-Manifest", "X-Symlink-Target", "X-Copy-From"];

struct TempUrl {
    next: Arc<dyn App>,
    methods: Vec<String>,
    digests: AllowedDigests,
    incoming: HeaderFilter,
    outgoing: HeaderFilter,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let methods = section.words("methods", "GET HEAD PUT POST DELETE");
    let incoming_remove = section.words("incoming_remove_headers", "x-timestamp x-open-expired");
    let incoming_allow = section.words("incoming_allow_headers", "");
    let outgoing_remove = section.words("outgoing_remove_headers", "x-object-meta-*");
    let outgoing_allow = section.words("outgoing_allow_headers", "x-object-meta-public-*");
    let digests = AllowedDigests::read(section, &mut setup.warnings)?;
    setup.info.register(
        "tempurl",
        json!({
            "methods": methods,
            "incoming_remove_headers": incoming_remove,
            "incoming_allow_headers": incoming_allow,
            "outgoing_remove_headers": outgoing_remove,
            "outgoing_allow_headers": outgoing_allow,
        }),
    );
    setup.info.register("tempurl", Value::Object(digests.info()));
    let incoming = HeaderFilter::new(incoming_remove, incoming_allow);
    let outgoing = HeaderFilter::new(outgoing_remove, outgoing_allow);
    Ok(Box::new(move |next| Arc::new(TempUrl { next, methods, digests, incoming, outgoing })))
}

#[async_trait]
impl App for TempUrl {
    async fn call(&self, request: ProxyRequest) -> Response {
        if request.http.method == Method::Options {
            return self.next.call(request).await;
        }
        match Link::parse(&request.http.query) {
            None => self.next.call(request).await,
            Some(link) => match self.open(request, link).await {
                Ok(response) | Err(response) => response,
            },
        }
    }
}

impl TempUrl {
    async fn open(&self, mut request: ProxyRequest, link: Link) -> Result<Response, Response> {
        let method = request.http.method.clone();
        let refused = || invalid(&method);
        let target = self.target(&request, &link).ok_or_else(refused)?;
        let (env, account, container) = (&request.env, &target.account, &target.container);
        let keys = keys(&*self.next, env, account, container, SOURCE).await;
        let signature = link.signature(&self.digests).ok_or_else(refused)?;
        let scope = link.scope(&signature, &keys, &method, &target).ok_or_else(refused)?;
        refuse_disallowed(&request)?;
        self.incoming.apply(&mut request.http.headers);
        request.http.query = link.query(&signature);
        request.env.log.lock().rewritten_query = Some(request.http.query.clone());
        let object = target.object.clone();
        request.env.authorize = Some(Arc::new(WithinScope { scope, target }));
        request.env.authorize_override = true;
        request.env.remote_user = Some(".wsgi.tempurl".into());
        let path = request.http.path.clone();
        let mut response = self.next.call(request).await;
        self.outgoing.apply(&mut response.headers);
        if matches!(method, Method::Get | Method::Head) && response.is_success() {
            let headers = &mut response.headers;
            let is_page = headers.get("X-Backend-Content-Generator") == Some(b"staticweb");
            // a container's own page is staticweb's alone to give
            if object.is_empty() && !is_page {
                return Err(refused());
            }
            let value = disposition(headers, link.filename.as_deref(), link.inline || is_page, &path);
            headers.set("Content-Disposition", value);
            headers.set("Expires", format_http_date(link.expires_s));
        }
        Ok(response)
    }

    /// What the request is for, where the link may be for that.
    fn target(&self, request: &ProxyRequest, link: &Link) -> Option<Target> {
        let http = &request.http;
        let whole_container =
            matches!(http.method, Method::Get | Method::Head) && link.prefix.as_deref() == Some(b"");
        let min = if whole_container { 3 } else { 4 };
        let segments = split_path(&http.path, min, 4, true)?;
        let text = |index: usize| String::from_utf8(segments.get(index).copied()?.to_vec()).ok();
        let target = Target {
            account: text(1)?,
            container: text(2)?,
            object: segments.get(3).copied().unwrap_or_default().to_vec(),
        };
        let names_one = whole_container || target.object.iter().any(|b| *b != b'/');
        let allowed = self.methods.iter().any(|method| method == http.method.as_str());
        let in_range = link.ip_range.as_ref().is_none_or(|range| range.contains(http.peer.ip()));
        (segments[0] == b"v1" && names_one && allowed && link.is_well_formed && in_range).then_some(target)
    }
}

/// The answer to every link that does not open anything; the head of a HEAD counts no body.
fn invalid(method: &Method) -> Response {
    if *method == Method::Head {
        return Response { body: Body::empty(), ..unauthorized("unknown") };
    }
    Response { body: "401 Unauthorized: Temp URL invalid\n".into(), ..unauthorized("unknown") }
}

fn refuse_disallowed(request: &ProxyRequest) -> Result<(), Response> {
    if matches!(request.http.method, Method::Get | Method::Head) {
        return Ok(());
    }
    match DISALLOWED.into_iter().find(|name| request.http.headers.contains(name)) {
        Some(name) => Err(Response::html(400, format!("The header '{name}' is not allowed in this tempurl"))),
        None => Ok(()),
    }
}

/// Allows what lies in the account or the container whose key signed, which sub-requests may leave.
struct WithinScope {
    scope: Scope,
    target: Target,
}

#[async_trait]
impl Authorize for WithinScope {
    async fn authorize(&self, request: &mut ProxyRequest) -> Result<(), Response> {
        let segments = split_path(&request.http.path, 2, 4, true).unwrap_or_default();
        let same = |index: usize, name: &str| segments.get(index).is_some_and(|s| *s == name.as_bytes());
        let is_within = same(1, &self.target.account)
            && (self.scope == Scope::Account || same(2, &self.target.container));
        if is_within { Ok(()) } else { Err(unauthorized(&realm(&request.http.path))) }
    }
}

#[cfg(test)]
mod tests;
