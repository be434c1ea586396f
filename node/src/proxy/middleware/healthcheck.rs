//! `healthcheck`: `/healthcheck` answers `OK`, or 503 while a file says that this proxy is to be left alone.

use super::{FilterError, Layer, Setup};
use crate::http::Response;
use crate::proxy::app::{App, ProxyRequest};
use crate::serve::healthcheck::Health;
use async_trait::async_trait;
use std::sync::Arc;
use swiftlet_types::conf::Options;

struct Healthcheck {
    next: Arc<dyn App>,
    health: Health,
}

/// Reads the section.
pub fn layer(section: &Options, _: &mut Setup) -> Result<Layer, FilterError> {
    let health = Health::new(section);
    Ok(Box::new(|next| Arc::new(Healthcheck { next, health })))
}

#[async_trait]
impl App for Healthcheck {
    async fn call(&self, request: ProxyRequest) -> Response {
        match Health::is_asked(&request.http) {
            true => self.health.answer().await,
            false => self.next.call(request).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fake, build, get, text};
    use super::*;

    #[tokio::test]
    async fn answers_for_itself_unless_a_file_forbids() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("down");
        let (app, _) = build(layer, &[("disable_path", file.to_str().unwrap())], Fake::status(404));
        let (status, body) = text(app.call(get("/healthcheck")).await).await;
        assert_eq!((status, body.as_str()), (200, "OK"));
        assert_eq!(app.call(get("/healthcheck/")).await.status, 404);
        std::fs::write(&file, "").unwrap();
        let (status, body) = text(app.call(get("/healthcheck")).await).await;
        assert_eq!((status, body.as_str()), (503, "DISABLED BY FILE"));
    }
}
