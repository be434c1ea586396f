//! Which header fields are metadata, of accounts, containers and objects.

use crate::http::Headers;
use crate::http::headers::has_prefix;
use bytes::Bytes;

/// The three kinds of server behind the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// Account servers.
    Account,
    /// Container servers.
    Container,
    /// Object servers.
    Object,
}

impl ServerKind {
    /// As log lines call it: `Account`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Account => "Account",
            Self::Container => "Container",
            Self::Object => "Object",
        }
    }

    /// The prefix of its user metadata.
    pub const fn user_meta_prefix(self) -> &'static str {
        match self {
            Self::Account => "x-account-meta-",
            Self::Container => "x-container-meta-",
            Self::Object => "x-object-meta-",
        }
    }

    /// The prefix of its system metadata, which clients neither see nor set.
    pub const fn system_meta_prefix(self) -> &'static str {
        match self {
            Self::Account => "x-account-sysmeta-",
            Self::Container => "x-container-sysmeta-",
            Self::Object => "x-object-sysmeta-",
        }
    }

    /// The prefix that removes an item of user metadata.
    const fn remove_meta_prefix(self) -> &'static str {
        match self {
            Self::Account => "x-remove-account-meta-",
            Self::Container => "x-remove-container-meta-",
            Self::Object => "x-remove-object-meta-",
        }
    }

    /// What follows the user metadata prefix in `name`, if something does.
    pub fn user_meta_name(self, name: &[u8]) -> Option<&[u8]> {
        strip(name, self.user_meta_prefix())
    }

    /// What follows the system metadata prefix in `name`, if something does.
    pub fn system_meta_name(self, name: &[u8]) -> Option<&[u8]> {
        strip(name, self.system_meta_prefix())
    }

    fn is_meta(self, name: &[u8]) -> bool {
        self.user_meta_name(name).or_else(|| self.system_meta_name(name)).is_some()
    }
}

/// Container headers that a client may set beside metadata, and remove with `X-Remove-`.
const CONTAINER_SETTINGS: &[&str] = &[
    "x-container-read",
    "x-container-write",
    "x-container-sync-key",
    "x-container-sync-to",
    "x-versions-location",
];

fn strip<'a>(name: &'a [u8], prefix: &str) -> Option<&'a [u8]> {
    (name.len() > prefix.len() && has_prefix(name, prefix)).then(|| &name[prefix.len()..])
}

/// Copies to `backend` what of a client's header fields an account or container server is to store: metadata,
/// the container's settings, and an empty value for what is to be removed.
pub fn transfer(kind: ServerKind, client: &Headers, backend: &mut Headers) {
    let is_setting = |name: &[u8]| {
        kind == ServerKind::Container
            && CONTAINER_SETTINGS.iter().any(|s| name.eq_ignore_ascii_case(s.as_bytes()))
    };
    for (name, _) in client.iter() {
        // X-Remove-Container-Meta-Color -> X-Container-Meta-Color
        let Some(bare) = strip(name, "x-remove-") else { continue };
        let target = [b"x-".as_slice(), bare].concat();
        if has_prefix(name, kind.remove_meta_prefix()) || is_setting(&target) {
            backend.set(lower_latin1(target.to_ascii_lowercase().into()), Bytes::new());
        }
    }
    for (name, value) in client.iter() {
        if kind.is_meta(name) || is_setting(name) {
            backend.set(lower_latin1(name.clone()), value.clone());
        }
    }
}

/// `name` with what would be capitals were it Latin-1 made small. Swift's proxy does that to the names of accounts' and
/// containers' metadata, whose servers then find no UTF-8 and refuse: `ü` is no name for metadata there, `☃` is.
fn lower_latin1(name: Bytes) -> Bytes {
    if name.is_ascii() {
        return name;
    }
    let lower = |byte: &u8| match byte {
        0xc0..=0xd6 | 0xd8..=0xde => byte | 0x20,
        _ => *byte,
    };
    name.iter().map(lower).collect()
}

/// `name` as Swift writes header names: a capital after anything that is not a letter (`X-Object-Meta-A1B`).
pub fn title_case(name: &[u8]) -> Vec<u8> {
    let mut after_letter = false;
    name.iter()
        .map(|b| {
            let cased = if after_letter { b.to_ascii_lowercase() } else { b.to_ascii_uppercase() };
            after_letter = b.is_ascii_alphabetic();
            cased
        })
        .collect()
}

/// Adds `item` to the comma-separated list that `name` holds.
pub fn append_csv(headers: &mut Headers, name: &'static str, item: &str) {
    let list = match headers.get(name).filter(|list| !list.is_empty()) {
        Some(list) => [list, b",", item.as_bytes()].concat(),
        None => item.as_bytes().to_vec(),
    };
    headers.set(name, list);
}

/// Whether a header says yes, in the words that Swift's options and headers say it.
pub fn is_true(headers: &Headers, name: &str) -> bool {
    headers.get_str(name).is_some_and(swiftlet_types::conf::is_true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_has_a_name_after_its_prefix() {
        assert_eq!(ServerKind::Object.user_meta_name(b"X-Object-Meta-Color"), Some(&b"Color"[..]));
        assert_eq!(ServerKind::Object.user_meta_name(b"X-Object-Meta-"), None);
        assert_eq!(ServerKind::Account.system_meta_name(b"x-account-sysmeta-core"), Some(&b"core"[..]));
        assert_eq!(ServerKind::Account.user_meta_name(b"x-container-meta-a"), None);
    }

    #[test]
    fn settings_and_metadata_are_transferred_and_removed() {
        let client: Headers = [
            ("X-Container-Read", ".r:*"),
            ("X-Container-Meta-Color", "red"),
            ("X-Remove-Container-Meta-Size", "x"),
            ("X-Remove-Container-Write", "x"),
            ("X-Remove-Versions-Location", "x"),
            ("X-Remove-Other", "x"),
            ("X-Auth-Token", "secret"),
        ]
        .into_iter()
        .collect();
        let mut backend = Headers::new();
        transfer(ServerKind::Container, &client, &mut backend);
        assert_eq!(backend.len(), 5);
        assert_eq!(backend.get_str("x-container-read"), Some(".r:*"));
        assert_eq!(backend.get_str("x-container-meta-color"), Some("red"));
        for removed in ["x-container-meta-size", "x-container-write", "x-versions-location"] {
            assert_eq!(backend.get_str(removed), Some(""), "{removed}");
        }
    }

    #[test]
    fn names_outside_ascii_come_to_the_servers_as_from_swift() {
        let client: Headers =
            [("X-Container-Meta-\u{fc}", "1"), ("X-Container-Meta-\u{2603}", "2")].into_iter().collect();
        let mut backend = Headers::new();
        transfer(ServerKind::Container, &client, &mut backend);
        assert_eq!(backend.get_bytes(b"X-Container-Meta-\xe3\xbc"), Some(&b"1"[..]));
        assert_eq!(backend.get("X-Container-Meta-\u{2603}"), Some(&b"2"[..]));
    }

    #[test]
    fn setting_goes_before_removing() {
        let client: Headers =
            [("X-Account-Meta-A", "1"), ("X-Remove-Account-Meta-A", "x")].into_iter().collect();
        let mut backend = Headers::new();
        transfer(ServerKind::Account, &client, &mut backend);
        assert_eq!(backend.get_str("x-account-meta-a"), Some("1"));
    }

    #[test]
    fn titles() {
        assert_eq!(title_case(b"x-object-META-a1b"), b"X-Object-Meta-A1B");
    }
}
