//! Which header fields an object keeps, which it shows, and how their names are written.

use crate::http::Headers;
use crate::http::headers::has_prefix;
use bytes::Bytes;
use swiftlet_storage::object::Metadata;

const USER_META: &str = "x-object-meta-";
const SYS_META: &str = "x-object-sysmeta-";
const TRANSIENT_SYS_META: &str = "x-object-transient-sysmeta-";

fn is_longer(name: &[u8], prefix: &str) -> bool {
    name.len() > prefix.len() && has_prefix(name, prefix)
}

/// Whether `name` is system metadata, which a POST leaves as the PUT set it.
pub(super) fn is_sys_meta(name: &[u8]) -> bool {
    is_longer(name, SYS_META)
}

/// Whether a PUT keeps `name` whatever `allowed_headers` says.
pub(super) fn is_kept_by_put(name: &[u8]) -> bool {
    is_longer(name, USER_META) || is_sys_meta(name) || is_longer(name, TRANSIENT_SYS_META)
}

/// Whether a POST sets `name` whatever `allowed_headers` says.
fn is_kept_by_post(name: &[u8]) -> bool {
    is_longer(name, USER_META) || is_longer(name, TRANSIENT_SYS_META)
}

/// The other header fields that objects keep (`allowed_headers`).
#[derive(Debug, Clone)]
pub struct AllowedHeaders {
    lower: Vec<String>,
}

/// What no request can set: these say what the file is.
const FIXED: [&str; 3] = ["content-length", "deleted", "etag"];

impl AllowedHeaders {
    /// Swift's default.
    pub const DEFAULT: &str = "content-disposition, content-encoding, x-delete-at, x-object-manifest, \
        x-static-large-object, cache-control, content-language, expires, x-robots-tag";

    /// The fields called `names`, in any case.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let lower = names.into_iter().map(|name| name.to_ascii_lowercase());
        Self { lower: lower.filter(|name| !FIXED.contains(&name.as_str())).collect() }
    }

    fn contains(&self, name: &[u8]) -> bool {
        self.lower.iter().any(|allowed| name.eq_ignore_ascii_case(allowed.as_bytes()))
    }

    /// Whether an answer shows the stored field `name`.
    pub(super) fn shows(&self, name: &[u8]) -> bool {
        is_kept_by_put(name) || self.contains(name)
    }

    /// Adds to `metadata` what a PUT with these headers keeps.
    pub(super) fn keep_put(&self, headers: &Headers, metadata: &mut Metadata) {
        self.keep(headers, metadata, is_kept_by_put);
    }

    /// Adds to `metadata` what a POST with these headers sets.
    pub(super) fn keep_post(&self, headers: &Headers, metadata: &mut Metadata) {
        self.keep(headers, metadata, is_kept_by_post);
    }

    fn keep(&self, headers: &Headers, metadata: &mut Metadata, is_kept: impl Fn(&[u8]) -> bool) {
        // a replicator names what else the object that it copies has
        let also = headers.get("X-Backend-Replication-Headers").unwrap_or_default();
        for (name, value) in headers.iter() {
            let also = || also.split(u8::is_ascii_whitespace).any(|other| other.eq_ignore_ascii_case(name));
            if is_kept(name) || self.contains(name) || also() {
                metadata.set(canonical(name), value.clone());
            }
        }
    }
}

/// A field's name as Swift stores it: each letter after a non-letter in upper case, the others in lower case,
/// and `-` for `_` (WSGI cannot tell the two apart).
pub(super) fn canonical(name: &Bytes) -> Bytes {
    let title = |after_letter: bool, b: u8| match b {
        b'_' => b'-',
        b if after_letter => b.to_ascii_lowercase(),
        b => b.to_ascii_uppercase(),
    };
    let is_canonical = |at: usize| {
        let after_letter = at > 0 && name[at - 1].is_ascii_alphabetic();
        title(after_letter, name[at]) == name[at]
    };
    if (0..name.len()).all(is_canonical) {
        return name.clone();
    }
    let mut after_letter = false;
    let mut change = |b: &u8| {
        let changed = title(after_letter, *b);
        after_letter = b.is_ascii_alphabetic();
        changed
    };
    name.iter().map(&mut change).collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_in_title_case() {
        for (name, stored) in [
            ("x-object-meta-2nd_colour", "X-Object-Meta-2Nd-Colour"),
            ("X-OBJECT-META-A", "X-Object-Meta-A"),
            ("X-Object-Meta-É", "X-Object-Meta-É"),
            ("X-Object-Meta-Ok", "X-Object-Meta-Ok"),
        ] {
            assert_eq!(canonical(&Bytes::from_static(name.as_bytes())), stored.as_bytes());
        }
    }

    #[test]
    fn put_and_post_keep_what_they_may() {
        let headers: Headers = [
            ("x-object-meta-a", "1"),
            ("x-object-meta-", "no name"),
            ("x-object-sysmeta-b", "2"),
            ("x-object-transient-sysmeta-c", "3"),
            ("cache-control", "4"),
            ("content-length", "5"),
            ("x-other", "6"),
            ("x-backend-replication-headers", "x-replicated"),
            ("x-replicated", "7"),
        ]
        .into_iter()
        .collect();
        let allowed = AllowedHeaders::new(["Cache-Control".to_owned(), "Content-Length".to_owned()]);
        let names = |keep: fn(&AllowedHeaders, &Headers, &mut Metadata)| {
            let mut metadata = Metadata::new();
            keep(&allowed, &headers, &mut metadata);
            metadata.iter().map(|(name, _)| String::from_utf8(name.to_vec()).unwrap()).collect::<Vec<_>>()
        };
        let transient = "X-Object-Transient-Sysmeta-C";
        assert_eq!(
            names(AllowedHeaders::keep_put),
            ["X-Object-Meta-A", "X-Object-Sysmeta-B", transient, "Cache-Control", "X-Replicated"]
        );
        assert_eq!(
            names(AllowedHeaders::keep_post),
            ["X-Object-Meta-A", transient, "Cache-Control", "X-Replicated"]
        );
    }
}
