//! Where an object's file goes below the target folder: `<account>/<container>/<object>`, as it is wherever a file can
//! be called so.
//!
//! A `%` marks what is not: `%25` for itself, `%` and two hexadecimal digits for control characters and for the dots of
//! `.` and `..`; `%` alone for the nothing between or after slashes; `%~` and an MD5 behind the beginning of a name that
//! is too long; and `%` behind a name that is a folder too. As no name keeps a `%` of its own, no two objects meet.

use md5::{Digest, Md5};
use std::fmt::Write;
use std::path::PathBuf;
use swiftlet_storage::object::ObjectPath;

/// Bytes of one name, so that there is room for what is put behind it (file systems take 255).
const NAME_BYTES_MAX: usize = 200;
/// Bytes of a whole path (the system takes 4096, with the target's own).
const PATH_BYTES_MAX: usize = 3000;
/// What is put behind the path of an object's file to make that of its metadata.
pub(super) const METADATA: &str = "%.json";
/// The folder of objects whose paths are too long as a whole.
const LONG: &str = "%long";

/// The path of an object's file.
pub(super) fn file_path(path: &ObjectPath, is_folder_too: bool) -> PathBuf {
    let parts = [path.account.as_str(), &path.container].into_iter().chain(path.object.split('/'));
    let mut text = parts.map(name_of).collect::<Vec<_>>().join("/");
    if text.len() > PATH_BYTES_MAX {
        return PathBuf::from(LONG).join(md5(&path.name()));
    }
    if is_folder_too {
        text.push('%');
    }
    text.into()
}

/// One name between slashes, as a file can be called.
fn name_of(part: &str) -> String {
    match part {
        "" => return "%".into(),
        "." => return "%2E".into(),
        ".." => return "%2E%2E".into(),
        _ => {}
    }
    let mut name = String::with_capacity(part.len());
    for c in part.chars() {
        match c {
            '%' | '\0'..='\x1f' | '\x7f' => {
                // writing to a String cannot fail
                let _ = write!(name, "%{:02X}", u32::from(c));
            }
            c => name.push(c),
        }
    }
    if name.len() > NAME_BYTES_MAX {
        let end = (0..=NAME_BYTES_MAX - 40).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
        name.truncate(end);
        name += "%~";
        name += &md5(part);
    }
    name
}

fn md5(text: &str) -> String {
    hex::encode(Md5::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    fn of(object: &str) -> String {
        let path = ObjectPath { account: "AUTH_a".into(), container: "c".into(), object: object.into() };
        file_path(&path, false).to_string_lossy().into_owned()
    }

    #[test]
    fn names_stay_as_they_are_where_they_can() {
        assert_eq!(of("holiday/photo ü.jpg"), "AUTH_a/c/holiday/photo ü.jpg");
        for (object, path) in [
            ("../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd"),
            ("a//b/", "a/%/b/%"),
            ("/abs", "%/abs"),
            ("100%", "100%25"),
            ("nul\0\n", "nul%00%0A"),
            (".", "%2E"),
        ] {
            assert_eq!(of(object), format!("AUTH_a/c/{path}"));
        }
        let long = "ü".repeat(500);
        assert!(of(&long).len() < 220 && of(&long) != of(&(long.clone() + "x")));
        let deep = "1234567/".repeat(120) + &"n".repeat(64);
        assert!(of(&deep).starts_with("AUTH_a/c/1234567/"));
        let path = ObjectPath { account: "a".into(), container: "c".into(), object: "o".into() };
        assert_eq!(file_path(&path, true), Path::new("a/c/o%"));
        let endless = ObjectPath { object: "1234567/".repeat(500), ..path };
        assert!(file_path(&endless, false).starts_with("%long"));
    }

    proptest! {
        #[test]
        fn no_name_leaves_the_folder_or_meets_another(a in "(\\.|/|%|a|\0|2|5|E){1,12}", b in "(\\.|/|%|a|\0|2|5|E){1,12}") {
            let (one, two) = (of(&a), of(&b));
            prop_assert!(Path::new(&one).components().all(|part| matches!(part, Component::Normal(_))));
            prop_assert_eq!(Path::new(&one).components().count(), a.matches('/').count() + 3);
            prop_assert_eq!(one == two, a == b);
            prop_assert!(!one.contains('\0'));
        }
    }
}
