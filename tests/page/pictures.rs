//! Pictures of the page for people: `make screenshots` writes them.

use std::path::{Path, PathBuf};

use crate::browser::Browser;
use crate::stage::{DRAWN, numbered, url};
use crate::support::{Daemon, Logs, append};

/// What happens while the page is open: the file, and the line.
const STORY: [(&str, &str); 27] = [
    (
        "access.log",
        "203.0.113.7 - - \"GET /orders/4103 HTTP/2.0\" 200 1893",
    ),
    (
        "shop.log",
        "2026-11-23T10:15:02Z INFO  order 4103: accepted",
    ),
    (
        "shop.log",
        "2026-11-23T10:15:02Z DEBUG order 4103: read from the cache in 0.4 ms",
    ),
    (
        "access.log",
        "198.51.100.24 - - \"POST /cart HTTP/2.0\" 302 0",
    ),
    (
        "shop.log",
        "2026-11-23T10:15:03Z INFO  order 4103: shipped, see https://shop.example/orders/4103",
    ),
    (
        "worker.log",
        "{\"level\":\"info\",\"msg\":\"mail sent\",\"order\":4103}",
    ),
    (
        "access.log",
        "203.0.113.91 - - \"GET /static/app.css HTTP/2.0\" 304 0",
    ),
    (
        "shop.log",
        "2026-11-23T10:15:05Z INFO  order 4104: accepted",
    ),
    (
        "shop.log",
        "2026-11-23T10:15:06Z WARN  order 4104: the payment took 812 ms",
    ),
    (
        "access.log",
        "203.0.113.91 - - \"POST /orders HTTP/2.0\" 201 77",
    ),
    (
        "worker.log",
        "{\"level\":\"info\",\"msg\":\"mail sent\",\"order\":4104}",
    ),
    (
        "worker.log",
        "\u{1b}[1;32mPASS\u{1b}[0m nightly checks: \u{1b}[36m12 of 12\u{1b}[0m in \u{1b}[36m0.8 s\u{1b}[0m",
    ),
    (
        "shop.log",
        "2026-11-23T10:15:09Z INFO  order 4105: accepted",
    ),
    (
        "shop.log",
        "2026-11-23T10:15:09Z ERROR order 4105: the payment was refused: card expired",
    ),
    (
        "access.log",
        "192.0.2.140 - - \"POST /orders HTTP/2.0\" 402 51",
    ),
    ("access.log", ""),
    (
        "access.log",
        "192.0.2.140 - - \"GET /help/payment HTTP/2.0\" 200 5120",
    ),
    (
        "shop.log",
        "2026-11-23T10:15:12Z INFO  order 4106: accepted",
    ),
    (
        "shop.log",
        "2026-11-23T10:15:12Z DEBUG order 4106: read from the cache in 0.3 ms",
    ),
    (
        "access.log",
        "198.51.100.24 - - \"POST /orders HTTP/2.0\" 201 77",
    ),
    (
        "shop.log",
        "2026-11-23T10:15:14Z INFO  order 4106: shipped, see https://shop.example/orders/4106",
    ),
    (
        "worker.log",
        "{\"level\":\"warn\",\"msg\":\"the pool is nearly empty\",\"pool\":{\"free\":2,\"size\":64}}",
    ),
    (
        "access.log",
        "203.0.113.7 - - \"GET /orders/4106 HTTP/2.0\" 200 1902",
    ),
    (
        "shop.log",
        "2026-11-23T10:15:15Z INFO  order 4107: accepted",
    ),
    (
        "access.log",
        "198.51.100.24 - - \"GET / HTTP/2.0\" 200 8212",
    ),
    (
        "shop.log",
        "2026-11-23T10:15:17Z WARN  order 4107: only 3 left of item 88",
    ),
    (
        "shop.log",
        "2026-11-23T10:15:18Z INFO  order 4107: shipped, see https://shop.example/orders/4107",
    ),
];

/// Writes them where `TAILCAST_SCREENSHOTS` says.
#[test]
fn the_page_can_be_pictured() {
    let Some(place) = std::env::var_os("TAILCAST_SCREENSHOTS") else {
        return;
    };
    std::fs::create_dir_all(&place).expect("a directory");
    let mut browser = Browser::start().expect("a browser");
    for (screen, width, height, phone) in [("wide", 1280, 760, false), ("phone", 390, 844, true)] {
        for scheme in ["light", "dark"] {
            browser.screen(width, height, phone);
            browser.scheme(scheme);
            let logs = Logs::new();
            let files: Vec<PathBuf> = ["access.log", "shop.log", "worker.log"]
                .map(|name| logs.file(name, numbered(0, 40)))
                .to_vec();
            let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
            let daemon = Daemon::follow(&paths);
            browser.open(&url(&daemon));
            browser.until("page.ring.lines === 120");
            tell(&mut browser, &logs);
            browser.eval(
                "for (let seq = page.ring.first; seq < page.ring.end; seq++) \
                 if (`${page.ring.text(seq)}`.includes('nearly empty')) page.deeds.open(seq); page.list.toEnd()",
            );
            browser.until("document.querySelector('.tree') !== null");
            browser.eval(DRAWN);
            browser.picture(&Path::new(&place).join(format!("{screen}-{scheme}.png")));
        }
    }
}

/// Writes the story a line at a time; an empty line is a rotation.
fn tell(browser: &mut Browser, logs: &Logs) {
    for (name, line) in STORY {
        let log = logs.path(name);
        let entries = browser.eval("page.ring.end");
        if line.is_empty() {
            std::fs::rename(&log, logs.path(&format!("{name}.1"))).expect("rotate");
            continue;
        }
        append(&log, format!("{line}\n"));
        browser.until(&format!("page.ring.end > {entries}"));
    }
}
