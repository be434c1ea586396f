//! What a backend request is about: `/device/partition/account[/container[/object]]`, and when.

use super::answer::refuse;
use crate::http::{Headers, Request, Response};
use swiftlet_types::Timestamp;
use swiftlet_types::conf::is_true;
use swiftlet_types::names::{is_reserved, quote, split_path};

/// The account, container or object that a request names, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The device's name.
    pub device: String,
    /// The partition; the servers use it as a folder's name only.
    pub partition: String,
    /// The account.
    pub account: String,
    /// The container, where the path names one.
    pub container: Option<String>,
    /// The object, where the path names one.
    pub object: Option<String>,
}

/// Which segments a path must have at least, and may have at most.
#[derive(Debug, Clone, Copy)]
pub enum Depth {
    /// An account.
    Account,
    /// An account, perhaps a container.
    AccountOrContainer,
    /// A container.
    Container,
    /// A container, perhaps an object.
    ContainerOrObject,
}

/// The account whose objects may have any names: the reconciler's queue.
pub const MISPLACED_OBJECTS_ACCOUNT: &str = ".misplaced_objects";

impl Target {
    /// Reads the path; the error is the answer.
    pub fn of(request: &Request, depth: Depth) -> Result<Self, Response> {
        let (min, max, rest_with_last) = match depth {
            Depth::Account => (3, 3, false),
            Depth::AccountOrContainer => (3, 4, false),
            Depth::Container => (4, 4, false),
            Depth::ContainerOrObject => (4, 5, true),
        };
        let bad_path = || Response::plain(400, format!("Invalid path: {}", quote(&request.path)));
        let segments = split_path(&request.path, min, max, rest_with_last).ok_or_else(bad_path)?;
        let mut texts = Vec::with_capacity(segments.len());
        for segment in segments {
            texts.push(String::from_utf8(segment.to_vec()).map_err(|_| bad_path())?);
        }
        let mut texts = texts.into_iter();
        let mut next = || texts.next().ok_or_else(bad_path);
        let (device, partition, account) = (next()?, next()?, next()?);
        let target = Self { device, partition, account, container: texts.next(), object: texts.next() };
        check_placement(&target.device, &target.partition)?;
        target.check_reserved_names()?;
        Ok(target)
    }

    /// The container's name; for handlers whose depth demands one.
    pub fn container(&self) -> &str {
        self.container.as_deref().unwrap_or_default()
    }

    /// Names of the reserved name space begin with its byte, and containers and objects agree on it.
    fn check_reserved_names(&self) -> Result<(), Response> {
        let check = |kind: &str, name: &str| match name.contains('\0') && !is_reserved(name.as_bytes()) {
            true => Err(refuse(400, format!("Invalid reserved-namespace {kind}"))),
            false => Ok(()),
        };
        check("account", &self.account)?;
        check("container", self.container())?;
        let Some(object) = &self.object else { return Ok(()) };
        if self.account.starts_with('.') || self.account == MISPLACED_OBJECTS_ACCOUNT {
            return Ok(());
        }
        check("object", object)?;
        match (is_reserved(self.container().as_bytes()), is_reserved(object.as_bytes())) {
            (true, false) => {
                Err(refuse(400, "Invalid user-namespace object in reserved-namespace container"))
            }
            (false, true) => {
                Err(refuse(400, "Invalid reserved-namespace object in user-namespace container"))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses what would lead out of the folder it names.
pub fn check_placement(device: &str, partition: &str) -> Result<(), Response> {
    for (kind, name) in [("device", device), ("partition", partition)] {
        if name == "." || name == ".." {
            return Err(Response::plain(400, format!("Invalid {kind}: {name}")));
        }
    }
    Ok(())
}

/// The request's X-Timestamp, which a change must carry.
pub fn timestamp(headers: &Headers) -> Result<Timestamp, Response> {
    let text =
        headers.get("X-Timestamp").ok_or_else(|| Response::plain(400, "Missing X-Timestamp header"))?;
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| Response::plain(400, "Invalid X-Timestamp header"))
}

/// Whether a header says yes.
pub fn says_yes(headers: &Headers, name: &str) -> bool {
    headers.get_str(name).is_some_and(is_true)
}

/// A header that the request must have, as what `T` reads from it.
pub fn required<T: std::str::FromStr>(headers: &Headers, name: &str) -> Result<T, Response> {
    let value = headers.get_str(name).and_then(|text| text.trim().parse().ok());
    value.ok_or_else(|| Response::plain(400, format!("Missing or invalid {name} header")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Method;

    fn target(path: &[u8], depth: Depth) -> Result<Target, u16> {
        Target::of(&Request::new(Method::Get, path.to_vec()), depth).map_err(|answer| answer.status)
    }

    #[test]
    fn paths_have_the_depth_that_is_asked_for() {
        let object = target(b"/sda/1/a/c/o/p", Depth::ContainerOrObject).unwrap();
        assert_eq!((object.container(), object.object.as_deref()), ("c", Some("o/p")));
        assert_eq!(target(b"/sda/1/a/c", Depth::ContainerOrObject).unwrap().object, None);
        assert_eq!(target(b"/sda/1/a", Depth::AccountOrContainer).unwrap().container, None);
        for (path, depth) in [
            (&b"/sda/1/a/c"[..], Depth::Account),
            (b"/sda/1/a", Depth::Container),
            (b"/../1/a", Depth::Account),
            (b"/sda/../a", Depth::Account),
            (b"/sda/1/\xff", Depth::Account),
        ] {
            assert_eq!(target(path, depth), Err(400), "{}", path.escape_ascii());
        }
    }

    #[test]
    fn reserved_names_keep_to_themselves() {
        assert!(target(b"/sda/1/a/\0c/\0o", Depth::ContainerOrObject).is_ok());
        assert!(target(b"/sda/1/.a/c/\0o", Depth::ContainerOrObject).is_ok());
        for bad in [&b"/sda/1/a/c/\0o"[..], b"/sda/1/a/\0c/o", b"/sda/1/a/c\0/o", b"/sda/1/a\0/c"] {
            assert_eq!(target(bad, Depth::ContainerOrObject), Err(400), "{}", bad.escape_ascii());
        }
    }
}
