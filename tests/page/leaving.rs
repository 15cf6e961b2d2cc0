//! What leaves the page: copies and downloads, as clean text.

use serde_json::json;

use crate::browser::{Browser, PATIENCE};
use crate::stage::{HELD, SHOWN, filter, focus_log, numbered, open, until_says};
use crate::support::{Logs, wait_until};

/// Presses Ctrl-C; gives what the clipboard holds.
fn copied(browser: &mut Browser) -> String {
    let allow = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
    browser.call_browser("Browser.grantPermissions", allow);
    browser.press("c", 2);
    clipboard(browser)
}

fn clipboard(browser: &mut Browser) -> String {
    let text = browser.eval("navigator.clipboard.readText()");
    text.as_str().expect("a text").to_owned()
}

#[test]
fn a_copy_is_the_lines_own_text_and_nothing_else() {
    let logs = Logs::new();
    let long = "y".repeat(5000);
    let text = format!("\x1b[31mfirst\x1b[0m line\n{{\"a\":1}}\n{long}\nlast line\n");
    let log = logs.file("app.log", text);
    let other = logs.file("other.log", "");
    let Some((mut browser, _daemon)) = open(&[&log, &other]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 4"));
    browser.eval("page.set({time: 'local'}); page.deeds.open(page.ring.first + 1)");
    browser.until("document.querySelector('.tree') !== null");
    focus_log(&mut browser);
    browser.eval(
        "{ const texts = document.querySelectorAll('.line .text'); const text = (row) => document.createTreeWalker(row, 4).nextNode(); \
         getSelection().setBaseAndExtent(text(texts[0]), 2, text(texts[3]), 4); }",
    );
    let wanted = format!("rst line\n{{\"a\":1}}\n{long}\nlast");
    assert_eq!(copied(&mut browser), wanted);
    // From within a long line, whose button is no text of it.
    browser.eval(
        "{ const texts = document.querySelectorAll('.line .text'); const text = (row) => document.createTreeWalker(row, 4).nextNode(); \
         getSelection().setBaseAndExtent(texts[2].lastChild, 4090, text(texts[3]), 4); }",
    );
    assert_eq!(copied(&mut browser), "yyyyyy\nlast");
    // A line by its key.
    browser.eval("page.point(page.ring.first)");
    browser.press("y", 0);
    browser.until("document.querySelector('#toast').textContent === 'line copied'");
    assert_eq!(clipboard(&mut browser), "first line");
}

#[test]
fn select_all_copies_also_the_rows_that_are_not_in_the_document() {
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 500));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.at(-1) === 'line 499'"));
    focus_log(&mut browser);
    browser.press("a", 2);
    assert_eq!(copied(&mut browser), numbered(0, 500).trim_end());
}

#[test]
fn a_download_is_what_is_shown() {
    let logs = Logs::new();
    let log = logs.file("my app.log", numbered(0, 500) + "\x1b[1mline 7\x1b[0m\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{HELD}.length >= 500"));
    let saved = logs.path("saved");
    std::fs::create_dir(&saved).expect("a directory");
    let place = json!({"behavior": "allow", "downloadPath": saved});
    browser.call_browser("Browser.setDownloadBehavior", place);
    filter(&mut browser, "\"line 7\"");
    until_says(&mut browser, "#count", "12 of 500");
    browser.click("document.querySelector('#save')", 0);
    let mut found = None;
    wait_until(PATIENCE, || {
        let mut names = std::fs::read_dir(&saved).expect("the directory").flatten();
        found = names.find(|file| file.path().extension().is_some_and(|end| end == "log"));
        found.is_some()
    });
    let found = found.expect("a download");
    let name = found.file_name();
    assert!(name.to_string_lossy().starts_with("my_app 20"), "{name:?}");
    let shown = browser.eval(&format!("{SHOWN}.join('\\n')"));
    let text = std::fs::read_to_string(found.path()).expect("read it");
    assert_eq!(json!(text.trim_end()), shown);
    assert!(
        text.lines().count() > 10 && text.ends_with("\nline 7\n"),
        "{text}"
    );
}
