//! The operands of protocol 0, which are lines of ASCII.

/// Undoes Python 2's `repr` of a `str`.
pub(super) fn unquote(repr: &[u8]) -> Option<Vec<u8>> {
    let (&quote, rest) = repr.split_first()?;
    let (&end, body) = rest.split_last()?;
    if quote != end || !matches!(quote, b'\'' | b'"') {
        return None;
    }
    let mut out = Vec::with_capacity(body.len());
    let mut bytes = body.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => (hex_digit(bytes.next()?)? << 4) | hex_digit(bytes.next()?)?,
            quoted @ (b'\\' | b'\'' | b'"') => quoted,
            _ => return None,
        });
    }
    Some(out)
}

/// Undoes Python's `raw-unicode-escape`: Latin-1, and `\uXXXX` or `\UXXXXXXXX` for the rest. The result is UTF-8
/// with surrogates allowed.
pub(super) fn raw_unicode_unescape(line: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => 0,
        };
        if digits == 0 {
            push_code_point(&mut out, u32::from(byte))?;
            rest = after;
            continue;
        }
        let (escape, after) = after[1..].split_at_checked(digits)?;
        let mut code_point = 0u32;
        for &digit in escape {
            code_point = (code_point << 4) | u32::from(hex_digit(digit)?);
        }
        push_code_point(&mut out, code_point)?;
        rest = after;
    }
    Some(out)
}

fn push_code_point(out: &mut Vec<u8>, code_point: u32) -> Option<()> {
    match char::from_u32(code_point) {
        Some(c) => out.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None if (0xd800..=0xdfff).contains(&code_point) => {
            out.extend([0xed, 0x80 | (code_point >> 6 & 0x3f) as u8, 0x80 | (code_point & 0x3f) as u8]);
        }
        None => return None,
    }
    Some(())
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}
