//! Bodies that are read as a whole, within bounds.

use crate::http::{BodyError, Request, Response};
use bytes::Bytes;

/// A body of rows or shard ranges may have as many bytes. Python's replicators send a thousand rows at once, which
/// have 8 MiB at most.
const MAX_BODY_BYTES: usize = 64 << 20;

/// The whole body; the error is the answer.
pub async fn read_body(request: &mut Request) -> Result<Bytes, Response> {
    request.body.read_all(MAX_BODY_BYTES).await.map_err(|error| match error {
        BodyError::TooLarge { .. } => Response::standard(413),
        BodyError::Timeout(_) => Response::standard(408),
        BodyError::Disconnected { .. } => Response::standard(499),
        _ => Response::standard(400),
    })
}
