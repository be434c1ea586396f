//! What both ways of keeping versions do: find out what a request names, and copy an object with all that it has.

use crate::http::headers::has_prefix;
use crate::http::{Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::info::container_info;
use crate::proxy::subrequest;
use swiftlet_types::names::split_path;

/// The content type of what stands for a deletion among versions. Clients cannot set a `swift_` parameter.
pub const DELETE_MARKER: &str = "application/x-deleted;swift_versions_deleted=1";

/// What a request's path names. `container` and `object` are empty where it names none.
#[derive(Debug, Clone)]
pub struct Names {
    pub version: String,
    pub account: String,
    pub container: String,
    pub object: String,
}

impl Names {
    /// Splits a path of at least `min` segments. `None` for another, or one that is no text.
    pub fn of(path: &[u8], min: usize) -> Option<Self> {
        let segments = split_path(path, min, 4, true)?;
        let mut texts = Vec::with_capacity(4);
        for segment in segments {
            texts.push(std::str::from_utf8(segment).ok()?.to_owned());
        }
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        Some(Self { version: next(), account: next(), container: next(), object: next() })
    }

    /// The path of an object elsewhere in the same account.
    pub fn path_in(&self, container: &str, object: &str) -> String {
        format!("/{}/{}/{container}/{object}", self.version, self.account)
    }
}

/// Refuses a change that the client may not make in the container, before anything is done for it.
pub async fn authorize_write(
    next: &dyn App,
    request: &mut ProxyRequest,
    names: &Names,
) -> Result<(), Response> {
    let Some(authorize) = request.env.authorize.clone() else { return Ok(()) };
    let info = container_info(next, &request.env, &names.account, &names.container).await;
    request.env.acl = info.write_acl.clone();
    authorize.authorize(request).await
}

/// An object that is about to be copied.
pub struct Source {
    pub response: Response,
    length: u64,
}

/// Opens the object (the very one, where it is a symlink) at `path`; `None` where there is none. Answers that say
/// anything else but yes go through `refuse`.
pub async fn open(
    next: &dyn App,
    client: &ProxyRequest,
    path: impl Into<bytes::Bytes>,
    source: &'static str,
    most: u64,
    refuse: fn(Response) -> Response,
) -> Result<Option<Source>, Response> {
    // with every right: the client may write here, but perhaps not read
    let mut get = subrequest::with_every_right(client, Method::Get, path, source);
    get.http.query = "symlink=get".into();
    get.http.headers.set("X-Newest", "True");
    let response = next.call(get).await;
    if response.status == 404 {
        subrequest::drain(response).await;
        return Ok(None);
    }
    if !response.is_success() {
        return Err(refuse(response));
    }
    match subrequest::length_of(&response).filter(|length| *length <= most) {
        Some(length) => Ok(Some(Source { response, length })),
        None => Err(Response::standard(413)),
    }
}

/// The PUT of a copy: all that the source has but its time.
pub fn put_of(
    client: &ProxyRequest,
    path: impl Into<bytes::Bytes>,
    source: Source,
    tag: &'static str,
) -> ProxyRequest {
    let Source { mut response, length } = source;
    let mut put = subrequest::with_every_right(client, Method::Put, path, tag);
    put.http.body = subrequest::body_of(&mut response, length);
    let headers = &mut put.http.headers;
    for (name, value) in response.headers.iter() {
        let is_its_own = ["x-timestamp", "transfer-encoding", "connection", "date"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own.as_bytes()));
        if !is_its_own && !has_prefix(name, "x-backend-") {
            headers.set(name.clone(), value.clone());
        }
    }
    headers.set_int("Content-Length", length);
    if let Some(size) = headers.get_str("X-Object-Sysmeta-Slo-Size").map(str::to_owned) {
        let content_type = headers.get_str("Content-Type").unwrap_or_default();
        let content_type = format!("{content_type}; swift_bytes={size}");
        headers.set("Content-Type", content_type);
        put.env.content_type_overridden = true;
    }
    put
}
