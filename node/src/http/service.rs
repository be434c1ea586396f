//! What answers requests.

use super::{Request, Response};
use async_trait::async_trait;
use std::sync::Arc;

/// Something that answers requests: a storage server, the proxy's pipeline, a filter in front of either.
#[async_trait]
pub trait Service: Send + Sync {
    /// Answers `request`. Errors are responses. The answer's body may still read the request's body.
    async fn call(&self, request: Request) -> Response;
}

#[async_trait]
impl<S: Service + ?Sized> Service for Arc<S> {
    async fn call(&self, request: Request) -> Response {
        (**self).call(request).await
    }
}
