//! Fernet tokens: sealed with a key of the configuration, they carry their groups, so that every proxy with that key
//! reads them by itself, Python's among them.
//!
//! The format is Fernet's (<https://github.com/fernet/spec>): in URL-safe base64 a version byte, the second it was made
//! (8 bytes, big endian), an initialization vector, the groups in AES-128-CBC, and an HMAC-SHA256 over all of these.
//! After the reseller prefix `ftk` stands before such a token, `zftk` where the groups were compressed first.

use crate::proxy::auth::now_s;
use aes::Aes128;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::io::Read;
use swiftlet_types::conf::{OptionError, Options};

const PLAIN: &str = "ftk";
const COMPRESSED: &str = "zftk";
const VERSION: u8 = 0x80;
const KEY_BYTES: usize = 16;
const IV_BYTES: usize = 16;
const MAC_BYTES: usize = 32;
/// Tokens may come from a proxy whose clock is ahead by so much.
const MAX_CLOCK_SKEW_S: u64 = 60;
/// More groups than that are nobody's.
const MAX_GROUPS_BYTES: u64 = 1 << 20;

/// The keys of `fernet_key_<id>`: any of them opens a token, the one that `active_fernet_key_id` names seals new ones.
pub struct FernetKeys {
    keys: BTreeMap<String, Key>,
    active_id: Option<String>,
}

struct Key {
    signing: Hmac<Sha256>,
    encryption: [u8; KEY_BYTES],
}

impl FernetKeys {
    /// Reads the section; both options may be missing.
    pub fn read(section: &Options) -> Result<Self, OptionError> {
        let mut keys = BTreeMap::new();
        for (rest, value) in section.with_prefix("fernet_key") {
            let option = format!("fernet_key{rest}");
            // The value is a secret: an error must not show it.
            let error = |why: &str| OptionError { value: String::new(), ..section.error(&option, why) };
            let Some(id) = rest.strip_prefix('_').filter(|id| !id.is_empty()) else {
                return Err(error("is not called fernet_key_<id>"));
            };
            let key = Key::parse(value)
                .ok_or_else(|| error("is not the URL-safe base64 of 32 bytes, with its ="))?;
            keys.insert(id.to_owned(), key);
        }
        let option = "active_fernet_key_id";
        let active_id = section.str(option).filter(|id| !id.is_empty()).map(str::to_owned);
        if active_id.as_ref().is_some_and(|id| !keys.contains_key(id)) {
            let ids: Vec<&str> = keys.keys().map(String::as_str).collect();
            let why = format!("is the id of no fernet_key_<id>; there are: {}", ids.join(", "));
            return Err(section.error(option, why));
        }
        Ok(Self { keys, active_id })
    }

    /// A token of these `groups` with the reseller `prefix` in front; `None` where no key is active.
    pub fn seal(&self, prefix: &str, groups: &str) -> Option<String> {
        let key = self.keys.get(self.active_id.as_ref()?)?;
        Some(match compressed(groups.as_bytes()) {
            Some(compressed) => format!("{prefix}{COMPRESSED}{}", key.seal(&compressed)),
            None => format!("{prefix}{PLAIN}{}", key.seal(groups.as_bytes())),
        })
    }

    /// The groups in `token`, while it is not older than `life_s`.
    pub fn open(&self, prefix: &str, token: &str, life_s: u64) -> Option<String> {
        let token = token.strip_prefix(prefix)?;
        let groups = match (token.strip_prefix(COMPRESSED), token.strip_prefix(PLAIN)) {
            (Some(sealed), _) => decompressed(&self.open_sealed(sealed, life_s)?)?,
            (_, Some(sealed)) => self.open_sealed(sealed, life_s)?,
            _ => return None,
        };
        String::from_utf8(groups).ok().filter(|groups| !groups.is_empty())
    }

    fn open_sealed(&self, sealed: &str, life_s: u64) -> Option<Vec<u8>> {
        let sealed = base64_bytes(sealed)?;
        self.keys.values().find_map(|key| key.open(&sealed, life_s))
    }
}

impl Key {
    /// The key that `text` is: half of it signs, half of it encrypts.
    fn parse(text: &str) -> Option<Self> {
        let bytes = base64_bytes(text)?;
        let (signing, encryption) = bytes.split_first_chunk::<KEY_BYTES>()?;
        let signing = Hmac::new_from_slice(signing).expect("HMAC takes keys of any length");
        Some(Self { signing, encryption: encryption.try_into().ok()? })
    }

    fn seal(&self, content: &[u8]) -> String {
        let iv: [u8; IV_BYTES] = rand::random();
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&(now_s() as u64).to_be_bytes());
        sealed.extend_from_slice(&iv);
        let cipher = cbc::Encryptor::<Aes128>::new(&self.encryption.into(), &iv.into());
        sealed.extend_from_slice(&cipher.encrypt_padded_vec::<Pkcs7>(content));
        let mac = self.signing.clone().chain_update(&sealed).finalize().into_bytes();
        sealed.extend_from_slice(&mac);
        URL_SAFE.encode(sealed)
    }

    fn open(&self, sealed: &[u8], life_s: u64) -> Option<Vec<u8>> {
        let (signed, mac) = sealed.split_at_checked(sealed.len().checked_sub(MAC_BYTES)?)?;
        self.signing.clone().chain_update(signed).verify_slice(mac).ok()?;
        let rest = signed.strip_prefix(&[VERSION])?;
        let (made_s, rest) = rest.split_first_chunk::<8>()?;
        let (made_s, now_s) = (u64::from_be_bytes(*made_s), now_s() as u64);
        if made_s.saturating_add(life_s) < now_s || made_s > now_s + MAX_CLOCK_SKEW_S {
            return None;
        }
        let (iv, content) = rest.split_first_chunk::<IV_BYTES>()?;
        let cipher = cbc::Decryptor::<Aes128>::new(&self.encryption.into(), &(*iv).into());
        cipher.decrypt_padded_vec::<Pkcs7>(content).ok()
    }
}

/// Python takes base64 of both alphabets, and does not look at bits that mean nothing.
fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    let engine =
        GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
    engine.decode(text.replace('-', "+").replace('_', "/")).ok()
}

/// `content` compressed, where that makes it shorter.
fn compressed(content: &[u8]) -> Option<Vec<u8>> {
    let mut compressed = Vec::new();
    ZlibEncoder::new(content, Compression::default()).read_to_end(&mut compressed).ok()?;
    (compressed.len() < content.len()).then_some(compressed)
}

fn decompressed(content: &[u8]) -> Option<Vec<u8>> {
    let mut decompressed = Vec::new();
    ZlibDecoder::new(content).take(MAX_GROUPS_BYTES + 1).read_to_end(&mut decompressed).ok()?;
    (decompressed.len() as u64 <= MAX_GROUPS_BYTES).then_some(decompressed)
}

#[cfg(test)]
mod tests;
