//! Handing out tokens.

use super::options::Config;
use crate::http::{Method, Response};
use crate::proxy::app::ProxyRequest;
use crate::proxy::auth::{Credentials, Encoding, host_url, same_secret, unauthorized};

/// Answers a request below the auth prefix.
pub async fn respond(config: &Config, request: &mut ProxyRequest) -> Response {
    if request.http.method != Method::Get {
        return Response::standard(405);
    }
    let credentials = match Credentials::read(&request.http.path, &request.http.headers, Encoding::Plain) {
        Ok(credentials) => credentials,
        Err(refusal) => return refusal,
    };
    let account_user = credentials.account_user();
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

/// Whether `key` is that of `account_user`. It takes as long for a user that there is not.
fn is_right_key(config: &Config, account_user: &str, key: &str) -> bool {
    let user = config.users.get(account_user);
    let matches = same_secret(key, user.map_or("", |user| &user.key));
    user.is_some() && matches
}

/// The user's storage URL as the client can reach it.
fn storage_url(config: &Config, account_user: &str, request: &ProxyRequest) -> String {
    let url = config.users.get(account_user).map_or("", |user| &user.url);
    let url = url.replace("$HOST", &host_url(request));
    match (&config.storage_url_scheme, url.split_once(':')) {
        (Some(scheme), Some((_, rest))) => format!("{scheme}:{rest}"),
        _ => url,
    }
}
