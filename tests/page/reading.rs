//! Reading: what comes is seen, what was is fetched, and the reader's place is never lost.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::stage::{
    DRAWN, HELD, PLACE, SHOWN, filter, focus_log, numbered, open, stamp, until_last, until_says,
};
use crate::support::{Logs, append};

/// Lines of very different lengths.
fn ragged(from: usize, to: usize) -> String {
    (from..to).fold(String::new(), |mut text, number| {
        let tail = "many words ".repeat(number * 7 % 60);
        let _ = writeln!(text, "line {number} {tail}");
        text
    })
}

/// Looks at an entry in the middle of what is held; gives the reader's place.
pub(crate) fn look_at(browser: &mut Browser, entry: &str) -> Value {
    browser.eval(&format!("page.list.goTo({entry})"));
    browser.until(&format!("page.list.isInSight({entry})"));
    browser.until(&format!("!page.list.follow && /line/.test({PLACE}[0])"));
    browser.eval(DRAWN);
    browser.eval(PLACE)
}

#[test]
fn a_reader_sees_the_history_and_what_comes() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\ntwo\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.join() === 'one,two'"));
    append(&log, "2026-01-01 [ERROR] three\n");
    browser.until(&format!("{SHOWN}.length === 3"));
    let level = browser.eval("document.querySelectorAll('.line')[2].classList.contains('error')");
    assert_eq!(level, json!(true));
    browser.until("document.title.startsWith('app.log')");
}

#[test]
fn scrolling_up_fetches_older_lines_and_the_reader_stays_in_place() {
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 3000));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    until_last(&mut browser, "line 2999");
    browser.until("page.list.follow && document.querySelectorAll('.line').length > 10");
    browser.eval("document.querySelector('#log').scrollTop = 0");
    browser.until(&format!(
        "{HELD}[0] === 'line 1500' || {HELD}[0] === 'line 0'"
    ));
    browser.eval("document.querySelector('#log').scrollTop = 4000");
    browser.until(&format!("!page.list.follow && /line/.test({PLACE}[0])"));
    browser.eval(DRAWN);
    let before = browser.eval(PLACE);
    append(&log, numbered(3000, 3312));
    until_says(&mut browser, "#fresh", "↓ 312 new");
    assert_eq!(browser.eval(PLACE), before);

    browser.until(&format!(
        "(document.querySelector('#log').scrollTop = 0, {HELD}[0] === 'line 0')"
    ));
    until_says(&mut browser, "#older", "the beginning of app.log");
    let held = browser.eval(&format!("{HELD}.join('\\n')"));
    assert_eq!(held, json!(numbered(0, 3312).trim_end()));

    browser.click("document.querySelector('#fresh')", 0);
    browser.until(&format!("{SHOWN}.at(-1) === 'line 3311'"));
}

#[test]
fn the_view_stands_still_while_lines_come_and_old_ones_go() {
    let logs = Logs::new();
    let log = logs.file("app.log", ragged(0, 400));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 400");
    browser.eval("page.ring.linesMax = 1000");
    append(&log, ragged(400, 1000));
    browser.until("page.ring.lines === 1000");
    let mut next = 1000;
    for (wrapped, filtered) in [(false, ""), (true, ""), (true, "line -none")] {
        let wrap = if wrapped { "true" } else { "false" };
        browser.eval(&format!("page.set({{wrap: {wrap}}})"));
        filter(&mut browser, filtered);
        browser.until("page.view.shown.complete");
        let before = look_at(&mut browser, "page.ring.end - 300");
        let first = browser.eval("page.ring.first");
        for _ in 0..8 {
            append(&log, ragged(next, next + 50));
            next += 50;
            browser.until(&format!(
                "page.ring.text(page.ring.end - 1).startsWith('line {} ')",
                next - 1
            ));
            browser.eval(DRAWN);
            assert_eq!(browser.eval(PLACE), before, "wrapped {wrapped}, {filtered}");
        }
        browser.until(&format!("page.ring.first >= {first} + 400"));
        assert_eq!(browser.eval("page.ring.length <= 1000"), json!(true));
    }
}

#[test]
fn what_is_gone_to_comes_in_sight_though_the_browser_moves_the_view_before() {
    let logs = Logs::new();
    let log = logs.file("app.log", ragged(0, 400));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 400");
    browser.eval(DRAWN);
    browser.eval(
        "{ page.list.goTo(page.ring.first + 200);
           const log = document.querySelector('#log');
           log.scrollTop = 0;
           log.dispatchEvent(new Event('scroll')); }",
    );
    browser.until("page.list.isInSight(page.ring.first + 200)");
}

#[test]
fn larger_type_another_width_and_a_filter_give_the_place_back() {
    let logs = Logs::new();
    let log = logs.file("app.log", ragged(0, 400));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 400");
    browser.eval("page.set({wrap: true})");
    look_at(&mut browser, "page.ring.first + 200");
    let place = "Math.round(document.querySelector(`[data-seq=\"${page.ring.end - 200}\"]`).getBoundingClientRect().top - document.querySelector('#log').getBoundingClientRect().top)";
    let before = browser.eval(place);
    focus_log(&mut browser);
    browser.press("+", 0);
    browser.until("page.taste.size === 14");
    browser.eval(DRAWN);
    assert_eq!(browser.eval(place), before);
    browser.screen(800, 800, false);
    browser.until("innerWidth === 800");
    browser.eval(DRAWN);
    assert_eq!(browser.eval(place), before);
    // Also when a filter has been there that leaves next to nothing.
    filter(&mut browser, "\"line 300\"");
    until_says(&mut browser, "#count", "1 of 400");
    filter(&mut browser, "");
    until_says(&mut browser, "#count", "400 lines");
    focus_log(&mut browser); // the filter's syntax no longer stands over the log
    browser.eval(DRAWN);
    assert_eq!(browser.eval(place), before);
}

#[test]
fn scrolling_up_selecting_and_finding_end_the_following() {
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 400));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    until_last(&mut browser, "line 399");
    type Way = (&'static str, fn(&mut Browser));
    let ways: [Way; 4] = [
        ("the wheel", |browser| browser.wheel(-120)),
        ("a key", |browser| browser.press("PageUp", 0)),
        ("a selection", |browser| {
            browser.eval(
                "getSelection().selectAllChildren([...document.querySelectorAll('.text')].at(-3))",
            );
        }),
        ("a find", |browser| {
            browser.press("/", 0);
            browser.type_text("line 3");
            // Not of the first letters alone.
            until_says(browser, "#found", "111 of 111");
        }),
    ];
    let is_at_rest = "new Promise((done) => { const log = document.querySelector('#log'); const top = log.scrollTop;
         requestAnimationFrame(() => requestAnimationFrame(() => done(log.scrollTop === top))); })";
    for (name, stop) in ways {
        browser.until("page.list.follow && page.seen.seq === page.ring.end");
        focus_log(&mut browser);
        stop(&mut browser);
        eprintln!("{name}");
        browser.until("!page.list.follow && !document.querySelector('#fresh').hidden");
        browser.until(is_at_rest);
        let place = browser.eval(&format!("{SHOWN}.includes('line 390')"));
        append(&log, "one more\n");
        until_says(&mut browser, "#fresh", "↓ 1 new");
        let stays = browser.eval(&format!("{SHOWN}.includes('line 390')"));
        assert_eq!(stays, place, "{name}");
        browser.click("document.querySelector('#fresh')", 0);
    }
}

#[test]
fn the_title_counts_what_came_while_nobody_looked_and_marks_an_error() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n");
    let Some((mut browser, daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 1"));
    browser.hide();
    append(&log, "two\nthree\n");
    let title = |mark: &str| {
        format!(
            "document.title === '{mark}app.log · 127.0.0.1:{}'",
            daemon.port
        )
    };
    browser.until(&title("(2) "));
    append(&log, "[error] four\n");
    browser.until(&title("(3 !) "));
    browser.show();
    browser.until(&title(""));
}

#[test]
fn rotations_and_truncations_stand_as_rows_where_they_happened() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 1"));
    std::fs::rename(&log, logs.path("app.log.1")).expect("rotate");
    append(&log, "two\n");
    until_last(&mut browser, "two");
    std::fs::write(&log, "3\n").expect("truncate");
    until_last(&mut browser, "3");
    std::fs::remove_file(&log).expect("remove");
    browser.until("document.querySelector('.event-missing') !== null");
    browser.until(
        "/waiting/.test(document.querySelector('.chip.missing .name, .missing')?.title ?? '')",
    );
    let rows = browser.eval(
        "[...document.querySelectorAll('.row')].map((row) => row.querySelector('.text, .label').textContent)",
    );
    let wanted = json!([
        "one",
        "app.log was rotated: a new file begins",
        "two",
        "app.log was truncated: it begins anew",
        "3",
        "app.log is gone: waiting for it to come back"
    ]);
    assert_eq!(rows, wanted);
    append(&log, "four\n");
    until_last(&mut browser, "four");
    browser.until("document.querySelector('.chip.missing') === null");
}

#[test]
fn history_that_crosses_a_rotation_says_what_is_older() {
    let logs = Logs::new();
    logs.file("app.log.1", "one\ntwo\n");
    let log = logs.file("app.log", "three\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    let rows = "[...document.querySelectorAll('.row')].map((row) => row.querySelector('.text, .label').textContent).join()";
    browser.until(&format!(
        "{rows} === 'one,two,↑ older: app.log before it was rotated,three'"
    ));
}

/// Lines with a time each, every other second from `start`, beginning at `from`.
fn stamped(name: &str, start: usize, from: usize, to: usize) -> String {
    (from..to).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{} INFO {name} {number}", stamp(start + number * 2));
        text
    })
}

/// Whether everything held is in the order of its times.
const IN_ORDER: &str = "(() => { let last = 0; for (let seq = page.ring.first; seq < page.ring.end; seq++) { \
    if (page.ring.time(seq) < last) return false; last = page.ring.time(seq); } return true; })()";

#[test]
fn files_are_one_story_by_time_at_first_and_when_older_lines_are_fetched() {
    let logs = Logs::new();
    let a = logs.file("a.log", stamped("a", 0, 0, 3000));
    let b = logs.file("b.log", stamped("b", 1, 0, 3000));
    // A quiet one, whose history reaches far back.
    let c = logs.file("c.log", stamped("c", 0, 0, 5) + &stamped("c", 5000, 0, 3));
    let Some((mut browser, _daemon)) = open(&[&a, &b, &c]) else {
        return;
    };
    browser.until(&format!(
        "{SHOWN}.at(-1)?.endsWith('b 2999') && {SHOWN}.at(-2)?.endsWith('a 2999')"
    ));
    assert_eq!(browser.eval(IN_ORDER), json!(true));
    browser.until(&format!(
        "(page.list.toTop(), {HELD}.length === 6008 && {IN_ORDER})"
    ));
    let held = browser.eval(&format!("new Set({HELD}).size"));
    assert_eq!(held, json!(6008));
    // By arrival, as it was: file after file.
    focus_log(&mut browser);
    browser.press("o", 0);
    browser.until(&format!(
        "location.hash === '#order=arrival' && {HELD}.length === 1008 && !{IN_ORDER}"
    ));
}

#[test]
fn a_line_that_comes_late_says_so_and_a_new_day_has_its_date() {
    let logs = Logs::new();
    let log = logs.file(
        "app.log",
        "2026-11-27T23:59:59Z one\n2026-11-28T00:00:20Z two\n",
    );
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.eval("page.set({time: 'utc'})");
    browser
        .until("document.querySelector('.new-day .day')?.textContent === 'Sat, 28 November 2026'");
    append(&log, "2026-11-28T00:00:08Z three\n");
    browser.until("document.querySelector('.late')?.textContent === '12.0 s late'");
    assert_eq!(
        browser.eval("document.querySelectorAll('.late, .day').length"),
        json!(2)
    );
}

/// A Java error with a trace of 27 lines.
pub(crate) fn trace(second: usize) -> String {
    let mut text = format!(
        "2026-11-28 03:16:{second:02},000 ERROR [exec-2] Payment - order {second}: failed\n"
    );
    text += "java.lang.IllegalStateException: pool exhausted\n";
    for step in 0..24 {
        let _ = writeln!(
            text,
            "\tat com.example.Payment.step{step}(Payment.java:{step})"
        );
    }
    text + "Caused by: java.sql.SQLException: HikariPool-1 timed out\n"
}

#[test]
fn a_stack_trace_is_folded_filtered_and_copied_with_its_error() {
    let logs = Logs::new();
    let log = logs.file(
        "app.log",
        "2026-11-28 03:16:00,000 INFO before\n".to_owned()
            + &trace(1)
            + "2026-11-28 03:16:02,000 INFO after\n",
    );
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 5"));
    let more = "document.querySelector('.unfold')";
    assert_eq!(
        browser.eval(&format!("{more}.textContent")),
        json!("▸ 24 more · Caused by: java.sql.SQLException: HikariPool-1 timed out")
    );
    assert_eq!(
        browser.eval("document.querySelectorAll('.row.error').length"),
        json!(4)
    );
    // The errors alone are the error and all of its trace; a filter that only a line within passes shows it too.
    browser.eval("page.set({levels: 16})");
    until_says(&mut browser, "#count", "27 of 29");
    browser.eval("page.set({levels: 31})");
    filter(&mut browser, "HikariPool");
    until_says(&mut browser, "#count", "27 of 29");
    browser.until("document.querySelector('.unfold mark')?.textContent === 'HikariPool'");
    filter(&mut browser, "");
    browser.until(&format!("{SHOWN}.length === 5"));
    browser.click(more, 0);
    browser.until(&format!("{SHOWN}.length === 29"));
    focus_log(&mut browser);
    browser.press("Enter", 0);
    browser.until(&format!("{SHOWN}.length === 5"));
    browser.press("Z", 8);
    browser.until(&format!(
        "{SHOWN}.length === 29 && location.hash === '#fold=0'"
    ));
    browser.press("Z", 8);
    browser.until(&format!("{SHOWN}.length === 5"));
    browser.press("y", 0);
    browser.until("document.querySelector('#toast').textContent === '27 lines copied'");
    // A trace that comes in pieces is one all the same, and `e` goes from error to error.
    append(&log, trace(3));
    browser.until(&format!("{SHOWN}.length === 8"));
    append(&log, "\tat the.end(End.java:1)\n");
    browser
        .until("/^▸ 25 more/.test([...document.querySelectorAll('.unfold')].at(-1).textContent)");
    browser.press("e", 0);
    browser.until("/order 3/.test(page.ring.text(page.cursor))");
    browser.press("E", 8);
    browser.until("/order 1/.test(page.ring.text(page.cursor))");
    // A find of what is folded opens it.
    browser.press("/", 0);
    browser.type_text("step17");
    browser.until("/step17/.test(document.querySelector('.row.current .text')?.textContent)");
}
