//! `chexor`, the SQL function that Swift's triggers call: an order-independent hash of a table's rows.
//!
//! Each row contributes the MD5 of `<name>-<timestamp>`; the hash of a database is the XOR of them all, so
//! adding and deleting a row are one operation, and replicas can compare their contents by one number.

use md5::{Digest, Md5};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};

/// The hash `old` (32 hex digits) with one row added or taken away; `None` where `old` is not hexadecimal.
pub fn chexor(old: &str, name: &[u8], timestamp: &[u8]) -> Option<String> {
    let old = u128::from_str_radix(old, 16).ok()?;
    Some(format!("{:032x}", old ^ row_hash(name, timestamp)))
}

/// What one row contributes.
fn row_hash(name: &[u8], timestamp: &[u8]) -> u128 {
    let mut md5 = Md5::new();
    md5.update(name);
    md5.update(b"-");
    md5.update(timestamp);
    u128::from_be_bytes(md5.finalize().into())
}

/// What one row contributes, of columns as they are stored.
pub(super) fn hash_of_row(name: ValueRef<'_>, timestamp: ValueRef<'_>) -> u128 {
    row_hash(&as_text(name), &as_text(timestamp))
}

/// Makes `chexor(hash, name, timestamp)` known to `connection`.
pub(crate) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("chexor", 3, flags, |context: &Context<'_>| {
        let fail = |why: &str| Error::UserFunctionError(why.to_owned().into());
        let old = context.get_raw(0).as_str().map_err(|_| fail("chexor: hash is not text"))?;
        if context.get_raw(1) == ValueRef::Null {
            return Err(fail("chexor: name is null"));
        }
        let (name, timestamp) = (as_text(context.get_raw(1)), as_text(context.get_raw(2)));
        chexor(old, &name, &timestamp).ok_or_else(|| fail("chexor: hash is not hexadecimal"))
    })
}

/// A value as Python's `%s` writes it.
fn as_text(value: ValueRef<'_>) -> std::borrow::Cow<'_, [u8]> {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.into(),
        ValueRef::Integer(n) => n.to_string().into_bytes().into(),
        ValueRef::Real(x) => format!("{x:?}").into_bytes().into(),
        ValueRef::Null => b"None".as_slice().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMPTY: &str = "00000000000000000000000000000000";

    #[test]
    fn equals_swift() {
        // swift.common.db.chexor(EMPTY, 'o', '1402464677.04188'), then with 'ünï'
        let one = chexor(EMPTY, b"o", b"1402464677.04188").unwrap();
        assert_eq!(one, hex::encode(Md5::digest(b"o-1402464677.04188")));
        assert_eq!(chexor(&one, b"o", b"1402464677.04188").unwrap(), EMPTY);
        assert_eq!(chexor("not hex", b"o", b"1"), None);
    }

    proptest! {
        #[test]
        fn order_does_not_matter(a in ".{1,20}", b in ".{1,20}", t in "[0-9.]{1,16}") {
            let add = |hash: &str, name: &str| chexor(hash, name.as_bytes(), t.as_bytes()).unwrap();
            prop_assert_eq!(add(&add(EMPTY, &a), &b), add(&add(EMPTY, &b), &a));
        }
    }
}
