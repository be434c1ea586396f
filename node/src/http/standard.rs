//! The answers Swift gives where a handler has nothing of its own to say: its reason phrases, and a line of HTML
//! under each error status (the texts are `swob.RESPONSE_REASONS`, which clients see and some parse).

use super::Response;

/// The reason phrase of `status` as Swift writes it, and the explanation in the body of its standard answer
/// (empty where there is none). `None` for a status that Swift has no words for.
pub fn words(status: u16) -> Option<(&'static str, &'static str)> {
    Some(match status {
        100 => ("Continue", ""),
        200 => ("OK", ""),
        201 => ("Created", ""),
        202 => ("Accepted", "The request is accepted for processing."),
        204 => ("No Content", ""),
        206 => ("Partial Content", ""),
        301 => ("Moved Permanently", "The resource has moved permanently."),
        302 => ("Found", "The resource has moved temporarily."),
        303 => ("See Other", "The response to the request can be found under a different URI."),
        304 => ("Not Modified", ""),
        307 => ("Temporary Redirect", "The resource has moved temporarily."),
        400 => (
            "Bad Request",
            "The server could not comply with the request since it is either malformed or otherwise incorrect.",
        ),
        401 => (
            "Unauthorized",
            "This server could not verify that you are authorized to access the document you requested.",
        ),
        402 => ("Payment Required", "Access was denied for financial reasons."),
        403 => ("Forbidden", "Access was denied to this resource."),
        404 => ("Not Found", "The resource could not be found."),
        405 => ("Method Not Allowed", "The method is not allowed for this resource."),
        406 => ("Not Acceptable", "The resource is not available in a format acceptable to your browser."),
        408 => {
            ("Request Timeout", "The server has waited too long for the request to be sent by the client.")
        }
        409 => ("Conflict", "There was a conflict when trying to complete your request."),
        410 => ("Gone", "This resource is no longer available."),
        411 => ("Length Required", "Content-Length header required."),
        412 => ("Precondition Failed", "A precondition for this request was not met."),
        413 => ("Request Entity Too Large", "The body of your request was too large for this server."),
        414 => ("Request URI Too Long", "The request URI was too long for this server."),
        415 => ("Unsupported Media Type", "The request media type is not supported by this server."),
        416 => ("Requested Range Not Satisfiable", "The Range requested is not available."),
        417 => ("Expectation Failed", "Expectation failed."),
        422 => ("Unprocessable Entity", "Unable to process the contained instructions"),
        499 => ("Client Disconnect", "The client was disconnected during request."),
        500 => (
            "Internal Error",
            "The server has either erred or is incapable of performing the requested operation.",
        ),
        501 => ("Not Implemented", "The requested method is not implemented by this server."),
        502 => ("Bad Gateway", "Bad gateway."),
        503 => {
            ("Service Unavailable", "The server is currently unavailable. Please try again at a later time.")
        }
        504 => ("Gateway Timeout", "A timeout has occurred speaking to a backend server."),
        507 => ("Insufficient Storage", "There was not enough space to save the resource. Drive: unknown"),
        529 => (
            "Too Many Backend Requests",
            "The server is incapable of performing the requested operation due to too many requests. Slow down.",
        ),
        _ => return None,
    })
}

/// The reason phrase for `status` in a status line; empty for one that nobody has words for.
pub fn reason(status: u16) -> &'static str {
    match status {
        431 => "Request Header Fields Too Large",
        498 => "Rate Limited",
        505 => "HTTP Version Not Supported",
        _ => words(status).map_or("", |(reason, _)| reason),
    }
}

/// The body of the standard answer of `status`.
fn page(status: u16) -> String {
    match words(status) {
        Some((title, text)) if !text.is_empty() => format!("<html><h1>{title}</h1><p>{text}</p></html>"),
        _ => String::new(),
    }
}

impl Response {
    /// Swift's standard answer of this status: HTML, with a heading and an explanation where it has one.
    pub fn standard(status: u16) -> Self {
        Self::html(status, page(status))
    }

    /// Announces the length of a body that is not going to be sent (HEAD, 204, 304), where nothing is announced yet.
    /// A standard page counts for nothing: Swift makes it only where it is sent.
    pub fn announce_unsent(&mut self) {
        let Some(body) = self.body.full_bytes().filter(|_| !self.headers.contains("Content-Length")) else {
            return;
        };
        let length = if body == page(self.status).as_bytes() { 0 } else { body.len() };
        self.headers.set_int("Content-Length", length);
    }

    /// An answer of this status with `body` under `text/html; charset=UTF-8`, the type that Swift gives its
    /// error texts unless it says otherwise (plain sentences included).
    pub fn html(status: u16, body: impl Into<super::Body>) -> Self {
        Self::new(status).with("Content-Type", "text/html; charset=UTF-8").with_body(body)
    }

    /// An answer of this status with `body` under `text/plain`, without a charset.
    pub fn plain(status: u16, body: impl Into<super::Body>) -> Self {
        Self::new(status).with("Content-Type", "text/plain").with_body(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn standard_answers_carry_swifts_words() {
        let mut r = Response::standard(404);
        let body = r.body.read_all(1000).await.unwrap();
        assert_eq!(body, "<html><h1>Not Found</h1><p>The resource could not be found.</p></html>");
        assert_eq!(r.headers.get("content-type"), Some(&b"text/html; charset=UTF-8"[..]));
        assert!(Response::standard(204).body.is_empty());
        assert!(Response::standard(799).body.is_empty());
    }
}
