//! Asking the servers.

use super::options::Options;
use crate::http::client::{Client, ClientError, ClientOptions, Timeouts};
use crate::http::{Method, Request, Response};
use futures_util::stream::{self, StreamExt};
use serde_json::Value;
use std::time::Duration;
use swiftlet_types::Timestamp;

/// Servers asked at once.
const CONCURRENCY: usize = 30;
/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Who is asked.
pub(super) struct Scout {
    pub hosts: Vec<(String, u16)>,
    client: Client,
    timeout: Duration,
    is_verbose: bool,
    tells_errors: bool,
}

/// What a server answered.
pub(super) struct Heard {
    pub url: String,
    pub answer: Value,
    /// When it was asked and when it had answered, in seconds since 1970.
    pub asked_at: f64,
    pub heard_at: f64,
}

impl Heard {
    /// `<host>:<port>`
    pub fn address(&self) -> &str {
        address(&self.url)
    }

    /// A figure of the answer, if there is one of that name.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.answer.get(name)?.as_f64()
    }
}

/// The address in a URL.
pub(super) fn address(url: &str) -> &str {
    url.split('/').nth(2).unwrap_or(url)
}

impl Scout {
    pub fn new(options: &Options, hosts: Vec<(String, u16)>) -> Self {
        let is_verbose = options.has("verbose");
        Self {
            hosts,
            client: Client::new(ClientOptions::default()),
            timeout: options.timeout,
            is_verbose,
            tells_errors: is_verbose || !options.has("suppress"),
        }
    }

    /// What all servers say to `/recon/<what>`, in the order of the hosts; those that say nothing are left out, and told.
    pub async fn ask(&self, what: &str) -> Vec<Heard> {
        self.ask_of(&self.hosts, what).await
    }

    /// The same of some of them.
    pub async fn ask_of(&self, hosts: &[(String, u16)], what: &str) -> Vec<Heard> {
        let asking = hosts.iter().map(|host| self.ask_one(host, what));
        let answers: Vec<_> = stream::iter(asking).buffered(CONCURRENCY).collect().await;
        answers.into_iter().flatten().collect()
    }

    async fn ask_one(&self, (host, port): &(String, u16), what: &str) -> Option<Heard> {
        let url = format!("http://{}:{port}/recon/{what}", swiftlet_ring::bracketed(host));
        let asked_at = Timestamp::now().as_secs_f64();
        let answer = match self.get(host, *port, &format!("/recon/{what}")).await {
            Ok(answer) => answer,
            Err(why) => {
                self.tell(&url, &why);
                return None;
            }
        };
        if self.is_verbose {
            println!("-> {url}: {answer}");
        }
        Some(Heard { url, answer, asked_at, heard_at: Timestamp::now().as_secs_f64() })
    }

    async fn get(&self, host: &str, port: u16, path: &str) -> Result<Value, String> {
        let mut response = self.request(Method::Get, host, port, path).await?;
        let body = response.body.read_all(MAX_ANSWER_BYTES).await.map_err(|error| error.to_string())?;
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    }

    /// What the servers' `Server` headers say, before the slash; by URL, in the order of the hosts.
    pub async fn server_types(&self) -> Vec<(String, Result<String, String>)> {
        let asking = self.hosts.iter().map(async |(host, port)| {
            let url = format!("http://{}:{port}/", swiftlet_ring::bracketed(host));
            let name = self.request(Method::Options, host, *port, "/").await.map(|response| {
                let server = response.headers.get_str("Server").unwrap_or_default();
                server.split('/').next().unwrap_or_default().to_owned()
            });
            if let Err(why) = &name {
                self.tell(&url, why);
            }
            (url, name)
        });
        stream::iter(asking).buffered(CONCURRENCY).collect().await
    }

    async fn request(&self, method: Method, host: &str, port: u16, path: &str) -> Result<Response, String> {
        let timeouts = Timeouts { connect: self.timeout, node: self.timeout };
        let request = Request::new(method, path.to_owned());
        let response = self.client.request(host, port, request, &timeouts).await.map_err(in_pythons_words)?;
        match response.is_success() {
            true => Ok(response),
            false => Err(format!(
                "HTTP Error {}: {}",
                response.status,
                crate::http::standard::reason(response.status)
            )),
        }
    }

    fn tell(&self, url: &str, why: &str) {
        if self.tells_errors {
            println!("-> {url}: {why}");
        }
    }
}

/// As operators' scripts know them.
fn in_pythons_words(error: ClientError) -> String {
    match error {
        ClientError::Connect { source, .. } if source.kind() == std::io::ErrorKind::TimedOut => {
            "<urlopen error timed out>".into()
        }
        ClientError::Connect { source, .. } => format!("<urlopen error {source}>"),
        ClientError::Timeout { .. } => "timed out".into(),
        other => other.to_string(),
    }
}
