use super::*;
use md5::Digest as _;
use proptest::prelude::*;
use std::sync::mpsc;

fn reference(bytes: &[u8]) -> Digest {
    md5::Md5::digest(bytes).into()
}

/// `bytes` in pieces of the given lengths, taken round and round.
fn pieces(bytes: &[u8], lengths: &[usize]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut lengths = lengths.iter().cycle();
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        pieces.push(rest.split_to((*lengths.next().unwrap()).clamp(1, rest.len())));
    }
    pieces
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        lengths in proptest::collection::vec(0usize..200, 1..6),
    ) {
        let mut md5 = Md5::default();
        pieces(&bytes, &lengths).iter().for_each(|piece| md5.update(piece));
        prop_assert_eq!(md5.digest(), reference(&bytes));
    }
}

#[test]
fn one_to_eight_messages_side_by_side() {
    let bytes: Vec<u8> = (0..64 * 9 * 8u32).map(|n| ((n * 31) >> 3) as u8).collect();
    for count in 1..=lanes::LANES {
        let texts: Vec<&[u8]> = (0..count).map(|n| &bytes[n * 576..n * 576 + 256 + n * 40]).collect();
        let mut chains = vec![steps::START; count];
        let done = lanes::compress(&mut chains.iter_mut().collect::<Vec<_>>(), &texts);
        assert_eq!(done, 256);
        for (chain, text) in chains.iter().zip(texts) {
            let mut alone = steps::START;
            steps::compress(&mut alone, &text[..256]);
            assert_eq!(*chain, alone, "{count} messages");
        }
    }
}

#[test]
fn many_threads_share_the_service() {
    std::thread::scope(|scope| {
        for n in 0..40usize {
            scope.spawn(move || {
                let bytes: Vec<u8> = (0..300_000 + n * 1001).map(|at| (at * (n + 7)) as u8).collect();
                let mut md5 = Md5::default();
                // in the background, here, and in the background again
                md5.update_behind(pieces(&bytes[..150_001], &[16_300, 65_536, 7]));
                md5.update(&bytes[150_001..150_020]);
                md5.update_behind(pieces(&bytes[150_020..], &[70_000]));
                assert_eq!(md5.digest(), reference(&bytes));
                // asking changes nothing
                md5.update(b"x");
                assert_eq!(md5.digest(), reference(&[&bytes[..], b"x"].concat()));
            });
        }
    });
}

#[test]
fn the_end_is_told_once_it_is_known() {
    for len in [0, 100, INLINE_LEN, INLINE_LEN + 1, 1 << 20] {
        let bytes = Bytes::from((0..len).map(|n| (n % 251) as u8).collect::<Vec<_>>());
        let mut md5 = Md5::default();
        md5.update(b"front");
        let (told, heard) = mpsc::channel();
        md5.finish_behind(bytes.clone(), move |digest| told.send(digest).unwrap());
        assert_eq!(heard.recv().unwrap(), reference(&[b"front", &bytes[..]].concat()));
    }
}
