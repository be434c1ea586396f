//! The checksum that liberasurecode before 1.6 guarded headers with: CRC-32 but for its shifts, which keep the sign.
//! Fragments of that time are still there, and newer libraries write it where they are told to.

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// The checksum of `bytes`.
pub fn legacy_crc(bytes: &[u8]) -> u32 {
    let step = |crc: i32, byte: &u8| TABLE[usize::from(crc as u8 ^ byte)] as i32 ^ (crc >> 8);
    !bytes.iter().fold(-1, step) as u32
}
