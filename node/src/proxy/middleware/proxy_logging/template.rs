//! `log_msg_template`: Python's `str.format` fields over the facts of a request.

use super::fields::{Facts, Kind, Value};
use jiff::tz::TimeZone;
use md5::Md5;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use std::time::{SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// What a field is not escaped for: a line's words never hold blanks.
const WORD: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~')
    .remove(b':')
    .remove(b'/')
    .remove(b'{')
    .remove(b'}');

/// Why a template cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TemplateError {
    /// A field that no request has.
    #[error("has the unknown field {{{0}}}")]
    UnknownField(String),
    /// A part that the field does not have.
    #[error("asks for {{{0}.{1}}}, which there is not")]
    UnknownPart(String, String),
    /// Neither a field nor `{{` or `}}`.
    #[error("has a single brace; a brace by itself is written twice")]
    Brace,
}

/// A template, taken apart.
pub struct Template {
    pieces: Vec<Piece>,
}

enum Piece {
    Text(String),
    Field { name: String, part: Part },
}

/// What is shown of a field.
enum Part {
    Whole,
    Anonymized,
    /// A time in this `strftime` format.
    Time(&'static str),
    /// So many digits of a time's fraction.
    Fraction(usize),
    Seconds,
}

impl Template {
    /// Takes `text` apart, and makes sure that every field is one.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            let (field, after) = rest.split_once('}').filter(|_| brace == "{").ok_or(TemplateError::Brace)?;
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
            pieces.push(field_piece(field)?);
            rest = after;
        }
        literal.push_str(rest);
        pieces.push(Piece::Text(literal));
        Ok(Self { pieces })
    }

    /// The line of a request: fields percent-encoded, `-` for what is not there.
    pub fn line(&self, facts: &Facts<'_>) -> String {
        let mut line = String::with_capacity(512);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Field { name, part } => match part.of(facts.get(name), facts) {
                    None => line.push('-'),
                    Some(value) => line.extend(utf8_percent_encode(&value, WORD)),
                },
            }
        }
        line
    }

    /// The fields as a JSON object; what is not there is null.
    pub fn json(&self, facts: &Facts<'_>) -> String {
        let mut object = serde_json::Map::new();
        for piece in &self.pieces {
            if let Piece::Field { name, part } = piece {
                object.insert(name.clone(), part.of(facts.get(name), facts).into());
            }
        }
        serde_json::Value::Object(object).to_string()
    }
}

fn field_piece(field: &str) -> Result<Piece, TemplateError> {
    let (name, part) = field.split_once('.').unwrap_or((field, ""));
    let is_time = match Facts::kind(name) {
        None => return Err(TemplateError::UnknownField(field.into())),
        Some(kind) => kind,
    };
    let part = match (is_time, part) {
        (_, "") => Some(Part::Whole),
        (Kind::Private, "anonymized") => Some(Part::Anonymized),
        (Kind::Time, part) => time_part(part),
        _ => None,
    };
    let part = part.ok_or_else(|| TemplateError::UnknownPart(name.into(), field[name.len() + 1..].into()))?;
    Ok(Piece::Field { name: name.into(), part })
}

/// The parts of a time that Swift knows.
fn time_part(part: &str) -> Option<Part> {
    const LETTERS: [&str; 18] = [
        "%a", "%A", "%b", "%B", "%d", "%H", "%I", "%j", "%m", "%M", "%p", "%S", "%U", "%w", "%W", "%y", "%Y",
        "%Z",
    ];
    Some(match part {
        "datetime" => Part::Time("%d/%b/%Y/%H/%M/%S"),
        "asctime" | "c" => Part::Time("%a %b %e %H:%M:%S %Y"),
        "iso8601" => Part::Time("%Y-%m-%dT%H:%M:%S"),
        "x" => Part::Time("%m/%d/%y"),
        "X" => Part::Time("%H:%M:%S"),
        "ms" => Part::Fraction(3),
        "us" => Part::Fraction(6),
        "ns" => Part::Fraction(9),
        "s" => Part::Seconds,
        letter => Part::Time(LETTERS.into_iter().find(|format| format[1..] == *letter)?),
    })
}

impl Part {
    /// The text of `value`; `None` where there is nothing to show.
    fn of(&self, value: Value<'_>, facts: &Facts<'_>) -> Option<String> {
        let text = match (self, value) {
            (_, Value::None) => return None,
            (Self::Whole | Self::Anonymized, Value::Time(time)) => {
                let since = since_epoch(time);
                format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
            }
            (Self::Time(format), Value::Time(time)) => strftime(time, format)?,
            (Self::Fraction(digits), Value::Time(time)) => {
                format!("{:09}", since_epoch(time).subsec_nanos())[..*digits].to_owned()
            }
            (Self::Seconds, Value::Time(time)) => since_epoch(time).as_secs().to_string(),
            (Self::Anonymized, Value::Text(text)) if !text.is_empty() => facts.anonymizer().anonymize(&text),
            (_, Value::Text(text)) => text.into_owned(),
            (_, Value::Count(0)) => return None,
            (_, Value::Count(count)) => count.to_string(),
            (_, Value::Seconds(0.0)) => return None,
            (_, Value::Seconds(seconds)) => seconds.to_string(),
        };
        (!text.is_empty()).then_some(text)
    }
}

fn since_epoch(time: SystemTime) -> std::time::Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn strftime(time: SystemTime, format: &str) -> Option<String> {
    let zoned = jiff::Timestamp::try_from(time).ok()?.to_zoned(TimeZone::UTC);
    jiff::fmt::strtime::format(format, &zoned).ok()
}

/// Hashes what should not be read in a log, so that it can still be told apart.
pub struct Anonymizer {
    method: &'static str,
    salt: String,
}

impl Anonymizer {
    /// Hashing by `method`, in any case; `None` where there is no such method.
    pub fn new(method: &str, salt: &str) -> Option<Self> {
        let known = ["MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512"];
        let method = known.into_iter().find(|known| known.eq_ignore_ascii_case(method))?;
        Some(Self { method, salt: salt.to_owned() })
    }

    fn anonymize(&self, text: &str) -> String {
        let salted = [self.salt.as_bytes(), text.as_bytes()].concat();
        let hash = match self.method {
            "SHA1" => hex::encode(Sha1::digest(salted)),
            "SHA224" => hex::encode(Sha224::digest(salted)),
            "SHA256" => hex::encode(Sha256::digest(salted)),
            "SHA384" => hex::encode(Sha384::digest(salted)),
            "SHA512" => hex::encode(Sha512::digest(salted)),
            _ => hex::encode(Md5::digest(salted)),
        };
        let mark = if self.salt.is_empty() { "" } else { "S" };
        format!("{{{mark}{}}}{hash}", self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_with_a_template() {
        let error = |text: &str| Template::parse(text).err().unwrap().to_string();
        assert_eq!(error("{method} {nothing}"), "has the unknown field {nothing}");
        assert_eq!(error("{method.anonymized}"), "asks for {method.anonymized}, which there is not");
        assert_eq!(error("{end_time.Q}"), "asks for {end_time.Q}, which there is not");
        assert_eq!(error("{method"), "has a single brace; a brace by itself is written twice");
        assert!(Template::parse("{{{method}}} {end_time.j} {path.anonymized}").is_ok());
    }

    #[test]
    fn anonymizes_like_swift() {
        assert_eq!(
            Anonymizer::new("md5", "").unwrap().anonymize("/"),
            "{MD5}6666cd76f96956469e7be39d750cc7d9"
        );
        let salted = Anonymizer::new("Sha1", "pepper").unwrap().anonymize("x");
        assert!(salted.starts_with("{SSHA1}") && salted.len() == 7 + 40, "{salted}");
        assert!(Anonymizer::new("rot13", "").is_none());
    }

    #[test]
    fn parts_of_a_time() {
        let time = UNIX_EPOCH + std::time::Duration::new(1_400_000_000, 123_456_789);
        for (format, text) in [
            ("%d/%b/%Y/%H/%M/%S", "13/May/2014/16/53/20"),
            ("%a %b %e %H:%M:%S %Y", "Tue May 13 16:53:20 2014"),
            ("%Z", "UTC"),
            ("%j", "133"),
        ] {
            assert_eq!(strftime(time, format).as_deref(), Some(text));
        }
    }
}
