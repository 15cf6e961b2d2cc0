//! A phone, a small window, sixty files, a reader who doesn't see or doesn't type.

use serde_json::json;

use crate::browser::Browser;
use crate::stage::{DRAWN, SHOWN, filter, focus_log, numbered, open, until_says, url};
use crate::support::{Daemon, Logs, append};

#[test]
fn most_of_a_small_window_is_log() {
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 300));
    let other = logs.file("other.log", "one\n");
    let Some((mut browser, daemon)) = open(&[&log, &other]) else {
        return;
    };
    for (width, height, phone, share) in [
        (320, 256, false, 0.7),
        (640, 400, false, 0.7),
        (667, 375, true, 0.7),
        (390, 844, true, 0.85),
    ] {
        browser.screen(width, height, phone);
        browser.open(&format!("{}?{width}", url(&daemon)));
        browser.until(&format!("{SHOWN}.length > 3"));
        let of = browser.eval("document.querySelector('#log').clientHeight / innerHeight");
        assert!(of.as_f64() >= Some(share), "{of} of {width} x {height}");
        // A name that would be cut is whole.
        let name = browser.eval("[...document.querySelectorAll('.row .file')].every((file) => file.scrollWidth <= file.clientWidth || getComputedStyle(file).display === 'inline')");
        assert_eq!(name, json!(true));
    }
}

#[test]
fn a_phone_filters_clears_and_chooses_by_touch() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 40) + "[error] bad\n");
    let other = logs.file("other.log", "one\n");
    let daemon = Daemon::follow(&[&log, &other]);
    browser.screen(390, 844, true);
    browser.open(&url(&daemon));
    browser.until("page.ring.lines === 42");
    browser.click("document.querySelector('#openfilter')", 0);
    browser.until("document.activeElement.id === 'filter'");
    browser.type_text("line 7");
    browser.until(&format!("{SHOWN}.length === 4"));
    browser.click("document.querySelector('#unfilter')", 0);
    browser.until("page.settings.filter === '' && document.querySelector('#filter').value === ''");
    focus_log(&mut browser);
    browser.click("document.querySelector('#opensheet')", 0);
    browser.until("getComputedStyle(document.querySelector('#sheet')).display !== 'none'");
    browser.click("document.querySelector('.levels .other')", 0);
    browser.until(&format!("{SHOWN}.join() === '[error] bad'"));
    browser.click("document.querySelector('#opensheet')", 0);
    browser.click("document.querySelector('#pick')", 0);
    browser.until("document.querySelector('#picker').open");
    browser.click("[...document.querySelectorAll('.option .name')].at(-1)", 0);
    browser.until("page.settings.files?.join() === 'other.log'");
    // The filters used last are offered.
    browser.until("document.querySelector('#filters option')?.value === 'line 7'");
}

#[test]
fn sixty_files_are_a_list_to_search_and_a_link_to_one_asks_for_no_other() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let files: Vec<_> = (0..60)
        .map(|n| logs.file(&format!("svc-{n:02}.log"), format!("of {n}\n").repeat(600)))
        .collect();
    let paths: Vec<_> = files.iter().map(|file| file.as_path()).collect();
    let daemon = Daemon::follow(&paths);
    browser.open(&format!("{}#file=svc-07.log", url(&daemon)));
    browser.until("page.ring.lines === 500");
    let only = browser.eval("new Set([...Array(page.ring.length).keys()].map((i) => page.ring.text(page.ring.first + i))).size");
    assert_eq!(only, json!(1));
    assert_eq!(
        browser.eval("page.files.all.reduce((sum, file) => sum + file.unread, 0)"),
        json!(0)
    );
    // Alone, it needs no name beside its lines.
    assert_eq!(
        browser.eval("document.querySelector('.row .file')"),
        json!(null)
    );
    append(&files[9], "live\n");
    append(&files[7], "live\n");
    browser.until("page.ring.lines === 501");
    // All of them have 5,000 lines, not 30,000.
    browser.open(&format!("{}?all", url(&daemon)));
    browser.until("page.ring.lines > 1000");
    let held = browser.eval("page.ring.lines").as_u64().expect("a number");
    assert!(held <= 5100, "{held} lines");
    focus_log(&mut browser);
    browser.press("p", 0);
    browser.until("document.activeElement.id === 'picked'");
    browser.type_text("svc-4");
    browser.until("document.querySelectorAll('.option').length === 10");
    browser.press("ArrowDown", 0);
    browser.press("ArrowDown", 0);
    browser.until(
        "document.querySelector('#picked').getAttribute('aria-activedescendant') === 'file-1'",
    );
    browser.press(" ", 0);
    browser
        .until("page.settings.files?.length === 59 && !page.settings.files.includes('svc-41.log')");
    browser.press("Enter", 0);
    browser.until(
        "page.settings.files?.join() === 'svc-41.log' && !document.querySelector('#picker').open",
    );
    browser.until("document.querySelector('#pick').textContent === 'svc-41.log ▾'");
    browser.eval("page.set({files: ['svc-41.log', 'svc-42.log']})");
    until_says(&mut browser, "#pick", "2 of 60 files ▾");
    // From the top to the filter are a few steps, not one for each file.
    let steps = browser.eval("[...document.querySelectorAll('button, input')].filter((one) => one.offsetParent && one.tabIndex >= 0).findIndex((one) => one.id === 'filter')");
    assert!(steps.as_u64() <= Some(3), "{steps}");
}

#[test]
fn rows_are_a_list_and_what_changes_is_spoken() {
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 100) + "[error] bad\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 101");
    let last = browser.eval("(() => { const row = [...document.querySelectorAll('[role=listitem]')].at(-1); return [row.ariaPosInSet, row.ariaSetSize]; })()");
    assert_eq!(last, json!(["101", "101"]));
    assert_eq!(
        browser.eval("document.querySelectorAll('h1').length"),
        json!(1)
    );
    focus_log(&mut browser);
    let said = "document.querySelector('#announce').textContent";
    for (key, words) in [
        ("k", "error, app.log, [error] bad, 101 of 101"),
        ("k", "app.log, line 99, 100 of 101"),
        (" ", "paused"),
        (" ", "not paused any more"),
        ("w", "long lines are wrapped"),
        ("a", "colours off"),
    ] {
        browser.press(key, 0);
        browser.until(&format!("{said} === {}", json!(words)));
    }
    filter(&mut browser, "line 9");
    browser.until(&format!("{said} === '19 of 101'"));
}

#[test]
fn keys_of_a_single_letter_can_be_turned_off_for_good() {
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 100));
    let Some((mut browser, daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 100");
    browser.press("?", 8);
    browser.until("document.querySelector('#keys').open");
    browser.click("document.querySelector('#single')", 0);
    browser.eval("document.querySelector('#keys').close()");
    browser.open(&format!("{}?again", url(&daemon)));
    browser.until("page.ring.lines === 100");
    focus_log(&mut browser);
    for key in ["d", "a", "x", "w"] {
        browser.press(key, 0);
    }
    browser.press("Home", 0);
    browser.until("!page.list.follow");
    let as_it_was = browser.eval("page.ring.lines === 100 && page.settings.colours && !page.list.wrap && page.taste.theme === 'auto'");
    assert_eq!(as_it_was, json!(true));
}

#[test]
fn all_rows_are_printed() {
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 400));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 400");
    browser.eval("dispatchEvent(new Event('beforeprint'))");
    browser.until(&format!("{SHOWN}.length === 400"));
    browser.eval("dispatchEvent(new Event('afterprint'))");
    browser.eval(DRAWN);
    browser.until(&format!("{SHOWN}.length < 100"));
    let printed = browser.call("Page.printToPDF", json!({}));
    let size = printed["data"].as_str().map_or(0, str::len);
    assert!(size > 15_000, "{size} characters of PDF");
}

#[test]
fn a_machine_without_a_network_says_so_at_once_and_goes_on() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 1"));
    browser.eval("dispatchEvent(new Event('offline'))");
    until_says(
        &mut browser,
        "#connection .words",
        "offline: this machine has no network",
    );
    browser.until("document.querySelector('#connection').dataset.kind === 'bad'");
    append(&log, "two\n");
    browser.eval("dispatchEvent(new Event('online'))");
    browser.until(&format!(
        "{SHOWN}.join() === 'one,two' && page.connection.state.name === 'live'"
    ));
}

#[test]
fn no_hue_of_a_file_is_one_of_a_level() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n");
    let daemon = Daemon::follow(&[&log]);
    browser.open(&url(&daemon));
    for scheme in ["light", "dark"] {
        browser.scheme(scheme);
        // Hues in degrees: red and amber are from 340 to 60.
        let near = browser.eval(
            "[0, 1, 2, 3, 4, 5, 6, 7].map((n) => { const one = document.createElement('i'); one.className = `f${n}`; \
             one.style.setProperty('color', 'var(--file)'); document.body.append(one); const [r, g, b] = getComputedStyle(one).color.match(/\\d+/g).map(Number); one.remove(); \
             const most = Math.max(r, g, b), span = most - Math.min(r, g, b); \
             const hue = 60 * (most === r ? ((g - b) / span + 6) % 6 : most === g ? (b - r) / span + 2 : (r - g) / span + 4); \
             return [n, Math.round(hue)]; }).filter(([, hue]) => hue > 340 || hue < 60)",
        );
        assert_eq!(near, json!([]), "{scheme}");
    }
}
