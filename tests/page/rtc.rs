//! The page by a data channel, where its address asks for that: the same lines, and a WebSocket with a word where none
//! opens.

use crate::browser::Browser;
use crate::stage::{numbered, until_last, until_says, url};
use crate::support::{Daemon, Logs, append};

#[cfg(feature = "webrtc")]
#[test]
fn the_page_reads_by_a_data_channel_and_says_so_in_its_lamp() {
    let Some(mut browser) = Browser::with(&["--allow-loopback-in-peer-connection"]) else {
        return;
    };
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 100));
    let daemon = Daemon::with(&["--rtc-listen", "127.0.0.1:0"], &[&log]);
    browser.open(&format!("{}#via=rtc", url(&daemon)));
    until_last(&mut browser, "line 99");
    until_says(&mut browser, "#connection", "live by a data channel");
    append(&log, numbered(100, 5_000));
    until_last(&mut browser, "line 4999");
    // One message of several parts, and the way stands in the address still.
    append(&log, format!("{} end\n", "\u{20ac}\\".repeat(30_000)));
    browser.until("page.ring.text(page.ring.end - 1)?.endsWith('end')");
    browser.until("location.hash === '#via=rtc'");
}

#[test]
fn a_data_channel_that_does_not_open_is_told_and_a_web_socket_takes_its_place() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let log = logs.file("app.log", numbered(0, 10));
    let daemon = Daemon::follow(&[&log]);
    browser.open(&format!("{}#via=rtc", url(&daemon)));
    until_last(&mut browser, "line 9");
    let said = "live by WebSocket, for the data channel failed: the server has none";
    until_says(&mut browser, "#connection", said);
    append(&log, numbered(10, 20));
    until_last(&mut browser, "line 19");
}
