//! An object's metadata: header fields as they go over the wire, and the pickled dict they are on disk.
//!
//! Python Swift holds header names and values as WSGI strings (one character a byte) and stores those as UTF-8,
//! so a byte above 127 is two bytes on disk; the object's `name` is stored as it is. Python 2 stored the bytes
//! themselves. A marker in the pickle's head tells the two apart.

use bytes::Bytes;
use std::sync::Arc;
use swiftlet_types::pickle::{self, Dict, Value};
use swiftlet_types::timestamp::Timestamp;
use thiserror::Error;

/// The key of the object's path, `/account/container/object`.
pub const NAME: &str = "name";
/// The key that says which fragment of its object a `.data` file is.
pub const FRAGMENT_INDEX: &str = "X-Object-Sysmeta-Ec-Frag-Index";

/// Why bytes are no object's metadata.
#[derive(Debug, Error)]
pub enum MetadataFormatError {
    /// Not a pickle that Swift could have written.
    #[error("metadata cannot be unpickled: {0}")]
    Pickle(#[from] pickle::DecodeError),
    /// A pickle, but not of a dict of strings.
    #[error("metadata is not a dict of strings")]
    Shape,
}

/// Names and values in the order they were set. Names are exact, as Swift writes them (`X-Object-Meta-Colour`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    fields: Vec<(Bytes, Bytes)>,
}

impl Metadata {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        self.fields.iter().find(|(n, _)| n == name.as_bytes()).map(|(_, v)| v)
    }

    /// The value of `name` where it is UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|v| std::str::from_utf8(v).ok())
    }

    /// The value of `name` where it is a timestamp.
    pub fn get_timestamp(&self, name: &str) -> Option<Timestamp> {
        self.get_str(name)?.parse().ok()
    }

    /// Sets `name`, in its old place if it has one.
    pub fn set(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) {
        let (name, value) = (name.into(), value.into());
        match self.fields.iter_mut().find(|(n, _)| *n == name) {
            Some(field) => field.1 = value,
            None => self.fields.push((name, value)),
        }
    }

    /// Removes `name`; what it was.
    pub fn remove(&mut self, name: &str) -> Option<Bytes> {
        let at = self.fields.iter().position(|(n, _)| n == name.as_bytes())?;
        Some(self.fields.remove(at).1)
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.fields.iter().map(|(n, v)| (n, v))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The pickle that Python 3 writes for these fields.
    pub fn to_pickle(&self) -> Vec<u8> {
        let on_disk = |name: &Bytes, value: &Bytes| {
            let value = if name == NAME.as_bytes() { value[..].into() } else { utf8_of_latin1(value) };
            (Value::Bytes(utf8_of_latin1(name)), Value::Bytes(value))
        };
        let dict: Dict = self.fields.iter().map(|(n, v)| on_disk(n, v)).collect();
        pickle::encode(&dict.into())
    }

    /// Reads what Python 2 or 3 or [`to_pickle`](Self::to_pickle) wrote.
    pub fn from_pickle(pickled: &[u8]) -> Result<Self, MetadataFormatError> {
        let by_python3 = contains(&pickled[..pickled.len().min(32)], b"_codecs\nencode");
        let value = pickle::decode_with(pickled, pickle::Py2Strings::AsBytes)?;
        let dict = value.as_dict().ok_or(MetadataFormatError::Shape)?;
        let mut metadata = Self::new();
        for (key, value) in &dict.entries {
            let name = key.as_bytes().ok_or(MetadataFormatError::Shape)?;
            let is_name = name == NAME.as_bytes();
            let value = match value {
                Value::Bytes(bytes) if is_name || !by_python3 => Bytes::copy_from_slice(bytes),
                Value::Bytes(bytes) => latin1_of_utf8(bytes),
                Value::Str(text) if is_name => Bytes::copy_from_slice(text.as_bytes()),
                Value::Str(text) => latin1_of_utf8(text.as_bytes()),
                Value::Int(number) => number.to_string().into(),
                _ => return Err(MetadataFormatError::Shape),
            };
            // Text and bytes that are two keys to Python are one name here.
            metadata.set(if by_python3 { latin1_of_utf8(name) } else { Bytes::copy_from_slice(name) }, value);
        }
        Ok(metadata)
    }
}

impl<N: Into<Bytes>, V: Into<Bytes>> FromIterator<(N, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut metadata = Self::new();
        for (name, value) in fields {
            metadata.set(name, value);
        }
        metadata
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// A header's bytes as a WSGI string in UTF-8.
pub(super) fn utf8_of_latin1(bytes: &[u8]) -> Arc<[u8]> {
    if bytes.is_ascii() {
        return bytes.into();
    }
    bytes.iter().map(|b| char::from(*b)).collect::<String>().into_bytes().into()
}

/// Undoes [`utf8_of_latin1`]; bytes that it cannot have made stay as they are.
pub(super) fn latin1_of_utf8(bytes: &[u8]) -> Bytes {
    if bytes.is_ascii() {
        return Bytes::copy_from_slice(bytes);
    }
    let text = std::str::from_utf8(bytes).ok();
    let latin1 =
        text.and_then(|text| text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<u8>>>());
    latin1.map_or_else(|| Bytes::copy_from_slice(bytes), Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn header_bytes_are_stored_as_wsgi_strings_and_the_name_as_it_is() {
        let metadata: Metadata = [("X-Object-Meta-X", "é"), ("name", "/a/c/é")].into_iter().collect();
        let pickled = metadata.to_pickle();
        // double-encoded 'é', once more as Latin-1 text in the pickle: U+00C3 U+0083 U+00C2 U+00A9
        assert!(contains(&pickled, "Ã\u{83}Â©".as_bytes()));
        assert_eq!(Metadata::from_pickle(&pickled).unwrap(), metadata);
    }

    #[test]
    fn python_2_stored_the_bytes() {
        // pickle.dumps({'X-Object-Meta-X': '\xc3\xa9', 'name': '/a/c/o'}, 2) of Python 2
        let pickled =
            b"\x80\x02}q\x00(U\x0fX-Object-Meta-Xq\x01U\x02\xc3\xa9q\x02U\x04nameq\x03U\x06/a/c/oq\x04u.";
        let metadata = Metadata::from_pickle(pickled).unwrap();
        assert_eq!(metadata.get_str("X-Object-Meta-X"), Some("é"));
        assert_eq!(metadata.get_str("name"), Some("/a/c/o"));
    }

    #[test]
    fn a_name_told_as_text_and_as_bytes_is_one() {
        let pickled = b"\x80\x02}(U\x04ETagU\x01aX\x04\0\0\0ETagU\x01bu.";
        assert_eq!(Metadata::from_pickle(pickled).unwrap(), [("ETag", "b")].into_iter().collect());
    }

    #[test]
    fn other_shapes_are_refused() {
        for pickled in [&b""[..], b"junk", b"\x80\x02]q\x00.", b"\x80\x02N."] {
            assert!(Metadata::from_pickle(pickled).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_survive(fields in proptest::collection::btree_map(
            proptest::collection::vec(any::<u8>(), 1..20), proptest::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let metadata: Metadata = fields.into_iter().collect();
            prop_assert_eq!(Metadata::from_pickle(&metadata.to_pickle()).unwrap(), metadata);
        }
    }
}
