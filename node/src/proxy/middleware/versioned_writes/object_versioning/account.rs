//! Account listings in which a container's bytes are those of its versions too.

use super::listing::{limit, says_yes, sorted};
use super::shared::Names;
use super::{ObjectVersioning, hidden, names};
use crate::http::{Method, Response};
use crate::proxy::app::ProxyRequest;
use crate::proxy::listing::{self, Read};
use crate::proxy::query::Params;
use crate::proxy::subrequest;
use serde_json::Value;
use std::collections::HashMap;

impl ObjectVersioning {
    /// An account's listing.
    pub async fn list_account(&self, request: ProxyRequest, names: &Names) -> Response {
        let client = subrequest::again(&request);
        let mut response = self.next.call(request).await;
        if !response.is_success() {
            return response;
        }
        let mut entries = match listing::read(&mut response).await {
            Ok(Read::Entries(entries)) => entries,
            Ok(Read::Other(body)) => return response.with_body(body),
            Err(error) => {
                tracing::error!("the listing of {} broke off: {error}", names.account);
                return Response::standard(503);
            }
        };
        let mut params = Params::parse(&client.http.query);
        self.add_hidden(&client, names, &mut params, &mut entries).await;
        let reverse = params.get("reverse").is_some_and(says_yes);
        let most = limit(&params, self.constraints.account_listing_limit);
        listing::write(&mut response, sorted(entries, reverse, most));
        response
    }

    async fn add_hidden(
        &self,
        client: &ProxyRequest,
        names: &Names,
        params: &mut Params,
        entries: &mut Vec<Value>,
    ) {
        for name in ["prefix", "marker", "end_marker"] {
            let told = params.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
            // what is in the reserved name space already stays as it is
            if let Some(hidden) = told.as_deref().and_then(names::versions_container) {
                params.set(name.as_bytes(), hidden);
            } else if told.is_none() && name == "prefix" {
                params.set(b"prefix", "\0versions");
            }
        }
        let mut get = hidden(client, Method::Get, format!("/v1/{}", names.account));
        get.http.query = params.to_query();
        let mut answer = self.next.call(get).await;
        let Ok(Read::Entries(hidden)) = listing::read(&mut answer).await else { return };
        let name_of = |entry: &Value| entry.get("name").and_then(Value::as_str).map(str::to_owned);
        let shown: HashMap<String, usize> =
            entries.iter().enumerate().filter_map(|(index, entry)| Some((name_of(entry)?, index))).collect();
        for mut hidden in hidden {
            let Some(name) = name_of(&hidden) else { continue };
            let name = names::split_versions_container(&name).to_owned();
            let bytes = |entry: &Value| entry.get("bytes").and_then(Value::as_i64).unwrap_or(0);
            match shown.get(&name).and_then(|index| entries.get_mut(*index)) {
                Some(entry) => entry["bytes"] = bytes(entry).saturating_add(bytes(&hidden)).into(),
                None => {
                    // left behind when its container went: shown, so that somebody cleans up
                    hidden["name"] = name.into();
                    hidden["count"] = 0.into();
                    entries.push(hidden);
                }
            }
        }
    }
}
