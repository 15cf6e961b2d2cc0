//! What pages of other origins can do, in a real browser: nothing, unless they are allowed to.

use crate::browser::Browser;
use crate::support::{Daemon, Logs};
use serde_json::{Value, json};

/// What a page learns by fetch, by EventSource and by WebSocket.
fn learns(browser: &mut Browser, authority: &str) -> [Value; 3] {
    let fetch = format!(
        "fetch('http://{authority}/stream?follow=false').then((answer) => answer.text(), () => 'refused')"
    );
    let listen = |source: &str| {
        format!(
            "new Promise((done) => {{ const source = new {source}; \
             const end = (what) => {{ source.close(); done(what); }}; \
             source.onmessage = (event) => end(event.data); source.onerror = () => end('refused'); \
             setTimeout(() => end('silence'), 20000); }})"
        )
    };
    [
        browser.eval(&fetch),
        browser.eval(&listen(&format!(
            "EventSource('http://{authority}/events')"
        ))),
        browser.eval(&listen(&format!("WebSocket('ws://{authority}/ws')"))),
    ]
}

/// A daemon with a secret, and where it is.
fn with_a_secret(logs: &Logs, options: &[&str]) -> (Daemon, String) {
    let daemon = Daemon::with(options, &[&logs.file("a.log", "secret\n")]);
    let authority = format!("127.0.0.1:{}", daemon.port);
    (daemon, authority)
}

#[test]
fn a_page_of_another_origin_learns_nothing_unless_it_is_allowed() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let foreign = crate::browser::files::serve();
    let origin = foreign.trim_end_matches('/');
    let logs = Logs::new();
    let (_closed, closed) = with_a_secret(&logs, &[]);
    let (_other, other) = with_a_secret(&logs, &["--allow-origin", "http://other.example"]);
    let (_named, named) = with_a_secret(&logs, &["--allow-origin", origin]);
    let (_any, any) = with_a_secret(&logs, &["--allow-origin", "*"]);
    // Another port of the same host, and another site.
    for page in [foreign.clone(), foreign.replace("127.0.0.1", "localhost")] {
        browser.go(&page);
        for authority in [&closed, &other] {
            let refused = ["refused"; 3].map(|word| json!(word));
            assert_eq!(learns(&mut browser, authority), refused, "{page}");
        }
        let read = [json!("secret\n"), json!("secret"), json!("secret")];
        assert_eq!(learns(&mut browser, &any), read, "{page}");
        let is_named = page == foreign;
        let learnt = learns(&mut browser, &named);
        assert_eq!(learnt == read, is_named, "{page}: {learnt:?}");
    }
}

#[test]
fn a_page_of_another_origin_takes_no_place_by_an_image() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let (daemon, authority) = with_a_secret(&logs, &["--max-clients", "1"]);
    for page in ["127.0.0.1", "localhost"] {
        browser.go(&crate::browser::files::serve().replace("127.0.0.1", page));
        let ended = browser.eval(&format!(
            "new Promise((done) => {{ const image = new Image(); image.onload = () => done('loaded'); \
             image.onerror = () => done('refused'); image.src = 'http://{authority}/stream'; }})"
        ));
        assert_eq!(ended, json!("refused"));
    }
    assert_eq!(daemon.get("/stream?follow=false").status, 200);
}

#[test]
fn a_name_that_is_pointed_here_is_not_our_own_origin() {
    let Some(mut browser) = Browser::with(&["--host-resolver-rules=MAP *.example 127.0.0.1"])
    else {
        return;
    };
    let logs = Logs::new();
    let (daemon, _) = with_a_secret(&logs, &["--allow-host", "logs.example"]);
    // The attacker's page comes from the attacker's server; ours is only what the name leads to by then.
    browser.call("Page.setBypassCSP", json!({"enabled": true}));
    let status = "fetch('/stream?follow=false').then((answer) => answer.status)";
    for (name, answered) in [("evil.example", 403), ("logs.example", 200)] {
        browser.go(&format!("http://{name}:{}/healthz", daemon.port));
        assert_eq!(browser.eval(status), json!(answered), "{name}");
    }
}

#[test]
fn an_allowed_page_may_show_a_token() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let foreign = crate::browser::files::serve();
    let logs = Logs::new();
    let tokens = logs.file("tokens", "0123456789abcdef\n");
    let tokens = tokens.to_str().expect("UTF-8");
    let origin = foreign.trim_end_matches('/');
    let options = ["--token-file", tokens, "--allow-origin", origin];
    let (_daemon, authority) = with_a_secret(&logs, &options);
    browser.go(&foreign);
    for (token, text) in [
        ("0123456789abcdef", "secret\n"),
        ("a-wrong-token-...", "401"),
    ] {
        let ask = format!(
            "fetch('http://{authority}/stream?follow=false', {{headers: {{Authorization: 'Bearer {token}'}}}})\
             .then((answer) => (answer.ok ? answer.text() : String(answer.status)))"
        );
        assert_eq!(browser.eval(&ask), json!(text));
    }
}

#[test]
#[cfg(feature = "tls")]
fn the_page_signs_in_and_is_live_over_https() {
    let Some(mut browser) = Browser::with(&["--ignore-certificate-errors"]) else {
        return;
    };
    let logs = Logs::new();
    let pair = crate::support::tls::Pair::quick(&logs, "a");
    let tokens = logs.file("tokens", "0123456789abcdef\n");
    let tokens = ["--token-file", tokens.to_str().expect("UTF-8")];
    let (_daemon, authority) = with_a_secret(&logs, &[&pair.options()[..], &tokens].concat());
    browser.open(&format!(
        "https://{authority}/?token=0123456789abcdef&wrap=1"
    ));
    browser.until("document.querySelector('.line .text')?.textContent === 'secret'");
    let told =
        browser.eval("[location.protocol, location.href.includes('0123456789'), document.cookie]");
    assert_eq!(told, json!(["https:", false, ""]));
}
