//! Container and account ACLs: what the headers may say, and whom they let in.
//!
//! Containers carry the first format (`X-Container-Read: .r:*,.rlistings,acct:user`), accounts the second, JSON
//! (`X-Account-Access-Control: {"read-only": ["bob"]}`). The auth middleware and the controllers share this room.

mod account;

pub use account::{AccountAcl, AccountAclError, check_account_acl, format_account_acl, parse_account_acl};

use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use swiftlet_types::python;
use thiserror::Error;

/// Why a container ACL cannot be set. The texts are what Swift answers.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AclError {
    /// A referrer where only groups may stand.
    #[error("Referrers not allowed in write ACL: {}", python::repr(.0))]
    ReferrerInWrite(String),
    /// `.r:` without a host.
    #[error("No host/domain value after referrer designation in ACL: {}", python::repr(.0))]
    NoHost(String),
    /// `.something:` that is none of the referrer words.
    #[error("Unknown designator {} in ACL: {}", python::repr(.designator), python::repr(.item))]
    UnknownDesignator {
        /// What stands before the colon.
        designator: String,
        /// The whole item.
        item: String,
    },
}

/// The ACL `value` of the header `header_name` as it is stored: items trimmed, empty ones dropped, every referrer
/// word written `.r:`, `*.host` as `.host`. A header whose name holds `write` takes no referrers.
pub fn clean_acl(header_name: &str, value: &str) -> Result<String, AclError> {
    let write = header_name.to_ascii_lowercase().contains("write");
    let mut items: Vec<Cow<'_, str>> = Vec::new();
    for item in value.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        match item.split_once(':').map(|(first, second)| (first.trim(), second.trim())) {
            Some((first, second)) if first.starts_with('.') => {
                items.push(clean_designation(first, second, item, write)?.into());
            }
            _ => items.push(item.into()),
        }
    }
    Ok(items.join(","))
}

fn clean_designation(first: &str, second: &str, item: &str, write: bool) -> Result<String, AclError> {
    if !matches!(first, ".r" | ".ref" | ".referer" | ".referrer") {
        return Err(AclError::UnknownDesignator { designator: first.into(), item: item.into() });
    }
    if write {
        return Err(AclError::ReferrerInWrite(item.into()));
    }
    let (deny, host) = match second.strip_prefix('-') {
        Some(host) => ("-", host.trim()),
        None => ("", second),
    };
    let host = match host.strip_prefix('*') {
        Some(domain) if !domain.is_empty() => domain.trim(),
        _ => host,
    };
    if host.is_empty() || host == "." {
        return Err(AclError::NoHost(item.into()));
    }
    Ok(format!(".r:{deny}{host}"))
}

/// A stored container ACL, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ContainerAcl<'a> {
    /// Referrer designations without `.r:`, in their order (later ones win).
    pub referrers: Vec<&'a str>,
    /// Groups, users and words like `.rlistings`, percent-decoded.
    pub groups: Vec<Cow<'a, str>>,
}

impl<'a> ContainerAcl<'a> {
    /// Takes a cleaned ACL apart; an empty one lets nobody in.
    pub fn parse(acl: &'a str) -> Self {
        let mut parsed = Self::default();
        for item in acl.split(',').filter(|item| !item.is_empty()) {
            match item.strip_prefix(".r:") {
                Some(referrer) => parsed.referrers.push(referrer),
                None => parsed.groups.push(percent_decode_str(item).decode_utf8_lossy()),
            }
        }
        parsed
    }

    /// Whether one of the groups is called `group`.
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    /// Whether a request that names `referer` as where it comes from may go on. The designations count in their
    /// order; `.example.com` covers every host below it; no usable `Referer` is host `unknown`.
    pub fn allows_referrer(&self, referer: Option<&str>) -> bool {
        let host = referer.and_then(url_host).unwrap_or_else(|| "unknown".into());
        let covers = |pattern: &str| pattern == host || (pattern.starts_with('.') && host.ends_with(pattern));
        let mut allowed = false;
        for designation in &self.referrers {
            match designation.strip_prefix('-') {
                Some(pattern) if covers(pattern) => allowed = false,
                Some(_) => {}
                None if *designation == "*" || covers(designation) => allowed = true,
                None => {}
            }
        }
        allowed
    }
}

/// The host of a URL in lower case, without user and port; `None` where there is no authority part.
fn url_host(url: &str) -> Option<String> {
    let is_scheme = |s: &str| {
        s.starts_with(|c: char| c.is_ascii_alphabetic())
            && s.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let rest = match url.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => rest,
        _ => url,
    };
    let authority = rest.strip_prefix("//")?.split(['/', '?', '#']).next()?;
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host_port.strip_prefix('[') {
        Some(ip6) => ip6.split(']').next()?,
        None => host_port.split(':').next()?,
    };
    (!host.is_empty()).then(|| host.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_what_is_messy() {
        for (messy, clean) in [
            ("bob, sue", "bob,sue"),
            ("bob , sue", "bob,sue"),
            ("bob,,,sue", "bob,sue"),
            (".referrer : *", ".r:*"),
            (".ref:*.example.com", ".r:.example.com"),
            (".r:*, .rlistings", ".r:*,.rlistings"),
            (".r:-*.thief.com", ".r:-.thief.com"),
            ("acct : user", "acct : user"),
            ("", ""),
        ] {
            assert_eq!(clean_acl("X-Container-Read", messy).unwrap(), clean, "{messy}");
        }
        assert_eq!(clean_acl("X-Container-Write", ".rlistings,a:b").unwrap(), ".rlistings,a:b");
    }

    #[test]
    fn refuses_with_swifts_words() {
        let text = |name, value| clean_acl(name, value).unwrap_err().to_string();
        assert_eq!(text("X-Container-Write", ".r:*"), "Referrers not allowed in write ACL: '.r:*'");
        let none = "No host/domain value after referrer designation in ACL: ";
        assert_eq!(text("x-container-read", ".r:"), format!("{none}'.r:'"));
        assert_eq!(text("x-container-read", ".r:-"), format!("{none}'.r:-'"));
        assert_eq!(text("x-container-read", ".r:*."), format!("{none}'.r:*.'"));
        assert_eq!(text("x-container-read", ".x:it's"), "Unknown designator '.x' in ACL: \".x:it's\"");
    }

    #[test]
    fn referrers_count_in_their_order() {
        let allows = |acl: &str, referer: &str| ContainerAcl::parse(acl).allows_referrer(Some(referer));
        assert!(ContainerAcl::parse(".r:*").allows_referrer(None));
        assert!(!ContainerAcl::parse(".r:.example.com").allows_referrer(None));
        assert!(ContainerAcl::parse(".r:unknown").allows_referrer(Some("no url")));
        assert!(allows(".r:.example.com", "http://www.EXAMPLE.com/index.html"));
        assert!(!allows(".r:.example.com", "http://example.com/"));
        assert!(allows(".r:example.com", "https://user@example.com:8080?x"));
        assert!(!allows(".r:*,.r:-.thief.com", "http://goodies.thief.com"));
        assert!(!allows(".r:.example.com,.r:-thief.example.com", "http://thief.example.com"));
        assert!(allows(".r:-.example.com,.r:*", "http://www.example.com"));
        assert!(allows(".r:::1", "http://[::1]:80/"));
    }

    #[test]
    fn groups_are_percent_decoded() {
        let acl = ContainerAcl::parse("a%20b:c,.rlistings,.r:*");
        assert!(acl.has_group("a b:c") && acl.has_group(".rlistings"));
        assert_eq!(acl.referrers, ["*"]);
        assert_eq!(ContainerAcl::parse(""), ContainerAcl::default());
    }
}
