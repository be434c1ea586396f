//! What a PUT or POST must fulfil before anything is written: sizes, names, metadata, times of deletion.

use super::placement;
use crate::http::headers::has_prefix;
use crate::http::{Headers, Request, Response};
use swiftlet_types::{Constraints, Timestamp};

const USER_META: &str = "x-object-meta-";
/// Times of deletion are capped here, so that queue names keep ten digits.
const MAX_DELETE_AT: i64 = 9_999_999_999;

/// Checks a PUT, and turns X-Delete-After into X-Delete-At.
pub(super) fn check_put(
    request: &mut Request,
    object_name: &str,
    now: Timestamp,
    limits: &Constraints,
) -> Result<(), Response> {
    if request.body.len().is_some_and(|bytes| bytes > limits.max_file_size) {
        return Err(Response::plain(413, "Your request is too large."));
    }
    let headers = &mut request.headers;
    if !headers.contains("Content-Length") && !headers.contains("Transfer-Encoding") {
        return Err(Response::plain(411, "Missing Content-Length header."));
    }
    let chars = object_name.chars().count();
    if chars > limits.max_object_name_length {
        let text = format!("Object name length of {chars} longer than {}", limits.max_object_name_length);
        return Err(Response::plain(400, text));
    }
    if !headers.contains("Content-Type") {
        return Err(Response::plain(400, "No content type"));
    }
    check_delete_time(headers, now)?;
    match headers.get("Content-Type").map(std::str::from_utf8) {
        Some(Ok(text)) if !text.contains('\0') => {}
        _ => return Err(Response::plain(400, "Invalid Content-Type")),
    }
    check_metadata(headers, limits)
}

fn check_delete_time(headers: &mut Headers, now: Timestamp) -> Result<(), Response> {
    let refuse = |text: &'static str| Response::plain(400, text);
    let now_seconds = now.seconds() as i64;
    if let Some(after) = headers.remove("X-Delete-After") {
        let after = integer(&after).ok_or_else(|| refuse("Non-integer X-Delete-After"))?;
        let at = now_seconds.saturating_add(after).clamp(0, MAX_DELETE_AT);
        if at <= now_seconds {
            return Err(refuse("X-Delete-After in past"));
        }
        headers.set("X-Delete-At", at.to_string());
    }
    if let Some(at) = headers.get("X-Delete-At") {
        let at = integer(at).ok_or_else(|| refuse("Non-integer X-Delete-At"))?.clamp(0, MAX_DELETE_AT);
        if at <= now_seconds && !placement::says_yes(headers, "X-Backend-Replication") {
            return Err(refuse("X-Delete-At in past"));
        }
    }
    Ok(())
}

/// Checks the user metadata in `headers` against the limits.
pub(super) fn check_metadata(headers: &Headers, limits: &Constraints) -> Result<(), Response> {
    let refuse = |text: String| Err(Response::plain(400, text));
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (mut count, mut size) = (0, 0);
    for (name, value) in headers.iter() {
        if value.len() > limits.max_header_size {
            let name = &name[..name.len().min(limits.max_meta_name_length)];
            return refuse(format!("Header value too long: {}", shown(name)));
        }
        if !has_prefix(name, USER_META) {
            continue;
        }
        let key = &name[USER_META.len()..];
        count += 1;
        size += key.len() + value.len();
        if key.is_empty() {
            return refuse("Metadata name cannot be empty".to_owned());
        }
        if key.len() > limits.max_meta_name_length {
            return refuse(format!("Metadata name too long: {USER_META}{}", shown(key)));
        }
        if value.len() > limits.max_meta_value_length {
            let limit = limits.max_meta_value_length;
            return refuse(format!("Metadata value longer than {limit}: {USER_META}{}", shown(key)));
        }
        if count > limits.max_meta_count {
            return refuse(format!("Too many metadata items; max {}", limits.max_meta_count));
        }
        if size > limits.max_meta_overall_size {
            return refuse(format!("Total metadata too large; max {}", limits.max_meta_overall_size));
        }
    }
    Ok(())
}

/// An integer as Python's `int` reads one.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// The integer in header `name`; 0 where it is missing, empty or none.
pub(super) fn integer_or_zero(headers: &Headers, name: &str) -> i64 {
    headers.get(name).and_then(integer).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Method;

    fn put(fields: &[(&'static str, String)]) -> Result<Headers, (u16, String)> {
        let mut request = Request::new(Method::Put, "/sda/1/a/c/o");
        request.headers.set("Content-Length", "0");
        request.headers.set("Content-Type", "text/plain");
        for (name, value) in fields {
            request.headers.set(*name, value.clone());
        }
        let now: Timestamp = "1000.5".parse().unwrap();
        match check_put(&mut request, "o", now, &Constraints::default()) {
            Ok(()) => Ok(request.headers),
            Err(mut answer) => {
                let body = futures_util::FutureExt::now_or_never(answer.body.read_all(1000));
                let text = body.expect("ready").expect("whole");
                Err((answer.status, String::from_utf8_lossy(&text).into_owned()))
            }
        }
    }

    #[test]
    fn times_of_deletion_lie_ahead() {
        let headers = put(&[("X-Delete-After", "10".into())]).unwrap();
        assert_eq!(headers.get_str("X-Delete-At"), Some("1010"));
        assert!(!headers.contains("X-Delete-After"));
        assert_eq!(put(&[("X-Delete-After", "0".into())]).unwrap_err().1, "X-Delete-After in past");
        assert_eq!(put(&[("X-Delete-After", "x".into())]).unwrap_err().1, "Non-integer X-Delete-After");
        assert_eq!(put(&[("X-Delete-At", "1000".into())]).unwrap_err().1, "X-Delete-At in past");
        assert!(put(&[("X-Delete-At", "1000".into()), ("X-Backend-Replication", "True".into())]).is_ok());
    }

    #[test]
    fn metadata_has_limits() {
        assert!(put(&[("X-Object-Meta-A", "v".repeat(256))]).is_ok());
        assert_eq!(
            put(&[("X-Object-Meta-A", "v".repeat(257))]).unwrap_err(),
            (400, "Metadata value longer than 256: x-object-meta-A".to_owned())
        );
        assert_eq!(put(&[("X-Object-Meta-", "v".into())]).unwrap_err().1, "Metadata name cannot be empty");
        assert_eq!(put(&[("X-Any", "v".repeat(8193))]).unwrap_err().1, "Header value too long: X-Any");
    }
}
