//! `recon`: `/recon/…` of a proxy's machine, as its storage servers tell it of theirs. Swift's samples put it before
//! storage servers alone, and take it here too.

use super::{FilterError, Layer, Setup};
use crate::http::Response;
use crate::proxy::app::{App, ProxyRequest};
use crate::serve::recon::Answers;
use async_trait::async_trait;
use std::sync::Arc;
use swiftlet_types::conf::Options;

struct Recon {
    next: Arc<dyn App>,
    answers: Answers,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let answers = Answers::new(section, &setup.policies);
    Ok(Box::new(|next| Arc::new(Recon { next, answers })))
}

#[async_trait]
impl App for Recon {
    async fn call(&self, request: ProxyRequest) -> Response {
        match self.answers.answer(&request.http).await {
            Some(answer) => answer,
            None => self.next.call(request).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fake, build, get, request, text};
    use super::*;
    use crate::http::Method;

    #[tokio::test]
    async fn tells_of_the_machine_and_passes_the_rest_on() {
        let (app, _) = build(layer, &[("swift_dir", "/nowhere")], Fake::status(204));
        let (status, version) = text(app.call(get("/recon/version")).await).await;
        assert_eq!((status, version), (200, format!("{{\"version\":\"{}\"}}", env!("CARGO_PKG_VERSION"))));
        assert_eq!(app.call(get("/recon/nothing")).await.status, 404);
        assert_eq!(app.call(request(Method::Put, "/recon/version", &[])).await.status, 405);
        assert_eq!(app.call(get("/v1/recon")).await.status, 204);
    }
}
