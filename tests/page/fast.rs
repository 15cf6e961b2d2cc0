//! A fast log: the page stays awake, the reader in place, the memory flat.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::browser::Browser;
use crate::stage::{DRAWN, HELD, PLACE, filter, numbered, open, until_last};
use crate::support::{Logs, append};

/// Lines a second.
pub(crate) const RATE: u64 = 5000;

/// The bytes that the page's scripts hold, once what nobody needs is gone.
fn heap(browser: &mut Browser) -> f64 {
    browser.call("HeapProfiler.collectGarbage", json!({}));
    let usage = browser.call("Runtime.getHeapUsage", json!({}));
    usage["usedSize"].as_f64().expect("a number")
}

/// The longest task since the last time, in milliseconds.
pub(crate) fn longest(browser: &mut Browser) -> f64 {
    let longest = browser.eval("Math.max(0, ...tasks.splice(0))");
    longest.as_f64().expect("a number")
}

/// From now on the page notes its long tasks.
pub(crate) fn observe_tasks(browser: &mut Browser) {
    browser.eval(
        "window.tasks = []; new PerformanceObserver((list) => list.getEntries().forEach((e) => tasks.push(e.duration)))\
         .observe({type: 'longtask'})",
    );
    // A task that is long is seen as one.
    browser.eval("setTimeout(() => { for (const end = performance.now() + 200; performance.now() < end; ); })");
    browser.until("tasks.some((duration) => duration >= 190)");
}

/// The seconds that a run of a fast log is to take, where they are asked for.
pub(crate) fn seconds() -> Option<u64> {
    let asked = std::env::var("TAILCAST_PAGE_SECONDS").ok()?;
    asked.parse().ok()
}

/// A few seconds of it in every run; `make soak` asks for the whole minute.
#[test]
fn a_fast_log_leaves_the_page_awake_and_the_reader_in_place() {
    let seconds = seconds().unwrap_or(4);
    // Other tests share the cores with this one; alone it stays under 100 ms.
    let bound = if seconds >= 60 { 100.0 } else { 500.0 };
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 1000));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    until_last(&mut browser, "line 999");
    append(&log, numbered(1000, 200_000));
    until_last(&mut browser, "line 199999");
    observe_tasks(&mut browser);
    browser.eval("page.list.goTo(page.ring.end - 1000)");
    browser.until(&format!("!page.list.follow && /line/.test({PLACE}[0])"));
    browser.eval(DRAWN);
    let place = browser.eval(PLACE);
    let before = heap(&mut browser);
    longest(&mut browser);

    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let mut next = 200_000;
    while Instant::now() < end {
        append(&log, numbered(next, next + 250));
        next += 250;
        let due = start + Duration::from_millis((next as u64 - 200_000) * 1000 / RATE);
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
    }
    // A page that is full before the reader's own lines would go leaves the rest in the file.
    let last = format!("line {}", next - 1);
    browser.until(&format!(
        "page.connection.held || page.ring.text(page.ring.end - 1) === {}",
        json!(last)
    ));
    assert_eq!(browser.eval(PLACE), place);
    let task = longest(&mut browser);
    let after = heap(&mut browser);
    let held = browser.eval("page.ring.length").as_u64().expect("a number");
    eprintln!(
        "longest task {task} ms, {held} lines held after {next}, heap {before} then {after} bytes"
    );
    assert!(held <= 200_000, "{held} lines held");
    assert!(task < bound, "a task of {task} ms");
    assert!(after < before * 1.15 + 2e6, "{before} bytes became {after}");

    browser.eval("document.querySelector('#fresh').click()");
    until_last(&mut browser, &last);
    let gaps = browser.eval(&format!(
        "{HELD}.map((text) => Number(text.slice(5))).filter((n, i, all) => i > 0 && n !== all[i - 1] + 1)"
    ));
    assert_eq!(gaps, json!([]), "missing or twice");

    // Typing over all of it is never waited for, words and patterns alike.
    longest(&mut browser);
    let held = browser.eval("page.ring.lines").as_u64().expect("a number");
    let first = next - usize::try_from(held).expect("a count");
    type Test = fn(&str) -> bool;
    let filters: [(&str, Test); 2] = [
        ("line 1999", |text| text.contains("1999")),
        ("/^line \\d+00$/", |text| text.ends_with("00")),
    ];
    for (text, test) in filters {
        filter(&mut browser, text);
        let passes = (first..next).filter(|number| test(&number.to_string()));
        let count = passes.count();
        browser.until(&format!(
            "document.querySelector('#count').textContent.replaceAll(',', '') === '{count} of {held}'"
        ));
    }
    let task = longest(&mut browser);
    assert!(task < bound, "a task of {task} ms while typing");
}
