//! The `swift_bytes` parameter that hides in content types: the size to show for a large object's manifest.

use std::borrow::Cow;

/// A content type without its `swift_bytes` parameter, and that parameter's value.
///
/// As in Swift, the other parameters are put together again without blanks around them, and what is no parameter
/// after the first `;` is dropped; a content type without `;` stays as it is.
pub fn split_swift_bytes(content_type: &str) -> (Cow<'_, str>, Option<&str>) {
    let Some((kind, mut rest)) = content_type.split_once(';') else { return (content_type.into(), None) };
    let mut kept = kind.to_owned();
    let mut swift_bytes = None;
    loop {
        let (parameter, after) = first_parameter(rest);
        if let Some((key, value)) = parameter {
            if key == "swift_bytes" {
                swift_bytes = Some(value);
            } else {
                kept.extend([";", key, "=", value]);
            }
        }
        match after {
            Some(after) => rest = after,
            None => return (kept.into(), swift_bytes),
        }
    }
}

/// Key and value at the start of `text`, and what follows the next `;`.
fn first_parameter(text: &str) -> (Option<(&str, &str)>, Option<&str>) {
    let trimmed = text.trim_start();
    let key = token(trimmed);
    if key.is_empty() {
        return (None, after_semicolon(trimmed));
    }
    let rest = &trimmed[key.len()..];
    let Some(value_text) = rest.trim_start().strip_prefix('=') else {
        return (Some((key, "")), after_semicolon(rest));
    };
    let value_text = value_text.trim_start();
    let value = quoted(value_text).unwrap_or_else(|| token(value_text));
    (Some((key, value)), after_semicolon(&value_text[value.len()..]))
}

fn after_semicolon(text: &str) -> Option<&str> {
    text.split_once(';').map(|(_, after)| after)
}

/// The token (RFC 2616) that `text` starts with; may be empty.
fn token(text: &str) -> &str {
    let special = |c: char| c <= ' ' || c == '\x7f' || "()<>@,;:\"/[]?={}".contains(c);
    &text[..text.find(special).unwrap_or(text.len())]
}

/// The quoted string that `text` starts with, quotes included.
fn quoted(text: &str) -> Option<&str> {
    let mut chars = text.char_indices();
    if chars.next()?.1 != '"' {
        return None;
    }
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some(&text[..=at]),
            '\\' => drop(chars.next()),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_swift_does() {
        // swift.common.utils.extract_swift_bytes of each
        for (content_type, kept, swift_bytes) in [
            ("text/plain", "text/plain", None),
            ("text/plain; charset=UTF-8", "text/plain;charset=UTF-8", None),
            ("a/b;swift_bytes=12", "a/b", Some("12")),
            ("a/b ; x = \"q;\\\" \" ; swift_bytes=12;y", "a/b ;x=\"q;\\\" \";y=", Some("12")),
            ("a/b;", "a/b", None),
            ("a/b;;x=1", "a/b;x=1", None),
            ("a/b;x=a/b", "a/b;x=a", None),
            ("", "", None),
        ] {
            assert_eq!(split_swift_bytes(content_type), (kept.into(), swift_bytes), "{content_type}");
        }
    }
}
