//! Reading through symlinks, from link to link to what they stand for.

use super::{SOURCE, target_path};
use crate::http::{Headers, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::meta;
use crate::proxy::subrequest;
use crate::proxy::symlinks::{
    ALLOWS_RESERVED, EXTENDS_LOOP, KEPT_TARGET, KEPT_TARGET_ACCOUNT, KEPT_TARGET_ETAG,
};
use bytes::Bytes;
use swiftlet_types::names::unquote;

/// Names metadata with which an object is answered whole, whatever range was asked for: a link has no bytes.
const IGNORE_RANGE: &str = "X-Backend-Ignore-Range-If-Metadata-Present";

/// A read on its way along a chain of symlinks.
pub struct Follower<'a> {
    next: &'a dyn App,
    symloop_max: i64,
    /// Links followed so far that count.
    followed: i64,
    /// The target of the last link, where one was followed: what `Content-Location` tells.
    pub last_target: Option<Vec<u8>>,
}

impl<'a> Follower<'a> {
    /// Follows at most `symloop_max` links that count.
    pub fn new(next: &'a dyn App, symloop_max: i64) -> Self {
        Self { next, symloop_max, followed: 0, last_target: None }
    }

    /// Answers a client's GET or HEAD with what it reaches.
    pub async fn read(mut self, mut request: ProxyRequest) -> Result<Response, Response> {
        let headers = &mut request.http.headers;
        let names = match headers.get(IGNORE_RANGE).filter(|names| !names.is_empty()) {
            Some(names) => [names, b",", KEPT_TARGET.to_lowercase().as_bytes()].concat(),
            None => KEPT_TARGET.to_lowercase().into_bytes(),
        };
        headers.set(IGNORE_RANGE, names);
        self.reach(request, None, true).await
    }

    /// The answer of the last object in the chain. The next must have `wanted_etag`, where one is given; dynamic links
    /// are followed only with `follow_dynamic`.
    pub async fn reach(
        &mut self,
        mut request: ProxyRequest,
        mut wanted_etag: Option<Bytes>,
        follow_dynamic: bool,
    ) -> Result<Response, Response> {
        // rights are those of who asked first, wherever a link has led in between
        let client = subrequest::again(&request);
        let mut follow_dynamic = follow_dynamic;
        loop {
            let asked = subrequest::again(&request);
            let mut response = self.next.call(request).await;
            let own =
                |name: &str| response.headers.get(name).filter(|v| !v.is_empty()).map(Bytes::copy_from_slice);
            let (etag, bound_to) = (own("Etag"), own(KEPT_TARGET_ETAG));
            let Some(target) = own(KEPT_TARGET).filter(|_| bound_to.is_some() || follow_dynamic) else {
                if let (Some(etag), Some(wanted)) = (&etag, &wanted_etag)
                    && etag != wanted
                {
                    let (etag, wanted) = (String::from_utf8_lossy(etag), String::from_utf8_lossy(wanted));
                    let said = format!(
                        "Object Etag '{etag}' does not match X-Symlink-Target-Etag header '{wanted}'"
                    );
                    return Err(self.conflict(said));
                }
                if let Some(location) = self.last_target.clone() {
                    response.headers.append("Content-Location", location);
                }
                return Ok(response);
            };
            let found = bound_to.clone().or(etag);
            if wanted_etag.as_ref().is_some_and(|wanted| Some(wanted) != found.as_ref()) {
                return Err(self.conflict("X-Symlink-Target-Etag headers do not match".to_owned()));
            }
            if self.followed >= self.symloop_max {
                let most = self.symloop_max;
                let said = format!("Too many levels of symbolic links, maximum allowed is {most}");
                return Err(Response::plain(409, said));
            }
            if !meta::is_true(&response.headers, EXTENDS_LOOP) {
                self.followed += 1;
            }
            request = self.step(&client, &asked, &target, &response.headers);
            subrequest::drain(response).await;
            wanted_etag = bound_to;
            follow_dynamic = true;
        }
    }

    /// The request for what a link stands for: the one for the link, elsewhere.
    fn step(
        &mut self,
        client: &ProxyRequest,
        asked: &ProxyRequest,
        target: &[u8],
        link: &Headers,
    ) -> ProxyRequest {
        let path = target_path(&asked.http.path, link.get(KEPT_TARGET_ACCOUNT), target);
        let decoded = unquote(&path);
        let may_be_reserved = link.get(ALLOWS_RESERVED).is_some_and(|value| !value.is_empty());
        let method = asked.http.method.clone();
        let mut request = match may_be_reserved {
            // whoever made the link had asked already whether the client may
            true => subrequest::with_every_right(client, method, decoded, SOURCE),
            false => subrequest::with_same_rights(client, method, decoded, SOURCE),
        };
        for (name, value) in asked.http.headers.iter() {
            request.http.headers.set(name.clone(), value.clone());
        }
        request.http.headers.remove("X-Backend-Storage-Policy-Index");
        if may_be_reserved {
            request.http.headers.set("X-Backend-Allow-Reserved-Names", "true");
        }
        self.last_target = Some(path);
        request
    }

    /// A 409 that tells where the chain had come to.
    pub fn conflict(&self, said: String) -> Response {
        let response = Response::plain(409, said);
        match self.last_target.clone() {
            Some(location) => response.with("Content-Location", location),
            None => response,
        }
    }
}
