//! What the service said a short while ago: bounded, and kept under hashes, so that no token lies in memory for longer
//! than its request.

use super::service::{Answer, Question};
use lru::LruCache;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Somebody, or nobody.
type Known = Option<Arc<Answer>>;
type Key = [u8; 32];

/// Answers, the least recently used of which go first.
pub struct Answers {
    kept: Mutex<LruCache<Key, (Known, Instant)>>,
    time: Duration,
    negative_time: Duration,
}

impl Answers {
    /// Keeps at most `entries`: `time` long who somebody is, `negative_time` long that somebody is nobody.
    pub fn new(entries: usize, time: Duration, negative_time: Duration) -> Self {
        let entries = NonZeroUsize::new(entries).unwrap_or(NonZeroUsize::MIN);
        Self { kept: Mutex::new(LruCache::new(entries)), time, negative_time }
    }

    /// What is known; `None` where the service must be asked. Keys are never answered for from here.
    pub fn get(&self, question: &Question<'_>) -> Option<Known> {
        let key = key(question)?;
        let mut kept = self.kept.lock();
        let (known, until) = kept.get(&key)?;
        if *until > Instant::now() {
            return Some(known.clone());
        }
        kept.pop(&key);
        None
    }

    /// Keeps what the service said, no longer than it is good for.
    pub fn keep(&self, question: &Question<'_>, known: Known) {
        let time = match &known {
            Some(answer) => answer.expires_in_s.map_or(self.time, |s| self.time.min(Duration::from_secs(s))),
            None => self.negative_time,
        };
        if let Some(key) = key(question).filter(|_| !time.is_zero()) {
            self.kept.lock().put(key, (known, Instant::now() + time));
        }
    }
}

fn key(question: &Question<'_>) -> Option<Key> {
    let (kind, text) = match question {
        Question::Login { .. } => return None,
        Question::Token { token } => (b"t", token),
        Question::User { user } => (b"u", user),
    };
    Some(Sha256::new().chain_update(kind).chain_update(text.as_bytes()).finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(expires_in_s: Option<u64>) -> Known {
        let text = r#"{"user": "a:u"}"#;
        Some(Arc::new(Answer { expires_in_s, ..serde_json::from_str(text).unwrap() }))
    }

    #[test]
    fn answers_are_kept_for_their_time_and_within_bounds() {
        let answers = Answers::new(2, Duration::from_secs(60), Duration::from_millis(20));
        let token = |token| Question::Token { token };
        answers.keep(&token("a"), answer(None));
        answers.keep(&token("b"), None);
        assert!(answers.get(&token("a")).unwrap().is_some());
        assert_eq!(answers.get(&token("b")), Some(None));
        assert_eq!(answers.get(&Question::User { user: "a" }), None, "a user is no token");
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(answers.get(&token("b")), None, "soon it may be somebody's");
        answers.keep(&token("expired"), answer(Some(0)));
        assert_eq!(answers.get(&token("expired")), None);
        answers.keep(&token("c"), None);
        answers.keep(&token("d"), None);
        assert_eq!(answers.get(&token("a")), None, "two at most");
        answers.keep(&Question::Login { user: "a:u", key: "k" }, answer(None));
        assert_eq!(answers.get(&Question::Login { user: "a:u", key: "k" }), None);
    }
}
