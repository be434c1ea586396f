//! `domain_remap`: turns `http://container.account.storage.domain/object` into `/v1/account/container/object`, and
//! the account's name into its own case: browsers write hosts in lower case.

use super::{FilterError, Layer, Setup};
use crate::http::Response;
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::host::{StorageDomains, host_and_port, rename_locations};
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;
use swiftlet_types::conf::Options;
use swiftlet_types::names::quote;

struct DomainRemap {
    next: Arc<dyn App>,
    domains: StorageDomains,
    /// What paths start with, without slashes: `v1`.
    path_root: String,
    reseller_prefixes: Vec<String>,
    default_reseller_prefix: Option<String>,
    /// Whether a path may have the root already.
    mangle_client_paths: bool,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let domains = StorageDomains::read(section);
    let path_root = section.str_or("path_root", "v1").trim_matches('/').to_owned();
    let reseller_prefixes = section.list("reseller_prefixes", "AUTH");
    let default_reseller_prefix = section.str("default_reseller_prefix").map(str::to_owned);
    let mangle_client_paths = section.bool("mangle_client_paths", false);
    setup.info.register("domain_remap", json!({"default_reseller_prefix": default_reseller_prefix}));
    Ok(Box::new(move |next| {
        Arc::new(DomainRemap {
            next,
            domains,
            path_root,
            reseller_prefixes,
            default_reseller_prefix,
            mangle_client_paths,
        })
    }))
}

#[async_trait]
impl App for DomainRemap {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        let host = host_and_port(&request).0;
        let Some(below) = self.domains.below(&host) else { return self.next.call(request).await };
        let names: Vec<&str> = below.trim_matches('.').split('.').collect();
        let (container, account) = match names[..] {
            [container, account] => (Some(container), account),
            [account] => (None, account),
            _ => return Response::plain(400, "Bad domain in host header"),
        };
        let Some(account) = self.account(account) else { return self.next.call(request).await };
        let asked = request.http.path.clone();
        let rest = self.rest(&asked);
        let container = container.map(|name| format!("{name}/")).unwrap_or_default();
        let path = [format!("/{}/{account}/{container}", self.path_root).as_bytes(), rest].concat();
        request.http.path = path.clone().into();
        request.env.log.lock().rewritten_path = Some(path.clone().into());
        let mut response = self.next.call(request).await;
        let (path, asked) = (quote(&path), quote(&asked));
        rename_locations(&mut response.headers, |rest| with_asked_path(rest, &path, &asked));
        response
    }
}

impl DomainRemap {
    /// The account that a part of the host's name stands for; `None` where it is not one of ours.
    fn account(&self, name: &str) -> Option<String> {
        if self.reseller_prefixes.is_empty() {
            return Some(name.to_owned());
        }
        // a host's name has no underscore
        let name = if name.contains('_') { name.to_owned() } else { name.replacen('-', "_", 1) };
        let given = name.split('_').next().unwrap_or_default();
        let known = self.reseller_prefixes.iter().find(|prefix| prefix.eq_ignore_ascii_case(given));
        match (known, &self.default_reseller_prefix) {
            (Some(prefix), _) => Some(format!("{prefix}{}", &name[given.len()..])),
            (None, Some(default)) if !default.is_empty() => Some(format!("{default}_{name}")),
            _ => None,
        }
    }

    /// What of the client's path goes on behind the container or the account.
    fn rest<'a>(&self, path: &'a [u8]) -> &'a [u8] {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let below_root = path.strip_prefix(self.path_root.as_bytes()).filter(|_| self.mangle_client_paths);
        match below_root {
            Some(b"") => b"",
            Some(rest) => rest.strip_prefix(b"/").unwrap_or(path),
            None => path,
        }
    }
}

/// What a URL of the answer says behind its scheme, with the path that the client asked for where it begins with the
/// one that was turned into.
fn with_asked_path(rest: &[u8], path: &str, asked: &str) -> Option<Vec<u8>> {
    let rest = std::str::from_utf8(rest).ok()?;
    let (authority, location) = rest.split_at(rest.find('/').filter(|slash| *slash > 0)?);
    let behind = location.strip_prefix(path)?;
    Some(format!("{authority}{asked}{behind}").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::tests::compare::{Filter, case, same};
    use super::*;
    use serde_json::Value;

    fn cases() -> Vec<Value> {
        let mut cases = Vec::new();
        for host in [
            "example.com",
            "auth-a.example.com",
            "AUTH_a.example.com:8080",
            "c.auth_a.example.com",
            "c.Auth-a-b.example.com",
            "d.c.auth_a.example.com",
            "c.other-a.example.com",
            "a.example.com",
            ".example.com",
            "c.a.example.net",
            "c..example.com",
            "10.1.2.3",
            "",
        ] {
            for path in ["/", "/o", "/v1/o", "/v1", "/v1x", "/d//o%20x/"] {
                cases.push(case("GET", path, &[("Host", host)]).value());
            }
        }
        for location in
            ["http://c.auth_a.example.com/v1/AUTH_a/c/o/", "https://x/v1/AUTH_a/c/o?q", "http://x/v1/b"]
        {
            let case = case("GET", "/o", &[("Host", "c.auth-a.example.com")]);
            let case = case.path("GET /v1/AUTH_a/c/o", 301, &[("Location", location)]);
            cases.push(case.value());
        }
        cases
    }

    #[tokio::test]
    async fn does_what_pythons_does() {
        for options in [
            &[][..],
            &[("mangle_client_paths", "yes"), ("path_root", "/v1/")],
            &[("reseller_prefixes", "AUTH,OTHER"), ("default_reseller_prefix", "PRE")],
            &[("reseller_prefixes", ""), ("storage_domain", ".example.net, example.com")],
            &[("storage_domain", "")],
        ] {
            same(&[Filter("domain_remap", layer, options)], cases()).await;
        }
    }
}
