//! Which header fields pass a temporary URL, and what a browser is told to do with the object.

use crate::http::Headers;
use crate::http::headers::has_prefix;
use swiftlet_types::names::quote;

/// Removes header fields by name; a `*` at the end of a name stands for any rest.
#[derive(Debug)]
pub struct HeaderFilter {
    remove: Vec<String>,
    allow: Vec<String>,
}

impl HeaderFilter {
    /// Removes what `remove` names and `allow` does not.
    pub fn new(remove: Vec<String>, allow: Vec<String>) -> Self {
        Self { remove, allow }
    }

    /// Removes what is to be removed.
    pub fn apply(&self, headers: &mut Headers) {
        headers.retain(|name, _| matches(&self.allow, name) || !matches(&self.remove, name));
    }
}

fn matches(patterns: &[String], name: &[u8]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => has_prefix(name, prefix),
        None => name.eq_ignore_ascii_case(pattern.as_bytes()),
    })
}

/// The `Content-Disposition` of an answer: as the URL says, or the object, or to be saved under the object's name.
pub fn disposition(headers: &Headers, filename: Option<&[u8]>, inline: bool, path: &[u8]) -> Vec<u8> {
    let value = match (filename, inline) {
        (Some(filename), true) => named("inline", filename),
        (None, true) => b"inline".to_vec(),
        (Some(filename), false) => named("attachment", filename),
        (None, false) => match headers.get("Content-Disposition").filter(|value| !value.is_empty()) {
            Some(value) => value.to_vec(),
            None => {
                let end = path.iter().rposition(|b| *b != b'/').map_or(0, |last| last + 1);
                let start = path[..end].iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
                named("attachment", &path[start..end])
            }
        },
    };
    // a field has one line
    String::from_utf8_lossy(&value).replace('\n', "%0A").into_bytes()
}

/// RFC 6266: the name for old browsers, and the name in RFC 5987's encoding.
fn named(kind: &str, filename: &[u8]) -> Vec<u8> {
    // what is no UTF-8 in a query is none in an answer either
    let quoted = quote(String::from_utf8_lossy(filename).as_bytes());
    let plain = quoted.replace("%20", " ");
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{quoted}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_text() {
        let named = |filename: &[u8]| {
            String::from_utf8(disposition(&Headers::new(), Some(filename), false, b"/v1/a/c/o")).unwrap()
        };
        assert_eq!(named(b"a b"), "attachment; filename=\"a b\"; filename*=UTF-8''a%20b");
        assert_eq!(named(b"\xff"), "attachment; filename=\"%EF%BF%BD\"; filename*=UTF-8''%EF%BF%BD");
    }

    #[test]
    fn allowed_names_pass() {
        let filter = HeaderFilter::new(
            vec!["x-object-meta-*".into(), "x-timestamp".into()],
            vec!["X-Object-Meta-Public-*".into()],
        );
        let names = ["X-Timestamp", "X-Timestamps", "X-Object-Meta-A", "x-object-meta-public-b", "Etag"];
        let mut headers: Headers = names.into_iter().map(|name| (name, "1")).collect();
        filter.apply(&mut headers);
        let left: Vec<_> = headers.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
        assert_eq!(left, ["X-Timestamps", "x-object-meta-public-b", "Etag"]);
    }
}
