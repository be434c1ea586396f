//! `formpost`: lets a browser's form upload files to a container, without a token, where the form is signed with a
//! key of the account or the container.
//!
//! `multipart` reads the form as it comes, never more of it than a buffer; `form` is what its fields said so far and
//! whether they are signed; here each file becomes a PUT.

mod form;
mod mime_header;
mod multipart;

use super::{FilterError, Layer, Setup};
use crate::http::standard::words;
use crate::http::{Body, BodyError, BodyStream, Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::auth::unauthorized;
use crate::proxy::entity::Entity;
use crate::proxy::signature::{AllowedDigests, Scope, keys};
use crate::proxy::subrequest;
use async_trait::async_trait;
use bytes::Bytes;
use form::{Form, FormError, Upload};
use mime_header::Parameters;
use multipart::{Multipart, MultipartError};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use swiftlet_types::Constraints;
use swiftlet_types::conf::Options;
use swiftlet_types::names::quote;
use tokio::sync::Mutex;

/// What the access log calls the requests made here.
const SOURCE: &str = "FP";
/// A refusal of an upload that is longer is not passed on in full.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;

struct FormPost {
    next: Arc<dyn App>,
    constraints: Arc<Constraints>,
    digests: AllowedDigests,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let digests = AllowedDigests::read(section, &mut setup.warnings)?;
    setup.info.register("formpost", Value::Object(digests.info()));
    let constraints = setup.constraints.clone();
    Ok(Box::new(|next| Arc::new(FormPost { next, constraints, digests })))
}

#[async_trait]
impl App for FormPost {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        let content_type = request.http.headers.get_str("Content-Type").unwrap_or_default();
        let Parameters { value, parameters } = Parameters::parse(content_type);
        let boundary = parameters.get("boundary").filter(|_| value == "multipart/form-data");
        let Some(boundary) = boundary.filter(|_| request.http.method == Method::Post) else {
            return self.next.call(request).await;
        };
        let body = std::mem::replace(&mut request.http.body, Body::empty());
        match self.take(&request, Multipart::new(body, boundary)).await {
            Ok(response) => response,
            Err(FormError::Unauthorized(why)) => {
                Response { body: format!("FormPost: {why}").into(), ..unauthorized("unknown") }
            }
            Err(FormError::Read(BodyError::Timeout(_))) => Response::standard(408),
            Err(FormError::Read(BodyError::Disconnected { .. })) => Response::standard(499),
            Err(error) => Response::plain(400, format!("FormPost: {error}")),
        }
    }
}

/// What came of a form so far.
#[derive(Default)]
struct Outcome {
    status: u16,
    reason: Option<Bytes>,
    message: &'static str,
    refusal: Bytes,
    /// `Access-Control-…` of the last upload's answer.
    cors: Vec<(Bytes, Bytes)>,
}

impl FormPost {
    async fn take(&self, request: &ProxyRequest, mut multipart: Multipart) -> Result<Response, FormError> {
        let keys = self.keys(request).await;
        multipart.start().await?;
        let multipart = Arc::new(Mutex::new(multipart));
        let (mut form, mut files) = (Form::default(), 0);
        let mut outcome = Outcome::default();
        loop {
            let Some(part) = multipart.lock().await.next_part().await? else { break };
            let Some(filename) = part.filename() else {
                let value = multipart.lock().await.read_value().await?;
                form.add(part.name(), &value)?;
                continue;
            };
            files += 1;
            if files > form.max_file_count()? {
                outcome = Outcome { status: 400, message: "max file count exceeded", ..Outcome::default() };
                break;
            }
            if keys.is_empty() {
                return Err(FormError::Unauthorized("Invalid Signature"));
            }
            let upload = form.upload(&part)?;
            form.authorize(&request.http.path, &keys, &self.digests)?;
            outcome = self.put(request, &filename, upload, multipart.clone()).await?;
            if outcome.status / 100 != 2 {
                break;
            }
        }
        if outcome.status == 0 {
            outcome = Outcome { status: 400, message: "no files to process", ..Outcome::default() };
        }
        Ok(outcome.into_response(form.redirect()))
    }

    /// The keys that may have signed a form for the path of `request`, which must name a container.
    async fn keys(&self, request: &ProxyRequest) -> Vec<(Scope, String)> {
        let entity = Entity::parse(&request.http.path, &self.constraints.valid_api_versions);
        match entity.as_ref().map(|entity| (entity.account(), entity.container())) {
            Ok((account, Some(container))) => {
                keys(&*self.next, &request.env, account, container, SOURCE).await
            }
            _ => Vec::new(),
        }
    }

    async fn put(
        &self,
        request: &ProxyRequest,
        filename: &str,
        upload: Upload,
        multipart: Arc<Mutex<Multipart>>,
    ) -> Result<Outcome, FormError> {
        let mut path = request.http.path.to_vec();
        if !path.ends_with(b"/") && path.iter().filter(|b| **b == b'/').count() < 4 {
            path.push(b'/');
        }
        path.extend_from_slice(filename.as_bytes());
        let mut put = subrequest::with_every_right(request, Method::Put, path, SOURCE);
        put.http.query = Bytes::new();
        put.http.headers.set("Transfer-Encoding", "chunked");
        for (name, value) in upload.headers {
            put.http.headers.set(name, value);
        }
        let too_large = Arc::new(AtomicBool::new(false));
        let left = upload.max_file_size;
        put.http.body = Body::stream(None, FileBody { multipart, left, too_large: too_large.clone() });
        let mut response = self.next.call(put).await;
        if too_large.load(Ordering::Relaxed) {
            return Err(FormError::TooLarge);
        }
        let cors = response
            .headers
            .iter()
            .filter(|(name, _)| crate::http::headers::has_prefix(name, "access-control"));
        let cors = cors.map(|(name, value)| (name.clone(), value.clone())).collect();
        let refusal = response.body.read_all(MAX_REFUSAL_BYTES).await.unwrap_or_default();
        Ok(Outcome { status: response.status, reason: response.reason, message: "", refusal, cors })
    }
}

impl Outcome {
    /// What the browser gets: where the form names a page to go on to, the way there.
    fn into_response(self, redirect: Option<&str>) -> Response {
        let mut response = match redirect {
            Some(url) => {
                let mark = if url.contains('?') { '&' } else { '?' };
                let url = format!("{url}{mark}status={}&message={}", self.status, quote(self.message));
                let page =
                    format!("<html><body><p><a href=\"{url}\">Click to continue...</a></p></body></html>");
                Response::new(303).with("Location", url).with_body(page)
            }
            None if self.status / 100 != 2 && !self.refusal.is_empty() => {
                Response::plain(self.status, self.refusal)
            }
            None => {
                let reason = words(self.status).map(|(reason, _)| reason).unwrap_or_default();
                let line = format!("{} {reason}", self.status);
                let text = match self.message {
                    "" => line,
                    message => format!("{line}\r\nFormPost: {}", form::title(message)),
                };
                Response { reason: self.reason, ..Response::plain(self.status, text) }
            }
        };
        for (name, value) in self.cors {
            response.headers.set(name, value);
        }
        response
    }
}

/// A file of the form as the body of a PUT.
struct FileBody {
    multipart: Arc<Mutex<Multipart>>,
    /// How many bytes more it may have.
    left: u64,
    too_large: Arc<AtomicBool>,
}

#[async_trait]
impl BodyStream for FileBody {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let data = match self.multipart.lock().await.next_data().await {
            Ok(Some(data)) => data,
            Ok(None) => return Ok(None),
            Err(MultipartError::Read(error)) => return Err(error),
            Err(error) => return Err(BodyError::Other(error.to_string())),
        };
        match self.left.checked_sub(data.len() as u64) {
            Some(left) => self.left = left,
            None => {
                self.too_large.store(true, Ordering::Relaxed);
                return Err(BodyError::Other("max_file_size exceeded".to_owned()));
            }
        }
        Ok(Some(data))
    }
}

#[cfg(test)]
mod tests;
