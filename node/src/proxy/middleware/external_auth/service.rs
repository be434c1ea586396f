//! The service that knows the users: what it is asked, what it may answer.

use super::options::ServiceOptions;
use crate::web_client::{WebClient, WebClientError};
use bytes::Bytes;
use http::{Request, Uri};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Semaphore;

const MAX_NAME_BYTES: usize = 256;
const MAX_GROUPS: usize = 256;
const MAX_TOKEN_BYTES: usize = 4096;

/// What the service is asked.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Question<'a> {
    /// Whether this is the user's key (at a request for a token).
    Login { user: &'a str, key: &'a str },
    /// Whom one of its tokens stands for (at a request with that token).
    Token { token: &'a str },
    /// What groups a user is in now (at a request with a token that we signed).
    User { user: &'a str },
}

/// What it answers for somebody it knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Answer {
    /// `account:user`.
    pub user: String,
    /// The groups beside the account's and the user's own: `.admin`, `.reseller_admin` and what ACLs may name.
    #[serde(default)]
    pub groups: Vec<String>,
    /// A token of the service's own; without one we sign one.
    #[serde(default)]
    pub token: Option<String>,
    /// For how many seconds that token, or this answer, is good.
    #[serde(default)]
    pub expires_in_s: Option<u64>,
    /// The storage URL, where it is another one than ours.
    #[serde(default)]
    pub storage_url: Option<String>,
    /// How many bytes the account may hold; left out: as before.
    #[serde(default)]
    pub quota_bytes: Option<u64>,
}

/// Why the service could not be asked.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// It did not answer.
    #[error(transparent)]
    Client(#[from] WebClientError),
    /// Too many questions are open already.
    #[error("no turn within {0:?}: too many questions are open")]
    Busy(Duration),
    /// It answered with a status that says nothing of the user.
    #[error("status {0}")]
    Status(u16),
    /// Its answer is not what it should be.
    #[error("the answer {0}")]
    Malformed(String),
}

/// The service.
pub struct Service {
    client: WebClient,
    url: Uri,
    authorization: Option<String>,
    turns: Semaphore,
    timeout: Duration,
}

impl Service {
    /// The one that the options name; nothing is asked yet.
    pub fn new(options: &ServiceOptions) -> Result<Self, WebClientError> {
        Ok(Self {
            client: WebClient::new(options.ca_file.as_deref(), options.limits)?,
            url: options.url.clone(),
            authorization: options.shared_secret.as_ref().map(|secret| format!("Bearer {secret}")),
            turns: Semaphore::new(options.max_questions),
            timeout: options.limits.timeout,
        })
    }

    /// Asks; `None` where it knows nobody of whom that is true.
    pub async fn ask(&self, question: &Question<'_>) -> Result<Option<Answer>, ServiceError> {
        let turn = tokio::time::timeout(self.timeout, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(ServiceError::Busy(self.timeout)) };
        let answer = self.client.send(self.request(question)?).await?;
        match answer.status {
            200 => {
                let answer: Answer = serde_json::from_slice(&answer.body)
                    .map_err(|error| ServiceError::Malformed(format!("is no JSON of ours: {error}")))?;
                answer.check().map_err(|why| ServiceError::Malformed(why.to_owned()))?;
                Ok(Some(answer))
            }
            401 | 403 | 404 => Ok(None),
            status => Err(ServiceError::Status(status)),
        }
    }

    fn request(&self, question: &Question<'_>) -> Result<Request<Bytes>, ServiceError> {
        let malformed = |why: String| ServiceError::Malformed(format!("was not asked for: {why}"));
        let body = serde_json::to_vec(question).map_err(|error| malformed(error.to_string()))?;
        let mut request = Request::post(self.url.clone())
            .header("Content-Type", "application/json")
            .header("Accept", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        request.body(body.into()).map_err(|error| malformed(error.to_string()))
    }
}

impl Answer {
    /// What is wrong with it: names end up in ACLs, paths and header fields.
    fn check(&self) -> Result<(), &'static str> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= MAX_NAME_BYTES
                && !name.contains(|c: char| c.is_control() || c == ',' || c == '/')
        };
        match self.user.split_once(':') {
            Some((account, user)) if is_name(account) && is_name(user) && !account.starts_with('.') => {}
            _ => return Err("has no user of the form account:user"),
        }
        if self.groups.len() > MAX_GROUPS || !self.groups.iter().all(|group| is_name(group)) {
            return Err("has groups that are none, or too many");
        }
        let is_text = |text: &String| {
            !text.is_empty() && text.len() <= MAX_TOKEN_BYTES && text.bytes().all(|b| b.is_ascii_graphic())
        };
        if !self.token.iter().chain(&self.storage_url).all(is_text) {
            return Err("has a token or storage_url that no header field can hold");
        }
        Ok(())
    }

    /// The account's name.
    pub fn account(&self) -> &str {
        self.user.split_once(':').map_or("", |(account, _)| account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(json: &str) -> Result<(), &'static str> {
        serde_json::from_str::<Answer>(json).unwrap().check()
    }

    #[test]
    fn questions_are_told_apart_by_their_fields() {
        let text = |question: Question<'_>| serde_json::to_string(&question).unwrap();
        assert_eq!(text(Question::Login { user: "a:u", key: "k" }), r#"{"user":"a:u","key":"k"}"#);
        assert_eq!(text(Question::Token { token: "t" }), r#"{"token":"t"}"#);
        assert_eq!(text(Question::User { user: "a:u" }), r#"{"user":"a:u"}"#);
    }

    #[test]
    fn answers_that_could_be_more_than_they_say_are_none() {
        assert_eq!(checked(r#"{"user": "a:u", "groups": [".admin", "staff"], "other": 1}"#), Ok(()));
        for wrong in [
            r#"{"user": "u"}"#,
            r#"{"user": ".auth:u"}"#,
            r#"{"user": "a/b:u"}"#,
            r#"{"user": "a:u,.reseller_admin"}"#,
            r#"{"user": "a:u", "groups": ["a,b"]}"#,
            r#"{"user": "a:u", "groups": [""]}"#,
            r#"{"user": "a:u", "token": "a\r\nb"}"#,
            r#"{"user": "a:u", "storage_url": "http://h/ x"}"#,
        ] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
    }
}
