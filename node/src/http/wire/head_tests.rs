use super::*;
use proptest::prelude::*;

fn scan_all(text: &[u8], limits: &Limits) -> Result<Option<usize>, HeadError> {
    HeadScanner::default().scan(text, limits)
}

fn parse(text: &'static [u8]) -> Result<Headers, HeadError> {
    let mut scanner = HeadScanner::default();
    let length = scanner.scan(text, &Limits::default())?.expect("a whole head");
    scanner.headers(&Bytes::from_static(text).slice(..length))
}

#[test]
fn splits_names_and_values_and_keeps_bytes() {
    let headers =
        parse("GET / HTTP/1.1\r\nHost:a\r\nX-Ä: \t b c\t \r\nEmpty:\r\n\r\nbody".as_bytes()).unwrap();
    let got: Vec<_> = headers.iter().map(|(n, v)| (&n[..], &v[..])).collect();
    assert_eq!(got, [(&b"Host"[..], &b"a"[..]), ("X-Ä".as_bytes(), b"b c"), (b"Empty", b"")]);
}

#[test]
fn takes_bare_line_feeds_as_eventlet_does() {
    let headers = parse(b"GET / HTTP/1.1\nA: 1\nB: 2\n\n").unwrap();
    assert_eq!(headers.get("b"), Some(&b"2"[..]));
}

#[test]
fn refuses_what_could_be_read_two_ways() {
    for line in
        [" folded", "\tfolded", "no colon", ": no name", "a : 1", "a b: 1", "a: b\rc: d", "a: \0", "\x01: 2"]
    {
        let text: &'static [u8] = format!("GET / HTTP/1.1\r\nA: 1\r\n{line}\r\n\r\n").into_bytes().leak();
        assert_eq!(parse(text), Err(HeadError::BadHeader), "{line:?}");
    }
}

#[test]
fn takes_reserved_names_where_clients_send_them() {
    let headers = parse(b"PUT / HTTP/1.1\r\nX-Symlink-Target: \0c/\0o\r\n\r\n").unwrap();
    assert_eq!(headers.get("x-symlink-target"), Some(&b"\0c/\0o"[..]));
}

#[test]
fn limits_are_eventlets() {
    let limits = Limits { max_request_line: 10, max_header_line: 8, max_head_size: 30, max_header_count: 3 };
    assert_eq!(scan_all(b"12345678\n", &limits), Ok(None));
    assert_eq!(scan_all(b"123456789\n", &limits), Err(HeadError::FirstLineTooLong));
    assert_eq!(scan_all(b"1234567890", &limits), Err(HeadError::FirstLineTooLong));
    assert_eq!(scan_all(b"x\na: 1234", &limits), Ok(None));
    assert_eq!(scan_all(b"x\na: 1234\n", &limits), Err(HeadError::HeaderLineTooLong));
    assert_eq!(scan_all(b"x\na: 12345", &limits), Err(HeadError::HeaderLineTooLong));
    assert_eq!(scan_all(b"x\na:1\nb:2\nc:3\n\n", &limits), Ok(Some(15)));
    assert_eq!(scan_all(b"x\na:1\nb:2\nc:3\nd:4\n\n", &limits), Err(HeadError::TooManyHeaders(3)));
    let limits = Limits { max_header_count: 100, ..limits };
    assert_eq!(
        scan_all("x\na:12\na:12\na:12\na:12\na:12\na:12\na:12\n".as_bytes(), &limits),
        Err(HeadError::HeadersTooLarge)
    );
}

#[test]
fn the_constraints_give_swifts_header_count() {
    assert_eq!(Limits::from_constraints(8192, 8192, 126), Limits::default());
}

#[test]
fn lengths_are_digits_only() {
    assert_eq!(parse_length(b"0042"), Some(42));
    for bad in ["", "-1", "+1", " 1", "1_0", "0x1", "1,1", "99999999999999999999"] {
        assert_eq!(parse_length(bad.as_bytes()), None, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut scanner = HeadScanner::default();
        if let Ok(Some(length)) = scanner.scan(&bytes, &Limits::default()) {
            let head = Bytes::from(bytes).slice(..length);
            let _ = scanner.first_line(&head);
            let _ = scanner.headers(&head);
        }
    }

    #[test]
    fn however_it_is_cut_the_outcome_is_the_same(
        lines in proptest::collection::vec("[a-zA-Z:\r \t]{0,12}", 0..8),
        cuts in proptest::collection::vec(0usize..200, 0..6),
    ) {
        let limits = Limits { max_request_line: 14, max_header_line: 13, max_head_size: 60, max_header_count: 6 };
        let text = lines.join("\r\n") + "\r\n\r\n";
        let whole = scan_all(text.as_bytes(), &limits);
        let mut scanner = HeadScanner::default();
        let mut cuts: Vec<_> = cuts.into_iter().map(|c| c.min(text.len())).chain([text.len()]).collect();
        cuts.sort();
        let mut outcome = Ok(None);
        for cut in cuts {
            outcome = scanner.scan(&text.as_bytes()[..cut], &limits);
            if !matches!(outcome, Ok(None)) {
                break;
            }
        }
        prop_assert_eq!(outcome, whole);
    }

    #[test]
    fn fields_come_back_as_written(fields in proptest::collection::vec(("[!-9;-~é]{1,9}", "[!-~é]([ -~é]{0,9}[!-~é])?"), 0..20)) {
        let mut text = b"GET / HTTP/1.1\r\n".to_vec();
        for (name, value) in &fields {
            text.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        text.extend_from_slice(b"\r\n");
        let mut scanner = HeadScanner::default();
        let length = scanner.scan(&text, &Limits::default()).unwrap().unwrap();
        let headers = scanner.headers(&Bytes::from(text).slice(..length)).unwrap();
        let got: Vec<_> = headers.iter()
            .map(|(n, v)| (String::from_utf8_lossy(n).into_owned(), String::from_utf8_lossy(v).into_owned()))
            .collect();
        prop_assert_eq!(got, fields);
    }
}
