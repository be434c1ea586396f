//! Names of the files in a hash folder: `<timestamp>.data|.meta|.ts` and their finer print.

use swiftlet_types::timestamp::{EncodedTimestamps, Timestamp};
use thiserror::Error;

/// A name in a hash folder that no Swift would have written (an rsync temporary, an operator's left-over).
#[derive(Debug, Error, PartialEq, Eq)]
#[error("unexpected file name {name:?} in a hash folder")]
pub struct FileNameError {
    /// The name.
    pub name: String,
}

/// What a file of a hash folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// `.data`: an object's bytes and the metadata of its PUT.
    Data,
    /// `.meta`: the metadata of a POST.
    Meta,
    /// `.ts`: the object is deleted.
    Tombstone,
    /// Any other behind a good timestamp, such as `.durable` of old erasure-coded objects.
    Other,
}

impl Extension {
    /// With its dot, as it stands in a name and in what a suffix hash covers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => ".data",
            Self::Meta => ".meta",
            Self::Tombstone => ".ts",
            Self::Other => "",
        }
    }
}

/// Which fragment of an erasure-coded object a `.data` file is (`TS#FRAG[#d].data`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// The fragment's index in its scheme.
    pub index: u32,
    /// Whether the PUT was committed.
    pub durable: bool,
}

/// A parsed name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    /// The name itself.
    pub text: String,
    /// When the change that it stands for was made.
    pub timestamp: Timestamp,
    /// What the file is.
    pub extension: Extension,
    /// `.meta` with a content type: when that content type was set.
    pub content_type_timestamp: Option<Timestamp>,
    /// `.data` of an erasure-coded object: which fragment.
    pub fragment: Option<Fragment>,
}

impl FileName {
    /// The name of a file of a replicated object.
    pub fn new(timestamp: Timestamp, extension: Extension) -> Self {
        let text = format!("{}{}", timestamp.internal(), extension.as_str());
        Self { text, timestamp, extension, content_type_timestamp: None, fragment: None }
    }

    /// The name of a `.data` file that holds a fragment.
    pub fn fragment(timestamp: Timestamp, fragment: Fragment) -> Self {
        let mark = if fragment.durable { "#d" } else { "" };
        let text = format!("{}#{}{mark}.data", timestamp.internal(), fragment.index);
        let fragment = Some(fragment);
        Self { text, timestamp, extension: Extension::Data, content_type_timestamp: None, fragment }
    }

    /// The name of a `.meta` file that also sets the content type as of `content_type_timestamp`: the signed
    /// hexadecimal difference between the two times, in units of 10 µs, is part of the name.
    pub fn meta_with_content_type(timestamp: Timestamp, content_type_timestamp: Timestamp) -> Self {
        let times =
            EncodedTimestamps { data: timestamp, content_type: Some(content_type_timestamp), meta: None };
        let text = format!("{}.meta", times.encode(true));
        Self {
            text,
            timestamp,
            extension: Extension::Meta,
            content_type_timestamp: Some(content_type_timestamp),
            fragment: None,
        }
    }

    /// Parses `name`.
    pub fn parse(name: &str) -> Result<Self, FileNameError> {
        Self::parse_parts(name).ok_or_else(|| FileNameError { name: name.to_owned() })
    }

    fn parse_parts(name: &str) -> Option<Self> {
        let (stem, extension) = match name.rfind('.') {
            // a leading dot begins no extension
            None | Some(0) => (name, Extension::Other),
            Some(dot) => match &name[dot..] {
                ".data" => (&name[..dot], Extension::Data),
                ".meta" => (&name[..dot], Extension::Meta),
                ".ts" => (&name[..dot], Extension::Tombstone),
                _ => (&name[..dot], Extension::Other),
            },
        };
        let (timestamp, content_type_timestamp, fragment) = match extension {
            Extension::Meta => {
                let times = EncodedTimestamps::parse(stem).ok()?;
                (times.data, times.content_type, None)
            }
            Extension::Data if stem.contains('#') => {
                let (timestamp, fragment) = parse_fragment_stem(stem)?;
                (timestamp, None, Some(fragment))
            }
            _ => (stem.parse().ok()?, None, None),
        };
        Some(Self { text: name.to_owned(), timestamp, extension, content_type_timestamp, fragment })
    }
}

fn parse_fragment_stem(stem: &str) -> Option<(Timestamp, Fragment)> {
    let mut parts = stem.split('#');
    let timestamp = parts.next()?.parse().ok()?;
    let index = parts.next()?.parse().ok()?;
    let durable = parts.next() == Some("d");
    Some((timestamp, Fragment { index, durable }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ts(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn plain_names_round_trip() {
        for (name, extension) in [
            ("1402464677.04188.data", Extension::Data),
            ("1402464677.04188_00000000000000ff.data", Extension::Data),
            ("1402464677.04188.ts", Extension::Tombstone),
            ("1402464677.04188.meta", Extension::Meta),
        ] {
            let parsed = FileName::parse(name).unwrap();
            assert_eq!(parsed.extension, extension);
            assert_eq!(FileName::new(parsed.timestamp, extension), parsed);
        }
    }

    #[test]
    fn content_type_times_are_differences() {
        for (t, c, name) in [
            ("1402464677.04188", "1402464677.04188", "1402464677.04188+0.meta"),
            ("1402464677.04188", "1402464676.04188", "1402464677.04188-186a0.meta"),
            ("1402464677.04188_0000000000000007", "1402464677.04198", "1402464677.04188_7+a.meta"),
        ] {
            let file = FileName::meta_with_content_type(ts(t), ts(c));
            assert_eq!(file.text, name);
            assert_eq!(FileName::parse(name).unwrap(), file);
        }
    }

    #[test]
    fn fragments_and_durable_marks() {
        let file = FileName::parse("1402464677.04188#10#d.data").unwrap();
        assert_eq!(FileName::fragment(file.timestamp, Fragment { index: 10, durable: true }), file);
        assert_eq!(file.fragment, Some(Fragment { index: 10, durable: true }));
        let file = FileName::parse("1402464677.04188#3.data").unwrap();
        assert_eq!(file.fragment, Some(Fragment { index: 3, durable: false }));
        let file = FileName::parse("1402464677.04188.durable").unwrap();
        assert_eq!(file.extension, Extension::Other);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for name in [
            "",
            ".data",
            "x.data",
            "1.2#.data",
            "1.2#-1.data",
            "1402464677.04188+zz.meta",
            ".1.2.data.AbCdEf",
        ] {
            assert_eq!(FileName::parse(name), Err(FileNameError { name: name.to_owned() }));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_name_makes_the_parser_panic(name in "[0-9_.#+a-f-]{0,40}(\\.data|\\.meta|\\.ts)?") {
            let _ = FileName::parse(&name);
        }
    }
}
