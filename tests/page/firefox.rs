//! The page's central promises in Firefox, by the same scripts and helpers as in Chromium.

use serde_json::json;

use crate::axe;
use crate::browser::Browser;
use crate::connection::{again, end};
use crate::pure;
use crate::reading::{look_at, trace};
use crate::stage::{
    DRAWN, HELD, PLACE, SHOWN, filter, focus_log, numbered, stamp, until_last, until_says, url,
};
use crate::support::{Daemon, Logs, append};

#[test]
fn firefox_shows_each_line_once_over_a_restart_and_keeps_the_readers_place() {
    let Some(mut browser) = Browser::firefox() else {
        return;
    };
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 3000));
    let daemon = Daemon::follow(&[&log]);
    browser.open(&url(&daemon));
    until_last(&mut browser, "line 2999");
    browser.until(&format!("{SHOWN}.at(-1) === 'line 2999'"));
    // What comes is seen, and what was is fetched.
    append(&log, numbered(3000, 3100));
    browser.until(&format!("{SHOWN}.at(-1) === 'line 3099'"));
    browser.wheel(-200);
    browser.until("!page.list.follow");
    focus_log(&mut browser);
    browser.press("Home", 0);
    browser.until("page.ring.lines > 1500");
    let place = look_at(&mut browser, "page.ring.end - 400");
    append(&log, numbered(3100, 5000));
    until_last(&mut browser, "line 4999");
    browser.eval(DRAWN);
    assert_eq!(browser.eval(PLACE), place);
    // A daemon that goes and comes back, and a rotation meanwhile.
    let port = end(daemon);
    browser.until("page.connection.state.name === 'retrying'");
    append(&log, numbered(5000, 5100));
    std::fs::rename(&log, logs.path("app.log.1")).expect("rotate");
    append(&log, numbered(5100, 5200));
    let _daemon = again(port, &log);
    until_last(&mut browser, "line 5199");
    let jumps = browser.eval(&format!(
        "{HELD}.map((text) => Number(text.slice(5))).filter((n, i, all) => i > 0 && n !== all[i - 1] + 1)"
    ));
    assert_eq!(jumps, json!([]), "missing or twice");
    assert_eq!(browser.eval("page.ring.events.length"), json!(1));
    browser.click("document.querySelector('#fresh')", 0);
    browser.until(&format!(
        "page.list.follow && {SHOWN}.at(-1) === 'line 5199'"
    ));
}

#[test]
fn firefox_merges_folds_filters_finds_and_goes_to_a_time() {
    let Some(mut browser) = Browser::firefox() else {
        return;
    };
    pure::all_hold(&mut browser);
    let logs = Logs::new();
    let stamped = |hour: usize, what: &str| -> String {
        (0..3600)
            .map(|n| format!("{} INFO {what} {n}\n", stamp(hour * 3600 + n)))
            .collect()
    };
    let web = logs.file("web.log", stamped(2, "web"));
    let db = logs.file(
        "db.log",
        stamped(2, "needle").replacen("needle 5\n", "ERROR 5\n", 1),
    );
    let app = logs.file("app.log", trace(1));
    let worker = logs.file(
        "worker.log",
        "{\"level\":50,\"time\":1795860000123,\"msg\":\"timed out\",\"reqId\":\"77\"}\n",
    );
    let daemon = Daemon::follow(&[&web, &db, &app, &worker]);
    browser.open(&url(&daemon));
    browser.until("page.ring.lines > 1000");
    // Two files in the order of their times.
    let turns = browser.eval(
        "[...Array(page.ring.length).keys()].map((i) => page.ring.time(page.ring.first + i)).filter((t) => t > 0)\
         .every((t, i, all) => i === 0 || t >= all[i - 1])",
    );
    assert_eq!(turns, json!(true));
    // A trace is folded, and opened by its button; a line of JSON reads like one of a log, and Enter opens its tree.
    browser.until("document.querySelector('.unfold') !== null");
    browser.click("document.querySelector('.unfold')", 0);
    browser.until("document.querySelector('.unfold') === null");
    browser.eval("page.list.toEnd()");
    browser.until(&format!(
        "{SHOWN}.some((text) => /ERROR timed out +reqId=77/.test(text))"
    ));
    browser.eval("page.deeds.open([...Array(page.ring.length).keys()].map((i) => page.ring.first + i).find((seq) => String(page.ring.text(seq)).startsWith('{')))");
    browser.until("document.querySelector('.tree button.key') !== null");
    axe::is_content(&mut browser);
    // A filter reaches to the first byte of the file.
    filter(&mut browser, "\"needle 1000\"");
    until_says(&mut browser, "#count", "0 of 1,027 held · 1 further back");
    focus_log(&mut browser);
    browser.press("Escape", 0);
    browser.until("page.settings.filter === '' && location.hash === ''");
    browser.eval("history.back()");
    browser.until("page.settings.filter === '\"needle 1000\"'");
    browser.eval("history.forward()");
    browser.until("page.settings.filter === ''");
    // A find marks its hits, and a time is gone to.
    browser.press("/", 0);
    browser.type_text("needle 3590");
    browser.until("document.querySelector('.current mark.found') !== null");
    browser.press("Escape", 0);
    browser.press("Escape", 0);
    focus_log(&mut browser);
    browser.press("T", 8);
    browser.type_text("2026-11-28T02:15:00Z");
    browser.press("Enter", 0);
    browser.until("page.cursor !== null && page.ring.has(page.cursor) && page.ring.text(page.cursor).startsWith('2026-11-28T02:15:00Z')");
    browser.until("page.list.isInSight(page.cursor)");
    // A small window is mostly log.
    browser.screen(390, 800, false);
    browser.until("document.querySelector('#log').clientHeight / innerHeight > 0.85");
}
