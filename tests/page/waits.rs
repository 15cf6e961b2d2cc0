//! What a reader waits for: a line until it is painted, a find, a page that follows a fast log.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::browser::Browser;
use crate::fast::{RATE, longest, observe_tasks, seconds};
use crate::stage::{focus_log, numbered, open, until_last};
use crate::support::{Logs, append};

/// Lines that are timed until they are painted.
const PAINTED: usize = 60;

/// The page notes when each row that begins with `mark` was painted: in the frame after the one that drew it.
const WATCH: &str = "window.painted = {}; new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) {
        const text = node.querySelector?.('.text')?.textContent;
        if (!text?.startsWith('mark ') || text in painted) continue;
        painted[text] = null;
        requestAnimationFrame(() => (painted[text] = performance.timeOrigin + performance.now()));
    }
}).observe(document.querySelector('#log'), { childList: true, subtree: true })";

/// Milliseconds since 1970, as the page counts them.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs_f64() * 1000.0
}

/// Seconds for which the page's own thread has worked.
fn worked(browser: &mut Browser) -> f64 {
    let metrics = browser.call("Performance.getMetrics", json!({}));
    let metrics = metrics["metrics"].as_array().expect("metrics");
    let tasks = metrics
        .iter()
        .find(|metric| metric["name"] == "TaskDuration");
    tasks
        .and_then(|metric| metric["value"].as_f64())
        .expect("a number")
}

/// `make soak` asks for what a reader on an idle machine gets; beside other tests it is only to be no hang.
#[test]
fn a_reader_waits_neither_for_a_line_nor_for_a_find() {
    let alone = seconds().is_some_and(|seconds| seconds >= 60);
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 1000));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    until_last(&mut browser, "line 999");
    browser.eval(WATCH);
    let mut waits: Vec<f64> = (0..PAINTED)
        .map(|n| {
            let written = now();
            append(&log, format!("mark {n}\n"));
            browser.until(&format!("painted['mark {n}'] > 0"));
            let painted = browser.eval(&format!("painted['mark {n}']"));
            painted.as_f64().expect("a time") - written
        })
        .collect();
    waits.sort_by(f64::total_cmp);
    let (middle, worst) = (waits[PAINTED / 2], waits[PAINTED - 1]);
    eprintln!("write to painted row: p50 {middle:.1} ms, worst {worst:.1} ms");
    assert!(middle < if alone { 30.0 } else { 1000.0 }, "{waits:?}");

    append(&log, numbered(1000, 200_000));
    until_last(&mut browser, "line 199999");
    focus_log(&mut browser);
    browser.press("/", 0);
    // From the last key to the count of hits in all that is held.
    let found = browser.eval(
        "new Promise((done) => { const box = document.querySelector('#find'); const found = document.querySelector('#found');
         const start = performance.now();
         new MutationObserver(() => /^[\\d,]+ of 111$/.test(found.textContent) && done(performance.now() - start))
             .observe(found, { childList: true, characterData: true, subtree: true });
         box.value = 'line 1234'; box.dispatchEvent(new Event('input', { bubbles: true })); })",
    );
    let found = found.as_f64().expect("a number");
    eprintln!("find in 200,000 lines: {found:.0} ms");
    assert!(found < if alone { 250.0 } else { 5000.0 }, "{found} ms");
}

/// The page that follows draws what comes, and its thread has time left.
#[test]
fn a_page_that_follows_a_fast_log_keeps_up_with_it() {
    let asked = seconds();
    let seconds = asked.unwrap_or(4);
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 1000));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    until_last(&mut browser, "line 999");
    browser.call("Performance.enable", json!({}));
    observe_tasks(&mut browser);
    longest(&mut browser);
    let before = worked(&mut browser);
    let start = Instant::now();
    let mut next: usize = 1000;
    while start.elapsed() < Duration::from_secs(seconds) {
        append(&log, numbered(next, next + 250));
        next += 250;
        let due = start + Duration::from_millis((next as u64 - 1000) * 1000 / RATE);
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
    }
    let passed = start.elapsed().as_secs_f64();
    until_last(&mut browser, &format!("line {}", next - 1));
    let share = (worked(&mut browser) - before) / passed;
    let task = longest(&mut browser);
    eprintln!(
        "{RATE} lines/s followed for {seconds} s: {:.0} % of a core, longest task {task} ms",
        share * 100.0
    );
    let alone = asked.is_some_and(|asked| asked >= 60);
    assert!(share < if alone { 0.5 } else { 1.0 }, "{share} of a core");
    assert!(
        task < if alone { 100.0 } else { 1000.0 },
        "a task of {task} ms"
    );
}
