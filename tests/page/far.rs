//! Further back than what is held: a filter, a find and the next error go on in the files, to the first byte.

use std::fmt::Write as _;

use serde_json::json;

use crate::axe;
use crate::stage::{DRAWN, SHOWN, filter, focus_log, open, stamp, until_says};
use crate::support::{Logs, append};

/// A long file with a needle at its beginning, an error, and 60,000 lines behind them.
fn haystack() -> String {
    let mut text = String::from("2026-11-28T00:00:00Z INFO the first needle\n");
    for number in 1..60_000 {
        let words = match number {
            20 => "ERROR the one that is meant",
            5000 | 9000 => "INFO another needle",
            _ => "INFO hay",
        };
        let _ = writeln!(text, "{} {words} {number}", stamp(number));
    }
    text
}

#[test]
fn a_filter_goes_on_in_the_file_and_shows_what_it_finds_in_order() {
    let logs = Logs::new();
    let log = logs.file("app.log", haystack());
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 500");
    filter(&mut browser, "needle");
    browser.until(&format!("{SHOWN}.length === 3"));
    let shown = browser.eval(&format!("{SHOWN}.map((text) => text.slice(11, 19)).join()"));
    assert_eq!(shown, json!("00:00:00,01:23:20,02:30:00"));
    until_says(&mut browser, "#count", "0 of 500 held · 3 further back");
    until_says(&mut browser, "#older", "nothing more in all of app.log");
    let marks = browser.eval("document.querySelectorAll('mark').length");
    assert_eq!(marks, json!(3));
    // The lines around one of them, from the file.
    browser.eval("page.deeds.around(page.ring.first + 1)");
    browser.until(&format!("{SHOWN}.length === 13"));
    let near = browser.eval(&format!(
        "{SHOWN}.slice(1, 12).map((text) => text.split(' ').at(-1)).join()"
    ));
    assert_eq!(
        near,
        json!("4995,4996,4997,4998,4999,5000,5001,5002,5003,5004,5005")
    );
    // Where lines are missing beside them, and before those that are held, a row fetches some, by a tap or by its key.
    let gaps = "document.querySelectorAll('.between').length";
    browser.until(&format!("{gaps} === 3"));
    let told = "[...document.querySelectorAll('.row')].map((row) => row.querySelector('.between') ? '-' : row.textContent.split(' ').at(-1)).join()";
    let parts: Vec<String> = (4995..5006).map(|n: i32| n.to_string()).collect();
    let wanted = format!("needle,-,{},-,9000,-", parts.join(","));
    assert_eq!(browser.eval(told), json!(wanted));
    axe::is_content(&mut browser);
    browser.click("document.querySelectorAll('.between')[1]", 0);
    browser.until(&format!(
        "page.far.place(page.ring.first + 2 + 11 + 49) !== null && {gaps} > 0"
    ));
    let last = browser.eval("page.ring.text(page.ring.first + 2 + 11 + 49)");
    assert_eq!(last, json!("2026-11-28T01:24:15Z INFO hay 5055"));
    browser.eval("page.deeds.around(page.ring.first + 1)");
    browser.until("page.ring.text(page.ring.first + 2).endsWith(' 4945')");
    // The last one leads to the lines that are held, in as many steps as it takes, and is gone then.
    until_says(&mut browser, "#count", "0 of 500 held · 3 further back");
    // What comes is shown behind them, and another filter begins anew.
    append(&log, "2026-11-28T20:00:00Z INFO a new needle\n");
    browser.until(&format!("{SHOWN}.at(-1)?.endsWith('a new needle')"));
    filter(&mut browser, "nowhere");
    until_says(&mut browser, "#empty h2", "Nothing in all of app.log");
    browser.click("document.querySelector('#emptied')", 0);
    until_says(&mut browser, "#count", "501 lines");
    assert_eq!(
        browser.eval("page.ring.near === page.ring.first"),
        json!(true)
    );
}

#[test]
fn what_is_between_a_hit_and_the_lines_held_is_fetched_without_a_hole() {
    let logs = Logs::new();
    let mut text = haystack();
    text += "2026-11-28T17:00:00Z INFO a needle, near\n";
    for number in 0..570 {
        let _ = writeln!(text, "behind {number}");
    }
    let log = logs.file("app.log", text);
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 500");
    filter(&mut browser, "\"needle, near\"");
    until_says(&mut browser, "#count", "0 of 500 held · 1 further back");
    // 70 lines are missing: 50 of them, then the rest.
    browser.until("document.querySelectorAll('.between').length === 1");
    browser.click("document.querySelector('.between')", 0);
    browser.until("page.ring.near - page.ring.first === 52");
    focus_log(&mut browser);
    browser.eval("page.point(page.ring.first + 1)");
    browser.press("c", 0);
    browser.until("page.ring.near - page.ring.first === 71");
    let far = "Array.from({length: 71}, (_, i) => page.ring.text(page.ring.first + i)).slice(1).map((text) => Number(text.slice(7)))";
    let wanted: Vec<u32> = (0..70).collect();
    assert_eq!(browser.eval(far), json!(wanted));
}

#[test]
fn a_pattern_that_only_the_browser_knows_stays_among_the_lines_held() {
    let logs = Logs::new();
    let log = logs.file("app.log", haystack());
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 500");
    filter(&mut browser, "/(?=needle)/");
    until_says(&mut browser, "#empty h2", "Nothing in 500 lines held");
    browser.until("/Only this browser/.test(document.querySelector('#empty p').textContent)");
}

#[test]
fn a_find_and_the_error_before_look_further_up_when_asked_again() {
    let logs = Logs::new();
    let log = logs.file("app.log", haystack());
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 500");
    focus_log(&mut browser);
    browser.press("/", 0);
    browser.type_text("needle");
    until_says(&mut browser, "#found", "nothing held · N looks further up");
    focus_log(&mut browser);
    browser.press("N", 8);
    browser.until("page.cursor !== null && page.ring.has(page.cursor) && /needle 9000/.test(page.ring.text(page.cursor))");
    browser.until("!page.list.follow && document.querySelector('.pointed') !== null");
    browser.press("Escape", 0);
    browser.press("E", 8);
    browser.until("/E looks further back/.test(document.querySelector('#toast').textContent)");
    browser.press("E", 8);
    browser.until("/the one that is meant/.test(page.ring.text(page.cursor) ?? '')");
    // It is one story from there: the lines behind it are held.
    browser.until("/hay 21$/.test(page.ring.text(page.cursor + 1))");
    // To the end again, by its button.
    browser.click("document.querySelector('#fresh')", 0);
    browser.until(&format!(
        "page.list.follow && {SHOWN}.at(-1)?.endsWith('hay 59999')"
    ));
}

#[test]
fn a_find_brings_its_hit_in_sight_sideways_and_far_into_a_long_line() {
    let logs = Logs::new();
    let long = "x".repeat(120_000);
    let log = logs.file(
        "app.log",
        format!(
            "{}needle one\n{long} needle two {long}\nshort\n",
            "word ".repeat(400)
        ),
    );
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines >= 3");
    focus_log(&mut browser);
    browser.press("/", 0);
    browser.type_text("needle");
    let seen = "(() => { const mark = document.querySelector('.current mark.found')?.getBoundingClientRect(); \
        return mark !== undefined && mark.left > 0 && mark.right < innerWidth; })()";
    browser.until(&format!("{seen} && page.find.at !== null"));
    browser.press("Enter", 0);
    browser.until(seen);
    // Filtered, a row shows why it passes.
    browser.press("Escape", 0);
    browser.press("Escape", 0);
    filter(&mut browser, "needle");
    browser.eval("document.querySelector('#log').scrollLeft = 0; page.list.redraw()");
    browser.eval(DRAWN);
    browser.until(
        "document.querySelectorAll('mark').length >= 2 && [...document.querySelectorAll('mark')].every((mark) => mark.getBoundingClientRect().right < innerWidth)",
    );
}
