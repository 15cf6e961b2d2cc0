//! Hosts: twenty other machines are a chip each, whose lamp goes out with them, and are read as one.

use std::time::Duration;

use serde_json::json;

use crate::axe;
use crate::browser::Browser;
use crate::stage::{DRAWN, SHOWN, filter, until_says, url};
use crate::support::{Daemon, Logs, append};

/// What a chip says, by the host's name.
fn chip(host: &str, part: &str) -> String {
    format!(
        "[...document.querySelectorAll('.chip.host')].find((chip) => chip.querySelector('.name').textContent === '{host}').querySelector('{part}')"
    )
}

#[test]
fn twenty_hosts_are_a_chip_each_and_one_that_is_away_is_grey_and_says_since_when() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let syslog = logs.file("syslog", "2026-11-28T10:00:00Z of the system\n");
    let access = logs.file("access.log", "2026-11-28T10:00:01Z GET /\n");
    let app = logs.file("app.log", "2026-11-28T10:00:02Z needle\n");
    let mut webs = Daemon::follow(&[&syslog, &access]);
    let mut db = Daemon::follow(&[&app, &access]);
    let of = |name: &str, other: &Daemon| format!("{name}=http://127.0.0.1:{}/", other.port);
    let mut files: Vec<String> = (1..20).map(|n| of(&format!("web{n:02}"), &webs)).collect();
    files.push(of("db01", &db));
    files.push(logs.file("local.log", "one\n").display().to_string());
    let paths: Vec<&std::path::Path> = files.iter().map(std::path::Path::new).collect();
    let hub = Daemon::follow(&paths);
    browser.open(&url(&hub));
    browser
        .until("document.querySelectorAll('.chip.host').length === 20 && page.ring.lines === 41");
    // A line's name says which machine, whole; a host has one colour for all of its files.
    let whole = "[...document.querySelectorAll('.gutter .file')].every((file) => file.scrollWidth <= file.clientWidth)";
    browser.until(&format!("{whole} && [...document.querySelectorAll('.gutter .file')].slice(1).every((file) => /^(web\\d\\d\\/(syslog|access)|db01\\/(app|access))$/.test(file.textContent))"));
    let colours = browser.eval(
        "page.files.groups.every(({numbers}) => new Set(numbers.map((n) => page.files.colour(n))).size === 1)",
    );
    assert_eq!(colours, json!(true));
    // All of them are one stop of the Tab key.
    let stops = browser.eval("document.querySelectorAll('#files [tabindex=\"0\"]').length");
    assert_eq!(stops, json!(1));

    // One alone, by its chip; its address is the host's, so that it has the files that come later.
    browser.click(&chip("web03", ".name"), 0);
    browser.until("location.hash === '#file=web03%2F'");
    browser.until(&format!("{SHOWN}.length === 2"));
    append(&app, "2026-11-28T10:00:03Z [error] more\n");
    browser.until(&format!(
        "{}.textContent === '1' && {}.classList.contains('error')",
        chip("db01", ".unread"),
        chip("db01", ".unread")
    ));
    browser.click(&chip("db01", ".dot"), 0);
    browser.until(&format!("{SHOWN}.length === 5"));
    browser.click(&chip("web03", ".dot"), 0);
    browser.click(&chip("db01", ".name"), 0);
    browser.until("page.settings.files === null");
    filter(&mut browser, "needle");
    browser.until(&format!(
        "JSON.stringify({SHOWN}) === '[\"2026-11-28T10:00:02Z needle\"]'"
    ));
    filter(&mut browser, "");

    // The files behind a chip.
    browser.click(&chip("db01", ".behind"), 0);
    browser
        .until("document.querySelector('#picker').open && document.activeElement.id === 'picked'");
    let listed =
        "[...document.querySelectorAll('.option .name')].map((name) => name.textContent).join()";
    assert_eq!(browser.eval(listed), json!("db01,app.log,access.log"));
    browser.eval("document.querySelector('#picker').close()");

    // One goes: its lamp is out, and one row says so, not one for each of its files.
    db.signal(nix::sys::signal::Signal::SIGKILL);
    assert!(db.ended(Duration::from_secs(10)).is_some());
    browser.until(&format!(
        "/^away since \\d\\d:\\d\\d$/.test({}.parentElement.dataset.state)",
        chip("db01", ".name")
    ));
    browser.until("[...document.querySelectorAll('.event-away .label')].map((label) => label.textContent).join().startsWith('db01 can\\'t be reached')");
    assert_eq!(
        browser.eval("document.querySelectorAll('.chip.gone').length"),
        json!(1)
    );
    // Who opens the page now sees the same.
    browser.open(&format!("{}?later#file=db01/", url(&hub)));
    browser.until(&format!(
        "/^away since \\d\\d:\\d\\d$/.test({}.parentElement.dataset.state) && {SHOWN}.length === 3",
        chip("db01", ".name")
    ));
    until_says(&mut browser, "#count", "3 lines");
    browser.eval(DRAWN);
    axe::is_content(&mut browser);
    webs.signal(nix::sys::signal::Signal::SIGKILL);
    assert!(webs.ended(Duration::from_secs(10)).is_some());
    browser.until("document.querySelectorAll('.chip.gone').length === 20");
}
