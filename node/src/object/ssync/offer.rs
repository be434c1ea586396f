//! The lines of a missing check: what is offered of an object, and which parts of it are wanted.
//!
//! `<hash> <data time>[ m:<hex ticks to the metadata's time>[__<hex offset>][,t:<the same to the content type's>]
//! [,durable:False]]`, the last of a fragment that was not committed, is answered by `<hash> dm`, `d` for data and `m` for metadata, where something is wanted.

use swiftlet_storage::object::summary::Summary;
use swiftlet_types::Timestamp;
use swiftlet_types::conf::is_true;
use swiftlet_types::hash_path::PathHash;
use swiftlet_types::names::unquote;

/// The line that offers `object`.
pub(in crate::object) fn encode(object: &Summary) -> String {
    let mut line = format!("{} {}", object.hash, object.data.internal());
    let later = |time: Option<Timestamp>| time.filter(|time| *time != object.data);
    let mut separator = ' ';
    let mut add = |key: &str, value: &str| {
        line.push(std::mem::replace(&mut separator, ','));
        line.push_str(key);
        line.push_str(value);
    };
    if let Some(meta) = later(object.meta) {
        add("m:", &distance(object.data, meta));
        if let Some(content_type) = later(object.content_type) {
            add("t:", &distance(object.data, content_type));
        }
    }
    if !object.durable {
        add("durable:", "False");
    }
    line
}

/// How far `to` is from `from`, in ticks, and its offset.
fn distance(from: Timestamp, to: Timestamp) -> String {
    let (sign, ticks) = match to.ticks() >= from.ticks() {
        true => ("", to.ticks() - from.ticks()),
        false => ("-", from.ticks() - to.ticks()),
    };
    match to.offset() {
        0 => format!("{sign}{ticks:x}"),
        offset => format!("{sign}{ticks:x}__{offset:x}"),
    }
}

/// Reads a line that offers an object; `None` where it is none. Parts of it that are not known are passed over.
pub(in crate::object) fn decode(line: &[u8]) -> Option<Summary> {
    let mut parts = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let mut text = || parts.next().map(|part| String::from_utf8(unquote(part)).ok());
    let hash = PathHash::from_hex(&text()??)?;
    let data: Timestamp = text()??.parse().ok()?;
    let mut object = Summary { hash, data, meta: None, content_type: None, durable: true };
    let rest = text().unwrap_or(Some(String::new()))?;
    for (key, value) in rest.split(',').filter_map(|item| item.split_once(':')) {
        match key {
            "m" => object.meta = Some(at_distance(data, value)?),
            "t" => object.content_type = Some(at_distance(data, value)?),
            "durable" => object.durable = is_true(value),
            _ => {}
        }
    }
    Some(object)
}

fn at_distance(from: Timestamp, text: &str) -> Option<Timestamp> {
    let (ticks, offset) = text.split_once("__").unwrap_or((text, ""));
    let offset = if offset.is_empty() { 0 } else { u64::from_str_radix(offset, 16).ok()? };
    Some(from.plus_ticks(i64::from_str_radix(ticks, 16).ok()?)?.with_offset(offset))
}

/// Which parts of an object are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::object) struct Wanted {
    /// Its `.data` or `.ts` file.
    pub data: bool,
    /// Its `.meta` files.
    pub meta: bool,
}

/// What an object server has of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::object) enum Local {
    /// Nothing that is of use.
    Nothing,
    /// A tombstone, or something that is as good as one: nothing older is wanted.
    Deleted(Timestamp),
    /// The object.
    Object {
        /// When it was put.
        data: Timestamp,
        /// When its metadata last changed.
        meta: Timestamp,
        /// When its content type was last set.
        content_type: Timestamp,
    },
}

impl Local {
    /// The same where an object of `time` is here that does not count yet.
    pub fn with_uncommitted(self, time: Timestamp) -> Self {
        match self {
            Self::Object { meta, content_type, .. } => Self::Object { data: time, meta, content_type },
            Self::Nothing | Self::Deleted(_) => Self::Deleted(time),
        }
    }
}

impl Wanted {
    /// What is wanted of `offered` by who has `local`; `None`: nothing.
    pub fn of(offered: &Summary, local: Local) -> Option<Self> {
        let meta = offered.meta.unwrap_or(offered.data);
        let content_type = offered.content_type.unwrap_or(offered.data);
        let wanted = match local {
            Local::Nothing => Self { data: true, meta: true },
            Local::Deleted(data) => Self { data: offered.data > data, meta: false },
            Local::Object { data, meta: own_meta, content_type: own_type } => Self {
                data: offered.data > data,
                meta: meta > own_meta || (content_type > own_type && content_type > offered.data),
            },
        };
        (wanted.data || wanted.meta).then_some(wanted)
    }

    /// The line that asks for them.
    pub fn encode(self, hash: &PathHash) -> String {
        format!("{hash} {}{}", if self.data { "d" } else { "" }, if self.meta { "m" } else { "" })
    }

    /// Reads such a line; without letters that are known, data is meant. `None` where it is none.
    pub fn decode(line: &[u8]) -> Option<(PathHash, Self)> {
        let mut parts = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
        let hash = PathHash::from_hex(&String::from_utf8(unquote(parts.next()?)).ok()?)?;
        let letters = parts.next().unwrap_or_default();
        let wanted = Self { data: letters.contains('d'), meta: letters.contains('m') };
        let is_known = wanted.data || wanted.meta;
        Some((hash, if is_known { wanted } else { Self { data: true, meta: false } }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HASH: &str = "9d41d8cd98f00b204e9800998ecf0abc";

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn object(data: &str, meta: Option<&str>, content_type: Option<&str>) -> Summary {
        let hash = PathHash::from_hex(HASH).unwrap();
        let (meta, content_type) = (meta.map(time), content_type.map(time));
        Summary { hash, data: time(data), meta, content_type, durable: true }
    }

    #[test]
    fn offers_are_written_as_python_does() {
        // from Swift's test/unit/obj/test_ssync_sender.py, TestModuleMethods.test_encode_missing
        for (object, line) in [
            (object("1402446541.47230", None, None), format!("{HASH} 1402446541.47230")),
            (
                object("1402446541.47230", Some("1402446543.47230"), None),
                format!("{HASH} 1402446541.47230 m:30d40"),
            ),
            (
                object("1402446541.47230", Some("1402446543.47230"), Some("1402446542.47230")),
                format!("{HASH} 1402446541.47230 m:30d40,t:186a0"),
            ),
            (
                object("1402446541.47230_2", Some("1402446543.47230_4"), None),
                format!("{HASH} 1402446541.47230_0000000000000002 m:30d40__4"),
            ),
            (object("1402446541.47230", Some("1402446541.47230"), None), format!("{HASH} 1402446541.47230")),
            (
                Summary { durable: false, ..object("1402446541.47230", None, None) },
                format!("{HASH} 1402446541.47230 durable:False"),
            ),
            (
                Summary { durable: false, ..object("1402446541.47230", Some("1402446543.47230"), None) },
                format!("{HASH} 1402446541.47230 m:30d40,durable:False"),
            ),
        ] {
            assert_eq!(encode(&object), line);
            let decoded = decode(line.as_bytes()).unwrap();
            assert_eq!(encode(&decoded), line);
        }
    }

    #[test]
    fn what_is_not_known_is_passed_over_and_what_is_wrong_refused() {
        let line = |rest: &str| decode(format!("{HASH} {rest}").as_bytes());
        let read = line("1402446541.47230 x:1,,m:1,durable:False").unwrap();
        assert_eq!((read.meta, read.durable), (Some(time("1402446541.47231")), false));
        for bad in ["", "x", "1402446541.47230 m:x", "1402446541.47230 m:-ffffffffffff", "1 m:1__x"] {
            assert_eq!(line(bad), None, "{bad:?}");
        }
        for bad in [&b"../../etc 1"[..], b"9D41d8cd98f00b204e9800998ecf0abc 1", b"\xff", b""] {
            assert_eq!(decode(bad), None);
        }
    }

    #[test]
    fn newer_parts_are_wanted() {
        let offered = object("10", Some("30"), Some("20"));
        let wanted = |local| {
            Wanted::of(&offered, local)
                .map(|wanted| wanted.encode(&offered.hash)[HASH.len() + 1..].to_owned())
        };
        let has = |data, meta, content_type| Local::Object {
            data: time(data),
            meta: time(meta),
            content_type: time(content_type),
        };
        assert_eq!(wanted(Local::Nothing).as_deref(), Some("dm"));
        assert_eq!(wanted(Local::Deleted(time("9"))).as_deref(), Some("d"));
        assert_eq!(wanted(Local::Deleted(time("10"))), None);
        assert_eq!(wanted(has("9", "9", "9")).as_deref(), Some("dm"));
        assert_eq!(wanted(has("10", "30", "20")), None);
        assert_eq!(wanted(has("10", "30", "10")).as_deref(), Some("m"));
        assert_eq!(wanted(has("10", "29", "20")).as_deref(), Some("m"));
        assert_eq!(wanted(has("11", "31", "21")), None);
        assert_eq!(wanted(Local::Nothing.with_uncommitted(offered.data)), None);
        assert_eq!(wanted(has("9", "9", "9").with_uncommitted(offered.data)).as_deref(), Some("m"));
    }

    #[test]
    fn an_old_receiver_wants_data() {
        let decoded = Wanted::decode(HASH.as_bytes()).unwrap();
        assert_eq!(decoded, (PathHash::from_hex(HASH).unwrap(), Wanted { data: true, meta: false }));
        assert_eq!(
            Wanted::decode(format!("{HASH} m").as_bytes()).unwrap().1,
            Wanted { data: false, meta: true }
        );
        assert_eq!(Wanted::decode(b":ERROR: 0 'x'"), None);
    }

    proptest! {
        #[test]
        fn what_is_offered_is_read(data in 1u64..1 << 48, meta in proptest::option::of((1u64..1 << 48, 0u64..5)), content_type in proptest::option::of((1u64..1 << 48, 0u64..5)), offset in 0u64..5) {
            let at = |(ticks, offset): (u64, u64)| Timestamp::from_ticks(ticks).unwrap().with_offset(offset);
            let object = Summary { data: at((data, offset)), meta: meta.map(at), content_type: content_type.map(at).filter(|_| meta.is_some()), ..object("1", None, None) };
            let decoded = decode(encode(&object).as_bytes()).unwrap();
            prop_assert_eq!(decoded.data, object.data);
            if object.meta.is_some_and(|meta| meta != object.data) {
                prop_assert_eq!(decoded.meta, object.meta);
                if object.content_type.is_some_and(|time| time != object.data) {
                    prop_assert_eq!(decoded.content_type, object.content_type);
                }
            }
        }

        #[test]
        fn hostile_lines_never_panic(line in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b' '), Just(b':'), Just(b'0'), Just(b'm')], 0..90)) {
            let _ = (decode(&line), Wanted::decode(&line), decode(&[HASH.as_bytes(), b" ", &line].concat()));
        }
    }
}
