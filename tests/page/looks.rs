//! Looks: the theme, and pictures of the page for people.

use std::path::Path;

use serde_json::json;

use crate::browser::Browser;
use crate::stage::{DRAWN, SHOWN, focus_log, open, url};
use crate::support::{Daemon, Logs, append};

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
/// Writes pictures of the page where `TAILCAST_SCREENSHOTS` says.
#[test]
fn the_page_can_be_pictured() {
    let Some(place) = std::env::var_os("TAILCAST_SCREENSHOTS") else {
        return;
    };
    let mut browser = Browser::start().expect("a browser");
    std::fs::create_dir_all(&place).expect("a directory");
    let logs = Logs::new();
    let (web, app) = (logs.path("access.log"), logs.path("app.log"));
    for n in 0..60 {
        let bytes = 512 + n * 37;
        append(
            &web,
            format!("203.0.113.{n} - - \"GET /orders/{n} HTTP/1.1\" 200 {bytes}\n"),
        );
    }
    for n in 0..22 {
        let (level, what) = [
            ("INFO ", "accepted"),
            ("DEBUG", "read from the cache in 0.4 ms"),
            ("INFO ", "shipped, see https://shop.example/orders"),
            ("WARN ", "the payment took 812 ms"),
            ("ERROR", "the payment was refused: card expired"),
        ][n % 5];
        append(
            &app,
            format!(
                "2026-01-01T10:00:{n:02}Z {level} order {}: {what}\n",
                4100 + n / 5
            ),
        );
    }
    append(
        &app,
        "\x1b[1;32m PASS \x1b[0m 12 checks in \x1b[36m0.8 s\x1b[0m\n",
    );
    append(
        &app,
        "{\"level\":\"warn\",\"msg\":\"the pool is nearly empty\",\"pool\":{\"free\":2,\"size\":64}}\n",
    );
    append(&app, "2026-01-01T10:00:31Z INFO  order 4105: accepted\n");
    let daemon = Daemon::follow(&[&web, &app]);
    for (screen, width, height, phone) in [("wide", 1280, 800, false), ("phone", 390, 844, true)] {
        for scheme in ["light", "dark"] {
            browser.screen(width, height, phone);
            browser.scheme(scheme);
            browser.open(&url(&daemon));
            browser
                .until("page.ring.lines === 85 && document.querySelectorAll('.line').length > 10");
            browser.eval("page.deeds.open(page.ring.end - 2); page.list.toEnd()");
            browser.eval(DRAWN);
            browser.picture(&Path::new(&place).join(format!("{screen}-{scheme}.png")));
        }
    }
}
