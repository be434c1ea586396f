//! Metadata between header fields and databases.

use super::answer::refuse;
use crate::http::headers::has_prefix;
use crate::http::{Headers, Response};
use swiftlet_storage::db::{Metadata, MetadataEntry, MetadataLimits};
use swiftlet_types::{Constraints, Timestamp};

/// Which header fields a kind of database keeps.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// `x-account-meta-`, `x-container-meta-`.
    pub user: &'static str,
    /// `x-account-sysmeta-`, `x-container-sysmeta-`.
    pub system: &'static str,
    /// Further ones by their full names, in lower case.
    pub others: &'static [&'static str],
}

impl Kept {
    /// Whether the field `name` is kept.
    pub fn keeps(&self, name: &[u8]) -> bool {
        let below = |prefix: &str| name.len() > prefix.len() && has_prefix(name, prefix);
        below(self.user)
            || below(self.system)
            || self.others.iter().any(|o| name.eq_ignore_ascii_case(o.as_bytes()))
    }

    /// The fields of a request that are kept, set at `timestamp`; 400 where one is not UTF-8.
    pub fn entries(&self, headers: &Headers, timestamp: Timestamp) -> Result<Vec<MetadataEntry>, Response> {
        let text = |bytes: Vec<u8>| match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Ok(text),
            _ => Err(refuse(400, "Metadata must be valid UTF-8")),
        };
        let mut entries = Vec::new();
        for (name, value) in headers.iter().filter(|(name, _)| self.keeps(name)) {
            entries.push(MetadataEntry {
                key: text(title_case(name))?,
                value: text(value.to_vec())?,
                timestamp: timestamp.internal(),
            });
        }
        Ok(entries)
    }

    /// Adds what `metadata` holds to an answer.
    pub fn show(&self, metadata: &Metadata, headers: &mut Headers) {
        for (key, value) in metadata.iter().filter(|(key, _)| self.keeps(key.as_bytes())) {
            headers.set(key.to_owned(), value.to_owned());
        }
    }
}

/// The limits that databases check.
pub fn limits(constraints: &Constraints) -> MetadataLimits {
    MetadataLimits { count: constraints.max_meta_count, overall_size: constraints.max_meta_overall_size }
}

/// A header's name as Python's `bytes.title` writes it: that is how databases have always kept it.
fn title_case(name: &[u8]) -> Vec<u8> {
    let mut after_letter = false;
    name.iter()
        .map(|&b| {
            let b = if after_letter { b.to_ascii_lowercase() } else { b.to_ascii_uppercase() };
            after_letter = b.is_ascii_alphabetic();
            b
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Kept = Kept { user: "x-account-meta-", system: "x-account-sysmeta-", others: &["x-other"] };

    #[test]
    fn names_are_in_title_case() {
        // 'x-account-meta-a1b-ü-c'.encode().title().decode()
        assert_eq!(title_case("x-account-meta-a1b-üc".as_bytes()), "X-Account-Meta-A1B-üC".as_bytes());
        assert_eq!(title_case(b"X-ACCOUNT"), b"X-Account");
    }

    #[test]
    fn only_kept_fields_with_a_name_count() {
        let headers: Headers =
            [("x-account-meta-a", "1"), ("x-account-meta-", "2"), ("X-Other", ""), ("x-timestamp", "3")]
                .into_iter()
                .collect();
        let entries = KEPT.entries(&headers, Timestamp::ZERO).unwrap();
        let keys: Vec<_> = entries.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["X-Account-Meta-A", "X-Other"]);
        let bad: Headers = [(&b"x-account-meta-a"[..], &b"\xff"[..])].into_iter().collect();
        assert_eq!(KEPT.entries(&bad, Timestamp::ZERO).unwrap_err().status, 400);
    }
}
