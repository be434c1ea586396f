//! Python's `str`: Unicode that may also hold lone surrogates (`surrogateescape`), which a Rust `str` cannot.

use std::fmt;
use std::sync::Arc;

/// A Python `str`, kept as UTF-8 in which a lone surrogate takes its three generalised bytes (WTF-8).
///
/// A clone shares the text and is the same object to the pickle encoder.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Arc<[u8]>);

impl Text {
    /// Checks bytes from outside: UTF-8, in which surrogates are allowed.
    pub(super) fn from_wtf8(bytes: &[u8]) -> Option<Text> {
        let mut rest = bytes;
        while let Err(bad) = std::str::from_utf8(rest) {
            let (surrogate, after) = rest[bad.valid_up_to()..].split_at_checked(3)?;
            let is_surrogate = surrogate[0] == 0xed
                && (0xa0..=0xbf).contains(&surrogate[1])
                && (0x80..=0xbf).contains(&surrogate[2]);
            if !is_surrogate {
                return None;
            }
            rest = after;
        }
        Some(Text(bytes.into()))
    }

    /// The text, unless it holds a lone surrogate.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text as (generalised) UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What makes this object this object: where its bytes lie.
    pub(super) fn address(&self) -> usize {
        self.0.as_ptr() as usize
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(text.as_bytes().into())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}
