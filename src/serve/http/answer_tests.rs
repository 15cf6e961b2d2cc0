//! What the bytes of answers promise.

use super::*;

/// The head as a strict client reads it, its names in lower case, and the body.
fn read(bytes: &[u8]) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(len)) = response.parse(bytes) else {
        panic!("no head: {:?}", String::from_utf8_lossy(bytes));
    };
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).expect("UTF-8");
    let fields = response
        .headers
        .iter()
        .map(|f| (f.name.to_ascii_lowercase(), text(f.value)))
        .collect();
    (
        response.code.expect("a code"),
        fields,
        bytes[len..].to_vec(),
    )
}

fn has(fields: &[(String, String)], name: &str, value: &str) -> bool {
    fields
        .iter()
        .filter(|field| field.0 == name)
        .map(|field| field.1.as_str())
        .eq([value])
}

#[test]
fn a_refusal_is_one_line_of_plain_text() {
    let answer = Answer::refusal(&Refusal::bad_request("no")).encode(&Method::GET);
    let (code, fields, body) = read(&answer);
    assert_eq!((code, body.as_slice()), (400, &b"no\n"[..]));
    assert!(has(&fields, "content-type", TEXT));
    assert!(has(&fields, "content-length", "3"));
    assert!(has(&fields, "connection", "close"));
    assert!(has(&fields, "x-content-type-options", "nosniff"));
    assert!(has(&fields, "referrer-policy", "no-referrer"));
}

#[test]
fn refusals_carry_the_fields_of_their_status() {
    let fields = |refusal: Refusal| read(&Answer::refusal(&refusal).encode(&Method::GET)).1;
    assert!(has(
        &fields(Refusal::unauthorized()),
        "www-authenticate",
        "Bearer"
    ));
    assert!(has(
        &fields(Refusal::method_not_allowed()),
        "allow",
        "GET, HEAD"
    ));
    assert!(has(
        &fields(Refusal::unavailable("full")),
        "retry-after",
        "5"
    ));
    let upgrade = fields(Refusal::upgrade_required("no Upgrade field"));
    assert!(has(&upgrade, "upgrade", "websocket"));
    assert!(has(&upgrade, "connection", "Upgrade, close"));
    assert!(has(&upgrade, "sec-websocket-version", "13"));
}

#[test]
fn head_gets_the_head_of_get_alone() {
    let answer = Answer::line(StatusCode::OK, "ok");
    let (get, head) = (answer.encode(&Method::GET), answer.encode(&Method::HEAD));
    assert_eq!(get, [head.as_slice(), b"ok\n"].concat());
    assert!(head.ends_with(b"\r\n\r\n"));
}

#[test]
fn nothing_is_said_about_the_length_of_no_content() {
    let (code, fields, body) = read(&Answer::no_content().encode(&Method::GET));
    assert_eq!((code, body.len()), (204, 0));
    assert!(!fields.iter().any(|field| field.0 == "content-length"));
}

#[test]
fn streams_are_neither_stored_nor_held_back() {
    let cors = Cors::new("https://a".into(), true);
    for head in [
        stream_head(EVENTS, Coding::Identity, BodyLength::Chunked, Some(&cors)),
        upgrade_head("key", None, None, Some(&cors)),
    ] {
        let (_, fields, _) = read(&head);
        assert!(has(&fields, "cache-control", "no-store"));
        assert!(has(&fields, "x-accel-buffering", "no"));
        assert!(has(&fields, "x-content-type-options", "nosniff"));
        assert!(has(&fields, "access-control-allow-origin", "https://a"));
    }
    let framing = |framing| read(&stream_head(TEXT, Coding::Identity, framing, None)).1;
    assert!(has(
        &framing(BodyLength::Chunked),
        "transfer-encoding",
        "chunked"
    ));
    assert!(
        !framing(BodyLength::UntilClose)
            .iter()
            .any(|field| field.0 == "transfer-encoding")
    );
}

#[test]
fn credentials_are_for_named_origins() {
    let preflight = |named| {
        read(&Answer::preflight(&Cors::new("https://a".into(), named)).encode(&Method::OPTIONS))
    };
    let (code, fields, _) = preflight(true);
    assert_eq!(code, 204);
    assert!(has(&fields, "access-control-allow-origin", "https://a"));
    assert!(has(&fields, "vary", "Origin"));
    assert!(has(&fields, "access-control-allow-credentials", "true"));
    assert!(
        fields
            .iter()
            .any(|f| f.0 == "access-control-allow-headers" && f.1.contains("Authorization"))
    );
    assert!(
        !preflight(false)
            .1
            .iter()
            .any(|f| f.0 == "access-control-allow-credentials")
    );
}

#[test]
fn a_field_is_set_once() {
    let answer =
        Answer::line(StatusCode::OK, "").with("Content-Security-Policy", "default-src 'self'");
    let (_, fields, _) = read(&answer.encode(&Method::GET));
    assert!(has(
        &fields,
        "content-security-policy",
        "default-src 'self'"
    ));
}

#[test]
fn every_answer_says_when_it_was_given() {
    let cors = Cors::new("https://a".into(), true);
    for bytes in [
        Answer::line(StatusCode::OK, "ok").encode(&Method::GET),
        Answer::refusal(&Refusal::bad_request("no")).encode(&Method::HEAD),
        Answer::no_content().encode(&Method::GET),
        Answer::preflight(&cors).encode(&Method::OPTIONS),
        stream_head(EVENTS, Coding::Identity, BodyLength::Chunked, None),
    ] {
        let (_, fields, _) = read(&bytes);
        let date = fields.iter().find(|field| field.0 == "date");
        let date = httpdate::parse_http_date(&date.expect("a date").1).expect("a date");
        let age = SystemTime::now().duration_since(date).expect("no future");
        assert!(age.as_secs() < 10, "{age:?}");
    }
}

#[test]
fn a_clock_that_is_far_off_has_a_date_all_the_same() {
    let epoch = SystemTime::UNIX_EPOCH;
    let year = Duration::from_secs(365 * 24 * 3600);
    assert_eq!(date_of(epoch - year), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(
        date_of(epoch + 10_000 * year),
        "Fri, 31 Dec 9999 23:59:59 GMT"
    );
}
