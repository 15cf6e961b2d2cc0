//! Which Hosts and Origins pass.

use http::{Method, StatusCode};

use super::*;
use crate::serve::http::head::{Parsed, parse};

fn request(text: &str) -> Request {
    match parse(format!("{}\r\n\r\n", text.replace('|', "\r\n")).as_bytes()) {
        Parsed::Complete { request, .. } => request,
        other => panic!("{text}: {other:?}"),
    }
}

fn get(host: &str, more: &str) -> Request {
    request(&format!("GET /events HTTP/1.1|Host: {host}{more}"))
}

fn guard(origins: &[&str], hosts: &[&str], has_token_file: bool) -> Guard {
    let origins: Vec<_> = origins
        .iter()
        .map(|text| AllowOrigin::parse(text).expect("an origin"))
        .collect();
    let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
    Guard::new(&origins, &hosts, has_token_file, "Box")
}

/// The line of a 403 to a request for a stream, empty where it passes.
fn said(guard: &Guard, request: &Request) -> String {
    match guard.check(request, false, true, false) {
        Ok(_) => String::new(),
        Err(refusal) => {
            assert_eq!(refusal.status, StatusCode::FORBIDDEN);
            assert!(!refusal.line.chars().any(char::is_control));
            refusal.line
        }
    }
}

#[test]
fn only_own_names_and_addresses_are_answered_without_tokens() {
    let guard = guard(&[], &["logs.example"], false);
    for host in [
        "localhost",
        "LOCALHOST.:1",
        "127.0.0.1:8080",
        "[::1]:8080",
        "192.0.2.1",
        "box:8080",
        "BOX.",
        "Logs.Example.:9",
    ] {
        assert_eq!(said(&guard, &get(host, "")), "", "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "xlocalhost",
        "a.logs.example",
        "127.0.0.1.evil.example",
    ] {
        let line = said(&guard, &get(host, ""));
        assert!(line.contains(&format!("--allow-host {host}")), "{line}");
    }
    assert!(said(&guard, &get("", "")).contains("--allow-host"));
    assert!(
        said(
            &guard,
            &request("GET http://evil/ HTTP/1.1|Host: localhost")
        )
        .contains("evil")
    );
}

#[test]
fn any_host_will_do_with_tokens_on_a_unix_socket_and_for_health() {
    let evil = get("evil.example", "");
    assert_eq!(said(&guard(&[], &[], true), &evil), "");
    let guard = guard(&[], &[], false);
    assert_eq!(guard.check(&evil, true, true, false), Ok(None));
    assert_eq!(guard.check(&evil, false, false, true), Ok(None));
    assert_eq!(said(&guard, &request("GET / HTTP/1.0")), "");
}

#[test]
fn a_page_of_ours_passes_and_another_does_not() {
    let guard = guard(&[], &[], true);
    for (host, origin) in [
        ("logs:8080", "http://logs:8080"),
        ("logs", "https://logs"),
        ("logs:443", "https://LOGS"),
        ("logs:80", "http://logs"),
    ] {
        let request = get(
            host,
            &format!("|Origin: {origin}|Sec-Fetch-Site: cross-site"),
        );
        assert_eq!(
            guard.check(&request, false, true, false),
            Ok(None),
            "{origin}"
        );
    }
    for origin in ["http://logs:8081", "https://logs", "http://evil"] {
        let request = get("logs:8080", &format!("|Origin: {origin}"));
        let line = said(&guard, &request);
        assert!(line.contains(&format!("--allow-origin {origin}")), "{line}");
        assert!(
            guard.check(&request, true, false, true).is_err(),
            "on every path"
        );
    }
    for origin in [
        "null",
        "",
        "file://",
        "http://logs:8080, http://logs:8080",
        "\u{e9}",
    ] {
        let line = said(&guard, &get("logs:8080", &format!("|Origin: {origin}")));
        assert!(line.contains("--allow-origin"), "{origin}: {line}");
    }
    let twice = get(
        "logs:8080",
        "|Origin: http://logs:8080|Origin: http://logs:8080",
    );
    assert!(said(&guard, &twice).contains("more than one"));
}

#[test]
fn a_page_has_no_origin_of_its_own_where_there_is_no_host() {
    let guard = guard(&[], &[], false);
    assert!(!said(&guard, &request("GET / HTTP/1.0|Origin: http://localhost")).is_empty());
}

#[test]
fn allowed_origins_get_what_they_need() {
    let check = |origins: &[&str], origin: &str| {
        let request = get(
            "localhost",
            &format!("|Origin: {origin}|Sec-Fetch-Site: cross-site"),
        );
        guard(origins, &[], false)
            .check(&request, false, true, false)
            .ok()
            .flatten()
    };
    let cors = |origin: &str, named| Some(Cors::new(origin.to_owned(), named));
    assert_eq!(
        check(&["https://a:443/"], "HTTPS://A"),
        cors("HTTPS://A", true)
    );
    assert_eq!(check(&["https://a"], "http://a"), None);
    assert_eq!(check(&["*"], "https://a"), cors("https://a", false));
    assert_eq!(check(&["*"], "null"), cors("null", false));
    assert_eq!(
        check(&["*", "https://a"], "https://a"),
        cors("https://a", true)
    );
    assert_eq!(check(&["https://a"], "null"), None);
}

#[test]
fn an_image_on_another_page_fills_no_place() {
    let guard = guard(&["*"], &[], false);
    for site in ["cross-site", "same-site"] {
        let request = get("localhost", &format!("|Sec-Fetch-Site: {site}"));
        assert!(said(&guard, &request).contains("--allow-origin"));
        assert_eq!(guard.check(&request, false, false, false), Ok(None));
    }
    for site in ["same-origin", "none"] {
        let request = get("localhost", &format!("|Sec-Fetch-Site: {site}"));
        assert_eq!(said(&guard, &request), "");
    }
}

#[test]
fn only_an_allowed_foreign_origin_gets_a_preflight() {
    let guard = guard(&["https://a"], &[], false);
    let status = |more: &str| {
        let options = format!("OPTIONS /events HTTP/1.1|Host: localhost:8080{more}");
        match guard.preflight(&request(&options)) {
            Ok(answer) => {
                let text = String::from_utf8(answer.encode(&Method::OPTIONS)).expect("UTF-8");
                assert!(text.contains("Access-Control-Allow-Origin: https://a\r\n"));
                answer.status.as_u16()
            }
            Err(refusal) => refusal.status.as_u16(),
        }
    };
    assert_eq!(status("|Origin: https://a"), 204);
    assert_eq!(status("|Origin: https://b"), 403);
    assert_eq!(status("|Origin: null"), 403);
    assert_eq!(status(""), 405);
    assert_eq!(status("|Origin: http://localhost:8080"), 405);
}
