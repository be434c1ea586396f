//! The fields of a form: what it allows, until when, and whether a key signed that.

use super::multipart::{MultipartError, Part};
use crate::http::BodyError;
use crate::proxy::auth::now_s;
use crate::proxy::checks::whole_number;
use crate::proxy::signature::{AllowedDigests, Scope};
use std::collections::BTreeMap;
use thiserror::Error;

/// More fields than any form needs.
const MAX_FIELDS: usize = 1000;

/// Why a form is refused.
#[derive(Debug, Error)]
pub enum FormError {
    /// A field's value cannot be right, or there are too many.
    #[error("{0}")]
    Invalid(&'static str),
    /// It is not signed, or no longer good.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// A file is larger than the form allows.
    #[error("max_file_size exceeded")]
    TooLarge,
    /// It is no form.
    #[error("{0}")]
    Malformed(MultipartError),
    /// The client broke off.
    #[error(transparent)]
    Read(BodyError),
}

impl From<MultipartError> for FormError {
    fn from(error: MultipartError) -> Self {
        match error {
            MultipartError::Read(error) => Self::Read(error),
            other => Self::Malformed(other),
        }
    }
}

/// The fields so far, by name in lower case.
#[derive(Debug, Default)]
pub struct Form(BTreeMap<String, String>);

/// How a file is to be stored.
pub struct Upload {
    /// In bytes.
    pub max_file_size: u64,
    /// Header fields for its PUT.
    pub headers: Vec<(&'static str, String)>,
}

impl Form {
    /// Adds a field.
    pub fn add(&mut self, name: Option<&str>, value: &[u8]) -> Result<(), FormError> {
        let value = std::str::from_utf8(value).map_err(|_| FormError::Invalid("a value is not UTF-8"))?;
        let Some(name) = name else { return Ok(()) };
        if self.0.len() >= MAX_FIELDS {
            return Err(FormError::Invalid("too many fields"));
        }
        self.0.insert(name.to_lowercase(), value.trim_end_matches(['\r', '\n', '-']).to_owned());
        Ok(())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a field as it is signed: `0` where it is empty or missing.
    fn or_zero(&self, name: &str) -> &str {
        self.get(name).filter(|value| !value.is_empty()).unwrap_or("0")
    }

    fn number(&self, name: &str, refusal: &'static str) -> Result<i64, FormError> {
        whole_number(self.or_zero(name)).ok_or(FormError::Invalid(refusal))
    }

    /// The page that the browser is to go on to.
    pub fn redirect(&self) -> Option<&str> {
        self.get("redirect").filter(|url| !url.is_empty())
    }

    /// How many files it may have.
    pub fn max_file_count(&self) -> Result<i64, FormError> {
        self.number("max_file_count", "max_file_count not an integer")
    }

    /// How the file `part` is to be stored.
    pub fn upload(&self, part: &Part) -> Result<Upload, FormError> {
        let max_file_size = self.number("max_file_size", "max_file_size not an integer")?;
        let mut headers = Vec::new();
        for (field, header, refusal) in [
            ("x_delete_at", "X-Delete-At", "x_delete_at not an integer: Unix timestamp required."),
            (
                "x_delete_after",
                "X-Delete-After",
                "x_delete_after not an integer: Number of seconds required.",
            ),
        ] {
            if let Some(value) = self.get(field) {
                let number = whole_number(value).ok_or(FormError::Invalid(refusal))?;
                headers.push((header, number.to_string()));
            }
        }
        let content_type = self.get("content-type").or_else(|| part.header("content-type"));
        if let Some(content_type) = content_type {
            let content_type =
                if content_type.is_empty() { "application/octet-stream" } else { content_type };
            headers.push(("Content-Type", content_type.to_owned()));
        }
        if let Some(encoding) = self.get("content-encoding").or_else(|| part.header("content-encoding")) {
            headers.push(("Content-Encoding", encoding.to_owned()));
        }
        Ok(Upload { max_file_size: u64::try_from(max_file_size).unwrap_or(0), headers })
    }

    /// Refuses a form that no longer holds, or that none of `keys` signed for `path`.
    pub fn authorize(
        &self,
        path: &[u8],
        keys: &[(Scope, String)],
        digests: &AllowedDigests,
    ) -> Result<(), FormError> {
        if (self.number("expires", "expired not an integer")? as f64) < now_s() {
            return Err(FormError::Unauthorized("Form Expired"));
        }
        let fields = format!(
            "\n{}\n{}\n{}\n{}",
            self.redirect().unwrap_or_default(),
            self.or_zero("max_file_size"),
            self.or_zero("max_file_count"),
            self.or_zero("expires")
        );
        let message = [path, fields.as_bytes()].concat();
        let signature = digests.parse(self.get("signature").unwrap_or_default().as_bytes());
        match signature.is_some_and(|signature| keys.iter().any(|(_, key)| signature.is_of(key, &message))) {
            true => Ok(()),
            false => Err(FormError::Unauthorized("Invalid Signature")),
        }
    }
}

/// `text` with each word's first letter in upper case.
pub fn title(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    });
    words.collect::<Vec<String>>().join(" ")
}
