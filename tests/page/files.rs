//! The files: a chip each, alone or merged, with what is unread; and a file that isn't there yet.

use serde_json::json;

use crate::stage::{SHOWN, open, until_says, until_shown};
use crate::support::{Logs, append};

const UNREAD: &str = "[...document.querySelectorAll('.chip')].map((chip) => chip.querySelector('.unread').textContent).join()";

fn chip(number: usize, part: &str) -> String {
    format!("document.querySelectorAll('.chip')[{number}].querySelector('{part}')")
}

#[test]
fn files_are_shown_alone_or_merged_and_the_others_count_their_unread() {
    let logs = Logs::new();
    let a = logs.file("a.log", "a1\n");
    let b = logs.file("b-with-a-name.log", "b1\n");
    let c = logs.file("c.log", "c1\n");
    let Some((mut browser, _daemon)) = open(&[&a, &b, &c]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 3"));
    let names = browser.eval("[...document.querySelectorAll('.gutter .file')].map((file) => file.textContent).sort().join()");
    assert_eq!(names, json!("a,b-with-a-name,c"));
    browser.until(
        "[...document.querySelectorAll('.gutter .file')].every((file) => file.scrollWidth <= file.clientWidth)",
    );
    let colours = browser.eval(
        "new Set([...document.querySelectorAll('.gutter .file')].map((file) => getComputedStyle(file).color)).size",
    );
    assert_eq!(colours, json!(3));

    browser.click(&chip(0, ".name"), 0);
    until_shown(&mut browser, &["a1"]);
    browser.until("location.hash === '#file=a.log'");
    append(&b, "b2\nb3\n");
    append(&c, "[error] c2\n");
    append(&a, "a2\n");
    until_shown(&mut browser, &["a1", "a2"]);
    browser.until(&format!("{UNREAD} === ',2,1'"));
    let name = browser.eval(&format!("{}.ariaLabel", chip(1, ".name")));
    assert_eq!(name, json!("b-with-a-name.log, 2 unread"));
    browser.until(&format!(
        "{}.classList.contains('error')",
        chip(2, ".unread")
    ));
    browser.until(&format!(
        "!{}.classList.contains('error')",
        chip(1, ".unread")
    ));

    browser.click(&chip(1, ".dot"), 0);
    until_shown(&mut browser, &["a1", "b1", "b2", "b3", "a2"]);
    browser.until(&format!("{UNREAD} === ',,1'"));
    browser.click(&chip(0, ".dot"), 0);
    until_shown(&mut browser, &["b1", "b2", "b3"]);
    browser.click(&chip(0, ".dot"), 0);
    browser.click(&chip(2, ".name"), 2);
    browser.until(&format!("{SHOWN}.length === 7 && {UNREAD} === ',,'"));
    assert_eq!(browser.eval("page.settings.files"), json!(null));
    browser.click(&chip(2, ".name"), 0);
    browser.until(&format!("{SHOWN}.join() === 'c1,[error] c2'"));
    browser.click(&chip(2, ".name"), 0);
    browser.until(&format!("{SHOWN}.length === 7"));
}

#[test]
fn a_file_that_is_not_there_yet_is_waited_for_and_comes() {
    let logs = Logs::new();
    let log = logs.path("later.log");
    let other = logs.file("other.log", "");
    let Some((mut browser, _daemon)) = open(&[&log, &other]) else {
        return;
    };
    until_says(&mut browser, "#empty h2", "No lines yet");
    browser.click(&chip(0, ".name"), 0);
    until_says(&mut browser, "#empty h2", "No such file yet: waiting");
    browser.until(&format!(
        "document.querySelector('#empty p').textContent.includes({})",
        json!(log)
    ));
    browser.until("document.querySelector('.chip').classList.contains('missing')");
    append(&log, "here\n");
    until_shown(&mut browser, &["here"]);
    browser.until("document.querySelector('#empty').hidden");
    browser.until("document.querySelector('.chip.missing') === null");
}

#[test]
fn a_file_that_cannot_be_read_is_not_called_missing() {
    let logs = Logs::new();
    let directory = logs.path("not-a-file");
    std::fs::create_dir(&directory).expect("a directory");
    let other = logs.file("other.log", "one\n");
    let Some((mut browser, _daemon)) = open(&[&directory, &other]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 1"));
    browser.until(&format!(
        "{}.dataset.state === \"can't be read\"",
        "document.querySelector('.chip')"
    ));
    browser.click(&chip(0, ".name"), 0);
    until_says(&mut browser, "#empty h2", "The file can't be read");
    browser.until("/it is a directory/.test(document.querySelector('#empty p').textContent)");
}

#[test]
fn a_link_to_one_file_shows_nothing_of_the_others_as_news() {
    let logs = Logs::new();
    let a = logs.file("a.log", "a1\n");
    let b = logs.file("b.log", "b1\n[error] b2\n");
    let Some((mut browser, daemon)) = open(&[&a, &b]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 3 && {UNREAD} === ','"));
    browser.open(&format!("{}?one#file=a.log", crate::stage::url(&daemon)));
    until_shown(&mut browser, &["a1"]);
    browser.until(&format!("{UNREAD} === ','"));
    // The others are asked for once they are wanted.
    browser.click(&chip(1, ".dot"), 0);
    until_shown(&mut browser, &["a1", "b1", "[error] b2"]);
}
