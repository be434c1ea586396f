//! Object versioning: with `X-Versions-Enabled` every version of an object is kept in a hidden container of the
//! reserved name space, and the object itself is a static symlink to the newest.

mod account;
mod container;
mod listing;
mod names;
mod object;
mod version;

use super::shared::{self, Names};
use crate::http::{Headers, Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::info::container_info;
use crate::proxy::query::Params;
use crate::proxy::subrequest;
use async_trait::async_trait;
use object::Objects;
use std::sync::Arc;
use swiftlet_types::names::unquote;
use swiftlet_types::{Constraints, Policies};

/// Turns versioning of a container on or off, and tells which it is.
const VERSIONS_ENABLED: &str = "X-Versions-Enabled";
/// [`VERSIONS_ENABLED`], as it is kept.
const KEPT_ENABLED: &str = "X-Container-Sysmeta-Versions-Enabled";
/// The hidden container of the versions, percent-encoded.
const KEPT_CONTAINER: &str = "X-Container-Sysmeta-Versions-Container";
/// Kept on the symlink to the newest version.
const VERSIONS_SYMLINK: &str = "X-Object-Sysmeta-Versions-Symlink";
/// Tells clients which version they got or made.
const VERSION_ID: &str = "X-Object-Version-Id";
const ALLOW_RESERVED: &str = "X-Backend-Allow-Reserved-Names";
/// What the access log calls the requests made here.
const SOURCE: &str = "OV";
/// The version id of an object that is no version.
const NULL: &str = "null";

/// The filter.
struct ObjectVersioning {
    next: Arc<dyn App>,
    constraints: Arc<Constraints>,
    policies: Arc<Policies>,
}

/// The filter in front of `next`.
pub fn filter(next: Arc<dyn App>, constraints: Arc<Constraints>, policies: Arc<Policies>) -> Arc<dyn App> {
    Arc::new(ObjectVersioning { next, constraints, policies })
}

#[async_trait]
impl App for ObjectVersioning {
    async fn call(&self, request: ProxyRequest) -> Response {
        let names = Names::of(&request.http.path, 2)
            .filter(|names| self.constraints.valid_api_versions.contains(&names.version));
        let Some(names) = names else { return self.next.call(request).await };
        let answer = match (names.container.is_empty(), names.object.is_empty()) {
            (true, _) if request.http.method == Method::Get => Ok(self.list_account(request, &names).await),
            (true, _) => Ok(self.next.call(request).await),
            (_, true) => self.container(request, &names).await,
            _ => self.object(request, names).await,
        };
        answer.unwrap_or_else(|refusal| refusal)
    }
}

impl ObjectVersioning {
    async fn object(&self, request: ProxyRequest, names: Names) -> Result<Response, Response> {
        let info = container_info(&*self.next, &request.env, &names.account, &names.container).await;
        let versions = info.sysmeta.get("versions-container").map(unquote).unwrap_or_default();
        let versions = String::from_utf8_lossy(&versions).split('/').next().unwrap_or_default().to_owned();
        let is_enabled =
            info.sysmeta.get("versions-enabled").is_some_and(|told| swiftlet_types::conf::is_true(told));
        let version_id = Params::parse(&request.http.query).get("version-id").map(<[u8]>::to_vec);
        let max_file_size = self.constraints.max_file_size;
        let is_versioned = !versions.is_empty();
        let objects = Objects { next: &*self.next, names, versions, max_file_size };
        match version_id.filter(|id| !id.is_empty()) {
            Some(id) => objects.answer_with_version(request, &String::from_utf8_lossy(&id)).await,
            // never versioned
            None if !is_versioned => Ok(self.next.call(request).await),
            None => match request.http.method {
                // while versioning is suspended, objects are only those of the container itself
                Method::Put | Method::Delete if !is_enabled => Ok(self.next.call(request).await),
                Method::Put => objects.put(request).await,
                Method::Delete => objects.delete(request).await,
                Method::Post => Ok(objects.post(request).await),
                _ => Ok(objects.read(request).await),
            },
        }
    }
}

/// Lets a sub-request into the reserved name space.
fn allow_reserved(headers: &mut Headers) {
    headers.set(ALLOW_RESERVED, "true");
}

/// A sub-request with every right to the reserved name space.
fn hidden(client: &ProxyRequest, method: Method, path: String) -> ProxyRequest {
    let mut request = subrequest::with_every_right(client, method, path, SOURCE);
    allow_reserved(&mut request.http.headers);
    request
}

/// What a client is told where something on the way was not done.
fn refuse(response: Response) -> Response {
    match response.status {
        404 => Response::standard(412),
        status if status / 100 == 4 => response,
        _ => Response::standard(503),
    }
}

/// The answer where versioning is on, but the hidden container is gone.
fn no_hidden_container() -> Response {
    let said = "The versions container does not exist. You may want to re-enable object versioning.";
    Response::plain(500, said)
}
