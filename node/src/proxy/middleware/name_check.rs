//! `name_check`: refuses names with characters, lengths or patterns that the operator does not want.

use super::{FilterError, Layer, Setup};
use crate::http::Response;
use crate::proxy::app::{App, ProxyRequest};
use async_trait::async_trait;
use regex::bytes::Regex;
use serde_json::json;
use std::sync::Arc;
use swiftlet_types::conf::Options;

struct NameCheck {
    next: Arc<dyn App>,
    /// Characters that no path may have.
    forbidden_chars: String,
    /// How many bytes a path may have.
    maximum_length: usize,
    /// What no path may match anywhere.
    forbidden_regexp: Option<Regex>,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let forbidden_chars = section.str_or("forbidden_chars", "'\"`<>");
    let maximum_length = section.int("maximum_length", 255)?;
    let pattern = section.str_or("forbidden_regexp", r"/\./|/\.\./|/\.$|/\.\.$");
    let forbidden_regexp = match pattern.as_str() {
        "" => None,
        pattern => Some(Regex::new(pattern).map_err(|error| {
            section.error("forbidden_regexp", format!("is not a regular expression: {error}"))
        })?),
    };
    setup.info.register(
        "name_check",
        json!({"forbidden_chars": forbidden_chars, "maximum_length": maximum_length, "forbidden_regexp": pattern}),
    );
    Ok(Box::new(move |next| Arc::new(NameCheck { next, forbidden_chars, maximum_length, forbidden_regexp })))
}

#[async_trait]
impl App for NameCheck {
    async fn call(&self, request: ProxyRequest) -> Response {
        match self.refusal(&request.http.path) {
            Some(text) => Response::html(400, text),
            None => self.next.call(request).await,
        }
    }
}

impl NameCheck {
    fn refusal(&self, path: &[u8]) -> Option<String> {
        let mut utf8 = [0; 4];
        let is_in_path = |c: char| memchr::memmem::find(path, c.encode_utf8(&mut utf8).as_bytes()).is_some();
        if self.forbidden_chars.chars().any(is_in_path) {
            let chars = &self.forbidden_chars;
            return Some(format!("Object/Container/Account name contains forbidden chars from {chars}"));
        }
        if path.len() > self.maximum_length {
            let limit = self.maximum_length;
            return Some(format!("Object/Container/Account name longer than the allowed maximum {limit}"));
        }
        let matching = self.forbidden_regexp.as_ref().filter(|regexp| regexp.is_match(path))?;
        Some(format!(
            "Object/Container/Account name contains a forbidden substring from regular expression {matching}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::compare::{Filter, case, same};
    use super::*;

    #[tokio::test]
    async fn does_what_pythons_does() {
        let long = format!("/v1/a/c/{}", "o".repeat(247));
        let longer = format!("{long}o");
        let paths = [
            "/v1/a/c/o",
            "/v1/a'/c",
            "/v1/a/c/%22",
            "/v1/a/c/%3Cb%3E",
            "/v1/a/c/./o",
            "/v1/a/c/..",
            "/v1/a/c/...",
            "/v1/a/c/.%2e/x",
            "/v1/%C3%BC/c",
            &long,
            &longer,
        ];
        for options in [
            &[][..],
            &[("forbidden_chars", "xyz"), ("maximum_length", "10"), ("forbidden_regexp", "")],
            &[("forbidden_chars", ""), ("forbidden_regexp", "o+/|c/o$")],
        ] {
            let cases = paths.iter().map(|path| case("GET", path, &[]).value()).collect();
            same(&[Filter("name_check", layer, options)], cases).await;
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        let section = Options::new("p.conf", "filter:n").with("forbidden_regexp", "a(?=b)");
        let error = layer(&section, &mut Setup::new(Arc::default())).err().unwrap().to_string();
        assert!(error.contains("forbidden_regexp") && error.contains("look-around"), "{error}");
    }
}
