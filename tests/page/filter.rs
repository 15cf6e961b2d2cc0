//! The filter: what is let through, counted, marked, and what stands around it.

use serde_json::json;

use crate::stage::{DRAWN, SHOWN, filter, focus_log, numbered, open, until_says, until_shown, url};
use crate::support::{Logs, append};

#[test]
fn a_filter_counts_what_it_lets_through_and_a_bad_one_is_said() {
    let logs = Logs::new();
    let slow = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\n";
    let log = logs.file("app.log", numbered(0, 200) + slow);
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    until_says(&mut browser, "#count", "201 lines");
    filter(&mut browser, "line 7 -line");
    until_says(&mut browser, "#count", "0 of 201");
    until_says(&mut browser, "#empty h2", "Nothing in all of app.log");
    filter(&mut browser, "/^line 1\\d$/");
    until_says(&mut browser, "#count", "10 of 201");
    append(&log, "line 15\nno line 15\n");
    until_says(&mut browser, "#count", "11 of 203");
    browser.until("location.hash.includes('filter=')");
    filter(&mut browser, "/(/");
    browser.until("!document.querySelector('#problem').hidden");
    browser.until("document.querySelector('#filter').getAttribute('aria-invalid') === 'true'");
    // Backtracks for ever on one of the lines: it must be said, and the page stay awake.
    filter(&mut browser, "/(a+)+$/");
    browser.until("/too long/.test(document.querySelector('#problem').textContent)");
    filter(&mut browser, "");
    until_says(&mut browser, "#count", "203 lines");
    browser.until("document.querySelector('#problem').hidden");
}

#[test]
fn what_is_filtered_is_the_text_that_is_read() {
    let logs = Logs::new();
    let log = logs.file("app.log", "\x1b[31mred\x1b[0m wine\n31m\nother\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 3");
    for text in ["\"red wine\"", "/^red wine$/"] {
        filter(&mut browser, text);
        until_shown(&mut browser, &["red wine"]);
    }
    filter(&mut browser, "31m");
    until_shown(&mut browser, &["31m"]);
}

#[test]
fn a_filter_that_only_marks_shows_every_line() {
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 20));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 20");
    filter(&mut browser, "\"line 1\"");
    until_says(&mut browser, "#count", "11 of 20");
    browser.click("document.querySelector('#mark')", 0);
    browser.until(&format!("{SHOWN}.length === 20"));
    browser.until("document.querySelectorAll('.line.hit').length === 11");
    let marks =
        browser.eval("[...document.querySelectorAll('mark')].map((mark) => mark.textContent)");
    assert_eq!(marks, json!(vec!["line 1"; 11]));
    until_says(&mut browser, "#count", "11 of 20");
    browser.eval("page.ring.linesMax = 20");
    append(&log, numbered(100, 105));
    until_says(&mut browser, "#count", "15 of 20");
    browser.click("document.querySelector('#hide')", 0);
    browser.until(&format!("{SHOWN}.length === 15"));
}

#[test]
fn a_level_is_hidden_by_its_chip_or_stays_alone() {
    let logs = Logs::new();
    let log = logs.file(
        "app.log",
        "[error] a\n[warn] b\n[info] c\n[debug] d\nplain\n",
    );
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 5"));
    let chip = |level: &str| format!("document.querySelector('.levels .{level}')");
    browser.click(&chip("debug"), 0);
    until_shown(
        &mut browser,
        &["[error] a", "[warn] b", "[info] c", "plain"],
    );
    browser.until("location.hash === '#levels=other%2Cinfo%2Cwarn%2Cerror'");
    browser.click(&chip("warn"), 8);
    until_shown(&mut browser, &["[warn] b"]);
    let pressed = browser
        .eval("[...document.querySelectorAll('.level')].map((chip) => chip.ariaPressed).join()");
    assert_eq!(pressed, json!("false,true,false,false,false"));
    until_says(&mut browser, "#count", "1 of 5");
    browser.click(&chip("warn"), 8);
    browser.until(&format!("{SHOWN}.length === 5"));
    filter(&mut browser, "level:warn+");
    until_shown(&mut browser, &["[error] a", "[warn] b"]);
}

#[test]
fn the_surroundings_of_a_line_are_shown_on_demand() {
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 100));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 100");
    filter(&mut browser, "/^line 50$/");
    until_shown(&mut browser, &["line 50"]);
    browser.click("document.querySelector('.line .around-button')", 0);
    let near: Vec<String> = (45..=55).map(|n| format!("line {n}")).collect();
    browser.until(&format!("{SHOWN}.join() === {}", json!(near.join(","))));
    assert_eq!(
        browser.eval("document.querySelectorAll('.around').length"),
        json!(10)
    );
    until_says(&mut browser, "#count", "1 of 100");
    focus_log(&mut browser);
    browser.press("c", 0);
    browser.until(&format!(
        "{SHOWN}.length === 21 && {SHOWN}[0] === 'line 40'"
    ));
    // Another change of the view leaves them.
    browser.press("t", 0);
    browser.eval(DRAWN);
    assert_eq!(browser.eval(&format!("{SHOWN}.length")), json!(21));
    append(&log, "line 50\n");
    browser.until(&format!(
        "{SHOWN}.length === 22 && {SHOWN}.at(-1) === 'line 50'"
    ));
}

#[test]
fn a_view_is_shared_by_its_address_and_a_hostile_address_does_no_harm() {
    let logs = Logs::new();
    let log = logs.file("app.log", "[error] a\n[error] b\n[warn] a\nplain a\n");
    let Some((mut browser, daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 4"));
    // Who types fast and goes on at once has typed all the same.
    browser.press("f", 0);
    browser.type_text("a level:warn+");
    focus_log(&mut browser);
    browser.press("t", 0);
    browser.press("t", 0);
    browser.press("w", 0);
    browser.press("/", 0);
    browser.type_text("rr");
    browser.until("location.hash.includes('find=rr')");
    let hash = browser.eval("location.hash");
    let hash = hash.as_str().expect("a text");

    let look = "JSON.stringify([[...document.querySelectorAll('.text')].map((text) => text.textContent), \
        document.querySelectorAll('.time.utc').length, page.list.wrap, page.find.text, \
        document.querySelectorAll('mark.found').length])";
    let wanted = json!("[[\"[error] a\",\"[warn] a\"],2,true,\"rr\",1]");
    browser.until(&format!("{look} === {wanted}"));
    browser.open(&format!("{}?another{hash}", url(&daemon)));
    browser.until(&format!("{look} === {wanted}"));

    let many = "a%20".repeat(20_000);
    for hostile in [
        "#levels=%00,x&time=%3Cb%3E&wrap=9&find=&filter=&mark=7&colours=__proto__",
        "#filter=%FF%FE&file=__proto__&file=",
        "#filter=/(a%2B)%2B$/&find=/(a%2B)%2B$/",
        &format!("#filter={many}&find={many}"),
    ] {
        browser.open(&format!("{}?{}{hostile}", url(&daemon), hostile.len()));
        browser.until("page.ring.lines === 4 && page.view.shown.complete");
        browser.eval(DRAWN);
    }
    browser.open(&format!(
        "{}?x#levels=%00,x&time=%3Cb%3E&wrap=9&mark=7",
        url(&daemon)
    ));
    browser.until(&format!("{SHOWN}.length === 4"));
}
