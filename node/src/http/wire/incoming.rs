//! A body that is read from a connection, and gives the connection's reading side back when it is done.

use super::reader::{Framing, Reader};
use crate::http::{BodyError, BodyStream};
use async_trait::async_trait;
use bytes::Bytes;

/// Where a body's reader goes back to.
pub(crate) trait Home: Send + 'static {
    /// Called before the first read.
    fn before_first_read(&mut self) -> impl Future<Output = Result<(), BodyError>> + Send;

    /// Takes the reader back. `rest` tells what of the body was not read.
    fn welcome(&mut self, reader: Reader, rest: Framing);
}

/// The body of a message on a connection.
pub(crate) struct IncomingBody<H: Home> {
    reader: Option<Reader>,
    framing: Framing,
    home: H,
    got: u64,
    started: bool,
}

impl<H: Home> IncomingBody<H> {
    pub(crate) fn new(reader: Reader, framing: Framing, home: H) -> Self {
        Self { reader: Some(reader), framing, home, got: 0, started: false }
    }

    fn go_home(&mut self) {
        if let Some(mut reader) = self.reader.take() {
            reader.end_body();
            self.home.welcome(reader, self.framing.clone());
        }
    }
}

#[async_trait]
impl<H: Home> BodyStream for IncomingBody<H> {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        if !self.started {
            self.started = true;
            self.home.before_first_read().await?;
        }
        let Some(reader) = &mut self.reader else { return Ok(None) };
        match reader.next_chunk(&mut self.framing).await {
            Ok(Some(chunk)) => {
                self.got += chunk.len() as u64;
                Ok(Some(chunk))
            }
            Ok(None) => {
                self.go_home();
                Ok(None)
            }
            Err(error) => {
                self.reader = None;
                Err(match error {
                    BodyError::Disconnected { .. } => BodyError::Disconnected { got: self.got },
                    other => other,
                })
            }
        }
    }
}

impl<H: Home> Drop for IncomingBody<H> {
    fn drop(&mut self) {
        self.go_home();
    }
}
