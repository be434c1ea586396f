//! One small GET over plain HTTP/1.0, for pods' own answers: no redirects, no keep-alive, bounded in time and size.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer longer than this is no pod's status.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// Why there is no answer to use.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// Not `http://host:port/path`.
    #[error("{0:?} is not http://host:port/path")]
    Url(String),
    /// The connection failed.
    #[error("GET {url}: {source}")]
    Io {
        /// What was asked.
        url: String,
        /// What happened.
        source: std::io::Error,
    },
    /// It took too long.
    #[error("GET {url}: no answer within {timeout_ms} ms")]
    Timeout {
        /// What was asked.
        url: String,
        /// How long was waited.
        timeout_ms: u128,
    },
    /// It answered something else than 200.
    #[error("GET {url}: {status}")]
    Status {
        /// What was asked.
        url: String,
        /// The status line.
        status: String,
    },
}

/// The body of a 200 answer from `http://host:port/path`.
///
/// # Errors
/// [`GetError`] names the address and what went wrong.
pub async fn get(url: &str, timeout: Duration) -> Result<Vec<u8>, GetError> {
    let (authority, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| GetError::Url(url.to_string()))?;
    let answer = tokio::time::timeout(timeout, exchange(authority, path))
        .await
        .map_err(|_| GetError::Timeout { url: url.to_string(), timeout_ms: timeout.as_millis() })?
        .map_err(|source| GetError::Io { url: url.to_string(), source })?;
    let end_of_head = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(answer.len());
    let (head, body) = answer.split_at(end_of_head);
    let status = String::from_utf8_lossy(head).lines().next().unwrap_or_default().to_string();
    if status.split(' ').nth(1) != Some("200") {
        return Err(GetError::Status { url: url.to_string(), status });
    }
    Ok(body.get(4..).unwrap_or_default().to_vec())
}

async fn exchange(authority: &str, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(authority).await?;
    stream.write_all(format!("GET /{path} HTTP/1.0\r\nHost: {authority}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, http::StatusCode, routing};

    async fn server() -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/ok", routing::get(|| async { "hello" }))
            .route("/no", routing::get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "waiting") }));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn a_200_gives_its_body_and_anything_else_is_an_error_with_the_status() {
        let server = server().await;
        let second = Duration::from_secs(1);
        assert_eq!(get(&format!("{server}/ok"), second).await.unwrap(), b"hello");
        let refused = get(&format!("{server}/no"), second).await.unwrap_err().to_string();
        assert!(refused.contains("503"), "{refused}");
        assert!(matches!(get("https://x/", second).await, Err(GetError::Url(_))));
    }

    #[tokio::test]
    async fn a_silent_peer_costs_the_timeout_and_no_more() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        assert!(matches!(get(&url, Duration::from_millis(50)).await, Err(GetError::Timeout { .. })));
    }
}
