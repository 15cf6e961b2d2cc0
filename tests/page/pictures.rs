//! Pictures of the page for people: `make screenshots` writes them.

use std::path::{Path, PathBuf};

use crate::browser::Browser;
use crate::stage::{DRAWN, url};
use crate::support::{DEADLINE, Daemon, Logs, append, program, wait_until};

/// A second of the story: where in the hour it is.
fn clock(second: usize) -> String {
    format!("10:{:02}:{:02}", 9 + second / 60, second % 60)
}

/// What the three files of a shop say in one second.
fn lines(second: usize) -> Vec<(&'static str, String)> {
    let order = 4000 + second / 3;
    let at = clock(second);
    let shop = |level: &str, text: &str| {
        (
            "shop.log",
            format!(
                "2026-11-23 {at},{:03} {level} [exec-{}] orders - {text}",
                second * 137 % 1000,
                second % 7 + 1
            ),
        )
    };
    let access = |method: &str, path: &str, status: u16, bytes: usize| {
        (
            "access.log",
            format!(
                "203.0.113.{} - - [23/Nov/2026:{at} +0000] \"{method} {path} HTTP/2.0\" {status} {bytes}",
                second % 90 + 7
            ),
        )
    };
    let time = 1_795_428_540_000_u64 + second as u64 * 1000 + 412;
    let worker = |level: u8, text: &str, status: u16| {
        (
            "worker.log",
            format!(
                "{{\"level\":{level},\"time\":{time},\"msg\":\"{text}\",\"order\":{order},\"res\":{{\"statusCode\":{status}}},\"responseTime\":{}}}",
                second * 31 % 480 + 12
            ),
        )
    };
    match second % 23 {
        0 => vec![access("GET", &format!("/orders/{order}"), 200, 1893)],
        2 => vec![shop("INFO ", &format!("order {order}: accepted"))],
        3 => vec![
            shop(
                "DEBUG",
                &format!("order {order}: read from the cache in 0.4 ms"),
            ),
            access("POST", "/cart", 302, 0),
        ],
        5 => vec![worker(30, "mail sent", 200)],
        7 => vec![
            access("GET", "/static/app.css", 304, 0),
            shop(
                "INFO ",
                &format!("order {order}: shipped, see https://shop.example/orders/{order}"),
            ),
        ],
        9 => vec![shop(
            "WARN ",
            &format!("order {order}: the payment took {} ms", 700 + second),
        )],
        12 => vec![
            worker(40, "the pool is nearly empty", 200),
            access("GET", "/help/payment", 404, 512),
        ],
        15 => vec![
            access("POST", "/orders", 201, 77),
            worker(30, "mail sent", 200),
        ],
        18 if second > 280 => {
            let mut lines = vec![shop("ERROR", &format!("order {order}: the payment failed"))];
            let trace = |text: String| ("shop.log", text);
            lines.push(trace(
                "java.lang.IllegalStateException: pool exhausted".to_owned(),
            ));
            for step in 0..19 {
                lines.push(trace(format!(
                    "\tat com.example.shop.Payment.step{step}(Payment.java:{})",
                    100 + step
                )));
            }
            lines.push(trace("Caused by: java.sql.SQLTransientConnectionException: HikariPool-1 timed out after 30000 ms".to_owned()));
            lines.push(access("POST", "/orders", 503, 51));
            lines.push(worker(50, "payment provider timed out", 500));
            lines
        }
        20 => vec![
            access("GET", "/", 200, 8212),
            shop("INFO ", &format!("order {order}: 3 items, total=41.90 EUR")),
        ],
        _ => Vec::new(),
    }
}

/// Until then it is history; the rest happens while the page is open.
const NOW: usize = 300;
const END: usize = 345;

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
                .map(|name| logs.path(name))
                .to_vec();
            for (name, line) in (0..NOW).flat_map(lines) {
                append(&logs.path(name), format!("{line}\n"));
            }
            let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
            let daemon = Daemon::follow(&paths);
            browser.open(&url(&daemon));
            browser.until("page.ring.lines > 100");
            tell(&mut browser, |_, name| logs.path(name));
            browser.eval("page.set({time: 'utc'}); page.list.toEnd()");
            // The strip and the ticks are drawn a moment later.
            browser.until("page.errors.complete && page.list.follow");
            browser.eval("new Promise((done) => setTimeout(done, 1500))");
            browser.eval(DRAWN);
            browser.picture(&Path::new(&place).join(format!("{screen}-{scheme}.png")));
        }
    }
}

/// Writes the rest of the story, a second at a time.
fn tell(browser: &mut Browser, log: impl Fn(usize, &str) -> PathBuf) {
    for second in NOW..END {
        for (name, line) in lines(second) {
            let entries = browser.eval("page.ring.end");
            append(&log(second, name), format!("{line}\n"));
            browser.until(&format!("page.ring.end > {entries}"));
        }
    }
}

/// What the machines of the shop are called.
const MACHINES: [&str; 20] = [
    "web1", "web2", "web3", "web4", "web5", "web6", "web7", "web8", "web9", "web10", "web11",
    "web12", "db1", "db2", "queue1", "queue2", "mail", "build", "backup", "office",
];

/// The machine that what happens in one second happens on.
fn machine_of(second: usize, file: &str) -> usize {
    match file {
        "access.log" => second * 7 % 12,
        "shop.log" => second * 5 % 12,
        _ => 12 + second % 8,
    }
}

/// A daemon on each of twenty machines, one that follows them all, and its page: with one machine away.
#[test]
fn twenty_machines_on_one_page_can_be_pictured() {
    let Some(place) = std::env::var_os("TAILCAST_SCREENSHOTS") else {
        return;
    };
    std::fs::create_dir_all(&place).expect("a directory");
    let mut browser = Browser::start().expect("a browser");
    let machines: Vec<Logs> = MACHINES.iter().map(|_| Logs::new()).collect();
    let log = |second, file: &str| machines[machine_of(second, file)].path(file);
    for second in 0..NOW {
        for (file, line) in lines(second) {
            append(&log(second, file), format!("{line}\n"));
        }
    }
    let start = |logs: &Logs| Daemon::follow(&[&logs.path("*.log")]);
    let mut others: Vec<Option<Daemon>> = machines.iter().map(|logs| Some(start(logs))).collect();
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0"]);
    for (name, other) in MACHINES.iter().zip(others.iter().flatten()) {
        command.arg(format!("{name}=http://127.0.0.1:{}/", other.port));
    }
    let hub = Daemon::start(command);
    let files: usize = machines
        .iter()
        .map(|logs| {
            std::fs::read_dir(logs.path(""))
                .expect("a directory")
                .count()
        })
        .sum();
    let shown = || hub.get("/files").text().matches("\"path\":").count();
    assert!(
        wait_until(DEADLINE, || shown() == files),
        "{} of {files}",
        shown()
    );
    browser.screen(1280, 760, false);
    browser.scheme("dark");
    browser.open(&url(&hub));
    browser.until("page.ring.lines > 150");
    tell(&mut browser, log);
    // One that has been switched off.
    others[17] = None;
    assert!(hub.says("is away"));
    browser.eval("page.set({time: 'utc'}); page.list.toEnd()");
    browser.until("page.errors.complete && page.list.follow");
    browser.eval("new Promise((done) => setTimeout(done, 1500))");
    browser.eval(DRAWN);
    browser.picture(&Path::new(&place).join("hosts-dark.png"));
}
