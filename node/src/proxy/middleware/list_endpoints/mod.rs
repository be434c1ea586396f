//! `list_endpoints`: where in the cluster an account, container or object lies, for programs that run beside the
//! data. Nobody is asked who they are, so it is for closed networks alone.

use super::{FilterError, Layer, Setup};
use crate::http::{Method, Response};
use crate::proxy::app::{App, Env, ProxyRequest};
use crate::proxy::info::container_info;
use crate::proxy::placement::Placement;
use crate::proxy::rings::Node;
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;
use swiftlet_types::conf::Options;
use swiftlet_types::names::{quote, split_path};

/// What the access log calls the requests made here.
const SOURCE: &str = "LE";

struct ListEndpoints {
    next: Arc<dyn App>,
    placement: Placement,
    /// What the paths that are answered here start with, slash at the end.
    path_prefix: String,
}

/// The shape of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Version {
    /// A list of URLs.
    V1,
    /// An object with that list and the header fields to send to them.
    V2,
}

/// What is asked for. Names are raw bytes.
struct Subject<'a> {
    version: Version,
    account: &'a [u8],
    container: Option<&'a [u8]>,
    object: Option<&'a [u8]>,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    // the proxy's own, whose rings are loaded already
    section.str("swift_dir");
    let mut path_prefix = section.str_or("list_endpoints_path", "/endpoints/");
    if !path_prefix.ends_with('/') {
        path_prefix.push('/');
    }
    let placement = setup.placement.clone().ok_or(FilterError::NoRings)?;
    Ok(Box::new(|next| Arc::new(ListEndpoints { next, placement, path_prefix })))
}

#[async_trait]
impl App for ListEndpoints {
    async fn call(&self, request: ProxyRequest) -> Response {
        if !request.http.path.starts_with(self.path_prefix.as_bytes()) {
            return self.next.call(request).await;
        }
        if request.http.method != Method::Get {
            return Response::standard(405).with("Allow", "GET");
        }
        match Subject::parse(&request.http.path[self.path_prefix.len() - 1..]) {
            Ok(subject) => self.locate(&request.env, &subject).await,
            Err(why) => Response::html(400, why),
        }
    }
}

impl<'a> Subject<'a> {
    /// Parses `/<version>/<account>/…`, where the version may be left out.
    fn parse(path: &'a [u8]) -> Result<Self, String> {
        let no_account = || "No account specified".to_owned();
        let segments = split_path(path, 1, 2, true).ok_or_else(no_account)?;
        let first = String::from_utf8_lossy(segments[0]);
        let number: Option<f64> = first.trim_start_matches('v').parse().ok();
        let (version, rest) = match number {
            Some(1.0) => (Version::V1, &path[1 + segments[0].len()..]),
            Some(2.0) => (Version::V2, &path[1 + segments[0].len()..]),
            // an account's name may begin so, but then it has a reseller prefix
            _ if first.starts_with('v') && !first.contains('_') => {
                return Err(format!("Unsupported version '{first}'"));
            }
            _ => (Version::V1, path),
        };
        let names = split_path(rest, 1, 3, true).ok_or_else(no_account)?;
        Ok(Self {
            version,
            account: names[0],
            container: names.get(1).copied(),
            object: names.get(2).copied(),
        })
    }
}

impl ListEndpoints {
    async fn locate(&self, env: &Env, subject: &Subject<'_>) -> Response {
        let &Subject { version, account, container, object } = subject;
        let mut policy_index = None;
        let (partition, nodes) = match (container, object) {
            (Some(container), Some(object)) => {
                let env = Env { source: Some(SOURCE), ..env.clone() };
                let (a, c) = (String::from_utf8_lossy(account), String::from_utf8_lossy(container));
                let index = container_info(&*self.next, &env, &a, &c).await.policy_index();
                policy_index = Some(index);
                match self.placement.object(index, account, container, object) {
                    Some(found) => found,
                    None => return Response::standard(503),
                }
            }
            (Some(container), None) => self.placement.container(account, container),
            _ => self.placement.account(account),
        };
        let names: Vec<String> =
            [Some(account), container, object].into_iter().flatten().map(quote).collect();
        let url = |node: &Arc<Node>| {
            format!("http://{}/{}/{partition}/{}", node.host(false), node.device(), names.join("/"))
        };
        let endpoints: Vec<String> = nodes.iter().map(url).collect();
        let body = match (version, policy_index) {
            (Version::V1, _) => json!(endpoints),
            (Version::V2, None) => json!({"endpoints": endpoints, "headers": {}}),
            (Version::V2, Some(index)) => {
                let headers = json!({"X-Backend-Storage-Policy-Index": index.to_string()});
                json!({"endpoints": endpoints, "headers": headers})
            }
        };
        Response::new(200).with("Content-Type", "application/json").with_body(body.to_string())
    }
}

#[cfg(test)]
mod tests;
