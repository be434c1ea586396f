//! What requests may hold: names, metadata, sizes and times, refused in Swift's words.

use super::meta::{self, ServerKind};
use crate::http::headers::has_prefix;
use crate::http::{Headers, Request, Response};
use bytes::Bytes;
use swiftlet_types::{Constraints, Timestamp};

/// The latest second that an object can be set to expire at: ten digits, so that text orders as time does.
const LAST_SECOND: u64 = 9_999_999_999;

/// Whether `name` may be part of a path: not empty, UTF-8, and without NUL unless reserved names are allowed.
pub fn is_valid_name(name: &[u8], allow_reserved: bool) -> bool {
    !name.is_empty() && std::str::from_utf8(name).is_ok() && (allow_reserved || !name.contains(&0))
}

/// Refuses reserved names where they cannot be: NUL in the middle of a name, or an object of one name space in
/// a container of the other.
pub fn check_reserved_names(
    account: &str,
    container: Option<&str>,
    object: Option<&str>,
) -> Result<(), Response> {
    let misplaced = |name: &str| name.contains('\0') && !name.starts_with('\0');
    let bad = |body: &str| Err(Response::html(400, body.to_owned()));
    if misplaced(account) {
        return bad("Invalid reserved-namespace account");
    }
    let Some(container) = container else { return Ok(()) };
    if misplaced(container) {
        return bad("Invalid reserved-namespace container");
    }
    let Some(object) = object.filter(|_| !account.starts_with('.')) else { return Ok(()) };
    if misplaced(object) {
        return bad("Invalid reserved-namespace object");
    }
    match (container.starts_with('\0'), object.starts_with('\0')) {
        (true, false) => bad("Invalid user-namespace object in reserved-namespace container"),
        (false, true) => bad("Invalid reserved-namespace object in user-namespace container"),
        _ => Ok(()),
    }
}

/// Refuses metadata that is too much, too long or no text, and any header value that is too long.
pub fn check_metadata(headers: &Headers, kind: ServerKind, limits: &Constraints) -> Result<(), Response> {
    let prefix = kind.user_meta_prefix();
    let bad = |text: String| Err(Response::plain(400, text));
    let named = |what: &str, name: &[u8]| {
        let titled = meta::title_case(name);
        Err(Response::plain(400, Bytes::from([what.as_bytes(), &titled].concat())))
    };
    let (mut count, mut size) = (0, 0);
    for (name, value) in headers.iter() {
        if value.len() > limits.max_header_size {
            return named("Header value too long: ", &name[..name.len().min(limits.max_meta_name_length)]);
        }
        if !has_prefix(name, prefix) {
            continue;
        }
        let name = &name[prefix.len()..];
        if name.is_empty() {
            return bad("Metadata name cannot be empty".to_owned());
        }
        let is_text = is_valid_name(name, false) && (value.is_empty() || is_valid_name(value, false));
        if kind != ServerKind::Object && !is_text {
            return bad("Metadata must be valid UTF-8".to_owned());
        }
        count += 1;
        size += name.len() + value.len();
        if name.len() > limits.max_meta_name_length {
            return named(&format!("Metadata name too long: {prefix}"), name);
        }
        if value.len() > limits.max_meta_value_length {
            return named(
                &format!("Metadata value longer than {}: {prefix}", limits.max_meta_value_length),
                name,
            );
        }
        if count > limits.max_meta_count {
            return bad(format!("Too many metadata items; max {}", limits.max_meta_count));
        }
        if size > limits.max_meta_overall_size {
            return bad(format!("Total metadata too large; max {}", limits.max_meta_overall_size));
        }
    }
    Ok(())
}

/// Refuses an object PUT that cannot be right; sets `X-Delete-At` from `X-Delete-After`.
pub fn check_object_creation(
    request: &mut Request,
    object: &str,
    now: Timestamp,
    limits: &Constraints,
) -> Result<(), Response> {
    let refuse = |status: u16, text: &str| Err(Response::plain(status, text.to_owned()));
    match message_length(&request.headers)? {
        Some(length) if length > limits.max_file_size => return refuse(413, "Your request is too large."),
        // Swift compares to the letter here: another case of it is a coding that names no length
        None if request.headers.get("transfer-encoding") != Some(b"chunked") => {
            return refuse(411, "Missing Content-Length header.");
        }
        _ => {}
    }
    let name_length = object.chars().count();
    if name_length > limits.max_object_name_length {
        let text =
            format!("Object name length of {name_length} longer than {}", limits.max_object_name_length);
        return refuse(400, &text);
    }
    let Some(content_type) = request.headers.get("content-type") else {
        return refuse(400, "No content type");
    };
    let is_text = is_valid_name(content_type, false);
    check_delete_headers(&mut request.headers, now)?;
    if !is_text {
        return refuse(400, "Invalid Content-Type");
    }
    check_metadata(&request.headers, ServerKind::Object, limits)
}

/// Refuses content types with parameters that Swift keeps for itself.
pub fn check_content_type(headers: &Headers) -> Result<(), Response> {
    let parameters = headers.get("content-type").unwrap_or_default().split(|b| *b == b';').skip(1);
    if parameters.into_iter().any(|p| p.trim_ascii_start().starts_with(b"swift_")) {
        return Err(Response::html(400, "Invalid Content-Type, swift_* is not a valid parameter name."));
    }
    Ok(())
}

/// The length that a request's body has by its headers, where they say it.
fn message_length(headers: &Headers) -> Result<Option<u64>, Response> {
    if let Some(encoding) = headers.get_str("transfer-encoding").filter(|te| !te.is_empty()) {
        return match encoding {
            several if several.contains(',') => Err(Response::plain(
                501,
                "Unsupported Transfer-Coding header value specified in Transfer-Encoding header",
            )),
            chunked if chunked.eq_ignore_ascii_case("chunked") => Ok(None),
            _ => Err(Response::plain(400, "Invalid Transfer-Encoding header value")),
        };
    }
    match headers.get_str("content-length") {
        None => Ok(None),
        Some(text) => match whole_number(text).map(u64::try_from) {
            Some(Ok(length)) => Ok(Some(length)),
            _ => Err(Response::plain(400, "Invalid Content-Length header value")),
        },
    }
}

/// How many bytes a request says that its body has; 0 where it does not say.
pub fn content_length(headers: &Headers) -> u64 {
    headers.get_str("content-length").and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// The name of an account as a header gives it, decoded.
pub fn account_name(quoted: &[u8]) -> Result<Vec<u8>, Response> {
    let name = swiftlet_types::names::unquote(quoted);
    if name.is_empty() {
        return Err(Response::html(412, "Account name cannot be empty"));
    }
    if name.contains(&b'/') {
        return Err(Response::html(412, "Account name cannot contain slashes"));
    }
    Ok(name)
}

/// Whether the body comes in chunks.
pub fn is_chunked(headers: &Headers) -> bool {
    let encodings = headers.get_str("transfer-encoding").unwrap_or_default();
    encodings.rsplit(',').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("chunked"))
}

/// Turns `X-Delete-After` into `X-Delete-At`, and refuses times that are none or past. The second that the object
/// is to expire at, where it is.
pub fn check_delete_headers(headers: &mut Headers, now: Timestamp) -> Result<Option<u64>, Response> {
    let refuse = |text: &str| Err(Response::plain(400, text.to_owned()));
    let whole = |headers: &Headers, name: &str| -> Option<Option<i64>> {
        headers.get(name).map(|value| std::str::from_utf8(value).ok().and_then(whole_number))
    };
    // a moment that is not after now is past: whole seconds against a moment between them
    let is_past =
        |second: u64| second.saturating_mul(swiftlet_types::timestamp::TICKS_A_SECOND) <= now.ticks();
    match whole(headers, "x-delete-after") {
        None => {}
        Some(None) => return refuse("Non-integer X-Delete-After"),
        Some(Some(seconds)) => {
            let at = now.seconds().saturating_add_signed(seconds).min(LAST_SECOND);
            if is_past(at) {
                return refuse("X-Delete-After in past");
            }
            headers.set("X-Delete-At", format!("{at:010}"));
            headers.remove("x-delete-after");
        }
    }
    match whole(headers, "x-delete-at") {
        None => Ok(None),
        Some(None) => refuse("Non-integer X-Delete-At"),
        Some(Some(second)) => {
            let second = u64::try_from(second).unwrap_or(0).min(LAST_SECOND);
            if is_past(second) && !meta::is_true(headers, "x-backend-replication") {
                return refuse("X-Delete-At in past");
            }
            headers.set("X-Delete-At", format!("{second:010}"));
            Ok(Some(second))
        }
    }
}

/// A whole number; one too large for us is as large as can be.
pub fn whole_number(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let too_large = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    is_number.then(|| text.parse().unwrap_or(too_large))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Method;

    async fn text_of(refused: Result<(), Response>) -> (u16, String) {
        let mut response = refused.expect_err("refused");
        let body = response.body.read_all(1000).await.expect("full");
        (response.status, String::from_utf8_lossy(&body).into_owned())
    }

    fn meta_headers(name: &str, value: &str) -> Headers {
        [(format!("X-Object-Meta-{name}"), value.to_owned())].into_iter().collect()
    }

    #[tokio::test]
    async fn metadata_limits() {
        let limits = Constraints::default();
        let check = |headers: Headers| check_metadata(&headers, ServerKind::Object, &limits);
        assert!(check(meta_headers(&"a".repeat(128), &"b".repeat(256))).is_ok());
        let (status, text) = text_of(check(meta_headers(&"a".repeat(129), "b"))).await;
        assert_eq!(
            (status, text),
            (400, format!("Metadata name too long: x-object-meta-A{}", "a".repeat(128)))
        );
        let (_, text) = text_of(check(meta_headers("colour", &"b".repeat(257)))).await;
        assert_eq!(text, "Metadata value longer than 256: x-object-meta-Colour");
        assert_eq!(text_of(check(meta_headers("", "b"))).await.1, "Metadata name cannot be empty");
        let many: Headers = (0..91).map(|i| (format!("X-Object-Meta-{i}"), "v")).collect();
        assert_eq!(text_of(check(many)).await.1, "Too many metadata items; max 90");
        let large: Headers = (0..17).map(|i| (format!("X-Object-Meta-{i}"), "v".repeat(250))).collect();
        assert_eq!(text_of(check(large)).await.1, "Total metadata too large; max 4096");
    }

    #[tokio::test]
    async fn object_creation() {
        let (limits, now) = (Constraints::default(), "1700000000.5".parse().unwrap());
        let check = |fields: &[(&'static str, &'static str)], name: &str| {
            let mut request = Request::new(Method::Put, "/v1/a/c/o");
            request.headers = fields.iter().copied().collect();
            check_object_creation(&mut request, name, now, &limits)
        };
        let text = ("Content-Type", "text/plain");
        assert!(check(&[text, ("Content-Length", "0")], "o").is_ok());
        assert!(check(&[text, ("Transfer-Encoding", "chunked")], "o").is_ok());
        assert_eq!(text_of(check(&[text], "o")).await.0, 411);
        assert_eq!(text_of(check(&[text, ("Transfer-Encoding", "CHUNKED")], "o")).await.0, 411);
        assert_eq!(text_of(check(&[text, ("Content-Length", "5368709123")], "o")).await.0, 413);
        assert_eq!(text_of(check(&[text, ("Content-Length", "99999999999999999999")], "o")).await.0, 413);
        assert_eq!(text_of(check(&[text, ("Content-Length", "x")], "o")).await.0, 400);
        assert_eq!(text_of(check(&[text, ("Transfer-Encoding", "gzip,chunked")], "o")).await.0, 501);
        assert_eq!(text_of(check(&[("Content-Length", "0")], "o")).await.1, "No content type");
        let long = "o".repeat(1025);
        let refused = text_of(check(&[text, ("Content-Length", "0")], &long)).await;
        assert_eq!(refused.1, "Object name length of 1025 longer than 1024");
    }

    #[tokio::test]
    async fn expiry() {
        let now: Timestamp = "1700000000.5".parse().unwrap();
        let check = |name: &'static str, value: &'static str| {
            let mut headers: Headers = [(name, value)].into_iter().collect();
            check_delete_headers(&mut headers, now)
                .map(|at| (at, headers.get_str("x-delete-at").map(str::to_owned)))
        };
        assert_eq!(check("X-Delete-After", "60").unwrap(), (Some(1_700_000_060), Some("1700000060".into())));
        assert_eq!(check("X-Delete-At", "1700000001").unwrap().0, Some(1_700_000_001));
        assert_eq!(check("X-Delete-At", "99999999999").unwrap().0, Some(9_999_999_999));
        assert_eq!(check("X-Delete-At", "9999999999999999999999").unwrap().0, Some(9_999_999_999));
        assert_eq!(check("X-Other", "1").unwrap(), (None, None));
        for (name, value, text) in [
            ("X-Delete-After", "x", "Non-integer X-Delete-After"),
            ("X-Delete-After", "0", "X-Delete-After in past"),
            ("X-Delete-After", "-1", "X-Delete-After in past"),
            ("X-Delete-At", "", "Non-integer X-Delete-At"),
            ("X-Delete-At", "1.5", "Non-integer X-Delete-At"),
            ("X-Delete-At", "1700000000", "X-Delete-At in past"),
        ] {
            assert_eq!(
                text_of(check(name, value).map(|_| ())).await,
                (400, text.to_owned()),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn reserved_names_stay_among_themselves() {
        assert!(check_reserved_names("a", Some("c"), Some("o")).is_ok());
        assert!(check_reserved_names("a", Some("\0c"), Some("\0o")).is_ok());
        assert!(check_reserved_names(".a", Some("c"), Some("\0o")).is_ok());
        for (container, object) in [("c\0", None), ("c", Some("o\0")), ("c", Some("\0o")), ("\0c", Some("o"))]
        {
            assert!(check_reserved_names("a", Some(container), object).is_err());
        }
    }
}
