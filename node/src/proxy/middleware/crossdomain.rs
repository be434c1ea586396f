//! `crossdomain`: `/crossdomain.xml`, which tells browser plug-ins which sites' pages may use the API.

use super::{FilterError, Layer, Setup};
use crate::http::{Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use std::sync::Arc;
use swiftlet_types::conf::Options;

struct Crossdomain {
    next: Arc<dyn App>,
    document: Bytes,
}

/// Reads the section. `cross_domain_policy` is the inside of the document; without it every site is let in.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let policy = section.str_or("cross_domain_policy", "<allow-access-from domain=\"*\" secure=\"false\" />");
    let dtd = "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd";
    let document = format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE cross-domain-policy SYSTEM \"{dtd}\" >\n\
         <cross-domain-policy>\n{policy}\n</cross-domain-policy>"
    );
    setup.info.register("crossdomain", json!({}));
    Ok(Box::new(|next| Arc::new(Crossdomain { next, document: document.into() })))
}

#[async_trait]
impl App for Crossdomain {
    async fn call(&self, request: ProxyRequest) -> Response {
        if &request.http.path[..] != b"/crossdomain.xml" || request.http.method != Method::Get {
            return self.next.call(request).await;
        }
        Response::new(200).with("Content-Type", "application/xml").with_body(self.document.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::compare::{Filter, case, same};
    use super::*;

    #[tokio::test]
    async fn does_what_pythons_does() {
        let policy = "<allow-access-from domain=\"a.example.com\" />\n<allow-access-from domain=\"b\" />";
        for options in [&[][..], &[("cross_domain_policy", policy)]] {
            let cases =
                [("GET", "/crossdomain.xml"), ("HEAD", "/crossdomain.xml"), ("GET", "/crossdomain.xml/")];
            let cases = cases.iter().map(|(method, path)| case(method, path, &[]).value()).collect();
            same(&[Filter("crossdomain", layer, options)], cases).await;
        }
    }
}
