//! REPLICATE of several partitions at once: one of the path, and more in a header. Between our own nodes; a server that
//! does not know the header answers as to any REPLICATE.
//!
//! The answer carries the header too. For each partition it has a line of its number and of the length of its pickled
//! hashes, then these. Partitions that would make the answer late or long are left out: they are asked for again.

use crate::http::Headers;
use bytes::Bytes;

/// The header: numbers with commas between them in a request, how many there are in an answer.
pub(super) const HEADER: &str = "X-Backend-Replicate-Partitions";
/// The most partitions that a header may name.
pub(super) const MAX_PARTITIONS: usize = 64;

/// The partitions that a request names beside that of its path; those beyond the limit are passed over. `None` without
/// the header, or where that makes no sense.
pub(super) fn named(headers: &Headers) -> Option<Vec<u64>> {
    let text = headers.get_str(HEADER)?;
    text.split(',').take(MAX_PARTITIONS).map(|number| number.trim().parse().ok()).collect()
}

/// What names `partitions` in a request.
pub(super) fn naming(partitions: &[u32]) -> String {
    partitions.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// Appends the pickled hashes of a partition to an answer.
pub(super) fn write(answer: &mut Vec<u8>, partition: u64, pickled: &[u8]) {
    answer.extend_from_slice(format!("{partition} {}\r\n", pickled.len()).as_bytes());
    answer.extend_from_slice(pickled);
}

/// The partitions of an answer, with their pickled hashes; `None` where it is none.
pub(super) fn read(mut answer: Bytes) -> Option<Vec<(u32, Bytes)>> {
    let mut partitions = Vec::new();
    while !answer.is_empty() {
        let end = answer.iter().take(40).position(|byte| *byte == b'\n')?;
        let line = answer.split_to(end + 1);
        let (partition, len) = std::str::from_utf8(&line).ok()?.trim_end().split_once(' ')?;
        let (partition, len) = (partition.parse().ok()?, len.parse().ok()?);
        if len > answer.len() {
            return None;
        }
        partitions.push((partition, answer.split_to(len)));
    }
    Some(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut answer = Vec::new();
        assert_eq!(read(Bytes::new()), Some(vec![]));
        write(&mut answer, 7, b"seven\n");
        write(&mut answer, 0, b"");
        write(&mut answer, 1_048_575, b"8");
        let whole = Bytes::from(answer);
        let part = |number, text: &'static [u8]| (number, Bytes::from_static(text));
        assert_eq!(read(whole.clone()), Some(vec![part(7, b"seven\n"), part(0, b""), part(1_048_575, b"8")]));
        for cut in 1..whole.len() {
            let whole_ones = [11, 16].contains(&cut);
            assert_eq!(read(whole.slice(..cut)).is_some(), whole_ones, "{cut}");
        }
        for bad in ["\n", "1\n", "x 0\n", "1 x\n", "1 1\n", "-1 0\n", &"1".repeat(100)] {
            assert_eq!(read(Bytes::from(bad.to_owned())), None, "{bad:?}");
        }
    }

    #[test]
    fn what_names_partitions_names_them() {
        let with = |text: &str| {
            let mut headers = Headers::new();
            headers.set(HEADER, text.to_owned());
            named(&headers)
        };
        assert_eq!(with(&naming(&[7, 0, 4_294_967_295])), Some(vec![7, 0, 4_294_967_295]));
        assert_eq!(with("1, 2"), Some(vec![1, 2]));
        assert_eq!(with(&naming(&[1; 100])).map(|all| all.len()), Some(MAX_PARTITIONS));
        for bad in ["", "x", "1,", "-1"] {
            assert_eq!(with(bad), None, "{bad:?}");
        }
        assert_eq!(named(&Headers::new()), None);
    }
}
