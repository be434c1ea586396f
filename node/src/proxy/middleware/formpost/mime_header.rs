//! Header values with parameters: `form-data; name="a"; filename="b"`.

use regex::Regex;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// One parameter and what ends it.
static PARAMETER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"^(\w+)=(".*?"|[^";]+)(?:; ?|$)"#).expect("a regular expression"));

/// A value and its parameters.
#[derive(Debug, Default)]
pub struct Parameters {
    pub value: String,
    pub parameters: BTreeMap<String, String>,
}

impl Parameters {
    /// Reads as much as it understands; what follows is left out.
    pub fn parse(header: &str) -> Self {
        let (value, mut rest) = header.split_once(';').unwrap_or((header, ""));
        let mut parameters = BTreeMap::new();
        rest = rest.trim();
        while let Some(found) = PARAMETER.captures(rest) {
            parameters.insert(found[1].to_owned(), found[2].trim_matches('"').to_owned());
            rest = &rest[found[0].len()..];
        }
        let value = if header.contains(';') { value.trim() } else { value };
        Self { value: value.to_owned(), parameters }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_between_quotes_and_without() {
        let parsed = Parameters::parse("form-data; name=\"a;b\"; filename=c d.txt;x=\"\"");
        assert_eq!(parsed.value, "form-data");
        assert_eq!(parsed.parameters["name"], "a;b");
        assert_eq!(parsed.parameters["filename"], "c d.txt");
        assert_eq!(parsed.parameters["x"], "");
        assert!(Parameters::parse("multipart/form-data; boundary").parameters.is_empty());
        assert_eq!(Parameters::parse("text/plain").value, "text/plain");
    }
}
