//! Lines as they are drawn: hostile ones, JSON, very long ones, and their time.

use serde_json::json;

use crate::stage::{DRAWN, SHOWN, focus_log, open, until_shown};
use crate::support::{Logs, append};

#[test]
fn a_hostile_log_is_only_ever_text() {
    let logs = Logs::new();
    let log = logs.path("evil.log");
    append(&log, "<script>window.pwned = 1</script>\n");
    append(
        &log,
        "<img src=x onerror='window.pwned = 1'><svg onload=pwned=1>\n",
    );
    append(&log, "{\"<b>key</b>\": \"<img src=x onerror=pwned=1>\"}\n");
    append(
        &log,
        "javascript:alert(1) data://x https://good.example/?a=\"><script>pwned=1</script>\n",
    );
    append(
        &log,
        "\x1b]0;title\x07\x1b[31;1mred\x1b[0m \x1b[2Jgone \x1b[38;2;1;2;3mrgb\n",
    );
    append(&log, b"bad \xff\xfe utf-8 \xc3(\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 6"));
    browser.eval("page.deeds.open(page.ring.first + 2)");
    browser.until("document.querySelector('.tree .key')?.textContent === '<b>key</b>: '");
    assert_eq!(browser.eval("typeof window.pwned"), json!("undefined"));
    let inside =
        browser.eval("document.querySelectorAll('#pane img, #pane script, #pane b').length");
    assert_eq!(inside, json!(0));
    let links =
        browser.eval("[...document.querySelectorAll('#pane a')].map((a) => [a.href, a.rel])");
    assert_eq!(
        links,
        json!([["https://good.example/?a=", "noopener noreferrer nofollow"]])
    );
    let shown = browser.eval(SHOWN);
    assert_eq!(shown[0], json!("<script>window.pwned = 1</script>"));
    assert_eq!(shown[4], json!("red gone rgb"));
    assert_eq!(shown[5], json!("bad \u{fffd}\u{fffd} utf-8 \u{fffd}("));
    let bold = "document.querySelector('.text .bold')?.textContent";
    assert_eq!(browser.eval(bold), json!("red"));
    focus_log(&mut browser);
    browser.press("a", 0);
    browser.until(&format!(
        "{bold} === undefined && {SHOWN}[4] === 'red gone rgb'"
    ));
}

#[test]
fn a_line_made_to_be_slow_costs_no_time() {
    let logs = Logs::new();
    let log = logs.path("evil.log");
    // Beginnings of strings that never end, and colours of colours; as long as a line gets.
    append(&log, "\x1b]".repeat(250_000) + "\n");
    append(&log, format!("\x1b[{}m\n", "38;".repeat(150_000)));
    append(&log, "[".repeat(200_000) + "}]\n");
    append(&log, "{\"a\":".repeat(20_000) + "}\n");
    append(&log, "http://a".repeat(100_000) + "\n");
    append(&log, "end\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.at(-1) === 'end'"));
    let took = browser.eval(
        "(async () => { const start = performance.now(); const { plain } = await import(new URL('page/ansi.js', location.href)); \
         for (let seq = page.ring.first; seq < page.ring.end; seq++) { plain(page.ring.text(seq)); page.deeds.open(seq); } \
         await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))); \
         return performance.now() - start; })()",
    );
    assert!(took.as_f64() < Some(3000.0), "{took} ms");
}

#[test]
fn a_json_line_opens_as_a_tree_and_shuts_again() {
    let logs = Logs::new();
    let json_line =
        r#"{"level":"warn","id":12345678901234567890,"user":{"name":"a","tags":["x","y"]}}"#;
    let text = format!("plain\nNov 23 10:00:00 app[1]: {json_line}\nlast {{not json}}\n");
    let log = logs.file("app.log", text);
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 3"));
    assert_eq!(
        browser.eval("document.querySelectorAll('button.fold').length"),
        json!(1)
    );
    browser.click("document.querySelector('button.fold')", 0);
    browser.until("document.querySelector('.tree') !== null");
    let leaves = browser.eval(
        "[...document.querySelectorAll('.tree > .leaf')].map((leaf) => leaf.textContent).join('|')",
    );
    assert_eq!(leaves, json!("level: \"warn\"|id: 12345678901234567890"));
    browser.until("document.querySelector('.fold[aria-expanded=true]') !== null");
    // The rows behind it have moved down.
    browser.eval(DRAWN);
    let apart = browser.eval(
        "document.querySelectorAll('.line')[2].getBoundingClientRect().top >= document.querySelector('.tree').getBoundingClientRect().bottom",
    );
    assert_eq!(apart, json!(true));
    browser.click("[...document.querySelectorAll('.tree summary')].at(-1)", 0);
    browser.until("/0: \"x\"/.test(document.querySelector('.tree').textContent)");
    // The same by the keys.
    focus_log(&mut browser);
    browser.press("Enter", 0);
    browser.until("document.querySelector('.tree') === null");
    until_shown(
        &mut browser,
        &[
            "plain",
            &format!("Nov 23 10:00:00 app[1]: {json_line}"),
            "last {not json}",
        ],
    );
}

#[test]
fn a_very_long_line_is_cut_where_it_is_shown_and_opened_on_demand() {
    let logs = Logs::new();
    let log = logs.file("app.log", "x".repeat(9000) + "\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("document.querySelector('.long')?.textContent === '… 4,904 more characters'");
    browser.eval("document.querySelector('.long').click()");
    browser.until(&format!("{SHOWN}[0]?.length === 9000"));
}

#[test]
fn a_lines_own_time_is_shown_in_one_form_and_its_stamp_not_twice() {
    let logs = Logs::new();
    let log = logs.file(
        "app.log",
        "2026-11-28T03:16:58Z INFO one\n\tat two\n28 is no time\n",
    );
    let other = logs.file("plain.log", "no times here\n");
    let Some((mut browser, _daemon)) = open(&[&log, &other]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 4"));
    let times =
        "[...document.querySelectorAll('.gutter time')].map((time) => time.textContent).join()";
    assert_eq!(browser.eval(times), json!(""));
    focus_log(&mut browser);
    let own = "new Date(Date.UTC(2026, 10, 28, 3, 16, 58))";
    let local = format!("{own}.toTimeString().slice(0, 8) + '.000'");
    for (name, words, shows) in [
        ("local", "local", local.as_str()),
        ("utc", "UTC", "'03:16:58.000Z'"),
    ] {
        browser.press("t", 0);
        // Lines without a time have none here either.
        browser.until(&format!("{times}.replace(/^,+|,+$/g, '') === {shows}"));
        browser.until(&format!(
            "document.querySelector('#time').textContent === '{words}' && location.hash === '#time={name}'"
        ));
        browser.until("[...document.querySelectorAll('.line')].some((row) => row.innerText.endsWith('INFO one'))");
    }
    browser.press("t", 0);
    browser.until(&format!("/^,*\\d+ (min|h|d) ago,*$/.test({times})"));
    browser.until("/2026-11-28T03:16:58.000Z/.test([...document.querySelectorAll('.gutter time')].map((time) => time.title).join())");
    append(&log, "2026-11-28T03:17:00.500Z INFO three\n");
    browser.press("t", 0);
    browser.until(&format!("/\\+2.50 s/.test({times})"));
    browser.press("t", 0);
    browser.until(&format!("{times} === ''"));
    // The next visit has them as they were at this one.
    browser.press("t", 0);
    browser.until("location.hash === '#time=local'");
    browser.eval("location.hash = ''; location.reload()");
    browser.until("document.querySelectorAll('.gutter time').length === 5");
}

#[test]
fn what_the_daemon_tells_of_a_container_line_is_shown_and_nothing_guessed() {
    let logs = Logs::new();
    let line = |text: &str, stream: &str, second: u8| {
        format!(
            "{{\"log\":\"{text}\\n\",\"stream\":\"{stream}\",\"time\":\"2026-11-28T10:00:0{second}.5Z\"}}\n"
        )
    };
    let text = line("2001-01-01T00:00:00Z started", "stdout", 1)
        + &line("ERROR boom", "stderr", 2)
        + &line("\\tat a.b(c)", "stderr", 2);
    let log = logs.file("web.log", text);
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.eval("page.set({time: 'utc'})");
    browser.until(&format!(
        "{SHOWN}.length === 3 && {SHOWN}[1] === 'ERROR boom'"
    ));
    let times = browser.eval("[...document.querySelectorAll('.gutter time')].map((time) => time.textContent).slice(0, 2).join()");
    assert_eq!(times, json!("10:00:01.500Z,10:00:02.500Z"));
    browser.until("document.querySelectorAll('.line.stderr').length === 2 && document.querySelectorAll('.line.error').length === 2");
    append(&log, line("live", "stderr", 3));
    browser.until("document.querySelectorAll('.line.stderr').length === 3");
}
