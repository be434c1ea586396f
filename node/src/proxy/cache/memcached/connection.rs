//! One connection to a memcached: the text protocol of its commands get, set, add, incr, decr and delete.

use bytes::Bytes;
use std::time::{SystemTime, UNIX_EPOCH};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};

/// Set where a value is JSON; Swift sets it on everything but counters.
const JSON_FLAG: u32 = 2;
/// Set on pickles of very old Swifts, which nobody reads any more.
const PICKLE_FLAG: u32 = 1;
/// A reply line is a word and four short fields.
const MAX_LINE_BYTES: u64 = 1024;
/// memcached's own default limit is 1 MiB; operators raise it for large shard range sets.
const MAX_VALUE_BYTES: usize = 64 << 20;
/// Beyond this many seconds memcached takes a time to live for a point in time.
const MAX_RELATIVE_TTL_S: u64 = 30 * 86_400;

/// Why a command failed.
#[derive(Debug, Error)]
pub enum MemcacheError {
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The server closed the connection or said something else than the protocol allows.
    #[error("unexpected reply {0:?}")]
    Reply(String),
    /// It took too long.
    #[error("timeout {0}")]
    Timeout(&'static str),
    /// The counter expired between two steps; no fault of the server.
    #[error("counter expired between two steps")]
    CounterExpired,
}

/// What to do, on the hashed name of a key.
pub enum Command<'a> {
    /// Read a value.
    Get,
    /// Keep a JSON value for so many seconds (0: for ever).
    Set { value: &'a [u8], ttl_s: u64 },
    /// Forget a value.
    Delete,
    /// Add to a counter, made with this time to live where it is missing.
    Incr { delta: i64, ttl_s: u64 },
}

impl Command<'_> {
    /// The name of Swift's method, for its log lines.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set { .. } => "set",
            Self::Delete => "delete",
            Self::Incr { delta, .. } if *delta < 0 => "decr",
            Self::Incr { .. } => "incr",
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub enum Reply {
    /// Done.
    Done,
    /// The value, where there is one.
    Value(Option<Bytes>),
    /// The counter's new value.
    Counter(i64),
}

/// A byte stream both ways: TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// One connection. After an error it is out of step and must be dropped.
pub struct Connection {
    stream: BufStream<Box<dyn Stream>>,
}

impl Connection {
    /// Speaks over `stream`.
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream: BufStream::with_capacity(4096, 4096, stream) }
    }

    /// Runs `command` on the value named `hashed_key`.
    pub async fn run(&mut self, hashed_key: &str, command: &Command<'_>) -> Result<Reply, MemcacheError> {
        match command {
            Command::Get => self.get(hashed_key).await.map(Reply::Value),
            Command::Set { value, ttl_s } => {
                let line = format!("set {hashed_key} {JSON_FLAG} {} {}\r\n", expiry(*ttl_s), value.len());
                let reply = self.send(&[line.as_bytes(), value, b"\r\n"]).await?;
                if reply == "STORED" { Ok(Reply::Done) } else { Err(MemcacheError::Reply(reply)) }
            }
            Command::Delete => {
                self.send(&[format!("delete {hashed_key}\r\n").as_bytes()]).await?;
                Ok(Reply::Done)
            }
            Command::Incr { delta, ttl_s } => self.incr(hashed_key, *delta, *ttl_s).await.map(Reply::Counter),
        }
    }

    async fn get(&mut self, hashed_key: &str) -> Result<Option<Bytes>, MemcacheError> {
        let mut line = self.send(&[format!("get {hashed_key}\r\n").as_bytes()]).await?;
        let mut found = None;
        while line != "END" {
            let (key, flags, length) =
                parse_value_line(&line).ok_or_else(|| MemcacheError::Reply(line.clone()))?;
            let mut value = vec![0; length + 2];
            self.stream.read_exact(&mut value).await?;
            value.truncate(length);
            if key == hashed_key && flags & PICKLE_FLAG == 0 {
                found = Some(Bytes::from(value));
            }
            line = self.read_line().await?;
        }
        Ok(found)
    }

    async fn incr(&mut self, hashed_key: &str, delta: i64, ttl_s: u64) -> Result<i64, MemcacheError> {
        let command = if delta < 0 { "decr" } else { "incr" };
        let step = format!("{command} {hashed_key} {}\r\n", delta.unsigned_abs());
        if let Some(counter) = self.step(&step).await? {
            return Ok(counter);
        }
        let first = delta.max(0);
        let value = first.to_string();
        let line = format!("add {hashed_key} 0 {} {}\r\n{value}\r\n", expiry(ttl_s), value.len());
        if self.send(&[line.as_bytes()]).await? != "NOT_STORED" {
            return Ok(first);
        }
        self.step(&step).await?.ok_or(MemcacheError::CounterExpired)
    }

    async fn step(&mut self, line: &str) -> Result<Option<i64>, MemcacheError> {
        let reply = self.send(&[line.as_bytes()]).await?;
        if reply == "NOT_FOUND" {
            return Ok(None);
        }
        reply.parse().map(Some).map_err(|_| MemcacheError::Reply(reply))
    }

    async fn send(&mut self, parts: &[&[u8]]) -> Result<String, MemcacheError> {
        for part in parts {
            self.stream.write_all(part).await?;
        }
        self.stream.flush().await?;
        self.read_line().await
    }

    async fn read_line(&mut self) -> Result<String, MemcacheError> {
        let mut line = Vec::with_capacity(64);
        (&mut self.stream).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await?;
        if line.pop() != Some(b'\n') {
            return Err(MemcacheError::Reply("incomplete read".into()));
        }
        Ok(String::from_utf8_lossy(line.trim_ascii()).into_owned())
    }
}

/// The key, flags and length of a line `VALUE <key> <flags> <bytes>`.
fn parse_value_line(line: &str) -> Option<(&str, u32, usize)> {
    let mut words = line.split_ascii_whitespace();
    if words.next()? != "VALUE" {
        return None;
    }
    let (key, flags, length) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (length <= MAX_VALUE_BYTES).then_some((key, flags, length))
}

fn expiry(ttl_s: u64) -> u64 {
    if ttl_s <= MAX_RELATIVE_TTL_S {
        return ttl_s;
    }
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    now_s.saturating_add(ttl_s)
}
