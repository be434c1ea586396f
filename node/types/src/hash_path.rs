//! Where things lie: the MD5 of a path between the cluster's secret prefix and suffix.

use md5::{Digest, Md5};
use std::fmt;

/// The MD5 of an account's, container's or object's path; its first bits are the partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathHash(pub [u8; 16]);

impl PathHash {
    /// 32 hex digits.
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The hash of those 32 hex digits, in lower case as in file names.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let bytes = hex::decode(hex).ok()?;
        let hash = Self(bytes.try_into().ok()?);
        (hash.hex() == hex).then_some(hash)
    }

    /// The last three hex digits: the folder between partition and hash.
    pub fn suffix(&self) -> String {
        self.hex()[29..].to_owned()
    }

    /// The partition of a ring with 2^`part_power` of them.
    pub fn partition(&self, part_power: u32) -> u32 {
        let top = u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]]);
        top.checked_shr(32 - part_power).unwrap_or(0)
    }
}

impl fmt::Display for PathHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for PathHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

/// The secrets of `[swift-hash]` in swift.conf, as bytes. They must never change while data exists.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HashConf {
    /// `swift_hash_path_prefix`
    pub prefix: Vec<u8>,
    /// `swift_hash_path_suffix`
    pub suffix: Vec<u8>,
}

impl HashConf {
    /// The hash of an account.
    pub fn account(&self, account: impl AsRef<[u8]>) -> PathHash {
        self.hash(&[account.as_ref()])
    }

    /// The hash of a container.
    pub fn container(&self, account: impl AsRef<[u8]>, container: impl AsRef<[u8]>) -> PathHash {
        self.hash(&[account.as_ref(), container.as_ref()])
    }

    /// The hash of an object.
    pub fn object(
        &self,
        account: impl AsRef<[u8]>,
        container: impl AsRef<[u8]>,
        object: impl AsRef<[u8]>,
    ) -> PathHash {
        self.hash(&[account.as_ref(), container.as_ref(), object.as_ref()])
    }

    fn hash(&self, parts: &[&[u8]]) -> PathHash {
        let mut md5 = Md5::new();
        md5.update(&self.prefix);
        for part in parts {
            md5.update(b"/");
            md5.update(part);
        }
        md5.update(&self.suffix);
        PathHash(md5.finalize().into())
    }
}

impl fmt::Debug for HashConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashConf(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_swift() {
        let conf = HashConf { prefix: vec![], suffix: b"endcap".to_vec() };
        let hash = conf.object("a", "c", "o");
        assert_eq!(hash.hex(), "06fbf0b514e5199dfc4e00f42eb5ea83"); // hash_path('a', 'c', 'o') of 2.38.3
        assert_eq!(hash.suffix(), "a83");
        assert_eq!(PathHash::from_hex(&hash.hex()), Some(hash));
        for bad in [
            "",
            "..",
            "06FBF0B514E5199DFC4E00F42EB5EA83",
            "06fbf0b514e5199dfc4e00f42eb5ea8",
            "x6fbf0b514e5199dfc4e00f42eb5ea83",
        ] {
            assert_eq!(PathHash::from_hex(bad), None, "{bad}");
        }
    }

    #[test]
    fn partition_is_the_top_bits() {
        let hash = PathHash([0xab, 0xcd, 0xef, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(hash.partition(8), 0xab);
        assert_eq!(hash.partition(32), 0xabcd_ef01);
        assert_eq!(hash.partition(0), 0);
    }
}
