//! Signed tokens, which every proxy with the key checks by itself.
//!
//! After a prefix, in URL-safe base64: the second it expires (8 bytes, big endian), whom it is for, and an
//! HMAC-SHA256 over both and a secret of theirs. It holds no groups: those are looked up at each request, so what is
//! taken away is gone at once, and a new password ends the old one's tokens.

use super::now_s;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::path::{Path, PathBuf};
use thiserror::Error;

const EXPIRES_BYTES: usize = 8;
const MAC_BYTES: usize = 32;
/// Shorter key files are a mistake.
const MIN_KEY_BYTES: usize = 16;

/// Why the file with the key cannot be used.
#[derive(Debug, Error)]
#[error("token_key_path {path}: {why}", path = path.display())]
pub struct TokenKeyError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// Signs tokens.
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// The key in the file at `path`, which all proxies share; without one, a random key of this process.
    pub fn read(path: Option<&str>) -> Result<Self, TokenKeyError> {
        let Some(path) = path.map(Path::new) else {
            return Ok(Self::new(&rand::random::<[u8; MAC_BYTES]>()));
        };
        let fail = |why: String| TokenKeyError { path: path.to_owned(), why };
        let key = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
        match key.trim_ascii() {
            key if key.len() >= MIN_KEY_BYTES => Ok(Self::new(key)),
            key => Err(fail(format!("holds {} bytes, at least {MIN_KEY_BYTES} are needed", key.len()))),
        }
    }

    /// The key that these bytes are.
    pub fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// A token for `subject`, good for `life_s` seconds while `secret` is the same, with `prefix` in front.
    pub fn sign(&self, prefix: &str, subject: &str, secret: &str, life_s: u64) -> String {
        let expires_s = (now_s() as u64).saturating_add(life_s);
        let mut payload = expires_s.to_be_bytes().to_vec();
        payload.extend_from_slice(subject.as_bytes());
        let mac = self.mac(&payload, secret).finalize().into_bytes();
        payload.extend_from_slice(&mac);
        format!("{prefix}{}", URL_SAFE_NO_PAD.encode(payload))
    }

    /// Whom `token` is for, while it is good. `secret_of` gives the secret that it must be signed with too; `None`
    /// for somebody unknown.
    pub fn subject<'s>(
        &self,
        prefix: &str,
        token: &str,
        secret_of: impl FnOnce(&str) -> Option<&'s str>,
    ) -> Option<String> {
        let payload = URL_SAFE_NO_PAD.decode(token.strip_prefix(prefix)?).ok()?;
        let (signed, mac) = payload.split_at_checked(payload.len().checked_sub(MAC_BYTES)?)?;
        let (expires, subject) = signed.split_first_chunk::<EXPIRES_BYTES>()?;
        let subject = std::str::from_utf8(subject).ok()?;
        self.mac(signed, secret_of(subject)?).verify_slice(mac).ok()?;
        (u64::from_be_bytes(*expires) as f64 > now_s()).then(|| subject.to_owned())
    }

    fn mac(&self, expires_and_subject: &[u8], secret: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(expires_and_subject);
        mac.update(&[0]);
        mac.update(secret.as_bytes());
        mac
    }
}
