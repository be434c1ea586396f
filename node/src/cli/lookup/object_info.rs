//! `swift-object-info`: what an object file on a device says of itself, and whether its bytes agree.

use super::cluster::{Cluster, POLICY_NAME, SWIFT_DIR_OPTION};
use super::locations::{self, Item, Shown, Target};
use super::{DROP_PREFIXES, one_file};
use crate::cli::optparse::{Given, HELP, Known, Program};
use anyhow::{Context, bail};
use md5::{Digest, Md5};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use swiftlet_ring::Ring;
use swiftlet_storage::object::{Metadata, ReadMetadataError, open_with_metadata};
use swiftlet_types::Policies;
use swiftlet_types::names::unquote_plus;
use swiftlet_types::policy::{index_of_path_name, path_name};
use swiftlet_types::timestamp::Timestamp;

const PROGRAM: Program = Program {
    name: "swift-object-info",
    usage: "swift-object-info [options] OBJECT_FILE",
    options_help: "  -n, --no-check-etag   do not read the bytes to compare them with the ETag
  -d SWIFT_DIR, --swift-dir=SWIFT_DIR
                        the folder of swift.conf and rings [/etc/swift]
  --drop-prefixes       show metadata without the prefix that its section has in common
  -P POLICY_NAME, --policy-name=POLICY_NAME
                        the object's storage policy",
    known: &[
        Known { letter: Some('n'), name: "no-check-etag", has_value: false },
        SWIFT_DIR_OPTION,
        DROP_PREFIXES,
        POLICY_NAME,
        HELP,
    ],
};

/// Read at once to compute the MD5.
const READ_LEN: usize = 1 << 16;

/// Runs the tool.
pub(super) fn run(arguments: &[OsString], out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let (given, file) = match one_file(&PROGRAM, arguments) {
        Ok(given) => given,
        Err(code) => return Ok(code),
    };
    let cluster = Cluster::of(&given)?;
    show(&given, Path::new(&file), &cluster, out)
}

fn show(given: &Given, path: &Path, cluster: &Cluster, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if !path.exists() {
        writeln!(out, "Data file doesn't exist")?;
        return Ok(ExitCode::FAILURE);
    }
    if path.is_dir() {
        bail!("{} is a folder", path.display());
    }
    let (policy, ring) = find_ring(path, given.value(POLICY_NAME.name), cluster, out)?;
    let (mut file, metadata) = open_with_metadata(path).with_context(|| path.display().to_string())?;
    let mut metadata = match metadata {
        Ok(metadata) => metadata,
        Err(ReadMetadataError::Format(_)) => {
            writeln!(out, "Invalid metadata")?;
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    if metadata.is_empty() {
        bail!("{}: there is no metadata", path.display());
    }
    let [etag, length, name] = ["ETag", "Content-Length", "name"].map(|field| take(&mut metadata, field));
    let names = Names::of(&name);
    if !name.is_empty() && names.is_none() {
        bail!("Path is invalid for object {}", name.escape_ascii());
    }
    let time = take_time(&mut metadata)?;
    print_path(out, &name, names.as_ref(), cluster)?;
    print_metadata(out, metadata, time, given.has(DROP_PREFIXES.name))?;
    compare_bytes(out, &mut file, &etag, &length, !given.has("no-check-etag"))?;
    let names = names.with_context(|| format!("{}: it does not say its name", path.display()))?;
    if let Some(ring) = ring {
        let [account, container, object] = names.texts();
        let item = Item { account: &account, container: &container, object: &object };
        let data_dir = path_name("objects", policy);
        let shown = Shown { data_dir: &data_dir, policy: Some(policy), all_handoffs: false };
        locations::print(out, &ring, &Target::Item(item, &cluster.hash), &shown)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The storage policy that the file's place tells, and its ring where there is one.
fn find_ring(
    path: &Path,
    policy_name: Option<&str>,
    cluster: &Cluster,
    out: &mut dyn Write,
) -> anyhow::Result<(u32, Option<Ring>)> {
    let policy = policy_of(&std::path::absolute(path)?, &cluster.policies);
    let ring = cluster.ring_if_any(&path_name("object", policy))?;
    let Some(named) = policy_name.and_then(|name| cluster.policies.by_name(name)).map(|named| named.index)
    else {
        return Ok((policy, ring));
    };
    if named != policy {
        writeln!(out, "WARNING: Ring does not match policy!\nDouble check your policy name!")?;
    }
    match ring {
        None if named != 0 => Ok((policy, Some(cluster.object_ring(named)?))),
        ring => Ok((policy, ring)),
    }
}

/// The policy of the last folder called `objects…` in `path`; where that is no policy's, policy 0.
fn policy_of(path: &Path, policies: &Policies) -> u32 {
    let path = path.to_string_lossy();
    let folder = path.rfind("objects").and_then(|at| path[at..].split_once('/')).map(|(folder, _)| folder);
    let index = folder.and_then(|folder| index_of_path_name("objects", folder));
    index.filter(|index| policies.by_index(*index).is_some()).unwrap_or(0)
}

/// Takes a field out; empty where there is none.
fn take(metadata: &mut Metadata, field: &str) -> Vec<u8> {
    metadata.remove(field).map(|value| value.to_vec()).unwrap_or_default()
}

/// Takes the time out; the epoch where there is none.
fn take_time(metadata: &mut Metadata) -> anyhow::Result<Timestamp> {
    match metadata.remove("X-Timestamp") {
        None => Ok(Timestamp::ZERO),
        Some(text) => Ok(std::str::from_utf8(&text)?.parse()?),
    }
}

/// Account, container and object of a name `/account/container/object`.
struct Names<'a>([&'a [u8]; 3]);

impl<'a> Names<'a> {
    fn of(name: &'a [u8]) -> Option<Self> {
        let mut parts = name.splitn(4, |byte| *byte == b'/').skip(1);
        Some(Self([parts.next()?, parts.next()?, parts.next()?]))
    }

    fn texts(&self) -> [String; 3] {
        self.0.map(|part| String::from_utf8_lossy(part).into_owned())
    }
}

fn print_path(
    out: &mut dyn Write,
    name: &[u8],
    names: Option<&Names<'_>>,
    cluster: &Cluster,
) -> io::Result<()> {
    let Some(Names([account, container, object])) = names else {
        return writeln!(out, "Path: Not found in metadata");
    };
    let hash = cluster.hash.object(account, container, object).hex();
    for (title, value) in [
        ("Path", name),
        ("  Account", account),
        ("  Container", container),
        ("  Object", object),
        ("  Object hash", hash.as_bytes()),
    ] {
        print_field(out, title.as_bytes(), value)?;
    }
    Ok(())
}

/// A line `name: value`, whatever bytes they are.
fn print_field(out: &mut dyn Write, name: &[u8], value: &[u8]) -> io::Result<()> {
    out.write_all(&[name, b": ", value, b"\n"].concat())
}

const SYSTEM: &str = "x-object-sysmeta-";
const TRANSIENT: &str = "x-object-transient-sysmeta-";
const USER: &str = "x-object-meta-";

fn print_metadata(
    out: &mut dyn Write,
    mut metadata: Metadata,
    time: Timestamp,
    drop_prefixes: bool,
) -> anyhow::Result<()> {
    match &take(&mut metadata, "Content-Type")[..] {
        b"" => writeln!(out, "Content-Type: Not found in metadata")?,
        content_type => print_field(out, b"Content-Type", content_type)?,
    }
    match time {
        Timestamp::ZERO => writeln!(out, "Timestamp: Not found in metadata")?,
        time => writeln!(out, "Timestamp: {} ({})", time.isoformat(), time.internal())?,
    }
    let sections = Sections::of(&metadata, drop_prefixes);
    for (title, fields) in ["System", "Transient System", "User", "Other"].into_iter().zip(&sections.0) {
        writeln!(out, "{title} Metadata:")?;
        for (name, value) in fields {
            print_field(out, &[b"  ", *name].concat(), value)?;
        }
        if fields.is_empty() {
            writeln!(out, "  No metadata found")?;
        }
    }
    let [system, transient, ..] = &sections.0;
    print_crypto(out, "Data", system.get(&b"X-Object-Sysmeta-Crypto-Body-Meta"[..]))?;
    print_crypto(out, "Metadata", transient.get(&b"X-Object-Transient-Sysmeta-Crypto-Meta"[..]))
}

/// Metadata of the system, of the moment, of the user, and the rest, each sorted by name.
struct Sections<'a>([BTreeMap<&'a [u8], &'a [u8]>; 4]);

impl<'a> Sections<'a> {
    fn of(metadata: &'a Metadata, drop_prefixes: bool) -> Self {
        let mut sections = Self(Default::default());
        let prefixes = [SYSTEM, TRANSIENT, USER];
        for (name, value) in metadata.iter() {
            let fits = |prefix: &&str| {
                name.len() > prefix.len() && name[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes())
            };
            let at = prefixes.iter().position(fits);
            let dropped = at.filter(|_| drop_prefixes).map_or(0, |at| prefixes[at].len());
            sections.0[at.unwrap_or(prefixes.len())].insert(&name[dropped..], value);
        }
        sections
    }
}

/// How something is encrypted, as Python shows JSON.
fn print_crypto(out: &mut dyn Write, of: &str, value: Option<&&[u8]>) -> anyhow::Result<()> {
    let Some(value) = value else { return Ok(()) };
    let bad = || format!("{of} crypto meta is no JSON object: {}", value.escape_ascii());
    let details: BTreeMap<String, Value> = serde_json::from_slice(&unquote_plus(value)).with_context(bad)?;
    let details = details.into_iter().map(|(name, value)| (name, sorted(value))).collect();
    let text = serde_json::to_string_pretty(&Value::Object(details))?;
    write!(out, "{of} crypto details: ")?;
    for c in text.chars() {
        match c.is_ascii() {
            true => write!(out, "{c}")?,
            false => c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))?,
        }
    }
    Ok(writeln!(out)?)
}

/// `value` with the names of its objects in order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let map: BTreeMap<_, _> = map.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            Value::Object(map.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// Tells whether ETag and length are those of the bytes.
fn compare_bytes(
    out: &mut dyn Write,
    file: &mut File,
    etag: &[u8],
    length: &[u8],
    check_etag: bool,
) -> anyhow::Result<()> {
    let shown = String::from_utf8_lossy(etag);
    let file_len = if check_etag {
        let (md5, len) = md5_and_len(file)?;
        match etag {
            b"" => writeln!(out, "ETag: Not found in metadata")?,
            etag if etag == md5.as_bytes() => writeln!(out, "ETag: {shown} (valid)")?,
            _ => writeln!(out, "ETag: {shown} doesn't match file hash of {md5}!")?,
        }
        len
    } else {
        writeln!(out, "ETag: {shown} (not checked)")?;
        file.metadata()?.len()
    };
    let length = std::str::from_utf8(length)?;
    if length.is_empty() {
        writeln!(out, "Content-Length: Not found in metadata")?;
        return Ok(());
    }
    let number =
        swiftlet_types::python::int(length).with_context(|| format!("Content-Length is {length:?}"))?;
    match u64::try_from(number) == Ok(file_len) {
        true => writeln!(out, "Content-Length: {length} (valid)")?,
        false => writeln!(out, "Content-Length: {length} doesn't match file length of {file_len}")?,
    }
    Ok(())
}

fn md5_and_len(file: &mut File) -> io::Result<(String, u64)> {
    let (mut md5, mut len) = (Md5::new(), 0);
    let mut chunk = vec![0; READ_LEN];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok((hex::encode(md5.finalize()), len)),
            Ok(read) => {
                md5.update(&chunk[..read]);
                len += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_place_tells_its_policy() {
        let ini = "[storage-policy:0]\nname=a\ndefault=yes\n[storage-policy:1]\nname=b\n";
        let ini = swiftlet_types::conf::Ini::parse("swift.conf", ini).unwrap();
        let policies = Policies::from_ini(&ini).unwrap();
        for (path, policy) in [
            ("/srv/node/sda/objects-1/0/abc/d/1.data", 1),
            ("/srv/node/sda/objects/0/abc/d/1.data", 0),
            ("/srv/node/sda/objects-7/0/abc/d/1.data", 0),
            ("/srv/objects-1/node/objects/0/1.data", 0),
            ("/tmp/1.data", 0),
            ("/tmp/objects-1", 0),
        ] {
            assert_eq!(policy_of(Path::new(path), &policies), policy, "{path}");
        }
    }

    #[test]
    fn metadata_is_sorted_into_sections() {
        let mut metadata = Metadata::new();
        for name in ["X-Object-Meta-b", "x-object-meta-a", "X-Object-Meta-", "X-Object-Sysmeta-s", "Extra"] {
            metadata.set(name, "v");
        }
        let names =
            |drop| Sections::of(&metadata, drop).0.map(|fields| fields.into_keys().collect::<Vec<_>>());
        assert_eq!(names(true)[2], [&b"a"[..], b"b"]);
        assert_eq!(names(false)[0], [b"X-Object-Sysmeta-s"]);
        assert_eq!(names(true)[3], [&b"Extra"[..], b"X-Object-Meta-"]);
    }

    #[test]
    fn encryption_is_shown_as_python_does() {
        let show = |value: &[u8]| {
            let mut out = Vec::new();
            print_crypto(&mut out, "Data", Some(&value)).map(|()| String::from_utf8(out).unwrap())
        };
        let shown =
            show(b"%7B%22key%22%3A+%7B%22z%22%3A+1,%22a%22%3A%22%C3%BC%22%7D%2C+%22iv%22%3A+%5B%5D%7D")
                .unwrap();
        let lines =
            ["{", "  \"iv\": [],", "  \"key\": {", "    \"a\": \"\\u00fc\",", "    \"z\": 1", "  }", "}\n"];
        assert_eq!(shown, format!("Data crypto details: {}", lines.join("\n")));
        for bad in [&b"nonsense"[..], b"[]", b"\xff"] {
            assert!(show(bad).is_err());
        }
    }

    #[test]
    fn names_have_three_parts() {
        assert_eq!(Names::of(b"/a/c/o/p").unwrap().texts(), ["a", "c", "o/p"]);
        for bad in [&b""[..], b"a", b"/a/c"] {
            assert!(Names::of(bad).is_none());
        }
    }
}
