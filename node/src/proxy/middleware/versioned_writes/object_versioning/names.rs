//! The names of versions: an object's is hidden behind NULs with the inverse of its time, so that listings tell the
//! newest version of an object first.

use swiftlet_types::Timestamp;

/// Begins and divides names of the reserved name space.
const NUL: char = '\0';
/// Times are inverted by what is missing to this, in ticks.
const LAST_TICK: u64 = 999_999_999_999_999;

/// The hidden container of versions; `None` for a container that is hidden itself.
pub fn versions_container(container: &str) -> Option<String> {
    (!container.contains(NUL)).then(|| format!("{NUL}versions{NUL}{container}"))
}

/// The container whose versions `hidden` keeps; `hidden` itself if it keeps none.
pub fn split_versions_container(hidden: &str) -> &str {
    match split(hidden).as_deref() {
        Some(["versions", container]) => container,
        _ => hidden,
    }
}

/// What the names of an object's versions begin with; `None` for a name that can have none.
pub fn version_prefix(object: &str) -> Option<String> {
    (!object.contains(NUL)).then(|| format!("{NUL}{object}{NUL}"))
}

/// The name of an object's version of some time; `None` where there can be none.
pub fn version_object(object: &str, time: Timestamp) -> Option<String> {
    Some(format!("{}{}", version_prefix(object)?, inverse(time)?.internal()))
}

/// What orders against its like as `time` does the other way round: its own inverse. An offset makes a time later by
/// less than a tick, so its inverse is a tick earlier and later by what is left of it. The last tick has none with an offset.
fn inverse(time: Timestamp) -> Option<Timestamp> {
    let earlier = u64::from(time.offset() != 0);
    let ticks = LAST_TICK.checked_sub(time.ticks())?.checked_sub(earlier)?;
    Some(Timestamp::from_ticks(ticks)?.with_offset(time.offset().wrapping_neg()))
}

/// The object and the version id that a version's name tells.
pub fn parse_version_object(name: &str) -> Option<(String, String)> {
    match split(name).as_deref() {
        Some([object, inverted]) => Some(((*object).to_owned(), inverse(inverted.parse().ok()?)?.internal())),
        _ => None,
    }
}

/// The parts of a name of the reserved name space.
pub fn split(name: &str) -> Option<Vec<&str>> {
    Some(name.strip_prefix(NUL)?.split(NUL).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_swifts() {
        let time: Timestamp = "1700000000.12345".parse().unwrap();
        // what Swift's build_versions_object_name gives
        assert_eq!(version_object("o", time).as_deref(), Some("\0o\08299999999.87654"));
        let told = parse_version_object("\0o\08299999999.87654");
        assert_eq!(told, Some(("o".to_owned(), "1700000000.12345".to_owned())));
        assert_eq!(versions_container("c").as_deref(), Some("\0versions\0c"));
        assert_eq!(split_versions_container("\0versions\0c"), "c");
        assert_eq!(split_versions_container("\0other\0c"), "\0other\0c");
        for none in ["o", "\0o", "\0o\0x", "\0o\08299999999.87654\0"] {
            assert_eq!(parse_version_object(none), None, "{none:?}");
        }
        let later = "\0o\08299999999.87653_ffffffffffffffff";
        assert_eq!(version_object("o", time.with_offset(1)).as_deref(), Some(later));
        let told = parse_version_object(later);
        assert_eq!(told, Some(("o".to_owned(), "1700000000.12345_0000000000000001".to_owned())));
        assert_eq!(version_object("\0o", time), None);
    }

    proptest! {
        #[test]
        fn the_newest_comes_first(a in 0..=LAST_TICK, b in 0..=LAST_TICK) {
            let name = |ticks| version_object("o", Timestamp::from_ticks(ticks).unwrap()).unwrap();
            prop_assert_eq!(a.cmp(&b), name(b).cmp(&name(a)));
            let (object, id) = parse_version_object(&name(a)).unwrap();
            prop_assert_eq!((object.as_str(), id.parse::<Timestamp>().unwrap().ticks()), ("o", a));
        }
    }
}
