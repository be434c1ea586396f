//! The request's body as a stream of an archive's bytes, unpacked as it comes, never more of it than is asked for.
//!
//! Unpacking takes long (a block of bzip2 tens of milliseconds), so it runs off the async workers; and a client that
//! sends slowly must hold no thread meanwhile, so each step there ends where the packed bytes at hand do.

use super::archive::Compression;
use crate::http::{Body, BodyError};
use async_compression::tokio::bufread::{BzDecoder, GzipDecoder};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, ReadBuf};
use tokio::task::spawn_blocking;
use tokio_util::io::StreamReader;

/// How much one step unpacks at most.
const STEP_BYTES: usize = 128 << 10;
/// How gzip begins.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// An archive's bytes.
pub(super) type Unpacked = Pin<Box<dyn AsyncRead + Send>>;

/// Unpacks `body`.
pub(super) fn unpack(body: Body, compression: Compression) -> Unpacked {
    let decoder = match compression {
        Compression::None => {
            let chunks = stream::try_unfold(body, |mut body| async move {
                Ok::<_, io::Error>(next_chunk(&mut body).await?.map(|chunk| (chunk, body)))
            });
            return Box::pin(StreamReader::new(Box::pin(chunks)));
        }
        Compression::Gzip => {
            let mut decoder = GzipDecoder::new(Input::default());
            decoder.multiple_members(true);
            Decoder::Gzip(decoder)
        }
        Compression::Bzip2 => {
            let mut decoder = BzDecoder::new(Input::default());
            decoder.multiple_members(true);
            Decoder::Bzip2(decoder)
        }
    };
    let unpacking = Unpacking { body, decoder: Some(decoder), magic: Vec::new() };
    let chunks = stream::try_unfold(unpacking, |mut unpacking| async move {
        Ok::<_, io::Error>(unpacking.next().await?.map(|bytes| (bytes, unpacking)))
    });
    Box::pin(StreamReader::new(Box::pin(chunks)))
}

async fn next_chunk(body: &mut Body) -> io::Result<Option<Bytes>> {
    body.next().await.map_err(io::Error::other::<BodyError>)
}

/// A packed archive that is being unpacked.
struct Unpacking {
    body: Body,
    decoder: Option<Decoder>,
    /// How the packed bytes begin.
    magic: Vec<u8>,
}

impl Unpacking {
    /// The next unpacked bytes; `None` at the end.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while let Some(mut decoder) = self.decoder.take() {
            let step = spawn_blocking(move || {
                let outcome = decoder.step();
                (decoder, outcome)
            });
            let (decoder, outcome) = step.await.map_err(io::Error::other)?;
            match outcome {
                Err(_) => return self.failed(&decoder),
                Ok(Some(bytes)) if bytes.is_empty() => {}
                Ok(Some(bytes)) => {
                    self.decoder = Some(decoder);
                    return Ok(Some(bytes));
                }
                Ok(None) => {
                    let chunk = next_chunk(&mut self.body).await?;
                    self.decoder = Some(self.feed(decoder, chunk));
                }
            }
        }
        Ok(None)
    }

    fn feed(&mut self, mut decoder: Decoder, chunk: Option<Bytes>) -> Decoder {
        let input = decoder.input();
        input.ended = chunk.is_none();
        input.chunk = chunk.unwrap_or_default();
        let missing = GZIP_MAGIC.len().saturating_sub(self.magic.len());
        self.magic.extend_from_slice(&input.chunk[..input.chunk.len().min(missing)]);
        decoder
    }

    /// What Swift makes of bytes that cannot be unpacked: where there are too few, what was unpacked is all there is, and
    /// the archive tells whether it is whole.
    fn failed(&self, decoder: &Decoder) -> io::Result<Option<Bytes>> {
        match decoder {
            Decoder::Gzip(_) if self.magic != GZIP_MAGIC => Err(io::Error::other("not a gzip file")),
            decoder if decoder.is_out_of_input() => Ok(None),
            _ => Err(io::Error::other("invalid compressed data")),
        }
    }
}

/// What unpacks, fed by hand.
enum Decoder {
    Gzip(GzipDecoder<Input>),
    Bzip2(BzDecoder<Input>),
}

impl Decoder {
    fn input(&mut self) -> &mut Input {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Bzip2(decoder) => decoder.get_mut(),
        }
    }

    fn is_out_of_input(&self) -> bool {
        let input = match self {
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Bzip2(decoder) => decoder.get_ref(),
        };
        input.ended && input.chunk.is_empty()
    }

    /// Unpacks what is at hand: some bytes, none at the end; `None` where it wants more input.
    fn step(&mut self) -> io::Result<Option<Bytes>> {
        let mut bytes = BytesMut::with_capacity(STEP_BYTES);
        let mut context = Context::from_waker(Waker::noop());
        let read = match self {
            Self::Gzip(decoder) => pin!(decoder.read_buf(&mut bytes)).poll(&mut context),
            Self::Bzip2(decoder) => pin!(decoder.read_buf(&mut bytes)).poll(&mut context),
        };
        match read {
            Poll::Ready(read) => read.map(|_| Some(bytes.freeze())),
            Poll::Pending => Ok(None),
        }
    }
}

/// Packed bytes at hand. Where there are none it is pending, and wakes nobody: who feeds it polls again.
#[derive(Default)]
struct Input {
    chunk: Bytes,
    ended: bool,
}

impl AsyncBufRead for Input {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let input = self.get_mut();
        match input.chunk.is_empty() && !input.ended {
            true => Poll::Pending,
            false => Poll::Ready(Ok(&input.chunk)),
        }
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().chunk.advance(amount);
    }
}

impl AsyncRead for Input {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let input = self.get_mut();
        if input.chunk.is_empty() && !input.ended {
            return Poll::Pending;
        }
        buffer.put_slice(&input.chunk.split_to(input.chunk.len().min(buffer.remaining())));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::BodyStream;
    use async_compression::tokio::write::{BzEncoder, GzipEncoder};
    use async_trait::async_trait;
    use tokio::io::AsyncWriteExt;

    /// A body in pieces of so many bytes, each at another turn.
    struct Slow(Bytes, usize);

    #[async_trait]
    impl BodyStream for Slow {
        async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
            tokio::task::yield_now().await;
            let piece = self.0.split_to(self.0.len().min(self.1));
            Ok((!piece.is_empty()).then_some(piece))
        }
    }

    async fn bzip2(data: &[u8]) -> Bytes {
        let mut encoder = BzEncoder::new(Vec::new());
        encoder.write_all(data).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder.into_inner().into()
    }

    async fn gzip(data: &[u8]) -> Bytes {
        let mut encoder = GzipEncoder::new(Vec::new());
        encoder.write_all(data).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder.into_inner().into()
    }

    async fn unpacked(packed: Bytes, piece: usize, compression: Compression) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        unpack(Body::stream(None, Slow(packed, piece)), compression).read_to_end(&mut all).await?;
        Ok(all)
    }

    fn noise(length: usize) -> Vec<u8> {
        (0..length as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
    }

    #[tokio::test]
    async fn pieces_of_any_size_come_out_whole() {
        let data = noise(300_000);
        for (packed, compression) in
            [(gzip(&data).await, Compression::Gzip), (bzip2(&data).await, Compression::Bzip2)]
        {
            for piece in [1000, 65536, usize::MAX] {
                assert_eq!(unpacked(packed.clone(), piece, compression).await.unwrap(), data);
            }
            let twice = Bytes::from([&packed[..], &packed].concat());
            assert_eq!(unpacked(twice, 4096, compression).await.unwrap().len(), 2 * data.len());
            let cut = unpacked(packed.slice(..packed.len() - 10), 4096, compression).await.unwrap();
            assert!(data.starts_with(&cut));
            let said = |packed: Bytes| async move {
                unpacked(packed, 7, compression).await.unwrap_err().to_string()
            };
            let wrong = [&packed[..100], b"damaged", &packed[107..]].concat();
            assert_eq!(said(wrong.into()).await, "invalid compressed data");
            let other =
                if compression == Compression::Gzip { "not a gzip file" } else { "invalid compressed data" };
            assert_eq!(said(vec![b'x'; 100].into()).await, other);
        }
    }

    #[tokio::test]
    async fn a_bomb_comes_out_in_steps() {
        let zeros = vec![0; 64 << 20];
        for (packed, compression) in
            [(gzip(&zeros).await, Compression::Gzip), (bzip2(&zeros).await, Compression::Bzip2)]
        {
            assert!(packed.len() < 100_000);
            let mut source = unpack(Body::full(packed), compression);
            let mut chunk = BytesMut::with_capacity(1 << 20);
            assert!(source.read_buf(&mut chunk).await.unwrap() <= STEP_BYTES);
        }
    }

    #[tokio::test]
    async fn the_worker_is_free_while_it_unpacks() {
        let packed = bzip2(&noise(2_000_000)).await;
        let work = tokio::spawn(unpacked(packed, 65536, Compression::Bzip2));
        let mut turns = 0_u32;
        while !work.is_finished() {
            tokio::task::yield_now().await;
            turns += 1;
        }
        assert_eq!(work.await.unwrap().unwrap().len(), 2_000_000);
        // on the one worker of this test it would leave a turn or two for each of some 50 steps
        assert!(turns > 1000, "{turns} turns");
    }
}
