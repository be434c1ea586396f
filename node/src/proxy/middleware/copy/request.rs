//! What a client wants copied, and the requests that do it.

use super::SOURCE;
use crate::http::{Body, Headers, Method, Request, Response};
use crate::proxy::app::ProxyRequest;
use crate::proxy::checks::account_name;
use crate::proxy::query::Params;
use swiftlet_types::names::{quote, split_path, unquote};

/// An object to be copied. Names are raw bytes.
pub struct Copy {
    /// The API version of the request's path.
    version: Vec<u8>,
    /// The account of the source.
    pub account: Vec<u8>,
    /// The source: `container/object`.
    pub container_and_object: Vec<u8>,
}

/// Makes the PUT that a COPY means of it.
pub fn from_copy(request: &mut ProxyRequest) -> Result<Copy, Response> {
    let path = request.http.path.clone();
    let Some(&[version, account, container, object]) = split_path(&path, 4, 4, true).as_deref() else {
        return Err(Response::standard(404));
    };
    let headers = &mut request.http.headers;
    if headers.get("Destination").is_none_or(<[u8]>::is_empty) {
        return Err(Response::html(412, "Destination header required"));
    }
    let destination = container_and_object(headers, "Destination")?;
    let mut to_account = account.to_vec();
    if let Some(given) = headers.remove("Destination-Account") {
        to_account = account_name(&given)?;
        headers.set("X-Copy-From-Account", quote(account));
    }
    headers.remove("Destination");
    let container_and_object = [container, b"/", object].concat();
    headers.set("X-Copy-From", format!("/{}", quote(&container_and_object)));
    headers.set("Content-Length", "0");
    headers.remove("Transfer-Encoding");
    request.http.body = Body::empty();
    request.http.path = [b"/", version, b"/", &to_account[..], b"/", &destination[..]].concat().into();
    request.env.log.lock().rewritten_path = Some(request.http.path.clone());
    request.http.method = Method::Put;
    request.env.original_method = Some(Method::Copy);
    Ok(Copy { version: version.to_vec(), account: account.to_vec(), container_and_object })
}

/// What a PUT with `X-Copy-From` wants copied.
pub fn from_put(request: &ProxyRequest) -> Result<Copy, Response> {
    let headers = &request.http.headers;
    if headers.get_str("Content-Length").is_some_and(|length| length.trim().parse() != Ok(0_u64)) {
        return Err(Response::plain(400, "Copy requests require a zero byte body"));
    }
    let Some(&[version, account, ..]) = split_path(&request.http.path, 4, 4, true).as_deref() else {
        return Err(Response::standard(404));
    };
    let account = match headers.get("X-Copy-From-Account").filter(|given| !given.is_empty()) {
        Some(given) => account_name(given)?,
        None => account.to_vec(),
    };
    let container_and_object = container_and_object(headers, "X-Copy-From")?;
    Ok(Copy { version: version.to_vec(), account, container_and_object })
}

/// The `container/object` in the header `name`, decoded.
fn container_and_object(headers: &Headers, name: &str) -> Result<Vec<u8>, Response> {
    let mut path = unquote(headers.get(name).unwrap_or_default());
    if !path.starts_with(b"/") {
        path.insert(0, b'/');
    }
    if split_path(&path, 2, 2, true).is_none() {
        let form = "<container name>/<object name>";
        return Err(Response::html(412, format!("{name} header must be of the form {form}")));
    }
    Ok(path.split_off(1))
}

/// The GET of the source: the client's fields, its conditions and ranges among them, and the newest replica.
pub fn source(request: &ProxyRequest, copy: &Copy) -> ProxyRequest {
    let path = [b"/", &copy.version[..], b"/", &copy.account, b"/", &copy.container_and_object].concat();
    let mut http = Request::new(Method::Get, path);
    http.headers = request.http.headers.clone();
    if !http.headers.contains("User-Agent") {
        http.headers.set("User-Agent", "Swift");
    }
    for name in ["X-Backend-Storage-Policy-Index", "Content-Length", "Transfer-Encoding", "Expect"] {
        http.headers.remove(name);
    }
    http.headers.set("X-Newest", "true");
    http.query = request.http.query.clone();
    let mut params = Params::parse(&http.query);
    if params.get("multipart-manifest") == Some(b"get") {
        params.set(b"format", "raw");
        http.query = params.to_query();
    }
    ProxyRequest { http, env: request.env.subrequest(SOURCE) }
}

/// Makes the parameters of the source's GET those of the destination's PUT; whether anything changed.
pub fn retarget_params(params: &mut Params, source: &Headers) -> bool {
    let mut changed = params.remove("version-id");
    if params.get("multipart-manifest") == Some(b"get") {
        if source.contains("X-Static-Large-Object") {
            params.set(b"multipart-manifest", "put");
            changed = true;
        }
        if source.contains("X-Object-Manifest") {
            changed |= params.remove("multipart-manifest");
        }
    }
    changed
}
