//! The chunked transfer coding.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use smallvec::SmallVec;

/// The longest chunk-size line and the most trailer bytes taken.
const MAX_LINE: usize = 4096;

/// Decodes a chunked body from a buffer that fills while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoder {
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Size,
    Data(u64),
    DataEnd,
    Trailers { seen: usize },
    End,
}

/// What the buffer holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Not enough to go on; this many bytes of data are certain to follow (0: unknown).
    More(u64),
    /// The buffer's first so many bytes are data. They count as consumed.
    Data(usize),
    /// The body is over.
    End,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { state: State::Size }
    }

    /// Whether the end was seen.
    pub(crate) fn ended(&self) -> bool {
        self.state == State::End
    }

    /// Goes on with what is in `buf`, taking framing off its front. The caller takes the data off.
    pub(crate) fn step(&mut self, buf: &mut BytesMut) -> Result<Step, &'static str> {
        loop {
            match &mut self.state {
                State::Size => {
                    let Some(line) = take_line(buf)? else { return Ok(Step::More(0)) };
                    self.state = match parse_size(&line)? {
                        0 => State::Trailers { seen: 0 },
                        size => State::Data(size),
                    };
                }
                State::Data(left) => {
                    if buf.is_empty() {
                        return Ok(Step::More(*left));
                    }
                    let here = (buf.len() as u64).min(*left);
                    *left -= here;
                    if *left == 0 {
                        self.state = State::DataEnd;
                    }
                    return Ok(Step::Data(here as usize));
                }
                State::DataEnd => {
                    if buf.len() < 2 {
                        return Ok(Step::More(0));
                    }
                    if !buf.starts_with(b"\r\n") {
                        return Err("no line end after a chunk");
                    }
                    buf.advance(2);
                    self.state = State::Size;
                }
                State::Trailers { seen } => {
                    let Some(line) = take_line(buf)? else { return Ok(Step::More(0)) };
                    *seen += line.len() + 2;
                    if *seen > MAX_LINE {
                        return Err("trailers too long");
                    }
                    if line.is_empty() {
                        self.state = State::End;
                    }
                }
                State::End => return Ok(Step::End),
            }
        }
    }
}

/// Takes a line off the front of `buf`; it comes without its line end, which must be CR LF.
fn take_line(buf: &mut BytesMut) -> Result<Option<BytesMut>, &'static str> {
    let Some(end) = memchr(b'\n', &buf[..buf.len().min(MAX_LINE)]) else {
        return if buf.len() >= MAX_LINE { Err("line too long in chunked body") } else { Ok(None) };
    };
    let mut line = buf.split_to(end + 1);
    if !line.ends_with(b"\r\n") {
        return Err("bare line feed in chunked body");
    }
    line.truncate(end - 1);
    Ok(Some(line))
}

/// The size from a chunk's first line: hexadecimal digits, then nothing, blanks or an extension.
fn parse_size(line: &[u8]) -> Result<u64, &'static str> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let rest = line[digits..].trim_ascii_start();
    if digits == 0 || digits > 15 || !(rest.is_empty() || rest[0] == b';') {
        return Err("bad chunk size");
    }
    Ok(line[..digits].iter().fold(0, |n, &b| n * 16 + (b as char).to_digit(16).map_or(0, u64::from)))
}

/// The line before a chunk of `size` bytes.
pub(crate) fn size_line(size: usize) -> SmallVec<[u8; 20]> {
    let mut line = SmallVec::new();
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for shift in (0..digits).rev() {
        line.push(b"0123456789abcdef"[(size >> (shift * 4)) & 15]);
    }
    line.extend_from_slice(b"\r\n");
    line
}

/// What ends a chunked body.
pub(crate) const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The data, and what is left over.
    type Decoded = (Vec<u8>, Vec<u8>);

    /// Decodes `text`, fed in `pieces`; `None` where it is not whole.
    fn decode(text: &[u8], piece: usize) -> Result<Option<Decoded>, &'static str> {
        let (mut decoder, mut buf, mut data) = (Decoder::new(), BytesMut::new(), Vec::new());
        let mut input = text.chunks(piece);
        loop {
            match decoder.step(&mut buf)? {
                Step::End => {
                    let rest = buf.iter().copied().chain(input.flatten().copied()).collect();
                    return Ok(Some((data, rest)));
                }
                Step::Data(n) => data.extend_from_slice(&buf.split_to(n)),
                Step::More(_) => match input.next() {
                    Some(more) => buf.extend_from_slice(more),
                    None => return Ok(None),
                },
            }
        }
    }

    #[test]
    fn extensions_and_trailers_are_skipped_and_the_next_request_is_left() {
        let text = b"3;a=b\r\nabc\r\n1 \r\nd\r\n0\r\nX: y\r\n\r\nGET";
        for piece in 1..text.len() {
            assert_eq!(decode(text, piece), Ok(Some((b"abcd".to_vec(), b"GET".to_vec()))));
        }
    }

    #[test]
    fn bad_framing_is_refused() {
        for text in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "+1\r\na\r\n",
            "0x1\r\na\r\n",
            "1_0\r\n",
            "1\na\r\n",
            "1\r\nab\r\n",
            "1\r\na\n\n",
            "1 1\r\na\r\n",
            "1111111111111111\r\n",
        ] {
            assert!(decode(text.as_bytes(), 64).is_err(), "{text:?}");
        }
        assert!(decode(&[b'0'; 5000], 64).is_err());
        assert!(decode(("0\r\n".to_owned() + &"a: b\r\n".repeat(1000)).as_bytes(), 64).is_err());
    }

    #[test]
    fn size_lines() {
        for n in [0usize, 1, 15, 16, 255, 256, 65536, usize::MAX] {
            assert_eq!(&size_line(n)[..], format!("{n:x}\r\n").as_bytes());
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..8), piece in 1usize..40) {
            let mut text = Vec::new();
            for chunk in &chunks {
                text.extend_from_slice(&size_line(chunk.len()));
                text.extend_from_slice(chunk);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(&LAST_CHUNK);
            prop_assert_eq!(decode(&text, piece), Ok(Some((chunks.concat(), Vec::new()))));
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'0')], 0..200), piece in 1usize..20) {
            let _ = decode(&bytes, piece);
        }
    }
}
