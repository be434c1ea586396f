//! Python's pickle, as far as Swift puts it on disk and on the wire: object metadata in xattrs, `hashes.pkl`,
//! async pendings, `.pending` records of databases, REPLICATE answers and ring builder files.
//!
//! [`decode`] reads protocols 0 to 2 and is closed: a pickle can name only the few constructors listed in
//! `decode::Global`, none is ever looked up or called, and anything else is an error. [`encode`] writes the bytes
//! that CPython 3 writes with `pickle.dumps(x, 2)`, because Python Swift looks for marks in them.
//!
//! **Identity.** Python memoises objects, not equal values: the same string object met twice is written once.
//! The compound variants of [`Value`] are therefore reference counted, and a clone is the same object to the
//! encoder. [`decode`] keeps what was shared shared, so decoding and encoding gives the same bytes back.

mod decode;
mod encode;
mod text;
mod value;

pub use decode::{DecodeError, Py2Strings, decode, decode_with};
pub use encode::encode;
pub use text::Text;
pub use value::{Array, Dict, DictClass, Value};

#[cfg(test)]
mod tests;
