//! The keys: each does what the help says, none of the browser's own is taken, and Space loses nothing.

use serde_json::json;

use crate::stage::{SHOWN, focus_log, numbered, open, until_says, until_shown};
use crate::support::{Logs, append};

#[test]
fn a_pause_loses_nothing() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    until_shown(&mut browser, &["one"]);
    focus_log(&mut browser);
    browser.press(" ", 0);
    append(&log, "two\n[error] three\n");
    until_says(&mut browser, "#fresh", "Paused · 2 waiting");
    browser.until("document.querySelector('#fresh').classList.contains('error')");
    assert_eq!(browser.eval(SHOWN), json!(["one"]));
    assert_eq!(
        browser.eval("document.querySelector('#pause').ariaPressed"),
        json!("true")
    );
    browser.press(" ", 0);
    until_shown(&mut browser, &["one", "two", "[error] three"]);
    // The button does the same, and leaves the keys with the log.
    browser.click("document.querySelector('#pause')", 0);
    append(&log, "four\n");
    until_says(&mut browser, "#fresh", "Paused · 1 waiting");
    assert_eq!(browser.eval("document.activeElement.id"), json!("log"));
    browser.press("G", 8);
    browser.until(&format!("{SHOWN}.at(-1) === 'four'"));
}

#[test]
fn every_key_does_what_the_help_says() {
    let logs = Logs::new();
    let a = logs.file(
        "a.log",
        numbered(0, 300) + "[error] bad\n" + &numbered(300, 600),
    );
    let b = logs.file("b.log", "b\n");
    let Some((mut browser, _daemon)) = open(&[&a, &b]) else {
        return;
    };
    browser.until("page.ring.lines === 501");
    focus_log(&mut browser);
    let cursor = "page.ring.text(page.cursor)";
    for (key, modifiers, holds) in [
        ("g", 0, "page.ring.lines === 602 && !page.list.follow"),
        ("G", 8, "page.list.follow"),
        ("Home", 0, "!page.list.follow"),
        ("End", 0, "page.list.follow"),
        ("1", 0, "page.settings.files?.join() === 'a.log'"),
        (
            "j",
            0,
            &format!("{cursor} === 'line 599' && document.querySelector('.cursor') !== null"),
        ),
        ("k", 0, &format!("{cursor} === 'line 598'")),
        ("E", 8, &format!("{cursor} === '[error] bad'")),
        (
            "E",
            8,
            "document.querySelector('#toast').textContent === 'no error further up'",
        ),
        ("j", 0, &format!("{cursor} === 'line 300'")),
        (
            "e",
            0,
            "document.querySelector('#toast').textContent === 'no error further down'",
        ),
        ("2", 0, &format!("{SHOWN}.join() === 'b'")),
        ("0", 0, "page.settings.files === null"),
        (
            "w",
            0,
            "page.list.wrap && document.querySelector('#wrap').ariaPressed === 'true'",
        ),
        ("w", 0, "!page.list.wrap"),
        ("t", 0, "page.settings.time === 'local'"),
        ("a", 0, "!page.settings.colours"),
        (
            "m",
            0,
            "page.settings.marking && document.querySelector('#mark').ariaPressed === 'true'",
        ),
        (
            "+",
            0,
            "getComputedStyle(document.querySelector('.line')).fontSize === '14px'",
        ),
        (
            "-",
            0,
            "getComputedStyle(document.querySelector('.line')).fontSize === '13px'",
        ),
        ("d", 0, "document.documentElement.dataset.theme === 'light'"),
        (
            "d",
            0,
            "getComputedStyle(document.body).backgroundColor === 'rgb(20, 23, 27)'",
        ),
        (
            "d",
            0,
            "document.documentElement.dataset.theme === undefined",
        ),
        ("/", 0, "document.activeElement.id === 'find'"),
        ("Escape", 0, "document.activeElement.id === 'log'"),
        ("Escape", 0, "document.querySelector('#findbar').hidden"),
        ("f", 0, "document.activeElement.id === 'filter'"),
        ("x", 0, "page.settings.filter === 'x'"),
        (
            "Escape",
            0,
            "document.activeElement.id === 'log' && page.settings.filter === 'x'",
        ),
        ("Escape", 0, "page.settings.filter === ''"),
        (
            "x",
            0,
            "page.ring.lines === 0 && page.rows.end === page.rows.start",
        ),
        ("?", 8, "document.querySelector('#keys').open"),
    ] {
        eprintln!("{key}");
        browser.press(key, modifiers);
        browser.until(holds);
    }
    let listed = browser.eval("document.querySelectorAll('#keylist dt').length");
    assert_eq!(listed, json!(35));
    browser.eval("document.querySelector('#keys').close()");
    // Cleared is not lost.
    browser.until("!document.querySelector('#older').disabled");
    browser.until("(document.querySelector('#older').click(), page.ring.lines === 602)");
}

#[test]
fn the_browsers_own_keys_are_left_alone() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    until_shown(&mut browser, &["one"]);
    focus_log(&mut browser);
    browser.eval("window.taken = []; addEventListener('keydown', (event) => taken.push(event.defaultPrevented))");
    for (key, modifiers) in [
        ("f", 2),
        ("g", 2),
        ("/", 2),
        ("n", 1),
        ("Tab", 0),
        ("ArrowDown", 0),
        ("PageUp", 0),
    ] {
        browser.press(key, modifiers);
    }
    assert_eq!(browser.eval("taken.length"), json!(7));
    assert_eq!(browser.eval("taken.some(Boolean)"), json!(false));
    browser.eval("taken.length = 0");
    focus_log(&mut browser);
    browser.press("j", 0);
    assert_eq!(browser.eval("taken"), json!([true]));
}
