//! Rings as daemons follow them: looked at before a pass, since nobody else does it for a daemon.

use std::sync::Arc;
use swiftlet_ring::SharedRing;

/// Loads the ring anew where its file has changed. One that cannot be read is told, and the ring in use stays.
pub async fn look_at_ring(ring: &Arc<SharedRing>) {
    let looking = ring.clone();
    match tokio::task::spawn_blocking(move || looking.reload_if_changed()).await {
        Ok(Ok(true)) => tracing::info!("ring {} reloaded", ring.path().display()),
        Ok(Ok(false)) => {}
        Ok(Err(error)) => tracing::error!("{error}; the ring in use stays"),
        Err(error) => tracing::error!("looking for a changed ring failed: {error}"),
    }
}
