//! Vectored writing with a bound on how long the peer may refuse to take anything.

use bytes::Bytes;
use std::io::{self, IoSlice};
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// The writing side of a connection.
pub(crate) struct Writer {
    io: Box<dyn AsyncWrite + Send + Unpin>,
    /// How long one write may take.
    pub(crate) timeout: Duration,
}

impl Writer {
    pub(crate) fn new(io: impl AsyncWrite + Send + Unpin + 'static, timeout: Duration) -> Self {
        Self { io: Box::new(io), timeout }
    }

    /// Writes all of `parts`, in as few system calls as the socket allows.
    pub(crate) async fn write<const N: usize>(&mut self, mut parts: [&[u8]; N]) -> io::Result<()> {
        let mut first = 0;
        loop {
            while first < N && parts[first].is_empty() {
                first += 1;
            }
            if first == N {
                break;
            }
            let mut slices = [IoSlice::new(&[]); N];
            for (slice, part) in slices.iter_mut().zip(&parts) {
                *slice = IoSlice::new(part);
            }
            let write = timeout(self.timeout, self.io.write_vectored(&slices[first..])).await;
            let mut written = write.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            for part in &mut parts[first..] {
                let here = written.min(part.len());
                *part = &part[here..];
                written -= here;
            }
        }
        // A no-op on TCP; TLS may hold records back.
        self.io.flush().await
    }

    /// Writes `chunk` as one chunk of the chunked coding, behind `head`.
    pub(crate) async fn write_chunk(&mut self, head: &[u8], chunk: &Bytes) -> io::Result<()> {
        self.write([head, &super::chunked::size_line(chunk.len()), chunk, b"\r\n"]).await
    }

    /// Tells the peer that nothing more comes.
    pub(crate) async fn shutdown(&mut self) {
        // The peer may be gone already, which is just as well.
        let _ = timeout(self.timeout, self.io.shutdown()).await;
    }
}
