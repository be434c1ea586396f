//! `staticweb`: serves a container as a web site: an index for a folder, or a listing of it, and pages for errors,
//! as the container's metadata say (`X-Container-Meta-Web-…`).
//!
//! `site` is what a container says, `page` the HTML; here is which object or page a path stands for.

mod page;
mod site;

use super::{FilterError, Layer, Setup};
use crate::http::{Body, Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::auth::host_url;
use crate::proxy::info::{ContainerInfo, container_info};
use crate::proxy::meta;
use crate::proxy::subrequest::{self, length_of};
use async_trait::async_trait;
use serde_json::json;
use site::{Site, UrlBase};
use std::sync::Arc;
use swiftlet_types::conf::Options;
use swiftlet_types::names::{quote, split_path};

/// What the access log calls the requests made here.
const SOURCE: &str = "SW";
/// A listing as JSON is not read further: far more than a container lists at once.
const MAX_LISTING_BYTES: usize = 64 << 20;
/// How a client is named that came with a temporary URL.
const TEMPURL_USER: &str = ".wsgi.tempurl";

struct StaticWeb {
    next: Arc<dyn App>,
    url_base: UrlBase,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let url_base = UrlBase::parse(section.str("url_base").unwrap_or_default());
    setup.info.register("staticweb", json!({}));
    Ok(Box::new(|next| Arc::new(StaticWeb { next, url_base })))
}

#[async_trait]
impl App for StaticWeb {
    async fn call(&self, request: ProxyRequest) -> Response {
        let Some(place) = Place::of(&request) else { return self.next.call(request).await };
        let is_head = request.http.method == Method::Head;
        let visit = Visit { web: self, client: request, place };
        let mut response = match visit.place.object.is_empty() {
            true => visit.container().await,
            false => visit.object().await,
        };
        if is_head && !response.body.is_empty() {
            // pages are made by GETs
            response.announce_unsent();
            response.body = Body::empty();
        }
        response
    }
}

/// What a path names. Names are raw bytes.
struct Place {
    version: Vec<u8>,
    account: Vec<u8>,
    container: Vec<u8>,
    /// Empty for the container itself.
    object: Vec<u8>,
}

impl Place {
    /// `None` for a request that is none of a web site's.
    fn of(request: &ProxyRequest) -> Option<Self> {
        let (http, env) = (&request.http, &request.env);
        let reads = matches!(http.method, Method::Get | Method::Head);
        let user = env.remote_user.as_deref().filter(|user| !user.is_empty() && *user != TEMPURL_USER);
        let as_web = user.is_none() || meta::is_true(&http.headers, "X-Web-Mode");
        if !reads || !as_web || env.authorize.is_none() {
            return None;
        }
        let segments = split_path(&http.path, 3, 4, true)?;
        Some(Self {
            version: segments[0].to_vec(),
            account: segments[1].to_vec(),
            container: segments[2].to_vec(),
            object: segments.get(3).copied().unwrap_or_default().to_vec(),
        })
    }

    fn container_path(&self) -> Vec<u8> {
        [b"/", &self.version[..], b"/", &self.account[..], b"/", &self.container[..]].concat()
    }
}

/// One request of a web site's visitor.
struct Visit<'a> {
    web: &'a StaticWeb,
    client: ProxyRequest,
    place: Place,
}

fn is_page(response: &Response) -> bool {
    matches!(response.status / 100, 2 | 3)
}

impl Visit<'_> {
    async fn container(&self) -> Response {
        let info = self.container_info().await;
        let site = Site::of(&info);
        if let Some(authorize) = &self.client.env.authorize {
            let mut asked = subrequest::again(&self.client);
            asked.env.acl = info.read_acl.clone();
            if let Err(refusal) = authorize.authorize(&mut asked).await {
                return self.error(refusal, &site).await;
            }
        }
        if !site.is_any() {
            return match meta::is_true(&self.client.http.headers, "X-Web-Mode") {
                true => Response::standard(404),
                false => self.web.next.call(subrequest::again(&self.client)).await,
            };
        }
        if !self.client.http.path.ends_with(b"/") {
            return self.redirect();
        }
        if site.index.is_empty() {
            return self.listing(&site).await;
        }
        let index = self.ask(&self.path_of(&site.index)).await;
        match index.status {
            404 => self.listing(&site).await,
            _ if is_page(&index) => index,
            _ => self.error(index, &site).await,
        }
    }

    async fn object(&self) -> Response {
        let response = self.ask(&self.client.http.path).await;
        let site = Site::of(&*self.container_info().await);
        let is_folder = is_page(&response) && site.is_folder(&response, length_of(&response).unwrap_or(0));
        if !is_folder && response.status != 404 || !site.is_any() {
            return response;
        }
        let ends_with_slash = self.client.http.path.ends_with(b"/");
        if !site.index.is_empty() {
            let index = self.ask(&self.path_of(&site.index)).await;
            if is_page(&index) {
                return if ends_with_slash { index } else { self.redirect() };
            }
            if index.status != 404 {
                return index;
            }
        }
        if ends_with_slash {
            return self.listing(&site).await;
        }
        let prefix = [&self.place.object[..], b"/"].concat();
        match self.entries(&format!("limit=1&delimiter=/&prefix={}", quote(prefix))).await {
            Ok(entries) if !entries.is_empty() => self.redirect(),
            _ => self.error(Response::standard(404), &site).await,
        }
    }

    async fn container_info(&self) -> Arc<ContainerInfo> {
        let env = crate::proxy::app::Env { source: Some(SOURCE), ..self.client.env.clone() };
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        container_info(&*self.web.next, &env, &text(&self.place.account), &text(&self.place.container)).await
    }

    /// The path of the object `name` in the folder that the client asked for.
    fn path_of(&self, name: &str) -> Vec<u8> {
        let slash = if self.client.http.path.ends_with(b"/") { "" } else { "/" };
        [&self.client.http.path[..], slash.as_bytes(), name.as_bytes()].concat()
    }

    /// The client's request, for `path`.
    async fn ask(&self, path: &[u8]) -> Response {
        let mut request = subrequest::again(&self.client);
        request.http.path = path.to_vec().into();
        request.http.headers.set("User-Agent", self.user_agent());
        request.env.source = Some(SOURCE);
        self.web.next.call(request).await
    }

    fn user_agent(&self) -> String {
        let own = self.client.http.headers.get("User-Agent").unwrap_or_default();
        format!("{} StaticWeb", String::from_utf8_lossy(own)).trim_start().to_owned()
    }

    /// `response`, or the container's own page for it.
    async fn error(&self, response: Response, site: &Site) -> Response {
        if site.error.is_empty() {
            return response;
        }
        let name = format!("/{}{}", response.status, site.error);
        let path = [&self.place.container_path()[..], name.as_bytes()].concat();
        let page = self.web.next.call(self.beside(path)).await;
        match page.is_success() {
            true => Response { status: response.status, reason: response.reason, ..page },
            false => response,
        }
    }

    fn beside(&self, path: Vec<u8>) -> ProxyRequest {
        let mut request = subrequest::with_same_rights(&self.client, Method::Get, path, SOURCE);
        request.http.headers.set("User-Agent", self.user_agent());
        request
    }

    /// Sends the client to the same path with a slash behind, so that relative links lead into the folder.
    fn redirect(&self) -> Response {
        let mut client = subrequest::again(&self.client);
        self.web.url_base.apply(&mut client);
        let path = quote([&self.client.http.path[..], b"/"].concat());
        Response::standard(301).with("Location", format!("{}{path}", host_url(&client)))
    }

    /// What the container lists for `query`; `Err` with the answer where it does not.
    async fn entries(&self, query: &str) -> Result<Vec<page::Entry>, Response> {
        let mut request = self.beside(self.place.container_path());
        request.http.query = query.to_owned().into();
        let mut response = self.web.next.call(request).await;
        if !response.is_success() {
            return Err(response);
        }
        let body = response.body.read_all(MAX_LISTING_BYTES).await;
        let body = body.map_err(|_| Response::standard(503))?;
        if body.is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_slice(&body).map_err(|_| Response::standard(503))
    }

    /// The page that lists the folder that the client asked for.
    async fn listing(&self, site: &Site) -> Response {
        let label = site.label(&self.client.http.path);
        let prefix = String::from_utf8_lossy(&self.place.object).into_owned();
        if !site.lists() {
            let page = page::disabled(site, &label, &prefix);
            return self.error(Response::html(404, page), site).await;
        }
        let mut query = "delimiter=/".to_owned();
        if !prefix.is_empty() {
            query += &format!("&prefix={}", quote(&self.place.object));
        }
        let entries = match self.entries(&query).await {
            Ok(entries) => entries,
            Err(refusal) => return self.error(refusal, site).await,
        };
        if entries.is_empty() && !prefix.is_empty() {
            return self.error(Response::standard(404), site).await;
        }
        let by_tempurl = self.client.env.remote_user.as_deref() == Some(TEMPURL_USER);
        let link =
            by_tempurl.then(|| page::Link::parse(&self.client.http.query)).flatten().unwrap_or_default();
        let page = page::listing(site, &label, &prefix, &link, &entries);
        Response::html(200, page).with("X-Backend-Content-Generator", "staticweb")
    }
}

#[cfg(test)]
mod tests;
