//! Texts as Python writes and reads them, where Swift shows Python's own.

/// `text` as `repr` quotes it.
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            '\u{a0}' | '\u{ad}' => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// An integer as `int` reads one: blanks around it, a sign, `_` between digits.
pub fn int(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = digits.split('_').all(|run| !run.is_empty() && run.bytes().all(|b| b.is_ascii_digit()));
    if !is_number {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// `text` as `str.title` has it: letters at the start of a word are large, the others small.
pub fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    for c in text.chars() {
        match in_word {
            true => out.extend(c.to_lowercase()),
            false => out.extend(c.to_uppercase()),
        }
        in_word = c.is_alphabetic();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_python_does() {
        for (text, quoted) in [
            ("plain", "'plain'"),
            ("it's", "\"it's\""),
            ("'\"", "'\\'\"'"),
            ("a\\b\n\r\t\0\u{7f}\u{85}\u{a0}", "'a\\\\b\\n\\r\\t\\x00\\x7f\\x85\\xa0'"),
            ("ü😀", "'ü😀'"),
        ] {
            assert_eq!(repr(text), quoted);
        }
    }

    #[test]
    fn integers_are_read_as_python_does() {
        for (text, number) in [(" 7\n", 7), ("-1_000", -1000), ("+0", 0), ("007", 7)] {
            assert_eq!(int(text), Some(number), "{text:?}");
        }
        for none in ["", "-", "1.0", "0x1", "_1", "1_", "1__0", "--1", "9223372036854775808"] {
            assert_eq!(int(none), None, "{none:?}");
        }
    }

    #[test]
    fn titles_are_made_as_python_does() {
        for (text, made) in
            [("x-CONTAINER-read", "X-Container-Read"), ("they're 2nd", "They'Re 2Nd"), ("", "")]
        {
            assert_eq!(title(text), made);
        }
    }
}
