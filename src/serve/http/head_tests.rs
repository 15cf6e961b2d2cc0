//! What the head parser promises, over byte strings.

use http::StatusCode;
use proptest::prelude::*;

use super::*;

fn request(head: &str) -> Request {
    match parse(head.as_bytes()) {
        Parsed::Complete { request, len } => {
            assert_eq!(len, head.len());
            request
        }
        other => panic!("{head:?} became {other:?}"),
    }
}

fn refusal(head: &[u8]) -> Refusal {
    match parse(head) {
        Parsed::Bad(refusal) => refusal,
        other => panic!("{:?} became {other:?}", String::from_utf8_lossy(head)),
    }
}

#[test]
fn an_ordinary_head_is_read() {
    let request = request(
        "GET /stream?lines=5&grep=a|b HTTP/1.1\r\nHost: LOGS:8080\r\nConnection: keep-alive, Upgrade\r\n\
         X-One: a\r\nx-one:\tb \r\n\r\n",
    );
    assert_eq!(request.method, Method::GET);
    assert_eq!(request.version, Version::HTTP_11);
    assert_eq!(request.path, "/stream");
    assert_eq!(request.query, b"lines=5&grep=a|b");
    assert_eq!(request.host, Authority::parse("logs:8080"));
    assert_eq!(request.header("X-ONE"), Some(&b"a"[..]));
    assert_eq!(
        request.headers("x-one").collect::<Vec<_>>(),
        [&b"a"[..], b"b"]
    );
    assert!(request.has_token("connection", "upgrade"));
    assert!(!request.has_token("connection", "close"));
}

#[test]
fn lone_newlines_and_leading_blank_lines_are_tolerated() {
    assert_eq!(
        request("\r\n\n\r\nHEAD / HTTP/1.1\nHost: a\n\n").method,
        Method::HEAD
    );
}

#[test]
fn bytes_after_the_head_are_left_alone() {
    let Parsed::Complete { len, .. } = parse(b"GET / HTTP/1.0\r\n\r\nGET /two HTTP/1.0\r\n\r\n")
    else {
        panic!("no head found");
    };
    assert_eq!(len, 18);
}

#[test]
fn every_form_of_target_is_read() {
    let absolute = request("GET HTTP://Other:81/w%73?q HTTP/1.1\r\nHost: ignored\r\n\r\n");
    assert_eq!(
        (absolute.path.as_str(), absolute.query.as_slice()),
        ("/ws", &b"q"[..])
    );
    assert_eq!(absolute.host, Authority::parse("other:81"));
    let bare = request("GET http://other?lines=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        (bare.path.as_str(), bare.query.as_slice()),
        ("/", &b"lines=1"[..])
    );
    assert_eq!(request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").path, "*");
    assert_eq!(
        request("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n").method,
        Method::CONNECT
    );
    assert_eq!(
        request("GET /caf\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n").path,
        "/caf\u{e9}"
    );
}

#[test]
fn other_versions_of_http_1_are_read() {
    assert_eq!(request("GET / HTTP/1.0\r\n\r\n").version, Version::HTTP_10);
    assert_eq!(
        request("GET / HTTP/1.7\r\nHost: a\r\n\r\n").version,
        Version::HTTP_11
    );
}

#[test]
fn a_nonsense_request_line_is_refused() {
    let lines: [&[u8]; 21] = [
        b"GET /",
        b"GET / HTTP/1.1 ",
        b"GET  / HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET\t/\tHTTP/1.1",
        b"G(T / HTTP/1.1",
        b"GET / http/1.1",
        b"GET / HTTP/1.1\r",
        b"GET / HTTP/11",
        b"GET / HTTP/2.0",
        b"GET / FTP/1.1",
        b"GET /\0 HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /%00 HTTP/1.1",
        b"GET /%zz HTTP/1.1",
        b"GET /%ff HTTP/1.1",
        b"GET /#top HTTP/1.1",
        b"GET ws HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET http://u:p@a/ HTTP/1.1",
        b"GET ftp://a/ HTTP/1.1",
    ];
    for line in lines {
        let head = [line, b"\r\nHost: a\r\n\r\n"].concat();
        let refusal = refusal(&head);
        assert_eq!(
            refusal.status,
            StatusCode::BAD_REQUEST,
            "{:?}",
            String::from_utf8_lossy(line)
        );
        assert!(!refusal.line.contains('\n'));
    }
}

#[test]
fn nonsense_is_refused_before_the_head_is_whole() {
    assert_eq!(refusal(b"\x16\x03\x01\x02").status, StatusCode::BAD_REQUEST);
    assert_eq!(refusal(b"hello\r\n").status, StatusCode::BAD_REQUEST);
    assert_eq!(parse(b"hello"), Parsed::Incomplete);
    assert_eq!(parse(b"\r"), Parsed::Incomplete);
}

#[test]
fn a_refusal_shows_no_token() {
    let refusal = refusal(b"GET /?token=0123456789abcdef HTTP/1.1 x\r\n\r\n");
    assert!(!refusal.line.contains("0123"), "{refusal}");
    let Parsed::Complete { request, .. } =
        parse(b"GET /?token=0123 HTTP/1.0\r\nAuthorization: Bearer 0123\r\n\r\n")
    else {
        panic!("no head found");
    };
    assert!(!format!("{request:?}").contains("0123"));
}

#[test]
fn host_is_there_once_and_readable() {
    for fields in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a b\r\n",
        "Host: a,b/\r\n",
        "Host: u@a\r\n",
        "Host: a:x\r\n",
    ] {
        let head = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        assert_eq!(
            refusal(head.as_bytes()).status,
            StatusCode::BAD_REQUEST,
            "{fields:?}"
        );
    }
    assert_eq!(
        refusal(b"GET http://a/ HTTP/1.1\r\n\r\n").status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(request("GET / HTTP/1.0\r\n\r\n").host, None);
    assert_eq!(request("GET / HTTP/1.1\r\nHost:\r\n\r\n").host, None);
}

#[test]
fn fields_that_could_be_misread_are_refused() {
    let fields: [&[u8]; 8] = [
        b"X: a\r\n b",
        b"X: a\r\n\tb",
        b" X: a",
        b"X : a",
        b"X",
        b": a",
        b"X: a\rb",
        b"X: a\0b",
    ];
    for field in fields {
        let head = [b"GET / HTTP/1.1\r\nHost: a\r\n", field, b"\r\n\r\n"].concat();
        assert_eq!(
            refusal(&head).status,
            StatusCode::BAD_REQUEST,
            "{:?}",
            String::from_utf8_lossy(field)
        );
    }
}

#[test]
fn a_body_is_announced_clearly_or_refused() {
    let head = |fields: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    for fields in [
        "Content-Length: 0",
        "Content-Length: 5",
        "Content-Length: 5, 5",
        "Transfer-Encoding: gzip, Chunked",
    ] {
        request(&head(fields));
    }
    for fields in [
        "Content-Length: x",
        "Content-Length:",
        "Content-Length: -1",
        "Content-Length: +1",
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: 1, 2",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked\r\nContent-Length: 1",
    ] {
        assert_eq!(
            refusal(head(fields).as_bytes()).status,
            StatusCode::BAD_REQUEST,
            "{fields}"
        );
    }
}

#[test]
fn a_head_is_bounded_to_the_byte() {
    let pad = |bytes: usize| {
        let rest = "GET / HTTP/1.0\r\nX: \r\n\r\n".len();
        format!("GET / HTTP/1.0\r\nX: {}\r\n\r\n", "x".repeat(bytes - rest))
    };
    assert_eq!(pad(HEAD_BYTES).len(), HEAD_BYTES);
    request(&pad(HEAD_BYTES));
    let large = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    assert_eq!(refusal(pad(HEAD_BYTES + 1).as_bytes()).status, large);
    assert_eq!(refusal(&[b'x'; HEAD_BYTES]).status, large);
    assert_eq!(refusal(&b"\r\n".repeat(HEAD_BYTES / 2)).status, large);
    assert_eq!(parse(&[b'x'; HEAD_BYTES - 1]), Parsed::Incomplete);
    let many = format!("GET / HTTP/1.0\r\n{}\r\n", "a:\r\n".repeat(HEAD_FIELDS + 1));
    assert_eq!(refusal(many.as_bytes()).status, large);
}

/// Text that is nearly a request, so that the deeper rules are reached.
fn nearly_a_head() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"GET ".to_vec()),
        Just(b"/a?b".to_vec()),
        Just(b" HTTP/1.1".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"Host: a".to_vec()),
        Just(b"Content-Length: 1".to_vec()),
        Just(b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn the_way_a_head_is_split_makes_no_difference(
        bytes in nearly_a_head(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        ends.extend(0..=bytes.len().min(40));
        ends.push(bytes.len());
        ends.sort_unstable();
        let mut parser = HeadParser::default();
        let stepwise = ends
            .iter()
            .map(|&end| parser.look(&bytes[..end]))
            .find(|parsed| *parsed != Parsed::Incomplete)
            .unwrap_or(Parsed::Incomplete);
        match (parse(&bytes), stepwise) {
            // A refusal may come earlier, and then for another reason, than with all bytes at once.
            (Parsed::Bad(_), Parsed::Bad(_)) => {}
            (whole, stepwise) => prop_assert_eq!(whole, stepwise),
        }
    }

    #[test]
    fn a_head_ends_within_the_buffer(bytes in nearly_a_head()) {
        if let Parsed::Complete { len, .. } = parse(&bytes) {
            prop_assert!(len <= bytes.len());
            prop_assert!(bytes[..len].ends_with(b"\n"));
        }
    }
}
