//! What the auth middlewares share: reseller prefixes, who decides about a request, and what a token request says.
//!
//! tempauth, swauth and external_auth differ in where users and tokens are kept ([`Identity`]); what a client may do
//! once it is known is the same for all of them: [`Gate`] meets each request, [`authorize`] decides. Nothing here
//! knows where users are kept.

mod authorize;
mod credentials;
mod gate;
mod resellers;
mod signed_token;

pub use authorize::unauthorized;
pub use credentials::{Credentials, Encoding, host_url, realm};
pub use gate::{Client, Gate, Identity};
pub use resellers::Resellers;
pub use signed_token::{SigningKey, TokenKeyError};

use sha2::{Digest, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;

/// Longer tokens are none of ours: no header is longer, unless `max_header_size` says so.
pub const MAX_TOKEN_BYTES: usize = 8192;

/// Seconds since 1970.
pub fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Where tokens are handed out (`auth_prefix`), with a slash at both ends.
pub fn auth_prefix(section: &swiftlet_types::conf::Options) -> String {
    let given = section.str("auth_prefix").unwrap_or_default().trim_matches('/');
    if given.is_empty() { "/auth/".into() } else { format!("/{given}/") }
}

/// Whether two secrets are the same; how long it takes tells nothing of where they differ, nor of how long they are.
pub fn same_secret(one: &str, other: &str) -> bool {
    Sha256::digest(one).ct_eq(&Sha256::digest(other)).into()
}
