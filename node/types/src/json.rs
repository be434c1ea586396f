//! JSON text as Python's `json.dumps` writes it: what is not ASCII is escaped.

/// Appends `text` to `out` as a JSON string, quotes included.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    // Nearly every text is plain: told without a branch for each byte.
    let plain = |b: u8| matches!(b, b' '..=b'~') & (b != b'"') & (b != b'\\');
    match text.bytes().fold(true, |all, b| all & plain(b)) {
        true => out.extend_from_slice(text.as_bytes()),
        false => push_escaped(out, text),
    }
    out.push(b'"');
}

fn push_escaped(out: &mut Vec<u8>, text: &str) {
    let mut plain_from = 0;
    for (at, c) in text.char_indices() {
        if matches!(c, ' '..='~') && c != '"' && c != '\\' {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain_from..at]);
        plain_from = at + c.len_utf8();
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| push_escape(out, *unit)),
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain_from..]);
}

fn push_escape(out: &mut Vec<u8>, unit: u16) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\u");
    out.extend([12, 8, 4, 0].map(|shift| DIGITS[usize::from(unit >> shift) & 0xf]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_python() {
        let mut out = Vec::new();
        push_string(&mut out, "a/\"\\\n\r\t\u{8}\u{c}\0\u{7f}ü\u{d7ff}😀b");
        // json.dumps of the same
        let python = r#""a/\"\\\n\r\t\b\f\u0000\u007f\u00fc\ud7ff\ud83d\ude00b""#;
        assert_eq!(String::from_utf8(out).unwrap(), python);
    }
}
