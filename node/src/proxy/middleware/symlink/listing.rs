//! Listings that tell which objects are symlinks, and to what.

use super::target_path;
use crate::http::Response;
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::listing::{self, join_parameters, split_parameters};
use serde_json::{Map, Value};

/// A container's listing with the targets of symlinks in fields of their own.
pub async fn answer(next: &dyn App, request: ProxyRequest) -> Response {
    let path = request.http.path.clone();
    let response = next.call(request).await;
    if !response.is_success() {
        return response;
    }
    listing::change_hashes(response, |entry| tell_target(entry, &path)).await
}

/// Moves what the ETag of an entry says of a target to the entry.
fn tell_target(entry: &mut Map<String, Value>, path: &[u8]) {
    let Some(hash) = entry.get("hash").and_then(Value::as_str).filter(|hash| hash.contains(';')) else {
        return;
    };
    let (hash, parameters) = split_parameters(hash);
    let (mut others, mut told) = (Vec::new(), Vec::new());
    let (mut target, mut account) = (None, None);
    for (name, value) in parameters {
        match name {
            "symlink_target" => target = Some(value),
            "symlink_target_account" => account = Some(value),
            "symlink_target_etag" => told.push(("symlink_etag", Value::from(value))),
            "symlink_target_bytes" => {
                told.push(("symlink_bytes", value.parse::<u64>().map_or(Value::Null, Value::from)));
            }
            _ => others.push((name, value)),
        }
    }
    if let Some(target) = target {
        let path = target_path(path, account.map(str::as_bytes), target.as_bytes());
        told.push(("symlink_path", String::from_utf8_lossy(&path).into()));
    }
    let hash = join_parameters(hash, others);
    let told: Vec<(String, Value)> = told.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    entry.insert("hash".to_owned(), hash.into());
    entry.extend(told);
}
