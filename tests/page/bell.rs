//! The bell: new lines that pass are told while nobody looks.

use serde_json::json;

use crate::stage::{SHOWN, filter, focus_log, open, until_says};
use crate::support::{Logs, append};

#[test]
fn a_hidden_tab_tells_of_new_lines_that_pass() {
    let logs = Logs::new();
    let log = logs.file("app.log", "[error] one\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 1"));
    browser.eval(
        "window.told = []; window.Notification = class { static permission = 'granted'; static requestPermission = async () => 'granted'; \
         constructor(title, {body}) { told.push(`${title}: ${body}`); } close() {} }",
    );
    filter(&mut browser, "error");
    focus_log(&mut browser);
    browser.press("!", 8);
    browser.until("location.hash.includes('watch=1') && document.querySelector('#bell').ariaPressed === 'true'");
    browser.hide();
    append(&log, "nothing\n[error] two\n[error] three\n");
    browser.until("told.length === 1");
    let told = browser.eval("told[0]");
    assert!(
        [
            "\"app.log: [error] two\\nand 1 more\"",
            "\"app.log: [error] two\""
        ]
        .contains(&told.to_string().as_str()),
        "{told}"
    );
    assert_eq!(
        browser.eval("/circle/.test(document.querySelector('#icon').href)"),
        json!(true)
    );
    browser.show();
    browser.until("!/circle/.test(document.querySelector('#icon').href)");
    focus_log(&mut browser);
    browser.press("!", 8);
    until_says(&mut browser, "#toast", "with a tone");
    browser.press("!", 8);
    browser.until("!page.settings.watch");
}
