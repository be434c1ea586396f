//! Containers whose objects are versioned: turning it on and off, what they hold, and when they can go.

use super::shared::Names;
use super::{
    ALLOW_RESERVED, KEPT_CONTAINER, KEPT_ENABLED, ObjectVersioning, VERSIONS_ENABLED, hidden, names,
};
use crate::http::{Headers, Method, Response};
use crate::proxy::app::ProxyRequest;
use crate::proxy::info::{ContainerInfo, container_info};
use crate::proxy::meta;
use crate::proxy::subrequest;
use swiftlet_types::names::{quote, unquote};

impl ObjectVersioning {
    /// Answers a request for a container.
    pub async fn container(&self, request: ProxyRequest, names: &Names) -> Result<Response, Response> {
        match request.http.method {
            Method::Put | Method::Post if request.http.headers.contains(VERSIONS_ENABLED) => {
                self.set_versioning(request, names).await
            }
            Method::Delete => self.delete_container(request, names).await,
            _ => self.read_container(request, names).await,
        }
    }

    /// Tells of versioning, and counts the bytes of versions to those of the container.
    async fn read_container(&self, request: ProxyRequest, names: &Names) -> Result<Response, Response> {
        let client = subrequest::again(&request);
        let mut response = self.next.call(request).await;
        tell_enabled(&mut response.headers);
        let kept = response.headers.get(KEPT_CONTAINER).map(unquote).filter(|kept| !kept.is_empty());
        let location = match kept {
            Some(kept) => {
                let location = String::from_utf8_lossy(&kept).into_owned();
                self.add_bytes(&client, names, &location, &mut response.headers).await;
                Some(location)
            }
            // what we know of the container may be old: there may be versions all the same
            None => names::versions_container(&names.container),
        };
        match location {
            Some(location) if response.is_success() && client.http.method == Method::Get => {
                self.list_container(&client, names, &location, response).await
            }
            _ => Ok(response),
        }
    }

    async fn add_bytes(&self, client: &ProxyRequest, names: &Names, location: &str, headers: &mut Headers) {
        const BYTES: &str = "X-Container-Bytes-Used";
        let number = |headers: &Headers| headers.get_str(BYTES)?.trim().parse::<u64>().ok();
        let Some(own) = number(headers) else { return };
        let response = self.next.call(hidden(client, Method::Head, versions_path(names, location))).await;
        if response.is_success() {
            headers.set_int(BYTES, own.saturating_add(number(&response.headers).unwrap_or(0)));
        }
    }

    /// A container can go when its versions have.
    async fn delete_container(&self, request: ProxyRequest, names: &Names) -> Result<Response, Response> {
        let info = container_info(&*self.next, &request.env, &names.account, &names.container).await;
        let kept = info.sysmeta.get("versions-container").map(unquote).filter(|kept| !kept.is_empty());
        if let Some(kept) = kept {
            let path = versions_path(names, &String::from_utf8_lossy(&kept));
            // asked anew: what is remembered may be old
            let found = self.next.call(hidden(&request, Method::Head, path.clone())).await;
            let count = found.headers.get_str("X-Container-Object-Count").and_then(|n| n.parse().ok());
            if found.is_success() && count.unwrap_or(0_u64) > 0 {
                return Err(Response::html(409, "Delete all versions before deleting container."));
            }
            let failed = || Response::html(500, "Error deleting versioned container");
            if !found.is_success() && found.status != 404 {
                return Err(failed());
            }
            let response = self.next.call(hidden(&request, Method::Delete, path)).await;
            if !response.is_success() && response.status != 404 {
                return Err(failed());
            }
        }
        Ok(self.next.call(request).await)
    }

    /// Turns versioning on or off.
    async fn set_versioning(&self, mut request: ProxyRequest, names: &Names) -> Result<Response, Response> {
        let info = container_info(&*self.next, &request.env, &names.account, &names.container).await;
        refuse_mixture(&info)?;
        let is_enabled = meta::is_true(&request.http.headers, VERSIONS_ENABLED);
        request.http.headers.set(KEPT_ENABLED, if is_enabled { "True" } else { "False" });
        let client = subrequest::again(&request);
        let made = match names::versions_container(&names.container).filter(|_| is_enabled) {
            Some(versions) => {
                let path = self.make_hidden(&mut request, names, &info, &versions).await?;
                request.http.headers.set(KEPT_CONTAINER, quote(&versions));
                Some(path)
            }
            None => None,
        };
        let mut response = self.next.call(request).await;
        if let Some(path) = made.filter(|_| !response.is_success()) {
            // nothing came of it: what was made for it goes too, if nothing is in it
            subrequest::drain(self.next.call(hidden(&client, Method::Delete, path)).await).await;
        }
        tell_enabled(&mut response.headers);
        Ok(response)
    }

    /// Makes the hidden container, in the policy of the one that it is for; its path.
    async fn make_hidden(
        &self,
        request: &mut ProxyRequest,
        names: &Names,
        info: &ContainerInfo,
        versions: &str,
    ) -> Result<String, Response> {
        let policy = match info.exists() {
            true => match self.policies.by_index(info.policy_index()) {
                Some(policy) if policy.is_deprecated => {
                    // asked now, so that nobody learns of a container that is not theirs
                    if let Some(authorize) = request.env.authorize.clone() {
                        authorize.authorize(request).await?;
                    }
                    let said = "Cannot enable object versioning on a container that uses a deprecated storage policy.";
                    return Err(Response::html(400, said));
                }
                policy => policy.map(|policy| policy.name().as_bytes().to_vec()),
            },
            false if request.http.method == Method::Put => {
                request.http.headers.get("X-Storage-Policy").map(<[u8]>::to_vec)
            }
            false => None,
        };
        let path = format!("/{}/{}/{versions}", names.version, names.account);
        let mut put = hidden(request, Method::Put, path.clone());
        if let Some(policy) = policy {
            put.http.headers.set("X-Storage-Policy", policy);
        }
        debug_assert!(put.http.headers.contains(ALLOW_RESERVED));
        let response = self.next.call(put).await;
        let is_there = response.is_success() || response.status == 409;
        subrequest::drain(response).await;
        match is_there {
            true => Ok(path),
            false => Err(Response::html(500, "Error enabling object versioning")),
        }
    }
}

/// Where the hidden container of a container is.
pub fn versions_path(names: &Names, location: &str) -> String {
    format!("/v1/{}/{location}", names.account)
}

fn tell_enabled(headers: &mut Headers) {
    if let Some(enabled) = headers.get(KEPT_ENABLED).map(<[u8]>::to_vec) {
        headers.append(VERSIONS_ENABLED, enabled);
    }
}

/// Refuses object versioning where it would meet what it does not go together with.
fn refuse_mixture(info: &ContainerInfo) -> Result<(), Response> {
    let is_set = |value: Option<&String>| value.is_some_and(|value| !value.is_empty());
    if is_set(info.sysmeta.get("versions-location")) || is_set(info.versions.as_ref()) {
        let said = "Cannot enable object versioning on a container that is already using the legacy versioned \
                    writes feature.";
        return Err(Response::html(400, said));
    }
    if is_set(info.sync_to.as_ref()) {
        let said =
            "Cannot enable object versioning on a container configured as source of container syncing.";
        return Err(Response::html(400, said));
    }
    Ok(())
}
