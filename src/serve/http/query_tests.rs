//! What the query parameters promise.

use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::limits::ID_BYTES;

fn read(query: &str) -> StreamQuery {
    StreamQuery::read(query.as_bytes(), None, Endpoint::Ws).expect(query)
}

fn refused(query: &str, stream: Endpoint) -> String {
    let refusal = StreamQuery::read(query.as_bytes(), None, stream).expect_err(query);
    assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
    refusal.line
}

#[test]
fn an_empty_query_asks_for_everything_as_it_comes() {
    let asked = read("");
    assert_eq!(asked, read("&&utterly=unknown&%zz=1&lines%00=2&x=%zz"));
    assert!(asked.follow && asked.files.is_empty() && asked.lines.is_none());
}

#[test]
fn every_parameter_is_taken_over() {
    let asked = read(
        "file=a+b.log&file=%C3%A9&lines=all&lines=7&after=1.a~2-b&after=3_c&before=9&grep=a%2Bb&grep=c|d\
         &exclude=&ignore_case=true&follow=false&format=batch&token=x&since=10m&until=2026-11-28+03:00",
    );
    let expected = StreamQuery {
        files: vec!["a b.log".into(), "é".into()],
        lines: Some(Lines::Last(7)),
        since: Some(Time::parse("10m").expect("a time")),
        until: Some(Time::parse("2026-11-28 03:00").expect("a time")),
        after: vec!["1.a".into(), "2-b".into(), "3_c".into()],
        before: Some("9".into()),
        grep: vec!["a+b".into(), "c|d".into()],
        exclude: vec![String::new()],
        ignore_case: true,
        follow: false,
        format: Some(Format::Batch),
    };
    assert_eq!(asked, expected);
    assert_eq!(read("l%69nes=0").lines, Some(Lines::Last(0)));
    assert_eq!(read("lines=all").lines, Some(Lines::All));
    assert_eq!(read("file=a&file=b&file=a").files, ["a", "b"]);
}

#[test]
fn a_value_that_cant_be_used_is_named_in_one_line() {
    for query in [
        "since=",
        "since=x",
        "until=2026-02-30",
        "lines=",
        "lines",
        "lines=x",
        "lines=-1",
        "lines=+1",
        "lines=1.5",
        "lines=99999999999999999999999",
        "follow=no",
        "follow",
        "ignore_case=1",
        "format=xml",
        "file=",
        "before=",
        "before=a~b",
        "after=a~",
        "after=~",
        "after=a%20b",
        "after=é",
        "grep=%",
        "grep=%ff",
        "grep=%C3",
        "file=%zz",
    ] {
        let line = refused(query, Endpoint::Ws);
        let name = query.split('=').next().expect("a name");
        assert!(
            line.contains(&format!("the parameter {name}=")),
            "{query}: {line}"
        );
        assert!(!line.contains('\n'), "{query}: {line}");
    }
    let long = format!("after={}", "x".repeat(ID_BYTES + 1));
    assert!(refused(&long, Endpoint::Ws).contains("an id as a stream sent it"));
    assert_eq!(
        refused("lines=%0Ax\n", Endpoint::Plain),
        "the parameter lines=%0Ax\\n can't be used: it must be a number of lines, or all"
    );
}

#[test]
fn batch_is_for_ws_alone() {
    assert!(refused("format=batch", Endpoint::Events).contains("/ws alone"));
    assert!(refused("format=batch", Endpoint::Plain).contains("/ws alone"));
}

#[test]
fn last_event_id_wins_unless_it_is_empty() {
    let after = |query: &str, header: &[u8]| {
        StreamQuery::read(query.as_bytes(), Some(header), Endpoint::Events).map(|asked| asked.after)
    };
    assert_eq!(after("after=a", b"b~c"), Ok(vec!["b".into(), "c".into()]));
    assert_eq!(after("after=a", b""), Ok(vec!["a".into()]));
    assert_eq!(after("after=", b""), Ok(vec![]));
    assert!(after("", b"a b").is_err());
    assert!(after("", b"\xff").is_err());
}

#[test]
fn a_plus_in_a_token_is_itself() {
    assert_eq!(
        token(b"lines=1&token=a+b%2Bc%20d&token=z").as_deref(),
        Some(&b"a+b+c d"[..])
    );
    assert_eq!(token(b"lines=1&tokens=a"), None);
    assert_eq!(token(b"token=%zz").as_deref(), Some(&b""[..]));
    assert_eq!(without_token(b"a=1&token=x&b=2"), b"a=1&b=2");
    assert_eq!(without_token(b"token=x"), b"");
}

proptest! {
    #[test]
    fn any_query_is_read_or_refused_in_one_line(
        query in "((file|lines|after|before|grep|follow|format)=)?(\\PC|%[0-9a-f]{2}|&){0,20}",
        header in proptest::option::of("\\PC{0,20}"),
    ) {
        let header = header.as_ref().map(String::as_bytes);
        match StreamQuery::read(query.as_bytes(), header, Endpoint::Plain) {
            Ok(asked) => prop_assert!(asked.after.iter().chain(&asked.before).all(|id| has_shape(id))),
            Err(refusal) => prop_assert!(!refusal.line.chars().any(char::is_control)),
        }
    }
}
