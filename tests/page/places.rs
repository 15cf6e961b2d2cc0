//! Places: a link to a line, a time, marks, the line's menu, and Back.

use serde_json::json;

use crate::stage::{SHOWN, filter, focus_log, numbered, open, stamp, until_says, url};
use crate::support::{Logs, append};

/// Lines with a time each, a second apart, from midnight UTC.
fn stamped(from: usize, to: usize) -> String {
    (from..to)
        .map(|n| format!("{} INFO line {n}\n", stamp(n)))
        .collect()
}

#[test]
fn a_link_to_a_line_opens_there_marked_with_what_stands_around_it() {
    let logs = Logs::new();
    let log = logs.file("app.log", stamped(0, 5000));
    let other = logs.file("other.log", stamped(0, 5000).replace("line", "other"));
    let Some((mut browser, daemon)) = open(&[&log, &other]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.at(-1)?.endsWith('4999')"));
    let link = browser.eval(
        "page.linkTo([...Array(page.ring.length).keys()].map((i) => page.ring.first + i).find((seq) => page.ring.text(seq).endsWith('line 4700')))",
    );
    let link = link.as_str().expect("a link").to_owned();
    append(&log, stamped(5000, 9000));
    browser.open(&link.replacen("/#", "/?again#", 1));
    browser.until("page.cursor !== null && page.ring.text(page.cursor).endsWith('line 4700')");
    browser.until("document.querySelector('.pointed .text')?.textContent.endsWith('line 4700')");
    browser.until("/line 4700, /.test(document.querySelector('#announce').textContent)");
    assert_eq!(browser.eval("page.list.follow"), json!(false));
    // Around it stand the lines of both files.
    let near = browser.eval(
        "[-2, -1, 1, 2].map((step) => page.ring.text(page.cursor + step).slice(11, 19)).join()",
    );
    let near = near.as_str().expect("times");
    assert!(
        near.contains("01:18:19") && near.contains("01:18:21"),
        "{near}"
    );
    // The view is a part of it, and the end is a button away.
    browser.click("document.querySelector('#fresh')", 0);
    browser.until(&format!(
        "page.list.follow && {SHOWN}.at(-1)?.endsWith('8999') && !location.hash.includes('line=')"
    ));
    // A line that is gone says so.
    std::fs::write(&log, "all anew\n").expect("write");
    browser.open(&format!(
        "{}?gone#{}",
        url(&daemon),
        link.split_once('#').expect("a fragment").1
    ));
    browser.until("/rotated away/.test(document.querySelector('#toast').textContent)");
}

#[test]
fn a_time_opens_the_page_there_and_is_gone_to_by_hand() {
    let logs = Logs::new();
    let log = logs.file("app.log", stamped(0, 20_000));
    let Some((mut browser, daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 500");
    // Among what is held.
    focus_log(&mut browser);
    browser.press("T", 8);
    browser.until("document.querySelector('#times').open");
    browser.type_text("2026-11-28T05:30:00Z");
    browser.press("Enter", 0);
    browser.until(
        "page.cursor !== null && page.ring.text(page.cursor).startsWith('2026-11-28T05:30:00Z')",
    );
    assert_eq!(browser.eval("page.settings.place"), json!(null));
    // Further back.
    browser.open(&format!("{}?t#t=2026-11-28T03:15:00Z", url(&daemon)));
    browser.until(
        "page.cursor !== null && page.ring.text(page.cursor).startsWith('2026-11-28T03:15:00Z')",
    );
    browser.until(
        "!page.list.follow && page.ring.text(page.cursor - 1).startsWith('2026-11-28T03:14:59Z')",
    );
    // Before the first line is at the first line.
    browser.open(&format!("{}?first#t=2026-11-27", url(&daemon)));
    browser.until("page.cursor !== null && page.ring.text(page.cursor).endsWith('INFO line 0')");
    focus_log(&mut browser);
    browser.press("T", 8);
    browser.type_text("no time");
    browser.until("document.querySelector('#moment-go').disabled && document.querySelector('#moment').ariaInvalid === 'true'");
    browser.press("Escape", 0);
}

#[test]
fn the_strip_shows_when_and_goes_there_and_the_ticks_too() {
    let logs = Logs::new();
    let log = logs.file(
        "app.log",
        stamped(0, 200) + "2026-11-28T00:03:20Z ERROR bad\n" + &stamped(201, 400),
    );
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 400 && page.errors.complete");
    let red = "(() => { const c = document.querySelector('CANVAS'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; \
        for (let i = 0; i < d.length; i += 4) if (d[i] > 150 && d[i + 1] < 90 && d[i + 3] > 200) return true; return false; })()";
    browser.until(&red.replace("CANVAS", "#strip"));
    browser.until(&red.replace("CANVAS", "#ticks"));
    // The middle of it is the middle of the time.
    browser.click("document.querySelector('#strip')", 0);
    browser
        .until("page.cursor !== null && /line (19|20)\\d$|bad/.test(page.ring.text(page.cursor))");
    browser.until("!page.list.follow");
    // A range is shown alone, is in the address, and is taken back by its button.
    browser.eval(
        "page.set({from: Date.UTC(2026, 10, 28, 0, 1), to: Date.UTC(2026, 10, 28, 0, 1, 9)})",
    );
    until_says(&mut browser, "#count", "10 of 400");
    browser.until("location.hash.includes('from=2026-11-28T00%3A01%3A00.000Z')");
    browser.click("document.querySelector('#unrange')", 0);
    until_says(&mut browser, "#count", "400 lines");
    // Where there is nothing, the nearest line is a button away.
    browser.eval("page.set({time: 'utc', from: Date.UTC(2026, 10, 28, 3, 15), to: Date.UTC(2026, 10, 28, 3, 20)})");
    until_says(
        &mut browser,
        "#empty h2",
        "No line held from 03:15:00Z to 03:20:00Z",
    );
    until_says(
        &mut browser,
        "#nearest",
        "The nearest line is from 00:06:39Z",
    );
    browser.click("document.querySelector('#nearest')", 0);
    browser.until("page.ring.text(page.cursor).endsWith('line 399')");
    until_says(&mut browser, "#count", "400 lines");
    browser.press("h", 0);
    browser.until("document.querySelector('#stripbar').hidden");
}

#[test]
fn a_line_is_marked_copied_with_its_file_and_time_and_shown_in_its_place() {
    let logs = Logs::new();
    let log = logs.file("app.log", stamped(0, 300));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.call_browser(
        "Browser.grantPermissions",
        json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}),
    );
    browser.until("page.ring.lines === 300");
    filter(&mut browser, "/line 1[05]0$/");
    browser.until(&format!("{SHOWN}.length === 2"));
    focus_log(&mut browser);
    browser.press("k", 0);
    browser.press("b", 0);
    browser.press("k", 0);
    browser.press("b", 0);
    browser.until("document.querySelectorAll('.row.marked').length === 2");
    browser.press("C", 8);
    browser.until("document.querySelector('#toast').textContent === '2 marked copied'");
    let copied = browser.eval("navigator.clipboard.readText()");
    assert_eq!(
        copied,
        json!(
            "app.log 2026-11-28T00:01:40.000Z: 2026-11-28T00:01:40Z INFO line 100\napp.log 2026-11-28T00:02:30.000Z: 2026-11-28T00:02:30Z INFO line 150"
        )
    );
    // The menu has the deeds as buttons, reached by its key; one leaves the filter and keeps the line.
    browser.press(".", 0);
    browser.until("document.activeElement.id === 'm-copy'");
    browser.eval("document.querySelector('#m-place').click()");
    until_says(&mut browser, "#count", "300 lines");
    browser.until(
        "page.list.isInSight(page.cursor) && page.ring.text(page.cursor).endsWith('line 100')",
    );
    // Back takes it back.
    browser.until("location.hash === ''");
    browser.eval("history.back()");
    browser.until(&format!(
        "{SHOWN}.length === 2 && page.settings.filter === '/line 1[05]0$/'"
    ));
}

#[test]
fn of_two_steps_that_come_at_once_back_takes_one_back() {
    let logs = Logs::new();
    let log = logs.file("a.log", numbered(0, 30));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 30");
    browser.eval("window.steps = history.length");
    browser.eval("page.set({ filter: 'line 7' }, true); page.set({ filter: '' }, true)");
    browser.until("location.hash === '' && history.length === window.steps + 2");
    browser.eval("history.back()");
    browser.until("window.page?.settings.filter === 'line 7'");
}

#[test]
fn back_undoes_a_cleared_filter_and_a_chosen_file() {
    let logs = Logs::new();
    let a = logs.file("a.log", numbered(0, 30));
    let b = logs.file("b.log", "b\n");
    let Some((mut browser, _daemon)) = open(&[&a, &b]) else {
        return;
    };
    browser.until("page.ring.lines === 31");
    filter(&mut browser, "line 7");
    browser.until("location.hash === '#filter=line+7'");
    focus_log(&mut browser);
    browser.press("Escape", 0);
    browser.until("location.hash === ''");
    browser.press("2", 0);
    browser.until("location.hash === '#file=b.log'");
    for hash in ["", "#filter=line+7"] {
        browser.eval("history.back()");
        browser.until(&format!("location.hash === '{hash}'"));
    }
    browser.until(&format!(
        "page.settings.filter === 'line 7' && {SHOWN}.join() === 'line 7,line 17,line 27'"
    ));
}

#[test]
fn the_next_error_is_looked_for_from_what_is_in_sight() {
    let logs = Logs::new();
    let log = logs.file(
        "app.log",
        numbered(0, 50)
            + "[error] first\n"
            + &numbered(50, 430)
            + "[error] last\n"
            + &numbered(430, 440),
    );
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 442");
    focus_log(&mut browser);
    browser.press("k", 0);
    browser.eval("page.list.goTo(page.ring.first + 150)");
    browser
        .until("page.list.isInSight(page.ring.first + 150) && !page.list.isInSight(page.cursor)");
    browser.press("E", 8);
    browser.until("page.ring.text(page.cursor) === '[error] first'");
    browser.eval("page.list.goTo(page.ring.first + 250)");
    browser
        .until("page.list.isInSight(page.ring.first + 250) && !page.list.isInSight(page.cursor)");
    browser.press("j", 0);
    browser.until("/^line 2[0-9][0-9]$/.test(page.ring.text(page.cursor))");
    browser.until(
        "/line 2\\d\\d, \\d+ of 442$/.test(document.querySelector('#announce').textContent)",
    );
}
