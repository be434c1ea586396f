//! What a request for a token says: `GET /auth/v1.0`, `/auth/auth` and `/auth/v1/<account>/auth`.

use super::authorize::unauthorized;
use crate::http::{Headers, Response};
use crate::proxy::app::ProxyRequest;
use swiftlet_types::names::{split_path, unquote};

/// Who says they are whom.
pub struct Credentials {
    /// The auth account.
    pub account: String,
    /// The user in it.
    pub user: String,
    /// The password.
    pub key: String,
}

/// How `X-Auth-User` and `X-Auth-Key` are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As they are (tempauth).
    Plain,
    /// Percent-encoded (swauth); the `X-Storage-…` fields never are.
    Percent,
}

impl Credentials {
    /// Reads them from the path below the host and the header fields; `Err` where they are not all there.
    pub fn read(path: &[u8], headers: &Headers, encoding: Encoding) -> Result<Self, Response> {
        let path = below_prefix(path);
        let Some(segments) = split_path(path, 1, 3, true) else { return Err(Response::standard(404)) };
        let segment = |index: usize| segments.get(index).map(|s| String::from_utf8_lossy(s).into_owned());
        let storage = |name| headers.get_str(name).filter(|value| !value.is_empty()).map(str::to_owned);
        let auth = |name| {
            storage(name).map(|value| match encoding {
                Encoding::Plain => value,
                Encoding::Percent => String::from_utf8_lossy(&unquote(value)).into_owned(),
            })
        };
        let (account, user, key) = match (segment(0).as_deref(), segment(1), segment(2).as_deref()) {
            (Some("v1"), Some(account), Some("auth")) => {
                let user = storage("X-Storage-User").or_else(|| {
                    let user = auth("X-Auth-User")?;
                    user.split_once(':').filter(|(of, _)| *of == account).map(|(_, user)| user.to_owned())
                });
                let Some(user) = user else { return Err(unauthorized(&account)) };
                (account, user, storage("X-Storage-Pass").or_else(|| auth("X-Auth-Key")))
            }
            (Some("auth" | "v1.0"), ..) => {
                let account_user = auth("X-Auth-User").or_else(|| storage("X-Storage-User"));
                let Some((account, user)) = account_user.as_deref().and_then(|user| user.split_once(':'))
                else {
                    return Err(unauthorized("unknown"));
                };
                let key = auth("X-Auth-Key").or_else(|| storage("X-Storage-Pass"));
                (account.to_owned(), user.to_owned(), key)
            }
            _ => return Err(Response::standard(400)),
        };
        match key {
            Some(key) if !account.is_empty() && !user.is_empty() => Ok(Self { account, user, key }),
            _ => Err(unauthorized(if account.is_empty() { "unknown" } else { &account })),
        }
    }

    /// `account:user`.
    pub fn account_user(&self) -> String {
        format!("{}:{}", self.account, self.user)
    }
}

/// The path without its first segment.
fn below_prefix(path: &[u8]) -> &[u8] {
    path.get(1..).and_then(|rest| memchr::memchr(b'/', rest)).map_or(path, |at| &path[at + 1..])
}

/// The account in a path, or `unknown`: the realm of a 401.
pub fn realm(path: &[u8]) -> String {
    let account = split_path(path, 2, 3, true).and_then(|segments| segments.get(1).copied());
    account.map_or("unknown".into(), |account| String::from_utf8_lossy(account).into_owned())
}

/// Scheme and host as the client reached us, without the scheme's own port.
pub fn host_url(request: &ProxyRequest) -> String {
    let (scheme, default_port) = if request.env.secure { ("https", ":443") } else { ("http", ":80") };
    let host = match request.http.headers.get_str("Host") {
        Some(host) => host.to_owned(),
        None => request.env.local.map(|local| local.to_string()).unwrap_or_default(),
    };
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    format!("{scheme}://{host}")
}
