//! How users' keys are stored: `plaintext:<key>`, `sha1:<salt>$<hash>` or `sha512:<salt>$<hash>`, the hash being that of
//! salt and key, in lower-case hex.

use crate::proxy::auth::same_secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha1::Sha1;
use sha2::{Digest, Sha512};
use swiftlet_types::conf::{OptionError, Options};

const SALT_BYTES: usize = 32;

/// How a key is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthType {
    /// As it is.
    Plaintext,
    /// Hashed, with the configured salt, or a random one for each key.
    Hashed(Hash, Option<String>),
}

/// A hash function that swauth knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    Sha1,
    Sha512,
}

impl Hash {
    fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha512 => "sha512",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha512].into_iter().find(|hash| hash.name() == name)
    }

    fn hex(self, salt: &str, key: &str) -> String {
        let salted = format!("{salt}{key}");
        match self {
            Self::Sha1 => hex::encode(Sha1::digest(salted)),
            Self::Sha512 => hex::encode(Sha512::digest(salted)),
        }
    }

    fn hex_digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Sha512 => 128,
        }
    }
}

impl AuthType {
    /// Reads `auth_type` and `auth_type_salt`.
    pub fn read(section: &Options) -> Result<Self, OptionError> {
        let salt = section.str("auth_type_salt").filter(|salt| !salt.is_empty());
        if salt.is_some_and(|salt| salt.contains('$')) {
            let error = section.error("auth_type_salt", "holds a $, which ends the salt where it is stored");
            return Err(OptionError { value: String::new(), ..error });
        }
        match section.str_or("auth_type", "plaintext").to_lowercase().as_str() {
            "plaintext" => Ok(Self::Plaintext),
            name => match Hash::from_name(name) {
                Some(hash) => Ok(Self::Hashed(hash, salt.map(str::to_owned))),
                None => Err(section.error("auth_type", "is none of plaintext, sha1 and sha512")),
            },
        }
    }

    /// `key` as it is stored.
    pub fn encode(&self, key: &str) -> String {
        match self {
            Self::Plaintext => format!("plaintext:{key}"),
            Self::Hashed(hash, salt) => {
                let random = || STANDARD_NO_PAD.encode(rand::random::<[u8; SALT_BYTES]>());
                let salt = salt.clone().unwrap_or_else(random);
                format!("{}:{salt}${}", hash.name(), hash.hex(&salt, key))
            }
        }
    }
}

/// Whether `key` is the one that is stored as `stored`, whatever type keys have now.
pub fn matches(stored: &str, key: &str) -> bool {
    match stored.split_once(':') {
        Some(("plaintext", expected)) => same_secret(expected, key),
        Some((name, rest)) => match (Hash::from_name(name), rest.split_once('$')) {
            (Some(hash), Some((salt, expected))) => same_secret(expected, &hash.hex(salt, key)),
            _ => false,
        },
        None => false,
    }
}

/// Whether `stored` is a key as [`AuthType::encode`] writes them (what `swauth-add-user -e` sends).
pub fn is_encoded(stored: &str) -> bool {
    match stored.split_once(':') {
        Some(("plaintext", key)) => !key.is_empty(),
        Some((name, rest)) => match (Hash::from_name(name), rest.split_once('$')) {
            (Some(hash), Some((salt, hex))) => {
                !salt.is_empty()
                    && hex.len() == hash.hex_digits()
                    && hex.bytes().all(|b| b.is_ascii_hexdigit())
            }
            _ => false,
        },
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_stored_as_swauth_stores_them() {
        assert_eq!(AuthType::Plaintext.encode("a:b"), "plaintext:a:b");
        // sha1sum and sha512sum of "salttesting"
        let sha1 = AuthType::Hashed(Hash::Sha1, Some("salt".into())).encode("testing");
        assert_eq!(sha1, "sha1:salt$bc5cd8d9324f57a1a5ad029056921939544feb4d");
        let random = AuthType::Hashed(Hash::Sha512, None);
        let (one, other) = (random.encode("testing"), random.encode("testing"));
        assert_ne!(one, other);
        for stored in [AuthType::Plaintext.encode("testing"), sha1, one] {
            assert!(is_encoded(&stored), "{stored}");
            assert!(matches(&stored, "testing"), "{stored}");
            assert!(!matches(&stored, "testin") && !matches(&stored, ""), "{stored}");
        }
    }

    #[test]
    fn what_is_no_stored_key_matches_nothing() {
        for stored in ["", "testing", "md5:salt$x", "sha1:nosalt", "sha1:$75", "sha512:s$75", "plaintext:"] {
            assert!(!is_encoded(stored) && !matches(stored, "testing"), "{stored}");
        }
    }
}
