//! What a request's path names: an account, a container or an object.

use bytes::Bytes;
use thiserror::Error;

/// Why a path names nothing.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PathError {
    /// The version or a name in the middle is missing (answered 404).
    #[error("a part of the path is missing")]
    Incomplete,
    /// There is nothing behind the version (answered 412, `Bad URL`).
    #[error("Bad URL")]
    BadUrl,
    /// Not a version that is served (answered 400).
    #[error("unknown API version")]
    UnknownVersion,
}

/// An account, container or object: `/a`, `/a/c` or `/a/c/o` as raw bytes, without the API version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    path: Bytes,
    /// Where the account's name ends.
    account_end: usize,
    /// Where the container's name ends, where there is one.
    container_end: Option<usize>,
    /// Whether an object's name follows.
    has_object: bool,
}

impl Entity {
    /// Splits a request path (percent-decoded, `/v1/a/c/o`); `versions` are the API versions served.
    pub fn parse(path: &Bytes, versions: &[String]) -> Result<Self, PathError> {
        let rest = path.strip_prefix(b"/").ok_or(PathError::Incomplete)?;
        let version_len = segment_len(rest);
        if version_len == 0 {
            return Err(PathError::Incomplete);
        }
        let entity = path.slice(1 + version_len..);
        if entity.len() <= 1 {
            return Err(PathError::BadUrl);
        }
        let entity = Self::from_entity_path(entity).ok_or(PathError::Incomplete)?;
        match versions.iter().any(|v| v.as_bytes() == &rest[..version_len]) {
            true => Ok(entity),
            false => Err(PathError::UnknownVersion),
        }
    }

    /// Splits a request path (percent-decoded, `/v1/a/c/o`) of whatever version.
    pub fn of_request_path(path: &Bytes) -> Option<Self> {
        let version_len = segment_len(path.strip_prefix(b"/")?);
        Self::from_entity_path(path.slice(1 + version_len..))
    }

    /// Splits `/a`, `/a/c` or `/a/c/o`; a trailing slash after `/a` and `/a/c` is let pass.
    fn from_entity_path(path: Bytes) -> Option<Self> {
        let account_len = segment_len(path.get(1..)?);
        let account_end = 1 + account_len;
        if account_len == 0 {
            return None;
        }
        let Some(container_on) = path.get(account_end + 1..).filter(|rest| !rest.is_empty()) else {
            return Some(Self { path, account_end, container_end: None, has_object: false });
        };
        let container_len = segment_len(container_on);
        let container_end = account_end + 1 + container_len;
        let has_object = path.len() > container_end + 1;
        (container_len > 0).then_some(Self {
            path,
            account_end,
            container_end: Some(container_end),
            has_object,
        })
    }

    /// An account.
    pub fn account_of(account: &str) -> Self {
        Self {
            path: format!("/{account}").into(),
            account_end: 1 + account.len(),
            container_end: None,
            has_object: false,
        }
    }

    /// A container.
    pub fn container_of(account: &str, container: &str) -> Self {
        let path = format!("/{account}/{container}");
        let (account_end, container_end) = (1 + account.len(), Some(path.len()));
        Self { path: path.into(), account_end, container_end, has_object: false }
    }

    /// The whole path, as backends are sent it.
    pub fn path(&self) -> &Bytes {
        &self.path
    }

    /// The account's name.
    pub fn account(&self) -> &str {
        self.text(1, self.account_end)
    }

    /// The container's name, where there is one.
    pub fn container(&self) -> Option<&str> {
        self.container_end.map(|end| self.text(self.account_end + 1, end))
    }

    /// The object's name, where there is one.
    pub fn object(&self) -> Option<&str> {
        self.has_object.then(|| self.text(self.container_end.map_or(0, |end| end + 1), self.path.len()))
    }

    /// Paths were found to be UTF-8 before they came here; what is not reads as empty.
    fn text(&self, from: usize, to: usize) -> &str {
        self.path.get(from..to).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }
}

fn segment_len(rest: &[u8]) -> usize {
    memchr::memchr(b'/', rest).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Result<(String, Option<String>, Option<String>), PathError> {
        let entity = Entity::parse(&Bytes::copy_from_slice(path.as_bytes()), &["v1".into(), "v1.0".into()])?;
        let own = |s: Option<&str>| s.map(str::to_owned);
        Ok((entity.account().to_owned(), own(entity.container()), own(entity.object())))
    }

    #[test]
    fn names_what_the_path_names() {
        let named =
            |a: &str, c: Option<&str>, o: Option<&str>| Ok((a.into(), c.map(Into::into), o.map(Into::into)));
        assert_eq!(parse("/v1/a"), named("a", None, None));
        assert_eq!(parse("/v1/a/"), named("a", None, None));
        assert_eq!(parse("/v1.0/a/c"), named("a", Some("c"), None));
        assert_eq!(parse("/v1/a/c/"), named("a", Some("c"), None));
        assert_eq!(parse("/v1/a/c/o"), named("a", Some("c"), Some("o")));
        assert_eq!(parse("/v1/a/c//o/"), named("a", Some("c"), Some("/o/")));
    }

    #[test]
    fn refuses_what_names_nothing() {
        for incomplete in ["", "//a", "/v1//c", "/v1//", "/v1/a//o", "/v1/a//", "/v1///o", "/v2//c"] {
            assert_eq!(parse(incomplete), Err(PathError::Incomplete), "{incomplete}");
        }
        for bad in ["/v1", "/v1/", "/v2/"] {
            assert_eq!(parse(bad), Err(PathError::BadUrl), "{bad}");
        }
        assert_eq!(parse("/v2/a/c"), Err(PathError::UnknownVersion));
    }

    #[test]
    fn keeps_the_path_for_backends() {
        let entity = Entity::parse(&Bytes::from_static(b"/v1/a/c/o"), &["v1".into()]).unwrap();
        assert_eq!(entity.path(), "/a/c/o");
        assert_eq!(Entity::container_of("a", "c").path(), "/a/c");
    }
}
