//! The connection: nothing missed and nothing twice whatever happens to it, and its state in words.

use std::io::{Read, Write};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::browser::Browser;
use crate::stage::{HELD, SHOWN, filter, numbered, open, until_last, until_says, url};
use crate::support::{DEADLINE, Daemon, Logs, append, program};

/// Ends a daemon; gives its port.
pub(crate) fn end(mut daemon: Daemon) -> u16 {
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(DEADLINE).is_some(), "it did not stop");
    daemon.port
}

/// Another daemon on the same port.
pub(crate) fn again(port: u16, log: &std::path::Path) -> Daemon {
    let mut command = program();
    command
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .arg(log);
    Daemon::start(command)
}

#[test]
fn a_restart_and_a_rotation_lose_nothing_and_show_nothing_twice() {
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 100));
    let Some((mut browser, daemon)) = open(&[&log]) else {
        return;
    };
    until_last(&mut browser, "line 99");

    let port = end(daemon);
    browser.until("page.connection.state.name === 'retrying'");
    browser.until(
        "/retrying (in \\d+ s|now)/.test(document.querySelector('#connection').textContent)",
    );
    append(&log, numbered(100, 200));
    std::fs::rename(&log, logs.path("app.log.1")).expect("rotate");
    append(&log, numbered(200, 300));
    let _daemon = again(port, &log);
    until_last(&mut browser, "line 299");
    browser.until(
        "/resumed, nothing missed|live/.test(document.querySelector('#connection').textContent)",
    );

    std::fs::rename(&log, logs.path("app.log.2")).expect("rotate");
    append(&log, numbered(300, 400));
    until_last(&mut browser, "line 399");
    let held = browser.eval(&format!("{HELD}.join('\\n')"));
    assert_eq!(held, json!(numbered(0, 400).trim_end()));
    browser.until("page.ring.events.length === 2");
    browser.eval("page.list.goTo(page.ring.events[1])");
    browser.until("/was rotated/.test(document.querySelector('.event-rotated')?.textContent)");
}

#[test]
fn what_is_gone_for_good_is_said_in_words_and_in_its_row() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\ntwo\n");
    let Some((mut browser, daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 2"));
    let port = end(daemon);
    std::fs::remove_file(&log).expect("remove");
    append(&log, "another file\n");
    let _daemon = again(port, &log);
    until_last(&mut browser, "another file");
    browser.until("/^resumed, .* missed$/.test(document.querySelector('#connection').textContent)");
    browser.until("document.querySelector('#connection').dataset.kind === 'bad'");
    browser.until("/gone for good/.test(document.querySelector('.event-gap')?.textContent)");
}

#[test]
fn a_full_daemon_is_said_and_tried_again_at_once_when_the_network_comes_back() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n");
    let daemon = Daemon::with(&["--max-clients", "1"], &[&log]);
    let mut other = daemon.connect();
    other
        .write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("ask");
    let mut byte = [0];
    other.read_exact(&mut byte).expect("an answer");
    browser.load(&url(&daemon));
    browser.until("/retrying.*clients/.test(document.querySelector('#connection').textContent)");
    let due = browser.eval("page.connection.state.at - Date.now()");
    assert!(
        due.as_f64() > Some(1500.0),
        "the daemon asked for more than {due} ms"
    );
    drop(other);
    browser.until("(dispatchEvent(new Event('online')), page.connection.state.name === 'live')");
    browser.until(&format!("{SHOWN}.join() === 'one'"));
}

#[test]
fn a_page_that_is_full_for_a_reader_waits_and_goes_on_with_nothing_missing() {
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 300));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 300");
    browser.eval("page.ring.linesMax = 1000; page.list.toTop()");
    browser.until("!page.list.follow");
    let mut next = 300;
    while next < 3000 {
        append(&log, numbered(next, next + 100));
        next += 100;
        browser.until(&format!(
            "page.connection.held || {HELD}.at(-1) === 'line {}'",
            next - 1
        ));
    }
    browser.until("page.connection.held && page.ring.length <= 1000");
    browser.until("/the page is full/.test(document.querySelector('#connection').textContent)");
    browser.until("/\\+ new$/.test(document.querySelector('#fresh').textContent)");
    // A click on the words must not open a second reader of the same lines.
    let state =
        browser.eval("(document.querySelector('#connection').click(), page.connection.state.name)");
    assert_eq!(state, json!("held"));
    browser.eval("document.querySelector('#fresh').click()");
    until_last(&mut browser, "line 2999");
    let steps = browser.eval(&format!(
        "{HELD}.map((text) => Number(text.slice(5))).filter((n, i, all) => i > 0 && n !== all[i - 1] + 1)"
    ));
    assert_eq!(steps, json!([]), "missing or twice");
    assert_eq!(browser.eval("page.ring.length <= 1000"), json!(true));
}

#[test]
fn a_token_is_asked_for_and_the_view_is_kept_over_it() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n[error] two\n");
    let tokens = logs.file("tokens", "the-first-token-of-all\n");
    let option = tokens.to_str().expect("UTF-8");
    let daemon = Daemon::with(&["--token-file", option], &[&log]);

    browser.go(&url(&daemon));
    let name = "document.querySelector('input[name=token]')";
    browser.until(&format!("{name} !== null"));
    // Its style is its own, and passes its policy.
    browser.until("getComputedStyle(document.querySelector('button')).height === '44px'");
    browser.eval(&format!(
        "{name}.value = 'the-first-token-of-all'; {name}.form.submit()"
    ));
    browser.until("document.querySelector('#log') !== null");
    browser.until("!location.search.includes('token')");
    browser.open(&format!("{}#filter=two", url(&daemon)));
    browser.until(&format!("{SHOWN}.join() === '[error] two'"));

    std::fs::write(&tokens, "another-token-for-all\n").expect("write the tokens");
    browser.until("document.querySelector('#token').open");
    until_says(
        &mut browser,
        "#connection .words",
        "an access token is needed",
    );
    browser.until("document.activeElement.id === 'tokeninput'");
    browser.type_text("another-token-for-all");
    browser.press("Enter", 0);
    browser.until("document.querySelector('#connection')?.textContent === 'live'");
    browser.until(&format!("{SHOWN}.join() === '[error] two'"));
    assert_eq!(
        browser.eval("location.search + location.hash"),
        json!("#filter=two")
    );
}

#[test]
fn a_page_under_a_prefix_finds_its_parts_and_its_stream() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 600));
    let daemon = Daemon::with(&["--base-path", "/logs/of/web1"], &[&log]);
    browser.open(&format!("{}logs/of/web1/", url(&daemon)));
    until_last(&mut browser, "line 599");
    // The files' list, older lines and the worker of patterns are asked for there too.
    browser.eval("page.list.toTop()");
    browser.until(&format!("{HELD}[0] === 'line 0'"));
    filter(&mut browser, "/^line 59.$/");
    until_says(&mut browser, "#count", "10 of 600");
    assert_eq!(browser.eval("page.files.all[0].path"), json!(log));
}
