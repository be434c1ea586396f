//! Requests for one version of an object, named by `?version-id=`.

use super::object::{Objects, Version};
use super::shared::DELETE_MARKER;
use super::{NULL, VERSION_ID, VERSIONS_SYMLINK, allow_reserved, hidden, names, no_hidden_container, refuse};
use crate::http::{Method, Response};
use crate::proxy::app::ProxyRequest;
use crate::proxy::checks::is_chunked;
use crate::proxy::info::container_info;
use crate::proxy::subrequest;
use crate::proxy::symlinks::TARGET;
use bytes::Bytes;
use swiftlet_types::Timestamp;
use swiftlet_types::names::unquote;

impl Objects<'_> {
    /// Answers a request for the version `id`.
    pub async fn answer_with_version(&self, request: ProxyRequest, id: &str) -> Result<Response, Response> {
        if request.http.method == Method::Post {
            return Err(Response::html(400, "POST to a specific version is not allowed"));
        }
        if self.versions.is_empty() && id != NULL {
            let said = "version-aware operations require that the container is versioned";
            return Err(Response::html(400, said));
        }
        let invalid = || Response::html(400, "Invalid version parameter");
        let time = match id {
            NULL => None,
            id => Some(id.parse::<Timestamp>().map_err(|_| invalid())?),
        };
        match (&request.http.method, time) {
            // what the container allows; no version has an answer of its own
            (Method::Options, _) | (Method::Delete, None) => Ok(self.next.call(request).await),
            (Method::Put, None) => Err(invalid()),
            (_, None) => self.read_null(request).await,
            (Method::Delete, Some(time)) => self.delete_version(request, id, time).await,
            (Method::Put, Some(time)) => self.link_version(request, time).await,
            (_, Some(time)) => self.read_version(request, id, time).await,
        }
    }

    /// Makes the request one for a version.
    fn redirect(&self, request: &mut ProxyRequest, name: &str) {
        request.http.path = self.version_path(name).into();
        allow_reserved(&mut request.http.headers);
        request.env.log.lock().rewritten_path = Some(request.http.path.clone());
    }

    async fn read_version(
        &self,
        mut request: ProxyRequest,
        id: &str,
        time: Timestamp,
    ) -> Result<Response, Response> {
        self.redirect(&mut request, &self.version_name(time)?);
        let mut response = self.next.call(request).await;
        if response.is_success() {
            response.headers.set(VERSION_ID, id.to_owned());
        }
        let told = response.headers.get("X-Backend-Content-Type").or(response.headers.get("Content-Type"));
        if told == Some(DELETE_MARKER.as_bytes()) {
            subrequest::drain(response).await;
            let missing = Response::standard(404).with(VERSION_ID, id.to_owned());
            return Err(missing.with("Content-Type", DELETE_MARKER));
        }
        Ok(response)
    }

    /// Reads the object itself, unless that is a link to a version.
    async fn read_null(&self, request: ProxyRequest) -> Result<Response, Response> {
        let mut response = self.next.call(request).await;
        if !response.is_success() {
            return Ok(response);
        }
        let location = unquote(response.headers.get("Content-Location").unwrap_or_default());
        if memchr::memmem::find(&location, b"\0versions\0").is_some() {
            return Err(Response::standard(404));
        }
        response.headers.set(VERSION_ID, NULL);
        Ok(response)
    }

    async fn delete_version(
        &self,
        mut request: ProxyRequest,
        id: &str,
        time: Timestamp,
    ) -> Result<Response, Response> {
        let name = self.version_name(time)?;
        let linked = self.linked_version(&request).await?;
        let mut current = NULL.to_owned();
        match linked {
            Some(target) if target == format!("{}/{name}", self.versions) => {
                // the newest one: first the link goes, then what it links to
                request.http.query = Bytes::new();
                let response = self.next.call(subrequest::again(&request)).await;
                if !response.is_success() {
                    return Err(refuse(response));
                }
                subrequest::drain(response).await;
            }
            Some(target) => {
                let object = target.split_once('/').map_or("", |(_, object)| object);
                current = names::parse_version_object(object).map_or(current, |(_, id)| id);
            }
            None => {}
        }
        self.redirect(&mut request, &name);
        let mut response = self.next.call(request).await;
        response.headers.set(VERSION_ID, id.to_owned());
        response.headers.set("X-Object-Current-Version-Id", current);
        Ok(response)
    }

    /// What the object links to, decoded, if it is there and a link to a version.
    async fn linked_version(&self, request: &ProxyRequest) -> Result<Option<String>, Response> {
        let path = self.names.path_in(&self.names.container, &self.names.object);
        let mut head = hidden(request, Method::Head, path);
        head.http.headers.remove(super::ALLOW_RESERVED);
        head.http.query = "symlink=get".into();
        head.http.headers.set("X-Newest", "True");
        let response = self.next.call(head).await;
        if response.status == 404 {
            return Ok(None);
        }
        if !response.is_success() {
            return Err(refuse(response));
        }
        let is_version = response.headers.get(VERSIONS_SYMLINK) == Some(b"true");
        let target = response.headers.get(TARGET).filter(|_| is_version);
        Ok(target.map(|target| String::from_utf8_lossy(&unquote(target)).into_owned()))
    }

    /// Makes an older version the newest again, by linking to it.
    async fn link_version(&self, mut request: ProxyRequest, time: Timestamp) -> Result<Response, Response> {
        let has_body = match request.http.headers.get_str("Content-Length") {
            _ if is_chunked(&request.http.headers) => match request.http.body.next().await {
                Ok(chunk) => chunk.is_some(),
                Err(_) => return Err(Response::standard(499)),
            },
            None => return Err(Response::standard(411)),
            Some(length) => length.trim() != "0",
        };
        if has_body {
            return Err(Response::plain(400, "PUT version-id requests require a zero byte body"));
        }
        let name = self.version_name(time)?;
        let mut head = hidden(&request, Method::Head, self.version_path(&name));
        head.http.query = "symlink=get".into();
        let found = self.next.call(head).await;
        if found.status == 404 {
            let info = container_info(self.next, &request.env, &self.names.account, &self.versions).await;
            return Err(match info.exists() {
                true => Response::plain(404, "The specified version does not exist"),
                false => no_hidden_container(),
            });
        }
        if !found.is_success() {
            return Err(refuse(found));
        }
        let told = |field: &str| found.headers.get(field).map(Bytes::copy_from_slice).unwrap_or_default();
        let size = subrequest::length_of(&found).unwrap_or(0).to_string().into();
        let (etag, content_type) = (told("Etag"), told("Content-Type"));
        Ok(self.link(request, Version { name, etag, size, content_type }).await)
    }
}
