use super::*;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use swiftlet_testing::run_python;

const OLD: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
const NEW: &str = "cmVkYmx1ZWdyZWVucmVkYmx1ZWdyZWVucmVkYmx1ZSE=";
const FOREIGN: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const LIFE_S: u64 = 1000;

fn options<'a>(more: &[(&'a str, &'a str)]) -> BTreeMap<&'a str, &'a str> {
    [("fernet_key_old", OLD), ("fernet_key_new", NEW), ("active_fernet_key_id", "new")]
        .iter()
        .chain(more)
        .copied()
        .collect()
}

fn read(options: &BTreeMap<&str, &str>) -> Result<FernetKeys, OptionError> {
    let section = Options::new("p.conf", "filter:tempauth");
    FernetKeys::read(&options.iter().fold(section, |section, (option, value)| section.with(option, value)))
}

fn keys() -> FernetKeys {
    read(&options(&[])).unwrap()
}

/// Groups that compress well.
fn many_groups() -> String {
    (0..200).map(|i| format!("AUTH_group{i}")).collect::<Vec<_>>().join(",")
}

fn seal(key: &str, groups: &str) -> String {
    format!("AUTH_ftk{}", Key::parse(key).unwrap().seal(groups.as_bytes()))
}

/// `token` with the byte at `at` of what the base64 holds changed.
fn tampered(token: &str, at: usize) -> String {
    let mut bytes = base64_bytes(token.strip_prefix("AUTH_ftk").unwrap()).unwrap();
    bytes[at] ^= 1;
    format!("AUTH_ftk{}", URL_SAFE.encode(bytes))
}

/// Tokens of ours, good and bad.
fn tokens() -> Vec<String> {
    let good = seal(NEW, "test,test:tester");
    let mut tokens = vec![
        keys().seal("AUTH_", "test,test:tester").unwrap(),
        keys().seal("AUTH_", &many_groups()).unwrap(),
        seal(OLD, "test,test:tester"),
        seal(NEW, "gr\u{fc}n,gr\u{fc}n:\u{2603}"),
        seal(NEW, ""),
        seal(FOREIGN, "test,test:tester"),
        good.replace("ftk", "zftk"),
        good.replace("ftk", "tk"),
        good.replace("AUTH_", ""),
        good.trim_end_matches('=').to_owned(),
        good[..good.len() - 4].to_owned(),
        good[..40].to_owned(),
        "AUTH_ftk".into(),
        "AUTH_zftk".into(),
        "AUTH_ftk====".into(),
        "AUTH_ftk!not base64!".into(),
        format!("AUTH_ftk{}", "A".repeat(100_000)),
    ];
    // The version, the time, the vector, the content, the end of it, the MAC.
    tokens.extend([0, 1, 8, 9, 25, 50, 80].map(|at| tampered(&good, at)));
    tokens
}

#[derive(Deserialize)]
struct Theirs {
    token: String,
    sealed: Vec<String>,
    groups: Vec<Option<String>>,
}

#[test]
fn tokens_are_read_as_python_reads_them_in_both_directions() {
    let ask = |key: &str, kind: &str, groups: &str, age: i64| json!({"key": key, "kind": kind, "groups": groups, "age": age});
    let life_s = LIFE_S as i64;
    let asked = [
        ask(NEW, "ftk", "test,test:tester", 0),
        ask(OLD, "ftk", "test,test:tester", life_s - 30),
        ask(OLD, "ftk", "test,test:tester", life_s + 2),
        ask(NEW, "ftk", "ahead", -30),
        ask(NEW, "ftk", "too far ahead", -90),
        ask(NEW, "zftk", &many_groups(), 0),
        ask(NEW, "zftk", "short", 0),
        ask(NEW, "zftk", &many_groups(), life_s + 2),
        ask(FOREIGN, "ftk", "test,test:tester", 0),
    ];
    let (life, user) = (LIFE_S.to_string(), ("user_test_tester", "testing .admin"));
    let setup =
        json!({"options": options(&[("token_life", &life), user]), "asked": asked, "tokens": tokens()});
    let theirs = run_python(include_str!("tests.py"), &[], &setup.to_string());
    let theirs: Theirs = serde_json::from_str(&theirs).unwrap();
    for (token, groups) in theirs.sealed.iter().chain(&tokens()).zip(&theirs.groups) {
        // Ours are new each time: what Python says of their like holds for them.
        assert_eq!(keys().open("AUTH_", token, LIFE_S).as_ref(), groups.as_ref(), "{token:.60}");
    }
    let read = theirs.groups.iter().flatten().count();
    assert_eq!(read, 9, "as many good ones there are: {:?}", theirs.groups);
    assert_eq!(
        keys().open("AUTH_", &theirs.token, LIFE_S).as_deref(),
        Some("test,test:tester,AUTH_test"),
        "the one that Python's user got"
    );
}

#[test]
fn groups_are_compressed_where_that_is_shorter() {
    assert!(keys().seal("AUTH_", "a,a:b").unwrap().starts_with("AUTH_ftk"));
    assert!(keys().seal("", &many_groups()).unwrap().starts_with("zftk"));
}

#[test]
fn a_key_that_is_taken_away_ends_its_tokens() {
    let token = seal(OLD, "a,a:b");
    assert!(keys().open("AUTH_", &token, LIFE_S).is_some());
    let without = BTreeMap::from([("fernet_key_new", NEW)]);
    assert_eq!(read(&without).unwrap().open("AUTH_", &token, LIFE_S), None);
    assert_eq!(read(&without).unwrap().seal("AUTH_", "a,a:b"), None, "no key is active");
}

#[test]
fn what_unpacks_to_more_than_any_user_has_is_no_token() {
    let bomb = compressed(&vec![b'a'; MAX_GROUPS_BYTES as usize + 1]).unwrap();
    let token = format!("AUTH_zftk{}", Key::parse(NEW).unwrap().seal(&bomb));
    assert_eq!(keys().open("AUTH_", &token, LIFE_S), None);
}

#[test]
fn bad_keys_stop_the_start_without_showing_them() {
    let error = |option: &'static str, value: &'static str| {
        read(&options(&[(option, value)])).err().unwrap().to_string()
    };
    for value in ["secret", "", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4", "c2VjcmV0"] {
        assert_eq!(
            error("fernet_key_x", value),
            "p.conf [filter:tempauth] fernet_key_x: \"\" is not the URL-safe base64 of 32 bytes, with its ="
        );
    }
    assert!(error("fernet_keyring", NEW).contains("fernet_keyring: \"\" is not called fernet_key_<id>"));
    assert!(
        error("active_fernet_key_id", "lost")
            .ends_with("is the id of no fernet_key_<id>; there are: new, old")
    );
}
