//! What server and client share: message heads, body framing, and buffered reading and writing.

pub(crate) mod chunked;
pub(crate) mod date;
pub(crate) mod head;
pub(crate) mod incoming;
pub(crate) mod reader;
pub(crate) mod writer;
