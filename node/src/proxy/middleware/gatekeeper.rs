//! `gatekeeper`: keeps the header fields that proxy and storage nodes use among themselves away from clients, in
//! both directions.

use super::{FilterError, Layer, Setup};
use crate::http::headers::has_prefix;
use crate::http::{Headers, Response};
use crate::proxy::app::{App, ProxyRequest};
use async_trait::async_trait;
use std::sync::Arc;
use swiftlet_types::conf::Options;

/// Fields whose names start so are private.
const PRIVATE_PREFIXES: [&str; 5] = [
    "x-account-sysmeta-",
    "x-container-sysmeta-",
    "x-object-sysmeta-",
    "x-object-transient-sysmeta-",
    "x-backend",
];

/// Further private fields: those that told nodes of updates before `X-Backend` was.
const PRIVATE_NAMES: [&str; 11] = [
    "x-account-host",
    "x-account-device",
    "x-account-partition",
    "x-container-host",
    "x-container-device",
    "x-container-partition",
    "x-container-root-db-state",
    "x-delete-at-host",
    "x-delete-at-device",
    "x-delete-at-partition",
    "x-delete-at-container",
];

struct Gatekeeper {
    next: Arc<dyn App>,
    /// Keep a client's `X-Timestamp` aside instead of using it.
    shunt_inbound_x_timestamp: bool,
    /// Let clients ask for the reserved name space.
    allow_reserved_names_header: bool,
}

/// Reads the section.
pub fn layer(section: &Options, _: &mut Setup) -> Result<Layer, FilterError> {
    let shunt_inbound_x_timestamp = section.bool("shunt_inbound_x_timestamp", true);
    let allow_reserved_names_header = section.bool("allow_reserved_names_header", false);
    Ok(Box::new(move |next| {
        Arc::new(Gatekeeper { next, shunt_inbound_x_timestamp, allow_reserved_names_header })
    }))
}

#[async_trait]
impl App for Gatekeeper {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        let headers = &mut request.http.headers;
        remove_private(headers);
        if self.shunt_inbound_x_timestamp
            && let Some(timestamp) = headers.remove("X-Timestamp")
        {
            headers.set("X-Backend-Inbound-X-Timestamp", timestamp);
        }
        if self.allow_reserved_names_header
            && let Some(allow) = headers.remove("X-Allow-Reserved-Names")
        {
            headers.set("X-Backend-Allow-Reserved-Names", allow);
        }
        let leave_relative_location = request.env.leave_relative_location;
        let mut response = self.next.call(request).await;
        remove_private(&mut response.headers);
        if leave_relative_location
            && let Some(relative) = response.headers.get("Location").map(without_origin)
        {
            response.headers.set("Location", relative);
        }
        response
    }
}

fn remove_private(headers: &mut Headers) {
    headers.retain(|name, _| !is_private(name));
}

fn is_private(name: &[u8]) -> bool {
    PRIVATE_PREFIXES.iter().any(|prefix| has_prefix(name, prefix))
        || PRIVATE_NAMES.iter().any(|private| name.eq_ignore_ascii_case(private.as_bytes()))
}

/// A URL without scheme and authority.
fn without_origin(url: &[u8]) -> Vec<u8> {
    let Some(authority) = memchr::memmem::find(url, b"//") else { return url.to_vec() };
    // `//` begins an authority only at the start or behind a scheme, not somewhere in a path.
    if url[..authority].iter().any(|b| matches!(b, b'/' | b'?' | b'#')) {
        return url.to_vec();
    }
    let rest = &url[authority + 2..];
    let path = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    rest[path..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fake, build, get, request};
    use super::*;
    use crate::http::Method;

    #[tokio::test]
    async fn private_fields_pass_in_no_direction() {
        let private = [
            ("X-Account-Sysmeta-A", "1"),
            ("x-container-sysmeta-a", "1"),
            ("X-Object-Sysmeta-A", "1"),
            ("X-Object-Transient-Sysmeta-A", "1"),
            ("X-Backend-Storage-Policy-Index", "1"),
            ("X-Container-Host", "1"),
            ("X-Delete-At-Partition", "1"),
        ];
        let public = [("X-Container-Meta-A", "1"), ("X-Container-Hosts", "1"), ("X-Delete-At", "1")];
        let fields: Vec<_> = private.into_iter().chain(public).collect();
        let answer = fields.clone();
        let fake = Fake::new(move |_| {
            let mut response = Response::new(204);
            answer.iter().for_each(|(n, v)| response.headers.append(*n, *v));
            response
        });
        let (app, _) = build(layer, &[], fake.clone());
        let response = app.call(request(Method::Put, "/v1/a", &fields)).await;
        for headers in [&response.headers, &fake.requests()[0].headers] {
            let names: Vec<_> =
                headers.iter().map(|(n, _)| String::from_utf8_lossy(n).into_owned()).collect();
            assert_eq!(names, public.map(|(name, _)| name));
        }
    }

    #[tokio::test]
    async fn timestamps_are_shunted_and_reserved_names_are_let_in_only_when_told() {
        let fields = [("X-Timestamp", "1.5"), ("X-Allow-Reserved-Names", "true")];
        let seen = async |options: &[(&str, &str)]| {
            let fake = Fake::status(200);
            build(layer, options, fake.clone()).0.call(request(Method::Put, "/v1/a", &fields)).await;
            fake.requests().remove(0).headers
        };
        let by_default = seen(&[]).await;
        assert_eq!(by_default.get("X-Backend-Inbound-X-Timestamp"), Some(&b"1.5"[..]));
        assert!(
            !by_default.contains("X-Timestamp") && !by_default.contains("X-Backend-Allow-Reserved-Names")
        );
        let told = seen(&[("shunt_inbound_x_timestamp", "no"), ("allow_reserved_names_header", "yes")]).await;
        assert_eq!(told.get("X-Timestamp"), Some(&b"1.5"[..]));
        assert_eq!(told.get("X-Backend-Allow-Reserved-Names"), Some(&b"true"[..]));
    }

    #[tokio::test]
    async fn locations_are_made_relative_where_asked() {
        let fake = Fake::new(|_| Response::new(301).with("Location", "http://h:80/a/b?c//d#e"));
        let (app, _) = build(layer, &[], fake);
        let whole = app.call(get("/")).await;
        assert_eq!(whole.headers.get_str("Location"), Some("http://h:80/a/b?c//d#e"));
        let mut asked = get("/");
        asked.env.leave_relative_location = true;
        assert_eq!(app.call(asked).await.headers.get_str("Location"), Some("/a/b?c//d#e"));
        assert_eq!(without_origin(b"/a?u=http://x/"), b"/a?u=http://x/");
    }
}
