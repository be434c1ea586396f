//! `container_sync`: lets in the requests by which another cluster copies a container's objects here, signed with the
//! secrets of the realm and of the container. The daemon that sends them is the container servers'.

mod realms_file;

use super::{FilterError, Layer, Setup};
use crate::http::{Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::info::container_info;
use async_trait::async_trait;
use realms_file::RealmsFile;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use swiftlet_types::Constraints;
use swiftlet_types::conf::Options;
use swiftlet_types::names::{quote, split_path};
use swiftlet_types::sync_realms::{self, Realms};

const SYNC_TO: &str = "X-Container-Sync-To";
const SYNC_AUTH: &str = "X-Container-Sync-Auth";
/// Where the gatekeeper puts a client's X-Timestamp.
const SHUNTED_TIMESTAMP: &str = "X-Backend-Inbound-X-Timestamp";

struct ContainerSync {
    next: Arc<dyn App>,
    realms: RealmsFile,
    /// Whether containers may be synchronized to URLs, and not to clusters of a realm alone.
    allow_full_urls: bool,
    constraints: Arc<Constraints>,
}

/// Reads the section, and the realms' file in its `swift_dir`.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let swift_dir = section.str_or("swift_dir", "/etc/swift");
    let realms = RealmsFile::new(Path::new(&swift_dir).join("container-sync-realms.conf"));
    let allow_full_urls = section.bool("allow_full_urls", true);
    let current = current(section, &realms.known(), setup);
    let shown = realms.clone();
    setup.info.register_live("container_sync", move || info(&shown.known(), current.as_ref()));
    let constraints = setup.constraints.clone();
    Ok(Box::new(move |next| Arc::new(ContainerSync { next, realms, allow_full_urls, constraints })))
}

/// Which realm and cluster this is, in upper case; what is wrong with `current` is a warning.
fn current(section: &Options, realms: &Realms, setup: &mut Setup) -> Option<(String, String)> {
    let text = section.str("current").filter(|text| !text.is_empty())?;
    let place = format!("{} [{}]", section.path().display(), section.section());
    let upper = text.trim_matches('/').to_uppercase();
    let Some((realm, cluster)) = upper.split_once('/').filter(|(_, cluster)| !cluster.contains('/')) else {
        setup.warnings.push(format!("{place} Invalid current //REALM/CLUSTER ({text})"));
        return None;
    };
    if realms.get(realm).and_then(|realm| realm.endpoint(cluster)).is_none() {
        setup.warnings.push(format!("{place} Unknown current //REALM/CLUSTER (//{realm}/{cluster})"));
    }
    Some((realm.to_owned(), cluster.to_owned()))
}

/// The section of `/info`: realms that have clusters.
fn info(realms: &Realms, current: Option<&(String, String)>) -> Value {
    let mut shown = json!({});
    for realm in realms.iter() {
        for cluster in realm.clusters() {
            let is_current = current.is_some_and(|(r, c)| r == realm.name() && c == cluster);
            shown[realm.name()]["clusters"][cluster] =
                if is_current { json!({"current": true}) } else { json!({}) };
        }
    }
    json!({"realms": shown})
}

#[async_trait]
impl App for ContainerSync {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        if &request.http.path[..] == b"/info" {
            self.realms.current().await;
            return self.next.call(request).await;
        }
        let is_ours = [SYNC_TO, SYNC_AUTH].into_iter().any(|name| request.http.headers.contains(name));
        match is_ours {
            false => self.next.call(request).await,
            true => match self.check(&mut request).await {
                Ok(()) => self.next.call(request).await,
                Err(refusal) => refusal,
            },
        }
    }
}

impl ContainerSync {
    /// Refuses what may not be, and gives a request that is rightly signed every right.
    async fn check(&self, request: &mut ProxyRequest) -> Result<(), Response> {
        let path = request.http.path.clone();
        let segments = split_path(&path, 3, 4, true).unwrap_or_default();
        let [version, account, container, object @ ..] = &segments[..] else { return Ok(()) };
        let is_served = self.constraints.valid_api_versions.iter().any(|valid| valid.as_bytes() == *version);
        let (Ok(account), Ok(container), true) =
            (std::str::from_utf8(account), std::str::from_utf8(container), is_served)
        else {
            return Ok(());
        };
        let changes_container = matches!(request.http.method, Method::Put | Method::Post)
            && object.iter().all(|part| part.is_empty());
        self.check_target(request, account, container, changes_container).await?;
        let Some(auth) = request.http.headers.get(SYNC_AUTH).filter(|auth| !auth.is_empty()) else {
            return Ok(());
        };
        let auth = String::from_utf8_lossy(auth).into_owned();
        let outcome = self.check_signature(request, &auth, account, container).await;
        request.env.log.lock().info.push(format!("cs:{}", outcome.err().unwrap_or("valid")));
        if outcome.is_err() {
            return Err(unauthorized(account));
        }
        request.env.authorize_override = true;
        request.env.synchronized = true;
        Ok(())
    }

    /// Refuses to synchronize a container to where it may not go, or one that keeps versions.
    async fn check_target(
        &self,
        request: &ProxyRequest,
        account: &str,
        container: &str,
        changes_container: bool,
    ) -> Result<(), Response> {
        let Some(target) = request.http.headers.get(SYNC_TO).filter(|target| !target.is_empty()) else {
            return Ok(());
        };
        if changes_container {
            let info = container_info(&*self.next, &request.env, account, container).await;
            if info.sysmeta.get("versions-container").is_some_and(|versions| !versions.is_empty()) {
                let text =
                    "Cannot configure container sync on a container with object versioning configured.";
                return Err(Response::html(400, text));
            }
        }
        if !self.allow_full_urls && !target.starts_with(b"//") {
            let text = "Full URLs are not allowed for X-Container-Sync-To values. Only realm values of the format \
                        //realm/cluster/account/container are allowed.\n";
            return Err(Response::html(400, text));
        }
        Ok(())
    }

    /// Whether `auth` (realm, nonce and signature) is right; the word for the log where it is not.
    async fn check_signature(
        &self,
        request: &mut ProxyRequest,
        auth: &str,
        account: &str,
        container: &str,
    ) -> Result<(), &'static str> {
        let [realm, nonce, given] = auth.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err("not-3-args");
        };
        let realms = self.realms.current().await;
        let realm = realms.get(realm);
        let Some(key) = realm.and_then(|realm| realm.key.as_deref()) else {
            return Err("no-local-realm-key");
        };
        let info = container_info(&*self.next, &request.env, account, container).await;
        let Some(user_key) = info.sync_key.as_deref().filter(|key| !key.is_empty()) else {
            return Err("no-local-user-key");
        };
        let http = &mut request.http;
        if let Some(timestamp) = http.headers.remove(SHUNTED_TIMESTAMP) {
            http.headers.set("X-Timestamp", timestamp);
        }
        let (method, path) = (http.method.as_str(), quote(&http.path));
        let timestamp = http.headers.get("X-Timestamp").unwrap_or(b"0");
        let key2 = realm.and_then(|realm| realm.key2.as_deref());
        let is_signed = |key: &str| {
            let right = sync_realms::sign(key, method, &path, timestamp, nonce, user_key);
            right.as_bytes().ct_eq(given.as_bytes())
        };
        let is_right = is_signed(key) | is_signed(key2.unwrap_or(key));
        bool::from(is_right).then_some(()).ok_or("invalid-sig")
    }
}

fn unauthorized(account: &str) -> Response {
    let realm = if matches!(account, "v1.0" | "auth") { "unknown".into() } else { quote(account) };
    let text = format!("{SYNC_AUTH} header not valid; contact cluster operator for support.");
    Response::plain(401, text).with("Www-Authenticate", format!("SwiftContainerSync realm=\"{realm}\""))
}

#[cfg(test)]
mod tests;
