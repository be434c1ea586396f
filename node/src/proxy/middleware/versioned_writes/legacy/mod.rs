//! The legacy way: a container names another one that former versions are copied to. In stack mode a DELETE brings
//! the last of them back; in history mode it is kept too, and a marker tells of it.

mod object;

use super::shared::{self, Names};
use crate::http::{Headers, Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::info::container_info;
use async_trait::async_trait;
use object::Versioned;
use std::sync::Arc;
use swiftlet_types::Constraints;
use swiftlet_types::names::unquote;

/// The container of former versions in stack mode.
pub const VERSIONS_LOCATION: &str = "X-Versions-Location";
/// The container of former versions in history mode.
pub const HISTORY_LOCATION: &str = "X-History-Location";
const KEPT_LOCATION: &str = "X-Container-Sysmeta-Versions-Location";
const KEPT_MODE: &str = "X-Container-Sysmeta-Versions-Mode";
const REMOVALS: [&str; 2] = ["X-Remove-Versions-Location", "X-Remove-History-Location"];
/// What the access log calls the requests made here.
const SOURCE: &str = "VW";

struct Legacy {
    next: Arc<dyn App>,
    /// Whether it may be used. Not told: where containers name a place for versions without system metadata, and
    /// nobody can set one.
    allowed: Option<bool>,
    constraints: Arc<Constraints>,
}

/// The filter in front of `next`.
pub fn filter(next: Arc<dyn App>, allowed: Option<bool>, constraints: Arc<Constraints>) -> Arc<dyn App> {
    Arc::new(Legacy { next, allowed, constraints })
}

#[async_trait]
impl App for Legacy {
    async fn call(&self, request: ProxyRequest) -> Response {
        let Some(names) = Names::of(&request.http.path, 3) else { return self.next.call(request).await };
        let answer = match (&request.http.method, names.object.is_empty()) {
            (_, true) => match self.allowed {
                Some(allowed) => self.container(request, allowed).await,
                None => Ok(self.next.call(request).await),
            },
            (Method::Put | Method::Delete, false) => self.object(request, names).await,
            _ => Ok(self.next.call(request).await),
        };
        answer.unwrap_or_else(|refusal| refusal)
    }
}

impl Legacy {
    async fn container(&self, mut request: ProxyRequest, allowed: bool) -> Result<Response, Response> {
        let changes = matches!(request.http.method, Method::Put | Method::Post);
        keep_location(&mut request.http.headers, allowed || !changes)?;
        let mut response = self.next.call(request).await;
        let location =
            response.headers.get(KEPT_LOCATION).filter(|kept| !kept.is_empty()).map(<[u8]>::to_vec);
        if let Some(location) = location {
            let name = match response.headers.get(KEPT_MODE) {
                Some(b"history") => HISTORY_LOCATION,
                _ => VERSIONS_LOCATION,
            };
            response.headers.append(name, location);
        }
        Ok(response)
    }

    async fn object(&self, request: ProxyRequest, names: Names) -> Result<Response, Response> {
        let info = container_info(&*self.next, &request.env, &names.account, &names.container).await;
        let told = |name: &str| info.sysmeta.get(name).filter(|value| !value.is_empty());
        let old = info.versions.as_ref().filter(|location| !location.is_empty());
        // containers set up before there was system metadata are served unless the section forbids it
        let (location, is_enabled) = match told("versions-location") {
            Some(location) => (Some(location), self.allowed == Some(true)),
            None => (old, self.allowed.unwrap_or(true)),
        };
        let Some(location) = location.filter(|_| is_enabled) else {
            return Ok(self.next.call(request).await);
        };
        let location = String::from_utf8_lossy(&unquote(location)).into_owned();
        let versions = location.split('/').next().unwrap_or_default();
        let versioned = Versioned {
            next: &*self.next,
            names: &names,
            versions,
            max_file_size: self.constraints.max_file_size,
        };
        match request.http.method {
            Method::Put => versioned.put(request).await,
            _ if told("versions-mode").is_some_and(|mode| mode == "history") => versioned.push(request).await,
            _ => versioned.pop(request).await,
        }
    }
}

/// Turns what a client says of a location into what is kept of it. `may_set`: a location can be set now.
fn keep_location(headers: &mut Headers, may_set: bool) -> Result<(), Response> {
    let is_empty = |headers: &Headers, name: &str| headers.get(name).is_none_or(<[u8]>::is_empty);
    if headers.contains(VERSIONS_LOCATION) && headers.contains(HISTORY_LOCATION) {
        if is_empty(headers, HISTORY_LOCATION) {
            headers.remove(HISTORY_LOCATION);
        } else if is_empty(headers, VERSIONS_LOCATION) {
            headers.remove(VERSIONS_LOCATION);
        } else {
            let said = "Only one of x-versions-location or x-history-location may be specified";
            return Err(Response::plain(400, said));
        }
    }
    let told = [(VERSIONS_LOCATION, "stack"), (HISTORY_LOCATION, "history")]
        .into_iter()
        .find_map(|(name, mode)| Some((headers.get(name)?.to_vec(), mode)));
    if let Some((location, mode)) = told {
        if location.is_empty() {
            headers.set(REMOVALS[0], "x");
        } else if !may_set {
            return Err(Response::plain(412, "Versioned Writes is disabled"));
        } else {
            if location.contains(&b'/') {
                return Err(Response::html(412, "Container name cannot contain slashes"));
            }
            headers.set(KEPT_LOCATION, location);
            headers.set(KEPT_MODE, mode);
            // only system metadata tells from now on; and setting wins over removing
            headers.set(VERSIONS_LOCATION, "");
            REMOVALS.iter().for_each(|removal| drop(headers.remove(removal)));
        }
    }
    if REMOVALS.iter().any(|removal| !is_empty(headers, removal)) {
        for name in [VERSIONS_LOCATION, KEPT_LOCATION, KEPT_MODE] {
            headers.set(name, "");
        }
        REMOVALS.iter().for_each(|removal| drop(headers.remove(removal)));
    }
    Ok(())
}

/// What a client is told where something on the way was not done.
fn refuse(response: Response) -> Response {
    // the place for versions is missing, or not what it should be
    Response::standard(if response.status / 100 == 4 { 412 } else { 503 })
}
