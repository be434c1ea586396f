//! Account and container listings as bodies: plain text and XML, byte for byte as Swift writes them.
//!
//! The entries are what the JSON form of a listing holds; servers fill them from their databases, the proxy's
//! listing filter from that JSON.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The byte that names of Swift's reserved namespace hold; listings hide such names from ordinary clients.
pub const RESERVED: char = '\0';

/// One line of an account's listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AccountEntry<'a> {
    /// What a delimiter rolled up.
    #[serde(borrow)]
    Subdir(Subdir<'a>),
    /// A container.
    Container {
        /// Its name.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// How many objects it holds.
        count: i64,
        /// Their bytes.
        bytes: i64,
        /// When it was created, ISO 8601 with microseconds.
        #[serde(borrow)]
        last_modified: Cow<'a, str>,
        /// The name of its storage policy, where the server knows it.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        storage_policy: Option<Cow<'a, str>>,
    },
}

/// One line of a container's listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ContainerEntry<'a> {
    /// What a delimiter rolled up.
    #[serde(borrow)]
    Subdir(Subdir<'a>),
    /// An object.
    Object {
        /// Its name.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// Its ETag, MD5 in hex for most.
        #[serde(borrow)]
        hash: Cow<'a, str>,
        /// Its size in bytes.
        bytes: i64,
        /// Its content type.
        #[serde(borrow)]
        content_type: Cow<'a, str>,
        /// When it was written, ISO 8601 with microseconds.
        #[serde(borrow)]
        last_modified: Cow<'a, str>,
    },
}

/// The part of names up to and including a delimiter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subdir<'a> {
    /// The common prefix of the names it stands for.
    #[serde(borrow)]
    pub subdir: Cow<'a, str>,
}

/// What account and container listings have in common.
pub trait Entry {
    /// The name or rolled-up prefix of this line.
    fn name(&self) -> &str;
}

impl Entry for AccountEntry<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Subdir(Subdir { subdir }) => subdir,
            Self::Container { name, .. } => name,
        }
    }
}

impl Entry for ContainerEntry<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Subdir(Subdir { subdir }) => subdir,
            Self::Object { name, .. } => name,
        }
    }
}

/// The names, a line each.
pub fn to_text(entries: &[impl Entry]) -> String {
    let mut out = String::with_capacity(entries.iter().map(|e| e.name().len() + 1).sum());
    for entry in entries {
        out.push_str(entry.name());
        out.push('\n');
    }
    out
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// The XML listing of the account called `account`.
pub fn account_to_xml(account: &str, entries: &[AccountEntry<'_>]) -> String {
    let mut xml = String::from(DECLARATION);
    open_with_name(&mut xml, "account", account, false);
    xml.push('\n');
    for entry in entries {
        match entry {
            AccountEntry::Subdir(Subdir { subdir }) => open_with_name(&mut xml, "subdir", subdir, true),
            AccountEntry::Container { name, count, bytes, last_modified, storage_policy } => {
                xml.push_str("<container>");
                element(&mut xml, "name", name);
                element(&mut xml, "count", &count.to_string());
                element(&mut xml, "bytes", &bytes.to_string());
                element(&mut xml, "last_modified", last_modified);
                if let Some(policy) = storage_policy {
                    element(&mut xml, "storage_policy", policy);
                }
                xml.push_str("</container>");
            }
        }
        xml.push('\n');
    }
    xml.push_str("</account>");
    xml
}

/// The XML listing of the container called `container`.
pub fn container_to_xml(container: &str, entries: &[ContainerEntry<'_>]) -> String {
    let mut xml = String::from(DECLARATION);
    open_with_name(&mut xml, "container", container, entries.is_empty());
    for entry in entries {
        match entry {
            ContainerEntry::Subdir(Subdir { subdir }) => {
                open_with_name(&mut xml, "subdir", subdir, false);
                element(&mut xml, "name", subdir);
                xml.push_str("</subdir>");
            }
            ContainerEntry::Object { name, hash, bytes, content_type, last_modified } => {
                xml.push_str("<object>");
                element(&mut xml, "name", name);
                element(&mut xml, "hash", hash);
                element(&mut xml, "bytes", &bytes.to_string());
                element(&mut xml, "content_type", content_type);
                element(&mut xml, "last_modified", last_modified);
                xml.push_str("</object>");
            }
        }
    }
    if !entries.is_empty() {
        xml.push_str("</container>");
    }
    xml
}

/// `<tag name="…">`, closed at once where it holds nothing.
fn open_with_name(xml: &mut String, tag: &str, name: &str, empty: bool) {
    xml.extend(["<", tag, " name=\""]);
    for c in name.chars() {
        match c {
            '"' => xml.push_str("&quot;"),
            '\r' => xml.push_str("&#13;"),
            '\n' => xml.push_str("&#10;"),
            '\t' => xml.push_str("&#09;"),
            c => push_escaped(xml, c),
        }
    }
    xml.push_str(if empty { "\" />" } else { "\">" });
}

/// `<tag>text</tag>`, or `<tag />` without text.
fn element(xml: &mut String, tag: &str, text: &str) {
    if text.is_empty() {
        return xml.extend(["<", tag, " />"]);
    }
    xml.extend(["<", tag, ">"]);
    text.chars().for_each(|c| push_escaped(xml, c));
    xml.extend(["</", tag, ">"]);
}

fn push_escaped(xml: &mut String, c: char) {
    match c {
        '&' => xml.push_str("&amp;"),
        '<' => xml.push_str("&lt;"),
        '>' => xml.push_str("&gt;"),
        c => xml.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The expected bytes are what Swift 2.38.3's account_to_xml and container_to_xml return for the same entries.

    #[test]
    fn account_listings() {
        let entries = [
            AccountEntry::Container {
                name: "a<&>\"".into(),
                count: 1,
                bytes: -2,
                last_modified: "2014-01-01T00:00:00.000000".into(),
                storage_policy: Some("gold".into()),
            },
            AccountEntry::Subdir(Subdir { subdir: "b\n\t\"/".into() }),
        ];
        assert_eq!(
            account_to_xml("AUTH_ü", &entries),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<account name=\"AUTH_ü\">\n<container><name>a&lt;&amp;&gt;\"\
             </name><count>1</count><bytes>-2</bytes><last_modified>2014-01-01T00:00:00.000000</last_modified>\
             <storage_policy>gold</storage_policy></container>\n<subdir name=\"b&#10;&#09;&quot;/\" />\n</account>"
        );
        assert_eq!(
            account_to_xml("a", &[]),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<account name=\"a\">\n</account>"
        );
        assert_eq!(to_text(&entries), "a<&>\"\nb\n\t\"/\n");
    }

    #[test]
    fn container_listings() {
        let entries = [
            ContainerEntry::Object {
                name: "o".into(),
                hash: "".into(),
                bytes: 5,
                content_type: "text/plain".into(),
                last_modified: "2014-01-01T00:00:00.000000".into(),
            },
            ContainerEntry::Subdir(Subdir { subdir: "p/".into() }),
        ];
        assert_eq!(
            container_to_xml("c", &entries),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<container name=\"c\"><object><name>o</name><hash />\
             <bytes>5</bytes><content_type>text/plain</content_type>\
             <last_modified>2014-01-01T00:00:00.000000</last_modified></object>\
             <subdir name=\"p/\"><name>p/</name></subdir></container>"
        );
        assert_eq!(
            container_to_xml("c", &[]),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<container name=\"c\" />"
        );
    }
}
