//! `swauth-cleanup-tokens`: deletes what is left of tokens that expired. It uses Swift as the super admin does.

use super::arguments::{Arguments, Flag};
use super::service::{Failure, Service};
use super::shown;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::Deserialize;
use std::time::Duration;
use swiftlet_types::names::quote_component;

#[derive(Deserialize)]
struct Entry {
    name: String,
    last_modified: String,
}

/// What a token's object says that matters here.
#[derive(Deserialize)]
struct Token {
    account: String,
    expires: f64,
}

/// Which tokens go.
enum Choice<'a> {
    Expired { token_life_s: f64 },
    OfAccount(&'a str),
    All,
}

struct Cleanup<'a> {
    service: &'a Service,
    token: String,
    url: String,
    choice: Choice<'a>,
    sleep: Duration,
    verbose: bool,
}

/// Does it.
pub async fn run(service: &Service, arguments: &Arguments) -> Result<(), Failure> {
    let seconds = |flag, default: f64| match arguments.value(flag) {
        None => Ok(default),
        Some(text) => {
            let seconds = text.parse().ok().filter(|s: &f64| s.is_finite() && *s >= 0.0);
            seconds.ok_or_else(|| Failure::Usage(format!("{text:?} is not a number of seconds")))
        }
    };
    let choice = match (arguments.is_set(Flag::PURGE_ALL), arguments.value(Flag::PURGE)) {
        (true, _) => Choice::All,
        (false, Some(account)) => Choice::OfAccount(account),
        (false, None) => Choice::Expired { token_life_s: seconds(Flag::TOKEN_LIFE, 86_400.0)? },
    };
    let (token, url) = service.super_admin().await?;
    let sleep = Duration::from_secs_f64(seconds(Flag::SLEEP, 0.1)?);
    let verbose = arguments.is_set(Flag::VERBOSE);
    let cleanup = Cleanup { service, token, url, choice, sleep, verbose };
    for digit in "0123456789abcdef".chars() {
        cleanup.container(&format!(".token_{digit}")).await?;
    }
    cleanup.say(|| "Done.".to_owned());
    Ok(())
}

impl Cleanup<'_> {
    async fn container(&self, container: &str) -> Result<(), Failure> {
        let mut marker = String::new();
        loop {
            self.say(|| format!("GET {container}?marker={}", shown(&marker)));
            let path = format!("{container}?format=json&marker={marker}");
            let listing = match self.swift("GET", &path).await {
                Err(Failure::Status(404)) => {
                    let why = format!("Container {container} not found. swauth-prep needs to be rerun");
                    return Err(Failure::Usage(why));
                }
                listing => listing?,
            };
            let page: Vec<Entry> = match &listing[..] {
                b"" => Vec::new(),
                json => serde_json::from_slice(json).map_err(|error| Failure::Answer(error.to_string()))?,
            };
            let Some(last) = page.last() else {
                self.say(|| format!("No more objects in {container}"));
                return Ok(());
            };
            marker = quote_component(&last.name);
            for entry in &page {
                self.token(container, entry).await?;
                tokio::time::sleep(self.sleep).await;
            }
        }
    }

    async fn token(&self, container: &str, entry: &Entry) -> Result<(), Failure> {
        let object = format!("{container}/{}", entry.name);
        if let Choice::Expired { token_life_s } = self.choice {
            let age_s = age_s(&entry.last_modified)?;
            if age_s <= token_life_s {
                self.say(|| format!("{object} last modified {age_s:.0}s ago; skipping"));
                return Ok(());
            }
            self.say(|| format!("{object} last modified {age_s:.0}s ago; investigating"));
        }
        if !matches!(self.choice, Choice::All) && !self.is_chosen(&object).await? {
            return Ok(());
        }
        println!("DELETE {object}");
        match self.swift("DELETE", &object).await {
            Err(Failure::Status(404)) | Ok(_) => {}
            Err(Failure::Status(status)) => println!("DELETE of {object} failed with status code {status}"),
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// Whether what the token's object says makes it one to go.
    async fn is_chosen(&self, object: &str) -> Result<bool, Failure> {
        self.say(|| format!("GET {object}"));
        let body = match self.swift("GET", object).await {
            Err(Failure::Status(404)) => return Ok(false),
            body => body?,
        };
        let token: Token =
            serde_json::from_slice(&body).map_err(|error| Failure::Answer(error.to_string()))?;
        if let Choice::OfAccount(account) = self.choice {
            return Ok(token.account == account);
        }
        let left_s = token.expires - Timestamp::now().as_millisecond() as f64 / 1000.0;
        self.say(|| match left_s < 0.0 {
            true => format!("{object} expired {:.0}s ago; deleting", -left_s),
            false => format!("{object} won't expire for {left_s:.0}s; skipping"),
        });
        Ok(left_s < 0.0)
    }

    async fn swift(&self, method: &str, path: &str) -> Result<bytes::Bytes, Failure> {
        let headers = [("X-Auth-Token", self.token.clone())];
        Ok(self.service.send(method, &format!("{}/{path}", self.url), &headers, "").await?.body)
    }

    fn say(&self, line: impl FnOnce() -> String) {
        if self.verbose {
            println!("{}", line());
        }
    }
}

/// Seconds since `last_modified` of a listing (UTC, without a zone).
fn age_s(last_modified: &str) -> Result<f64, Failure> {
    let time: DateTime =
        last_modified.parse().map_err(|error: jiff::Error| Failure::Answer(error.to_string()))?;
    let time = time.to_zoned(TimeZone::UTC).map_err(|error| Failure::Answer(error.to_string()))?;
    Ok((Timestamp::now().as_millisecond() - time.timestamp().as_millisecond()) as f64 / 1000.0)
}
