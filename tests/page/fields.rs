//! Fields of JSON and logfmt: read like a log line, filtered by name, made columns.

use serde_json::json;

use crate::stage::{DRAWN, SHOWN, filter, focus_log, open, until_shown};
use crate::support::{Logs, append};

const PINO: &str = r#"{"level":50,"time":1795860000123,"msg":"payment timed out","reqId":"7732ddae","res":{"statusCode":500},"responseTime":616}"#;
const QUIET: &str =
    r#"{"level":30,"time":1795860001000,"msg":"mail sent","reqId":"11","res":{"statusCode":200}}"#;

#[test]
fn a_line_of_fields_reads_like_a_line_and_is_copied_as_it_is() {
    let logs = Logs::new();
    let log = logs.file(
        "app.log",
        format!("{PINO}\nts=2026-11-28T10:00:02Z level=warn msg=\"pool is low\" free=2 size=64\n"),
    );
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.eval("page.set({time: 'utc'})");
    until_shown(
        &mut browser,
        &[
            "ERROR payment timed out  reqId=7732ddae  res.statusCode=500  responseTime=616",
            "WARN  pool is low  free=2  size=64",
        ],
    );
    let time = browser.eval("document.querySelector('.gutter time').textContent");
    assert_eq!(time, json!("10:00:00.123Z"));
    browser.call_browser(
        "Browser.grantPermissions",
        json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}),
    );
    browser.eval("page.deeds.copy(page.ring.first)");
    browser.until("document.querySelector('#toast').textContent === 'line copied'");
    assert_eq!(browser.eval("navigator.clipboard.readText()"), json!(PINO));
    focus_log(&mut browser);
    browser.press("r", 0);
    until_shown(
        &mut browser,
        &[
            PINO,
            "ts=2026-11-28T10:00:02Z level=warn msg=\"pool is low\" free=2 size=64",
        ],
    );
}

#[test]
fn fields_are_filtered_by_name_and_made_columns() {
    let logs = Logs::new();
    let log = logs.file(
        "app.log",
        format!(
            "{PINO}\n{QUIET}\n{{\"time\":1795860002000,\"msg\":\"plain reqId text\",\"n\":1}}\n"
        ),
    );
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 3"));
    for (typed, hits) in [
        ("res.statusCode:>=500", 1),
        ("reqId:7732ddae", 1),
        ("-reqId:7732ddae", 2),
        ("res.statusCode:<300 mail", 1),
    ] {
        filter(&mut browser, typed);
        browser.until(&format!(
            "{SHOWN}.length === {hits} && page.view.shown.complete"
        ));
    }
    filter(&mut browser, "");
    // A key of the tree offers its deeds.
    browser.eval("page.deeds.open(page.ring.first)");
    browser
        .until("document.querySelector('.tree button.key[data-path=\"res.statusCode\"]') !== null");
    browser.click(
        "document.querySelector('.tree button.key[data-path=\"res.statusCode\"]')",
        0,
    );
    browser.until("document.querySelectorAll('.field-deeds button').length === 4");
    browser.click(
        "document.querySelector('.field-deeds [data-deed=column]')",
        0,
    );
    browser.until("location.hash === '#cols=res.statusCode'");
    browser.until("[...document.querySelectorAll('.row .cell')].map((cell) => cell.textContent).join() === '500,200,—'");
    // The header sizes it and takes it away by the keys.
    let head = "document.querySelector('.columns .cell button')";
    browser.eval(&format!("{head}.focus()"));
    let width = "document.querySelector('.row .cell').offsetWidth";
    let before = browser.eval(width).as_f64();
    browser.press(">", 8);
    browser.until(&format!("{width} > {}", before.expect("a width")));
    browser.eval("page.columns.add('nowhere')");
    browser.until("/in none of the lines held/.test([...document.querySelectorAll('.columns button')].map((b) => b.title).join())");
    browser.eval("page.columns.drop('nowhere')");
    browser.until("document.querySelectorAll('.columns .cell').length === 1");
    browser.eval(&format!("{head}.focus()"));
    browser.press("Delete", 0);
    browser.until("document.querySelector('.columns').hidden");
}

#[test]
fn a_tree_that_is_opened_at_the_edge_is_brought_in_sight() {
    let logs = Logs::new();
    let log = logs.file("app.log", format!("{QUIET}\n").repeat(80));
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until("page.ring.lines === 80");
    focus_log(&mut browser);
    browser.press("k", 0);
    browser.press("Enter", 0);
    browser.until(
        "(() => { const tree = document.querySelector('.tree')?.getBoundingClientRect(); \
         return tree !== undefined && tree.bottom <= document.querySelector('#log').getBoundingClientRect().bottom; })()",
    );
    append(&log, format!("{QUIET}\n"));
    browser.until("page.ring.lines === 81");
    browser.eval(DRAWN);
    browser.until("document.querySelector('.tree').getBoundingClientRect().bottom <= document.querySelector('#log').getBoundingClientRect().bottom");
}
