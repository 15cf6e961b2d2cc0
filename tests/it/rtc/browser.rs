//! Chromium on the other side of a data channel.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::json;

use super::LISTEN;
use crate::browser::{Browser, PATIENCE};
use crate::support::{Daemon, Logs, append};

/// Opens a data channel from an address, checks every line of its batches, and holds what it has seen in `seen`.
const OPENS: &str = r"
window.seen = {next: 0, wrong: '', id: '', closed: false};
window.listen = async target => {
    const peer = new RTCPeerConnection();
    const lines = peer.createDataChannel('lines');
    lines.onclose = () => { seen.closed = true };
    lines.onmessage = ({data}) => {
        const batch = JSON.parse(data);
        if (batch.event === 'gap') seen.wrong = data;
        if (!batch.lines) return;
        for (const line of batch.lines) {
            if (line !== `line ${seen.next}`) seen.wrong ||= `${line} and not ${seen.next}`;
            seen.next++;
        }
        seen.id = batch.id;
    };
    await peer.setLocalDescription();
    if (peer.iceGatheringState !== 'complete') {
        await new Promise(done => {
            peer.onicegatheringstatechange = () => peer.iceGatheringState === 'complete' && done();
        });
    }
    const answer = await fetch(target, {
        method: 'POST',
        headers: {'Content-Type': 'application/sdp'},
        body: peer.localDescription.sdp,
    });
    if (answer.status !== 201) return `${answer.status} ${await answer.text()}`;
    await peer.setRemoteDescription({type: 'answer', sdp: await answer.text()});
    window.peer = peer;
    return answer.headers.get('Location') ?? 'no Location';
};
true";

fn lines(from: usize, to: usize) -> String {
    (from..to).map(|n| format!("line {n}\n")).collect()
}

#[test]
fn chromium_gets_two_hundred_thousand_lines_once_in_order_over_a_rotation_and_a_restart() {
    let Some(mut browser) = Browser::with(&["--allow-loopback-in-peer-connection"]) else {
        return;
    };
    let logs = Logs::new();
    let log = logs.file("app.log", lines(0, 60_000));
    let mut daemon = Daemon::with(&LISTEN, &[&log]);
    let page = |daemon: &Daemon| format!("http://127.0.0.1:{}/", daemon.port);
    browser.go(&page(&daemon));
    browser.eval(OPENS);
    let location = browser.eval("listen('/rtc?format=batch&lines=all')");
    assert!(
        location.as_str().is_some_and(|at| at.starts_with("/rtc/")),
        "{location}"
    );
    browser.until("seen.next >= 60000 || seen.wrong");
    fs::rename(&log, logs.path("app.log.1")).expect("rename");
    fs::write(&log, lines(60_000, 120_000)).expect("written");
    browser.until("seen.next >= 120000 || seen.wrong");
    // The daemon's goodbye closes the data channel.
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended(PATIENCE).is_some());
    browser.until("seen.closed");
    let (seen, id) = (browser.eval("seen.next"), browser.eval("seen.id"));
    append(&log, lines(120_000, 200_000));
    let daemon = Daemon::with(&LISTEN, &[&log]);
    browser.go(&page(&daemon));
    browser.eval(OPENS);
    browser.eval(&format!("seen.next = {seen}"));
    let target = format!("/rtc?format=batch&after={}", id.as_str().expect("an id"));
    browser.eval(&format!("listen({})", json!(target)));
    browser.until("seen.next >= 200000 || seen.wrong");
    assert_eq!(
        browser.eval("[seen.next, seen.wrong]"),
        json!([200_000, ""])
    );
}

#[test]
fn a_browser_to_which_nothing_is_said_is_kept_however_short_the_ping_interval_is() {
    let Some(mut browser) = Browser::with(&["--allow-loopback-in-peer-connection"]) else {
        return;
    };
    let logs = Logs::new();
    let log = logs.file("app.log", lines(0, 1));
    let options = [&LISTEN[..], &["--ping-interval", "1"]].concat();
    let daemon = Daemon::with(&options, &[&log]);
    browser.go(&format!("http://127.0.0.1:{}/", daemon.port));
    browser.eval(OPENS);
    browser.eval("listen('/rtc?format=batch&lines=all')");
    browser.until("seen.next >= 1 || seen.wrong");
    // Several times as long as a browser says nothing of its own.
    let is_over = "seen.closed || performance.now() - seen.since > 12000";
    browser.eval("seen.since = performance.now()");
    browser.until(is_over);
    append(&log, lines(1, 2));
    browser.until("seen.next >= 2 || seen.wrong || seen.closed");
    assert_eq!(browser.eval("[seen.next, seen.closed]"), json!([2, false]));
}
