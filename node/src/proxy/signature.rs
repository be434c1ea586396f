//! Signatures that stand for a key of an account or a container: what temporary URLs and forms are signed with.

use super::app::{App, Env};
use super::info::{account_info, container_info};
use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use std::collections::BTreeMap;
use swiftlet_types::conf::{OptionError, Options};

/// As lenient as Swift is: what is behind the last whole byte does not matter.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The names under which an account's or a container's metadata holds its keys.
const KEYS: [&str; 2] = ["temp-url-key", "temp-url-key-2"];

/// A digest that signatures are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the names say all there is
pub enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    const ALL: [Self; 3] = [Self::Sha1, Self::Sha256, Self::Sha512];

    fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn size_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// The digests that a filter takes (`allowed_digests`).
#[derive(Debug, Clone)]
pub struct AllowedDigests(Vec<Digest>);

impl AllowedDigests {
    /// Reads the option; lines to warn the operator of are added to `warnings`.
    pub fn read(section: &Options, warnings: &mut Vec<String>) -> Result<Self, OptionError> {
        let option = "allowed_digests";
        let words = section.words(option, "");
        let named = |word: &String| Digest::ALL.into_iter().find(|d| d.name().eq_ignore_ascii_case(word));
        let place = format!("{} [{}] {option}", section.path().display(), section.section());
        for word in words.iter().filter(|word| named(word).is_none()) {
            warnings.push(format!("{place}: {word} is not supported, ignored"));
        }
        let mut digests: Vec<Digest> = match words.is_empty() {
            true => Digest::ALL.to_vec(),
            false => words.iter().filter_map(named).collect(),
        };
        digests.sort();
        digests.dedup();
        if digests.is_empty() {
            return Err(section.error(option, "names none of sha1, sha256, sha512"));
        }
        Ok(Self(digests))
    }

    /// What `/info` tells of them.
    pub fn info(&self) -> Map<String, Value> {
        let names: Vec<_> = self.0.iter().map(|digest| digest.name()).collect();
        let mut info = Map::from_iter([("allowed_digests".to_owned(), json!(names))]);
        if self.0.contains(&Digest::Sha1) {
            info.insert("deprecated_digests".to_owned(), json!(["sha1"]));
        }
        info
    }

    /// Reads a signature: hex digits, or the digest's name, a colon and Base64 of either alphabet. `None` where it
    /// is none, or of another digest.
    pub fn parse(&self, text: &[u8]) -> Option<Signature> {
        let text = std::str::from_utf8(text).ok()?;
        let (digest, bytes) = match text.split_once(':') {
            Some((name, value)) => {
                let url_safe = value.contains(['-', '_']) && !value.contains(['+', '/']);
                let value =
                    if url_safe { value.replace('-', "+").replace('_', "/") } else { value.to_owned() };
                let bytes = BASE64.decode(value.trim_end_matches('=')).ok()?;
                (Digest::ALL.into_iter().find(|digest| digest.name() == name)?, bytes)
            }
            None => {
                let bytes = hex::decode(text).ok()?;
                (Digest::ALL.into_iter().find(|digest| digest.size_bytes() == bytes.len())?, bytes)
            }
        };
        self.0.contains(&digest).then_some(Signature { digest, bytes })
    }
}

/// A signature as a client gave it.
#[derive(Debug)]
pub struct Signature {
    digest: Digest,
    bytes: Vec<u8>,
}

impl Signature {
    /// Whether `key` makes this signature of `message`; takes as long whatever is wrong with it.
    pub fn is_of(&self, key: &str, message: &[u8]) -> bool {
        match self.digest {
            Digest::Sha1 => verify::<Hmac<Sha1>>(key, message, &self.bytes),
            Digest::Sha256 => verify::<Hmac<Sha256>>(key, message, &self.bytes),
            Digest::Sha512 => verify::<Hmac<Sha512>>(key, message, &self.bytes),
        }
    }

    /// In hex digits.
    pub fn hex(&self) -> String {
        hex::encode(&self.bytes)
    }
}

fn verify<M: Mac + KeyInit>(key: &str, message: &[u8], signature: &[u8]) -> bool {
    let mut mac = <M as KeyInit>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.verify_slice(signature).is_ok()
}

/// What a key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every container of the account.
    Account,
    /// The container that has the key.
    Container,
}

/// The keys of a container and its account, the account's first. `source` is what the access log calls the look-ups.
pub async fn keys(
    app: &dyn App,
    env: &Env,
    account: &str,
    container: &str,
    source: &'static str,
) -> Vec<(Scope, String)> {
    let env = Env { source: Some(source), ..env.clone() };
    let of = |scope: Scope, meta: &BTreeMap<String, String>| -> Vec<(Scope, String)> {
        KEYS.iter().filter_map(|name| Some((scope, meta.get(*name)?.clone()))).collect()
    };
    let mut keys = of(Scope::Account, &account_info(app, &env, account).await.meta);
    keys.extend(of(Scope::Container, &container_info(app, &env, account, container).await.meta));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(words: &str) -> (Result<AllowedDigests, OptionError>, Vec<String>) {
        let mut warnings = Vec::new();
        let section = Options::new("p.conf", "filter:tempurl").with("allowed_digests", words);
        (AllowedDigests::read(&section, &mut warnings), warnings)
    }

    #[test]
    fn only_allowed_digests_are_read() {
        let (digests, warnings) = allowed("SHA256 md5");
        let digests = digests.unwrap();
        assert_eq!(warnings, ["p.conf [filter:tempurl] allowed_digests: md5 is not supported, ignored"]);
        assert_eq!(Value::Object(digests.info()), json!({"allowed_digests": ["sha256"]}));
        assert!(digests.parse(&[b'0'; 64]).is_some());
        assert!(digests.parse(&[b'0'; 40]).is_none());
        assert!(digests.parse(b"sha256:____").is_some());
        assert!(digests.parse(b"sha1:AAAA").is_none());
        assert!(digests.parse(b"sha256:A*AA").is_none() && digests.parse(b"xyz").is_none());
        let error = allowed("md5").0.unwrap_err().to_string();
        assert!(error.contains("names none of sha1, sha256, sha512"), "{error}");
    }

    #[test]
    fn a_signature_is_of_one_key_and_message() {
        // hmac.new(b'key', b'message', 'sha1').hexdigest()
        let digests = allowed("sha1").0.unwrap();
        let hex = "2088df74d5f2146b48146caf4965377e9d0be3a4";
        let signature = digests.parse(hex.as_bytes()).unwrap();
        assert!(signature.is_of("key", b"message") && signature.hex() == hex);
        assert!(!signature.is_of("key", b"massage") && !signature.is_of("kay", b"message"));
        let short = digests.parse(b"sha1:IIjf").unwrap();
        assert!(!short.is_of("key", b"message"));
    }
}
