//! Listings, where a manifest has the ETag of its large object beside its own (`hash; slo_etag=…`).

use super::Slo;
use crate::http::Response;
use crate::proxy::app::ProxyRequest;
use crate::proxy::listing::{self, MAX_LISTING_BYTES, join_parameters, split_parameters};
use crate::proxy::subrequest::length_of;
use serde_json::{Map, Value};

impl Slo {
    pub(super) async fn list(&self, request: ProxyRequest) -> Response {
        let response = self.next.call(request).await;
        let content_type = response.headers.get("Content-Type").unwrap_or_default();
        let is_json = content_type.split(|b| *b == b';').next() == Some(b"application/json");
        let is_small = length_of(&response).is_some_and(|length| length <= MAX_LISTING_BYTES as u64);
        if !response.is_success() || !is_json || !is_small {
            return response;
        }
        listing::change_hashes(response, name_slo_etag).await
    }
}

/// Puts the large object's ETag into a key of its own.
fn name_slo_etag(entry: &mut Map<String, Value>) {
    let Some(hash) = entry.get("hash").and_then(Value::as_str) else { return };
    let (bare, mut parameters) = split_parameters(hash);
    let Some(at) = parameters.iter().position(|(name, _)| *name == "slo_etag") else { return };
    let slo_etag = format!("\"{}\"", parameters.remove(at).1);
    let hash = join_parameters(bare, parameters);
    entry.insert("hash".to_owned(), hash.into());
    entry.insert("slo_etag".to_owned(), slo_etag.into());
}
