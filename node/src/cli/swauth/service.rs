//! The service that swauth's commands ask.

use super::arguments::Arguments;
use crate::http::standard;
use crate::web_client::{Limits, WebAnswer, WebClient, WebClientError};
use bytes::Bytes;
use http::Request;
use std::path::PathBuf;
use std::time::Duration;
use swiftlet_types::names::quote_component;
use thiserror::Error;

/// Listings are the longest answers: 10,000 names.
const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(10),
    timeout: Duration::from_secs(120),
    max_body_bytes: 32 << 20,
};

/// Why a command did not do what it was asked to.
#[derive(Debug, Error)]
pub enum Failure {
    /// The service said no.
    #[error("{0} {reason}", reason = standard::reason(*.0))]
    Status(u16),
    /// The service cannot be asked.
    #[error(transparent)]
    Client(#[from] WebClientError),
    /// What was given cannot be sent.
    #[error("{0}")]
    Usage(String),
    /// What came back cannot be read.
    #[error("the answer makes no sense: {0}")]
    Answer(String),
}

/// The service, and who asks it.
pub struct Service {
    client: WebClient,
    admin_url: String,
    admin_user: String,
    admin_key: String,
}

impl Service {
    /// The one that `arguments` name. Its certificate is checked with `$OS_CACERT` (as the swift command's is), or with
    /// the system's authorities.
    pub fn new(arguments: &Arguments) -> Result<Self, Failure> {
        if !["http://", "https://"].iter().any(|scheme| arguments.admin_url.starts_with(scheme)) {
            return Err(Failure::Usage(format!(
                "{}: http:// or https:// would be right",
                arguments.admin_url
            )));
        }
        let authorities = std::env::var_os("OS_CACERT").filter(|path| !path.is_empty()).map(PathBuf::from);
        Ok(Self {
            client: WebClient::new(authorities.as_deref(), LIMITS)?,
            admin_url: arguments.admin_url.clone(),
            admin_user: arguments.admin_user.clone(),
            admin_key: arguments.admin_key.clone(),
        })
    }

    /// One request of the API, about what `names` name.
    pub async fn call(
        &self,
        method: &str,
        names: &[&str],
        headers: &[(&str, String)],
        body: &str,
    ) -> Result<WebAnswer, Failure> {
        let path: Vec<String> = names.iter().map(quote_component).collect();
        let url = format!("{}v2/{}", self.admin_url, path.join("/"));
        let who =
            [("X-Auth-Admin-User", self.admin_user.clone()), ("X-Auth-Admin-Key", self.admin_key.clone())];
        let headers: Vec<_> = who.iter().chain(headers).cloned().collect();
        self.send(method, &url, &headers, body).await
    }

    /// A token of the super admin, and the URL of the auth account.
    pub async fn super_admin(&self) -> Result<(String, String), Failure> {
        let base = self.admin_url.trim_end_matches('/');
        let url = if base.ends_with("/v1.0") { base.to_owned() } else { format!("{base}/v1.0") };
        let who = [
            ("X-Auth-User", ".super_admin:.super_admin".to_owned()),
            ("X-Auth-Key", quote_component(&self.admin_key)),
        ];
        let answer = self.send("GET", &url, &who, "").await?;
        let field = |name: &str| {
            let value = answer.headers.get(name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned).ok_or_else(|| Failure::Answer(format!("no {name}")))
        };
        Ok((field("X-Auth-Token")?, field("X-Storage-Url")?))
    }

    /// One request for `url`; anything but 2xx is a failure.
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, String)],
        body: &str,
    ) -> Result<WebAnswer, Failure> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        if method != "GET" {
            request = request.header("Content-Length", body.len());
        }
        let request = request.body(Bytes::copy_from_slice(body.as_bytes()));
        let answer = self.client.send(request.map_err(|error| Failure::Usage(error.to_string()))?).await?;
        if answer.status / 100 == 2 { Ok(answer) } else { Err(Failure::Status(answer.status)) }
    }
}
