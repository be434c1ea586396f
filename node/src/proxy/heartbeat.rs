//! Requests that take long: a blank for the client now and then, and how it went in the body, since the answer's head
//! is long out by then (`get_heartbeat_response_body`).

use super::listing::push_value;
use crate::http::standard::words;
use crate::http::{Body, BodyError, BodyStream, Response};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::pin::Pin;
use std::time::Duration;
use swiftlet_types::accept::best_match;

/// The forms that a report comes in, the favourite first.
const FORMATS: [&str; 4] = ["text/plain", "application/json", "application/xml", "text/xml"];

/// The form of report that a client takes, by its `Accept`; `None` where it takes none, or is malformed.
pub fn format_for(accept: Option<&str>) -> Option<&'static str> {
    best_match(accept.unwrap_or_default(), &FORMATS).ok().flatten()
}

/// The status line's status, as reports quote it.
pub fn status_text(response: &Response) -> String {
    match &response.reason {
        Some(reason) => format!("{} {}", response.status, String::from_utf8_lossy(reason)),
        None => status_words(response.status),
    }
}

/// A status with its usual phrase.
pub fn status_words(status: u16) -> String {
    format!("{status} {}", words(status).map_or("", |(phrase, _)| phrase))
}

/// The sentence that stands for an answer without a body of its own.
pub fn explanation(status: u16) -> String {
    words(status).map_or_else(String::new, |(phrase, text)| match text {
        "" => phrase.to_owned(),
        text => format!("{phrase}\n{text}"),
    })
}

/// How a request went.
#[derive(Debug, Default)]
pub struct Report {
    /// What there is to say, by name.
    pub fields: Map<String, Value>,
    /// What failed: percent-encoded names, and why.
    pub errors: Vec<(String, String)>,
}

impl Report {
    /// Adds a field.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// As a body; `root` is the outer element in XML.
    pub fn render(mut self, format: &str, root: &str) -> Vec<u8> {
        if format == "application/json" {
            let error = |(name, why)| Value::from(vec![name, why]);
            self.fields.insert("Errors".into(), self.errors.into_iter().map(error).collect());
            let mut json = Vec::new();
            push_value(&mut json, &Value::Object(self.fields));
            return json;
        }
        self.fields.sort_keys();
        match format.ends_with("/xml") {
            true => self.to_xml(root).into_bytes(),
            false => self.to_text().into_bytes(),
        }
    }

    fn to_text(&self) -> String {
        let lines = self.fields.iter().map(|(name, value)| format!("{name}: {}\n", plain(value)));
        let errors = self.errors.iter().map(|(name, why)| format!("{name}, {why}\n"));
        lines.chain(["Errors:\n".to_owned()]).chain(errors).collect()
    }

    fn to_xml(&self, root: &str) -> String {
        let fields = self.fields.iter().map(|(name, value)| {
            let tag = name.replace(' ', "_").to_lowercase();
            format!("<{tag}>{}</{tag}>\n", escape(&plain(value)))
        });
        let errors = self.errors.iter().map(|(name, why)| {
            format!("<object><name>{}</name><status>{}</status></object>\n", escape(name), escape(why))
        });
        let fields: String = fields.collect();
        let errors: String = errors.collect();
        format!("<{root}>\n{fields}<errors>\n{errors}</errors>\n</{root}>\n")
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// When a client that waits is sent something.
#[derive(Debug, Clone, Copy)]
pub struct Beat {
    /// So often (`yield_frequency`).
    pub every: Duration,
    /// Whether the first beat goes out at once.
    pub at_once: bool,
    /// The first beat; those that follow are blanks.
    pub first: &'static str,
    /// What divides beats, if there were any, from the report.
    pub separator: &'static str,
}

/// A body that beats until `work` is done, and then is what that returns. `work` ends when the client goes away.
pub fn body(work: impl Future<Output = Vec<u8>> + Send + 'static, beat: Beat) -> Body {
    Body::stream(None, Beating { work: Some(Box::pin(work)), beat, begun: false })
}

struct Beating {
    work: Option<Pin<Box<dyn Future<Output = Vec<u8>> + Send>>>,
    beat: Beat,
    begun: bool,
}

#[async_trait]
impl BodyStream for Beating {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let Some(work) = &mut self.work else { return Ok(None) };
        let outcome = match self.beat.at_once && !self.begun {
            true => None,
            false => tokio::time::timeout(self.beat.every, work).await.ok(),
        };
        let Some(report) = outcome else {
            let first = !std::mem::replace(&mut self.begun, true);
            return Ok(Some(Bytes::from_static(if first { self.beat.first.as_bytes() } else { b" " })));
        };
        self.work = None;
        let separator = if self.begun { self.beat.separator } else { "" };
        Ok(Some([separator.as_bytes(), &report].concat().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report =
            Report { errors: vec![("/c/%C3%BC".into(), "404 Not Found".into())], ..Report::default() };
        report.set("Response Status", "400 Bad Request");
        report.set("Number Deleted", 2);
        report
    }

    #[test]
    fn reports_are_pythons() {
        // get_heartbeat_response_body of the same
        assert_eq!(
            String::from_utf8(report().render("application/json", "delete")).unwrap(),
            r#"{"Response Status": "400 Bad Request", "Number Deleted": 2, "Errors": [["/c/%C3%BC", "404 Not Found"]]}"#
        );
        assert_eq!(
            String::from_utf8(report().render("text/plain", "delete")).unwrap(),
            "Number Deleted: 2\nResponse Status: 400 Bad Request\nErrors:\n/c/%C3%BC, 404 Not Found\n"
        );
        assert_eq!(
            String::from_utf8(report().render("text/xml", "delete")).unwrap(),
            "<delete>\n<number_deleted>2</number_deleted>\n<response_status>400 Bad Request</response_status>\n\
             <errors>\n<object><name>/c/%C3%BC</name><status>404 Not Found</status></object>\n</errors>\n</delete>\n"
        );
    }

    #[tokio::test]
    async fn beats_until_the_work_is_done() {
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let work = async move {
            ended.await.ok();
            b"done".to_vec()
        };
        let every = Duration::from_millis(1);
        let mut beating = body(work, Beat { every, at_once: false, first: "<?xml?>", separator: "\r\n\r\n" });
        assert_eq!(beating.next().await.unwrap().unwrap(), "<?xml?>");
        assert_eq!(beating.next().await.unwrap().unwrap(), " ");
        end.send(()).unwrap();
        let rest = beating.read_all(100).await.unwrap();
        assert!(rest.ends_with(b"\r\n\r\ndone"), "{rest:?}");
    }

    #[tokio::test]
    async fn work_done_in_time_needs_no_beat_unless_one_goes_first() {
        let seldom =
            Beat { every: Duration::from_secs(60), at_once: false, first: " ", separator: "\r\n\r\n" };
        let work = || async { b"done".to_vec() };
        assert_eq!(body(work(), seldom).read_all(100).await.unwrap(), "done");
        let at_once = Beat { at_once: true, ..seldom };
        assert_eq!(body(work(), at_once).read_all(100).await.unwrap(), " \r\n\r\ndone");
    }
}
