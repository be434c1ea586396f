//! Messages that are not what HTTP has: heads, lengths, chunks, targets and names.

use super::cluster::{A, CLIENT_TIMEOUT, cluster, read_answer};
use std::io::Write;
use std::time::{Duration, Instant};

/// Sends each head (after the owner's own lines) with a body, and looks at the status.
fn check(method: &str, path: &str, cases: &[(&[&str], &[u8], u16)]) {
    for (lines, body, status) in cases {
        let request = [cluster().head(method, path, lines), body.to_vec()].concat();
        let answer = cluster().send(&request);
        assert_eq!(answer.status, *status, "{lines:?} {}: {answer:?}", body.escape_ascii());
    }
}

#[test]
fn a_message_with_two_lengths_or_an_odd_one_is_refused() {
    let path = format!("{}/smuggled", cluster().container("lengths"));
    check(
        "PUT",
        &path,
        &[
            (&["Content-Length: 3", "Transfer-Encoding: chunked"], b"3\r\nabc\r\n0\r\n\r\n", 400),
            (&["Content-Length: 3", "Content-Length: 3"], b"abc", 400),
            (&["Content-Length: 3", "Content-Length: 4"], b"abcd", 400),
            (&["Content-Length: 3, 3"], b"abc", 400),
            (&["Content-Length: +3"], b"abc", 400),
            (&["Content-Length: -3"], b"abc", 400),
            (&["Content-Length: 0x3"], b"abc", 400),
            (&["Content-Length: 3 3"], b"abc", 400),
            (&["Content-Length: 99999999999999999999"], b"", 413),
            (&["Content-Length: 5368709123"], b"", 413),
            (&["Transfer-Encoding: gzip"], b"", 400),
            (&["Transfer-Encoding: gzip, chunked"], b"3\r\nabc\r\n0\r\n\r\n", 501),
            (&["Transfer-Encoding: CHUNKED"], b"3\r\nabc\r\n0\r\n\r\n", 411),
            (&[], b"", 411),
        ],
    );
    assert!(cluster().names_in(&format!("{A}/lengths")).is_empty());
}

#[test]
fn header_lines_that_could_be_read_two_ways_are_refused() {
    let path = cluster().container("lines");
    check(
        "GET",
        &path,
        &[
            (&["X-A: b", " folded"], b"", 400),
            (&["X-A: b", "\tfolded"], b"", 400),
            (&["X-A : b"], b"", 400),
            (&["X A: b"], b"", 400),
            (&["no colon"], b"", 400),
            (&[": no name"], b"", 400),
            (&["X-A: a\0b"], b"", 400),
            (&["X-\0A: b"], b"", 400),
            (&["X-\x01: b"], b"", 400),
            (&["X-A: a\rX-B: b"], b"", 400),
            (&["X-A: tab\tand \u{2603}"], b"", 204),
        ],
    );
    // a bare line feed ends a line for Swift too, and what follows is one more field
    let bare = cluster().head("GET", &path, &["X-A: a\nX-B: b"]);
    assert_eq!(cluster().send(&bare).status, 204);
}

#[test]
fn heads_over_the_limits_are_refused_in_bounded_memory() {
    let path = cluster().container("heads");
    let many: Vec<String> = (0..200).map(|i| format!("X-{i}: v")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long = format!("X-Long: {}", "v".repeat(9000));
    let large = format!("X-Large: {}", "v".repeat(7000));
    check("GET", &path, &[(&many, b"", 431), (&[&long], b"", 400), (&[large.as_str(); 10], b"", 400)]);
    let target = format!("{path}?{}", "q".repeat(9000));
    check("GET", &target, &[(&[], b"", 414)]);
    let mut endless = cluster().connect();
    let _ = endless.write_all(b"GET /").and_then(|()| endless.write_all(&[b'x'; 1 << 20]));
    assert_eq!(read_answer(&mut endless).expect("an answer").status, 414);
}

#[test]
fn targets_and_names() {
    cluster().container("targets");
    let object = format!("{A}/targets/o");
    assert_eq!(cluster().ask("PUT", &object, &[], b"x").status, 201);
    for (target, status) in [
        (format!("http://elsewhere.example{object}"), 200),
        (format!("https://elsewhere.example:1{object}"), 200),
        ("http://elsewhere.example".to_owned(), 404),
        ("*".to_owned(), 404),
        (String::new(), 412),
        (format!("{A}/targets/%FF"), 412),
        (format!("{A}/%C0%AF"), 412),
        (format!("{A}/targets/%ED%A0%80"), 412),
        (format!("{A}/targets/%00"), 412),
        (format!("{A}/targets/\u{2603}"), 404),
        (format!("{A}/targets/%zz"), 404),
    ] {
        assert_eq!(cluster().ask("GET", &target, &[], b"").status, status, "{target}");
    }
    // names and values that are no UTF-8 by the time they come to a container's server
    for (line, status) in [
        ("X-Container-Meta-\u{2603}: v", 204),
        ("X-Container-Meta-\u{fc}: v", 400),
        ("X-Container-Meta-V: \u{fc}", 204),
    ] {
        assert_eq!(cluster().ask("POST", &format!("{A}/targets"), &[line], b"").status, status, "{line}");
    }
    let request =
        cluster().head("POST", &format!("{A}/targets"), &["X-Container-Meta-V: ?", "Content-Length: 0"]);
    let request: Vec<u8> = request.into_iter().map(|byte| if byte == b'?' { 0xff } else { byte }).collect();
    assert_eq!(cluster().send(&request).status, 400);
}

#[test]
fn chunks() {
    let container = cluster().container("chunks");
    let path = format!("{container}/o");
    let chunked: &[&str] = &["Transfer-Encoding: chunked"];
    check(
        "PUT",
        &path,
        &[
            (chunked, b"3;name=value\r\nabc\r\n0\r\n\r\n", 201),
            (chunked, b"3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n", 201),
            (chunked, b"0003\r\nabc\r\n0\r\n\r\n", 201),
        ],
    );
    assert_eq!(cluster().ask("DELETE", &path, &[], b"").status, 204);
    let long = [b"3;".as_slice(), &[b'x'; 9000], b"\r\nabc\r\n0\r\n\r\n"].concat();
    for body in [
        &b"z\r\nabc\r\n0\r\n\r\n"[..],
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"\r\n",
        b"3\nabc\n0\n\n",
        &long,
    ] {
        let answer = cluster().send(&[cluster().head("PUT", &path, chunked), body.to_vec()].concat());
        assert_eq!(answer.status, 499, "{}: {answer:?}", body.escape_ascii());
    }
    assert!(cluster().names_in(&container).is_empty());
    cluster().assert_nothing_half_written();
}

#[test]
fn a_client_that_stalls_is_given_up() {
    let path = format!("{}/slow", cluster().container("slow"));
    // within the head: nobody knows what it wants, so there is no answer
    let mut socket = cluster().connect();
    socket.write_all(b"GET /v1/AUTH_test HTTP/1.1\r\nX-A: ").expect("it listens");
    let begun = Instant::now();
    assert!(read_answer(&mut socket).is_none());
    assert!(begun.elapsed() >= CLIENT_TIMEOUT - Duration::from_millis(100));
    for lines in [&["Content-Length: 10"][..], &["Transfer-Encoding: chunked"]] {
        let mut socket = cluster().connect();
        socket
            .write_all(&[cluster().head("PUT", &path, lines), b"3\r\nab".to_vec()].concat())
            .expect("it listens");
        assert_eq!(read_answer(&mut socket).expect("an answer").status, 408, "{lines:?}");
    }
    assert!(cluster().names_in(&format!("{A}/slow")).is_empty());
    cluster().assert_nothing_half_written();
}

#[test]
fn the_rest_of_a_refused_message_is_no_request() {
    let path = cluster().container("rest");
    let hidden = format!("DELETE {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    for lines in [
        &["Content-Length: 0", "Transfer-Encoding: chunked"][..],
        &["Content-Length: 0", "Content-Length: 60"],
        &["Transfer-Encoding: gzip"],
        &["Transfer-Encoding: xchunked"],
    ] {
        let mut socket = cluster().connect();
        let request =
            [cluster().head("PUT", &format!("{path}/o"), lines), hidden.clone().into_bytes()].concat();
        socket.write_all(&request).expect("it listens");
        assert!(read_answer(&mut socket).expect("an answer").status >= 400, "{lines:?}");
        assert!(read_answer(&mut socket).is_none(), "{lines:?}: a second answer");
    }
    assert_eq!(cluster().ask("HEAD", &path, &[], b"").status, 204);
}
