//! Find: over everything that is held, also where no row is in the document.

use crate::stage::{SHOWN, filter, focus_log, numbered, open, until_last, until_says};
use crate::support::{Logs, append};

#[test]
fn a_find_goes_over_everything_held_forth_and_back_and_round() {
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 400));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    until_last(&mut browser, "line 399");
    focus_log(&mut browser);
    browser.press("/", 0);
    browser.type_text("line 2");
    // The latest is what a reader of a log looks for.
    until_says(&mut browser, "#found", "111 of 111");
    let current =
        |text: &str| format!("document.querySelector('.current .text')?.textContent === '{text}'");
    browser.until(&current("line 299"));
    browser.until("document.querySelector('.current mark.found')?.textContent === 'line 2'");
    browser.press("Enter", 0);
    until_says(&mut browser, "#found", "1 of 111");
    browser.until(&current("line 2"));
    focus_log(&mut browser);
    browser.press("n", 0);
    browser.until(&current("line 20"));
    browser.press("N", 8);
    browser.press("N", 8);
    browser.until(&current("line 299"));
    // What comes is looked at too, and the reader stays.
    append(&log, "line 2 again\n");
    until_says(&mut browser, "#found", "111 of 112");
    browser.until(&current("line 299"));
    // Only what is shown is found.
    filter(&mut browser, "/^line 2.$/");
    until_says(&mut browser, "#found", "10 found");
    filter(&mut browser, "");
    browser.press("Escape", 0);
    browser.press("Escape", 0);
    browser.until("document.querySelector('#findbar').hidden && page.find.text === ''");
    browser.until("document.querySelectorAll('mark').length === 0");
    until_says(&mut browser, "#found", "");
}

#[test]
fn a_find_takes_a_pattern_and_says_a_bad_or_a_slow_one() {
    let logs = Logs::new();
    let slow = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\n";
    let log = logs.file("app.log", numbered(0, 30) + slow);
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 31"));
    focus_log(&mut browser);
    browser.press("/", 0);
    browser.type_text("/LINE 1\\d$/i");
    until_says(&mut browser, "#found", "10 of 10");
    let retype = "document.querySelector('#find').select()";
    browser.eval(retype);
    browser.type_text("/(/");
    browser.until("document.querySelector('#found').classList.contains('error')");
    browser.eval(retype);
    browser.type_text("/(a+)+$/");
    browser.until("/too long/.test(document.querySelector('#found').textContent)");
    browser.eval(retype);
    browser.type_text("nowhere");
    until_says(&mut browser, "#found", "nothing found");
}
