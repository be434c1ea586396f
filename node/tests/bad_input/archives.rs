//! Archives that are bombs, play tricks with paths, hold what are no files, or end too early.

use super::cluster::{A, Answer, cluster};
use async_compression::tokio::write::BzEncoder;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use tar::{EntryType, Header};
use tokio::io::AsyncWriteExt;

/// A header with any name, which `tar` itself would refuse to write.
fn header(name: &[u8], size: u64, kind: EntryType) -> Header {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

/// An archive of these entries; only files have bytes.
fn entries(entries: &[(&[u8], EntryType, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, kind, bytes) in entries {
        archive.extend_from_slice(header(name, bytes.len() as u64, *kind).as_bytes());
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// An archive of files.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let files: Vec<_> =
        files.iter().map(|(name, bytes)| (name.as_bytes(), EntryType::Regular, *bytes)).collect();
    entries(&files)
}

/// An archive of that many zeros, under a name that nothing could be stored under, so that only unpacking counts; and of a
/// file behind them.
pub fn bomb(bytes: usize) -> Vec<u8> {
    entries(&[(b"\xff", EntryType::Regular, &vec![0; bytes]), (b"after", EntryType::Regular, b"x")])
}

/// The same packed.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all")
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut encoder = BzEncoder::new(Vec::new());
        encoder.write_all(bytes).await.expect("memory takes all");
        encoder.shutdown().await.expect("memory takes all");
        encoder.into_inner()
    })
}

fn extract(path: &str, kind: &str, archive: &[u8]) -> Answer {
    let answer = cluster().ask(
        "PUT",
        &format!("{path}?extract-archive={kind}"),
        &["Accept: application/json"],
        archive,
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

#[test]
fn names_lead_nowhere_else() {
    let container = cluster().container("tricks");
    let file = |name: &'static [u8]| (name, EntryType::Regular, &b"x"[..]);
    let names = [file(b"../../up"), file(b"/absolute"), file(b"./here"), file(b"a/../b"), file(b"c//d")];
    let report = extract(&container, "tar", &entries(&names)).text();
    assert!(report.contains("201 Created"), "{report}");
    assert_eq!(cluster().names_in(&container), ["../../up", "a/../b", "absolute", "c//d", "here"]);
    assert_eq!(cluster().ask("HEAD", &format!("{A}/up"), &[], b"").status, 404);
}

#[test]
fn what_is_no_file_is_passed_over() {
    let container = cluster().container("kinds");
    let kinds = [EntryType::Link, EntryType::Symlink, EntryType::Char, EntryType::Block, EntryType::Fifo];
    let mut all: Vec<(&[u8], EntryType, &[u8])> =
        kinds.iter().map(|kind| (&b"odd"[..], *kind, &b""[..])).collect();
    all.extend([(&b"folder"[..], EntryType::Directory, &b""[..]), (b"file", EntryType::Regular, b"x")]);
    let report = extract(&container, "tar", &entries(&all)).text();
    assert!(report.contains(r#""Number Files Created": 1"#), "{report}");
    assert_eq!(cluster().names_in(&container), ["file"]);
}

#[test]
fn a_file_over_the_limit_is_refused_before_it_is_read() {
    let container = cluster().container("claims");
    let mut claim = header(b"large", 0, EntryType::Regular);
    claim.set_size(6 << 30);
    claim.set_cksum();
    let report = extract(&container, "tar", &[&claim.as_bytes()[..], &[0; 4096]].concat()).text();
    assert!(report.contains("400 Bad Request"), "{report}");
    assert!(cluster().names_in(&container).is_empty());
}

#[test]
fn archives_cut_short_store_whole_files_alone() {
    let noise: Vec<u8> = (0..400_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let whole = tar(&[("one", b"1"), ("two", &noise)]);
    for (kind, archive) in [("tar", whole.clone()), ("tar.gz", gzip(&whole)), ("tar.bz2", bzip2(&whole))] {
        let container = cluster().container(&format!("cut-{kind}"));
        for length in [0, 10, 100, archive.len() / 2, archive.len() - archive.len() / 8] {
            let report = extract(&container, kind, &archive[..length]).text();
            assert!(report.contains("\"Response Status\": \"400 Bad Request\""), "{kind} {length}: {report}");
        }
        let names = cluster().names_in(&container);
        assert!(!names.contains(&"two".to_owned()), "{kind}: {names:?}");
        let report = extract(&container, kind, &archive).text();
        assert!(report.contains(r#""Number Files Created": 2"#), "{kind}: {report}");
    }
    cluster().assert_nothing_half_written();
}
