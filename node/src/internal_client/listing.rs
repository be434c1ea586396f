//! Listings, read a page at a time.

use super::{Accepts, Ask, InternalClient, InternalError, Path};
use crate::http::Method;
use serde::Deserialize;
use std::collections::VecDeque;
use swiftlet_types::names::quote_component;

/// A page of the longest names, etags and content types there may be, 10,000 of each, stays below.
const MAX_PAGE_BYTES: usize = 64 << 20;

/// What stands in a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// An object's ETag (in a queue: what whoever entered it says).
    pub hash: String,
    /// An object's content type.
    pub content_type: String,
    /// When it was last changed, as ISO 8601 without zone.
    pub last_modified: String,
}

/// A listing that is read page after page, each when it is needed.
pub struct Listing<'a> {
    client: &'a InternalClient,
    path: Path,
    accepts: Accepts,
    page: VecDeque<Entry>,
    marker: String,
    end_marker: String,
    prefix: String,
    ended: bool,
}

impl<'a> Listing<'a> {
    pub(super) fn new(client: &'a InternalClient, path: Path, accepts: Accepts) -> Self {
        let text = String::new;
        let (marker, end_marker, prefix) = (text(), text(), text());
        Self { client, path, accepts, page: VecDeque::new(), marker, end_marker, prefix, ended: false }
    }

    /// Only what comes after `marker` and before `end_marker`, where they are not empty.
    pub fn between(mut self, marker: &str, end_marker: &str) -> Self {
        (self.marker, self.end_marker) = (marker.to_owned(), end_marker.to_owned());
        self
    }

    /// Only what begins with `prefix`.
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.to_owned();
        self
    }

    /// The next entry, in order of name; `None` at the end, or where what would be listed is not there and that is
    /// accepted.
    pub async fn next(&mut self) -> Result<Option<Entry>, InternalError> {
        if self.page.is_empty() {
            self.page = self.next_page().await?.into();
        }
        Ok(self.page.pop_front())
    }

    /// The entries of the next page (what is left of one that was begun is dropped); none at the end.
    pub async fn next_page(&mut self) -> Result<Vec<Entry>, InternalError> {
        if self.ended {
            return Ok(Vec::new());
        }
        let [marker, end_marker, prefix] =
            [&self.marker, &self.end_marker, &self.prefix].map(quote_component);
        let query = format!("format=json&marker={marker}&end_marker={end_marker}&prefix={prefix}");
        let ask = Ask::new(Method::Get, self.path.clone()).query(query);
        let mut response = self.client.send(ask, self.accepts).await?;
        let body = match response.status {
            200 => response.body.read_all(MAX_PAGE_BYTES).await?,
            _ => b"[]"[..].into(),
        };
        let page: Vec<Entry> = serde_json::from_slice(&body)?;
        match page.last() {
            Some(last) => self.marker.clone_from(&last.name),
            None => self.ended = true,
        }
        Ok(page)
    }
}
