//! Handing out tokens: `GET /auth/v1.0`, `/auth/auth` and `/auth/v1/<account>/auth`.

use super::authorize::unauthorized;
use super::options::Config;
use crate::http::{Headers, Method, Response};
use crate::proxy::app::ProxyRequest;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use swiftlet_types::names::split_path;

/// Answers a request below the auth prefix.
pub async fn respond(config: &Config, request: &mut ProxyRequest) -> Response {
    if request.http.method != Method::Get {
        return Response::standard(405);
    }
    let credentials = match credentials(&request.http.path, &request.http.headers) {
        Ok(credentials) => credentials,
        Err(refusal) => return refusal,
    };
    let account_user = format!("{}:{}", credentials.account, credentials.user);
    request.env.log.lock().user_id.get_or_insert_with(|| account_user.as_str().into());
    if !is_right_key(config, &account_user, &credentials.key) {
        return unauthorized(&credentials.account);
    }
    match config.tokens.issue(config, request.env.cache.as_deref(), &account_user).await {
        None => Response::standard(503),
        Some(issued) => Response::html(200, "")
            .with("X-Auth-Token", issued.token.clone())
            .with("X-Storage-Token", issued.token)
            .with("X-Auth-Token-Expires", issued.expires_in_s.to_string())
            .with("X-Storage-Url", storage_url(config, &account_user, request)),
    }
}

struct Credentials {
    account: String,
    user: String,
    key: String,
}

/// Who says they are whom; `Err` where the path or the header fields do not say it.
fn credentials(path: &[u8], headers: &Headers) -> Result<Credentials, Response> {
    let path = path.get(1..).and_then(|rest| memchr::memchr(b'/', rest)).map_or(path, |at| &path[at + 1..]);
    let Some(segments) = split_path(path, 1, 3, true) else { return Err(Response::standard(404)) };
    let segment = |index: usize| segments.get(index).map(|s| String::from_utf8_lossy(s).into_owned());
    let given = |names: [&str; 2]| {
        let mut values = names.into_iter().filter_map(|name| headers.get_str(name));
        values.find(|value| !value.is_empty()).map(str::to_owned)
    };
    let (account, user, key) = match (segment(0).as_deref(), segment(1), segment(2).as_deref()) {
        (Some("v1"), Some(account), Some("auth")) => {
            let user = match given(["X-Storage-User", ""]) {
                Some(user) => user,
                None => match given(["X-Auth-User", ""]).as_deref().and_then(|user| user.split_once(':')) {
                    Some((of, user)) if of == account => user.to_owned(),
                    _ => return Err(unauthorized(&account)),
                },
            };
            (account, user, given(["X-Storage-Pass", "X-Auth-Key"]))
        }
        (Some("auth" | "v1.0"), ..) => {
            let account_user = given(["X-Auth-User", "X-Storage-User"]);
            let Some((account, user)) = account_user.as_deref().and_then(|user| user.split_once(':')) else {
                return Err(unauthorized("unknown"));
            };
            (account.to_owned(), user.to_owned(), given(["X-Auth-Key", "X-Storage-Pass"]))
        }
        _ => return Err(Response::standard(400)),
    };
    match key {
        Some(key) if !account.is_empty() && !user.is_empty() => Ok(Credentials { account, user, key }),
        _ => Err(unauthorized(if account.is_empty() { "unknown" } else { &account })),
    }
}

/// Whether `key` is that of `account_user`. It takes as long for a user that there is not.
fn is_right_key(config: &Config, account_user: &str, key: &str) -> bool {
    let user = config.users.get(account_user);
    let expected = Sha256::digest(user.map_or("", |user| &user.key));
    let matches = bool::from(Sha256::digest(key).ct_eq(&expected));
    user.is_some() && matches
}

/// The user's storage URL as the client can reach it.
fn storage_url(config: &Config, account_user: &str, request: &ProxyRequest) -> String {
    let url = config.users.get(account_user).map_or("", |user| &user.url);
    let (scheme, default_port) = if request.env.secure { ("https", ":443") } else { ("http", ":80") };
    let host = match request.http.headers.get_str("Host") {
        Some(host) => host.to_owned(),
        None => request.env.local.map(|local| local.to_string()).unwrap_or_default(),
    };
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    let url = url.replace("$HOST", &format!("{scheme}://{host}"));
    match (&config.storage_url_scheme, url.split_once(':')) {
        (Some(scheme), Some((_, rest))) => format!("{scheme}:{rest}"),
        _ => url,
    }
}
