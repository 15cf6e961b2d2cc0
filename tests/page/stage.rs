//! What the tests of the page share: a browser that has a daemon's page open, and the scripts that ask what is seen.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use crate::browser::{Browser, PATIENCE};
use crate::support::{Daemon, wait_until};

/// The texts of all the lines that the page holds.
pub(crate) const HELD: &str = "Array.from({length: page.ring.length}, (_, i) => page.ring.text(page.ring.first + i))\
    .filter((text) => typeof text === 'string')";

/// What the rows in the document say.
pub(crate) const SHOWN: &str =
    "[...document.querySelectorAll('.line .text')].map((text) => text.textContent)";

/// A promise that is kept when the next frame has been drawn.
pub(crate) const DRAWN: &str =
    "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";

/// The row in the middle of the log, and the pixel where it stands: the reader's place.
pub(crate) const PLACE: &str = "(() => { const row = document.elementFromPoint(400, 400).closest('.row'); \
    return [row?.querySelector('.text')?.textContent, Math.round(row?.getBoundingClientRect().top)]; })()";

pub(crate) fn url(daemon: &Daemon) -> String {
    format!("http://127.0.0.1:{}/", daemon.port)
}

/// A browser with the page of a daemon that follows `files`; None where there is no browser.
pub(crate) fn open(files: &[&Path]) -> Option<(Browser, Daemon)> {
    let mut browser = Browser::start()?;
    let daemon = Daemon::follow(files);
    browser.open(&url(&daemon));
    Some((browser, daemon))
}

pub(crate) fn numbered(from: usize, to: usize) -> String {
    (from..to).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "line {number}");
        text
    })
}

/// A second of a day in 2026 as a stamp.
pub(crate) fn stamp(second: usize) -> String {
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("2026-11-28T{hour:02}:{minute:02}:{second:02}Z")
}

/// Waits until the page holds `last` as its last line.
pub(crate) fn until_last(browser: &mut Browser, last: &str) {
    browser.until(&format!("{HELD}.at(-1) === {}", json!(last)));
}

/// Waits until the element that `selector` names says `text`.
pub(crate) fn until_says(browser: &mut Browser, selector: &str, text: &str) {
    let said = format!("document.querySelector({})?.textContent", json!(selector));
    let mut last = json!(null);
    let held = wait_until(PATIENCE, || {
        last = browser.eval(&said);
        last == json!(text)
    });
    assert!(held, "{selector} says {last}, never {text:?}");
}

/// Waits until the rows in the document say just that.
pub(crate) fn until_shown(browser: &mut Browser, texts: &[&str]) {
    browser.until(&format!(
        "JSON.stringify({SHOWN}) === JSON.stringify({})",
        json!(texts)
    ));
}

/// Types a filter in place of what is there, and waits until it is taken.
pub(crate) fn filter(browser: &mut Browser, text: &str) {
    browser.eval(
        "document.querySelector('#filter').focus(); document.querySelector('#filter').select()",
    );
    if text.is_empty() {
        browser.press("Backspace", 0);
    } else {
        browser.type_text(text);
    }
    browser.until(&format!("page.settings.filter === {}", json!(text)));
}

/// Gives the keys to the log.
pub(crate) fn focus_log(browser: &mut Browser) {
    browser.eval("document.querySelector('#log').focus()");
}
