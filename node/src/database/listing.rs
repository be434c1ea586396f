//! The forms of a listing, and the JSON one written straight from rows: it is what proxies ask for.

use super::Params;
use super::answer::refuse;
use crate::http::{Headers, Response};
use bytes::Bytes;
use swiftlet_types::accept::best_match;
use swiftlet_types::json;

/// How a listing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A name a line.
    Text,
    /// A JSON array.
    Json,
    /// XML, under either of its content types.
    Xml(&'static str),
}

const FORMS: [(&str, Form); 4] = [
    ("text/plain", Form::Text),
    ("application/json", Form::Json),
    ("application/xml", Form::Xml("application/xml")),
    ("text/xml", Form::Xml("text/xml")),
];

impl Form {
    /// The form that a request wants: by its `format`, which wins, or by its Accept.
    pub fn of(params: &Params, headers: &Headers) -> Result<Self, Response> {
        match params.get("format")? {
            Some(format) if format.eq_ignore_ascii_case("json") => return Ok(Self::Json),
            Some(format) if format.eq_ignore_ascii_case("xml") => return Ok(Self::Xml("application/xml")),
            Some(format) if !format.is_empty() => return Ok(Self::Text),
            _ => {}
        }
        let invalid = || refuse(400, "Invalid Accept header");
        let accept = std::str::from_utf8(headers.get("Accept").unwrap_or_default()).map_err(|_| invalid())?;
        let best = best_match(accept, &FORMS.map(|(name, _)| name)).map_err(|_| invalid())?;
        let form = FORMS.into_iter().find(|(name, _)| best == Some(name)).map(|(_, form)| form);
        form.ok_or_else(|| Response::standard(406))
    }

    /// Its content type, with the charset.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
            Self::Xml("text/xml") => "text/xml; charset=utf-8",
            Self::Xml(_) => "application/xml; charset=utf-8",
        }
    }
}

/// A JSON array in the making, spaced as Python's `json.dumps` does it.
pub struct JsonArray {
    out: Vec<u8>,
}

impl Default for JsonArray {
    /// `[`
    fn default() -> Self {
        Self { out: Vec::from(b"[") }
    }
}

impl JsonArray {
    /// Begins the next object.
    pub fn begin(&mut self) {
        if self.out.len() > 1 {
            self.out.extend_from_slice(b", ");
        }
        self.out.push(b'{');
    }

    /// Adds a text to the object.
    pub fn text(&mut self, key: &'static str, value: &str) {
        self.key(key);
        json::push_string(&mut self.out, value);
    }

    /// Adds a number to the object.
    pub fn int(&mut self, key: &'static str, value: i64) {
        self.key(key);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// Adds a `null` to the object.
    pub fn null(&mut self, key: &'static str) {
        self.key(key);
        self.out.extend_from_slice(b"null");
    }

    /// Ends the object.
    pub fn end(&mut self) {
        self.out.push(b'}');
    }

    /// The whole array.
    pub fn finish(mut self) -> Bytes {
        self.out.push(b']');
        self.out.into()
    }

    fn key(&mut self, key: &'static str) {
        if self.out.last() != Some(&b'{') {
            self.out.extend_from_slice(b", ");
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\": ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_spaced_as_python_does() {
        let mut array = JsonArray::default();
        for name in ["a", "{"] {
            array.begin();
            array.text("name", name);
            array.int("bytes", -1);
            array.null("epoch");
            array.end();
        }
        let python =
            r#"[{"name": "a", "bytes": -1, "epoch": null}, {"name": "{", "bytes": -1, "epoch": null}]"#;
        assert_eq!(array.finish(), python);
        assert_eq!(JsonArray::default().finish(), "[]");
    }

    #[test]
    fn format_wins_over_accept() {
        let form = |query: &str, accept: &'static str| {
            let headers: Headers = [("Accept", accept)].into_iter().collect();
            Form::of(&Params::of(query.as_bytes()), &headers).map_err(|answer| answer.status)
        };
        assert_eq!(form("format=JSON", "text/xml"), Ok(Form::Json));
        assert_eq!(form("format=odd", "text/xml"), Ok(Form::Text));
        assert_eq!(form("format=", "text/xml"), Ok(Form::Xml("text/xml")));
        assert_eq!(form("", ""), Ok(Form::Text));
        assert_eq!(form("", "image/png"), Err(406));
        assert_eq!(form("", "nonsense"), Err(400));
    }
}
