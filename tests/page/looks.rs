//! Looks: the theme and the size of the type, as the system or the reader has them.

use serde_json::json;

use crate::stage::{SHOWN, focus_log, open, url};
use crate::support::Logs;

#[test]
fn the_theme_is_the_systems_until_the_reader_chooses_and_stays_chosen() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n");
    let Some((mut browser, daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 1"));
    let (white, black) = ("rgb(255, 255, 255)", "rgb(20, 23, 27)");
    let back =
        |colour: &str| format!("getComputedStyle(document.body).backgroundColor === '{colour}'");
    browser.scheme("dark");
    browser.until(&back(black));
    browser.scheme("light");
    browser.until(&back(white));
    focus_log(&mut browser);
    browser.press("d", 0);
    browser.press("d", 0);
    browser.until(&back(black));
    browser.press("+", 0);
    browser.open(&format!("{}?again", url(&daemon)));
    browser.until(&back(black));
    browser
        .until("document.querySelector('#theme').textContent === 'dark' && page.taste.size === 14");
    // What stands there from another version, or from nobody knows where, does no harm.
    for stored in ["{", "null", "[1]", "{\"theme\":\"<b>\",\"size\":1e9}"] {
        browser.eval(&format!(
            "localStorage.setItem('tailcast', {})",
            json!(stored)
        ));
        browser.open(&format!("{}?{}", url(&daemon), stored.len()));
        browser.until(&format!("{SHOWN}.length === 1 && page.taste.size === 13"));
        browser.until(&back(white));
    }
}
