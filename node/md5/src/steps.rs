//! MD5's steps (RFC 1321), written once for one message and for several side by side.

/// Bytes that are compressed at once.
pub(super) const BLOCK_LEN: usize = 64;

/// What MD5 carries from one block to the next.
pub(super) type Chain = [u32; 4];
/// What a message starts with.
pub(super) const START: Chain = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

const ROTATIONS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
#[rustfmt::skip] // a table
const SINES: [u32; 64] = [
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
];

/// A word of a message, or the same word of several of them.
pub(super) trait Words: Copy {
    fn splat(word: u32) -> Self;
    fn plus(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn not(self) -> Self;
    fn rotated_left(self, bits: u32) -> Self;
}

impl Words for u32 {
    #[inline(always)]
    fn splat(word: u32) -> Self {
        word
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self & other
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self | other
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self ^ other
    }
    #[inline(always)]
    fn not(self) -> Self {
        !self
    }
    #[inline(always)]
    fn rotated_left(self, bits: u32) -> Self {
        self.rotate_left(bits)
    }
}

/// Compresses every whole block of `message` into `chain`.
pub(super) fn compress(chain: &mut Chain, message: &[u8]) {
    for block in message.as_chunks::<BLOCK_LEN>().0 {
        let mut input = [0; 16];
        input
            .iter_mut()
            .zip(block.as_chunks().0)
            .for_each(|(word, bytes)| *word = u32::from_le_bytes(*bytes));
        compress_block(chain, &input);
    }
}

/// Compresses one block into `chain`.
#[inline(always)]
pub(super) fn compress_block<W: Words>(chain: &mut [W; 4], input: &[W; 16]) {
    let mut words = *chain;
    // spelled out, so that the compiler knows each step's number
    macro_rules! steps { ($($n:literal)*) => { $(step(&mut words, input, $n);)* } }
    steps!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
    steps!(32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
    for n in 0..4 {
        chain[n] = chain[n].plus(words[n]);
    }
}

#[inline(always)]
fn step<W: Words>(words: &mut [W; 4], input: &[W; 16], n: usize) {
    let round = n / 16;
    let input = input[[n, 5 * n + 1, 3 * n + 5, 7 * n][round] % 16];
    // the words change places with every step: here it is their names that do
    let (to, b, c, d) = ((64 - n) % 4, words[(65 - n) % 4], words[(66 - n) % 4], words[(67 - n) % 4]);
    let mixed = match round {
        0 => d.xor(b.and(c.xor(d))),
        1 => b.and(d).or(c.and(d.not())),
        2 => b.xor(c).xor(d),
        _ => c.xor(b.or(d.not())),
    };
    let sum = words[to].plus(W::splat(SINES[n])).plus(input).plus(mixed);
    words[to] = sum.rotated_left(ROTATIONS[round][n % 4]).plus(b);
}
