//! The closed decoder for protocols 0 to 2.
//!
//! The opcodes of the virtual machine are those of CPython's `pickletools`. Objects are built in an arena, because
//! a pickle fills a list after having memoised it, and are frozen into shared [`Value`]s at the end.

use std::collections::HashMap;

use super::Value;
use machine::Machine;

mod arena;
mod ascii;
mod machine;

/// Longest pickle read; a ring builder of part power 25 with five replicas is within it.
const MAX_LEN: usize = 1 << 30;
/// Most memo slots; a builder of 100,000 devices takes about a million.
const MAX_MEMO_LEN: usize = 1 << 24;
/// Deepest nesting of containers; Swift's own go to five.
const MAX_DEPTH: usize = 64;

/// How to read Python 2's `str`, which was bytes and text in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Py2Strings {
    /// As `str`; it must be UTF-8.
    AsText,
    /// As `bytes`, as Swift reads object metadata.
    AsBytes,
}

/// Why bytes are no pickle that Swift writes. The caller adds which file they came from.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end before STOP, or inside an operand.
    #[error("pickle is cut short at byte {0}")]
    Truncated(usize),
    /// Not an opcode of protocols 0 to 2, or one that Swift has no use for.
    #[error("pickle has unsupported opcode {opcode:#04x} at byte {at}")]
    Opcode {
        /// The opcode.
        opcode: u8,
        /// Its offset.
        at: usize,
    },
    /// A protocol above 2.
    #[error("pickle has protocol {0}, expected 0, 1 or 2")]
    Protocol(u8),
    /// A constructor outside the closed table.
    #[error("pickle names forbidden global {0}")]
    ForbiddenGlobal(String),
    /// An operand that does not parse.
    #[error("pickle has a malformed {what} at byte {at}")]
    Malformed {
        /// Which operand.
        what: &'static str,
        /// Offset of its opcode.
        at: usize,
    },
    /// Operations that no pickler writes: stack underflow, unknown memo slot, append to what is no list.
    #[error("pickle is inconsistent: {what} at byte {at}")]
    Inconsistent {
        /// What went wrong.
        what: &'static str,
        /// Offset of the opcode.
        at: usize,
    },
    /// A bound of this decoder.
    #[error("pickle is beyond bounds: {0}")]
    TooLarge(&'static str),
}

/// The constructors a pickle of Swift's may name. They are recognised, never called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Global {
    CodecsEncode,
    Reconstructor,
    HeaderKeyDict,
    Dict,
    Bytes,
    Array,
    ArrayReconstructor,
}

impl Global {
    fn named(module: &[u8], name: &[u8]) -> Option<Global> {
        Some(match (module, name) {
            (b"_codecs", b"encode") => Global::CodecsEncode,
            (b"copy_reg" | b"copyreg", b"_reconstructor") => Global::Reconstructor,
            (b"swift.common.header_key_dict", b"HeaderKeyDict") => Global::HeaderKeyDict,
            (b"swift.common.swob" | b"swift.common.utils", b"HeaderKeyDict") => Global::HeaderKeyDict,
            (b"builtins" | b"__builtin__", b"dict") => Global::Dict,
            (b"builtins" | b"__builtin__", b"bytes") => Global::Bytes,
            (b"array", b"array") => Global::Array,
            (b"array", b"_array_reconstructor") => Global::ArrayReconstructor,
            _ => return None,
        })
    }
}

/// Decodes a pickle of protocol 0, 1 or 2, Python 2's strings as text.
pub fn decode(pickle: &[u8]) -> Result<Value, DecodeError> {
    decode_with(pickle, Py2Strings::AsText)
}

/// Decodes a pickle of protocol 0, 1 or 2. Bytes after STOP are ignored, as Python does.
pub fn decode_with(pickle: &[u8], py2_strings: Py2Strings) -> Result<Value, DecodeError> {
    if pickle.len() > MAX_LEN {
        return Err(DecodeError::TooLarge("more than 1 GiB"));
    }
    let mut machine = Machine::new(pickle, py2_strings);
    let root = machine.run()?;
    machine.arena.freeze(root, MAX_DEPTH, &mut HashMap::new())
}
