//! A headless Chromium, driven by the DevTools protocol over its own WebSocket.
#![allow(dead_code, reason = "each program of tests uses a part of it")]

pub(crate) mod files;

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

use crate::support::{tool, wait_until};

/// A browser on a busy machine takes its time, above all to start.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// One browser with one tab; both end with it.
pub(crate) struct Browser {
    child: Child,
    socket: WebSocket<TcpStream>,
    session: Option<String>,
    sent: u64,
    _profile: TempDir,
}

impl Browser {
    /// A browser, or None where there is none and nobody promised one.
    pub(crate) fn start() -> Option<Browser> {
        Self::with(&["--disable-quic"])
    }

    /// The same, with options on its command line.
    pub(crate) fn with(options: &[&str]) -> Option<Browser> {
        let program = tool(&NAMES)?;
        let profile = tempfile::tempdir().expect("a directory");
        let child = Command::new(program)
            // The sandbox needs rights that a container's root has not; the pages are the test's own.
            .args(["--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync"])
            // A scroll that goes on while a test does the next thing would undo it.
            .arg("--disable-smooth-scrolling")
            .args(["--disable-dev-shm-usage", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(options)
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start the browser");
        let (port, path) = devtools(&profile.path().join("DevToolsActivePort"));
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect to the browser");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let url = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) = tungstenite::client::client(url, stream).expect("a handshake");
        let mut browser = Browser {
            child,
            socket,
            session: None,
            sent: 0,
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        // What the page's scripts throw and what its policy refuses is told, and fails the test.
        browser.call("Runtime.enable", json!({}));
        browser.call("Log.enable", json!({}));
        browser.screen(1280, 800, false);
        Some(browser)
    }

    /// The size of what the tab shows, in CSS pixels.
    pub(crate) fn screen(&mut self, width: u32, height: u32, phone: bool) {
        let scale = if phone { 2 } else { 1 };
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone});
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// The colour scheme that the system asks for: light or dark.
    pub(crate) fn scheme(&mut self, scheme: &str) {
        self.prefer("prefers-color-scheme", scheme);
    }

    /// What the reader's system asks for, by the name of the media feature.
    pub(crate) fn prefer(&mut self, feature: &str, value: &str) {
        let features = json!([{"name": feature, "value": value}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Presses a key, as a hand does: `key` as the standard names it, and which of Alt 1, Ctrl 2, Shift 8.
    pub(crate) fn press(&mut self, key: &str, modifiers: u32) {
        let mut press = json!({"type": "keyDown", "key": key, "modifiers": modifiers});
        let command = match (key, modifiers) {
            ("a", 2) => json!(["selectAll"]),
            ("c", 2) => json!(["copy"]),
            _ => json!([]),
        };
        press["commands"] = command;
        if key.chars().count() == 1 && modifiers & 3 == 0 {
            press["text"] = json!(key);
        } else if key == "Enter" {
            press["text"] = json!("\r");
        }
        // These do nothing by their name alone.
        let coded = [
            ("Backspace", 8),
            ("Tab", 9),
            ("PageUp", 33),
            ("PageDown", 34),
            ("End", 35),
            ("Home", 36),
        ];
        if let Some((_, code)) = coded.iter().find(|(name, _)| *name == key) {
            press["windowsVirtualKeyCode"] = json!(code);
        }
        self.call("Input.dispatchKeyEvent", press.clone());
        press["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", press);
    }

    /// Types a text, key by key.
    pub(crate) fn type_text(&mut self, text: &str) {
        for key in text.chars() {
            self.press(&key.to_string(), 0);
        }
    }

    /// Clicks the middle of the element that `script` gives.
    pub(crate) fn click(&mut self, script: &str, modifiers: u32) {
        let place = self.eval(&format!(
            "{{ const box = ({script}).getBoundingClientRect(); [box.x + box.width / 2, box.y + box.height / 2] }}"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1,
                "modifiers": modifiers});
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Turns the wheel over the middle of the screen: down, or up where `pixels` is negative.
    pub(crate) fn wheel(&mut self, pixels: i32) {
        let event =
            json!({"type": "mouseWheel", "x": 400, "y": 400, "deltaX": 0, "deltaY": pixels});
        self.call("Input.dispatchMouseEvent", event);
    }

    /// Puts another tab before this one, so that this one is hidden.
    pub(crate) fn hide(&mut self) {
        self.call("Target.createTarget", json!({"url": "about:blank"}));
        self.until("document.hidden");
    }

    /// Brings this tab to the front again.
    pub(crate) fn show(&mut self) {
        self.call("Page.bringToFront", json!({}));
        self.until("!document.hidden");
    }

    /// Opens an address, and waits until it is loaded.
    pub(crate) fn go(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
        self.until(&format!(
            "document.readyState === 'complete' && location.href.startsWith({})",
            json!(url)
        ));
    }

    /// Opens the page, and waits until its connection is live.
    pub(crate) fn open(&mut self, url: &str) {
        self.load(url);
        self.until("window.page?.connection.state.name === 'live'");
    }

    /// Opens the page; `page` is then its own object.
    pub(crate) fn load(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'");
        self.eval(
            "import(new URL('page/main.js', location.href)).then((m) => { window.page = m.page; })",
        );
    }

    /// The value of a script, or of the promise that it gives.
    pub(crate) fn eval(&mut self, script: &str) -> Value {
        let ask = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", ask);
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{script}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Waits until a script gives true.
    pub(crate) fn until(&mut self, script: &str) {
        let held = wait_until(PATIENCE, || {
            let ask = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
            self.call("Runtime.evaluate", ask)["result"]["value"] == json!(true)
        });
        assert!(held, "never came true: {script}");
    }

    /// A picture of what the tab shows, as PNG in base64 that the browser decodes for us.
    pub(crate) fn picture(&mut self, path: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let text = shot["data"].as_str().expect("a picture");
        std::fs::write(path, decode(text)).expect("write a picture");
    }

    /// The answer to a command that is for the browser, not for its tab.
    pub(crate) fn call_browser(&mut self, method: &str, params: Value) -> Value {
        let session = self.session.take();
        let answer = self.call(method, params);
        self.session = session;
        answer
    }

    /// The answer to one command.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let mut command = json!({"id": self.sent, "method": method, "params": params});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let command = Message::text(command.to_string());
        self.socket.send(command).expect("send to the browser");
        loop {
            let message = self.socket.read().expect("an answer by the deadline");
            let Message::Text(text) = message else {
                continue;
            };
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            let thrown = answer["method"] == "Runtime.exceptionThrown";
            let refused = answer["method"] == "Log.entryAdded"
                && answer["params"]["entry"]["source"] == "security";
            assert!(!thrown && !refused, "the page's own fault: {answer}");
            if answer["id"] == json!(self.sent) {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked first, so that its helper processes end too.
        let close = json!({"id": 0, "method": "Browser.close"}).to_string();
        let _ = self.socket.send(Message::text(close));
        let child = &mut self.child;
        wait_until(Duration::from_secs(5), || {
            !matches!(child.try_wait(), Ok(None))
        });
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port and the path that the browser writes into its profile once it listens.
fn devtools(file: &Path) -> (u16, String) {
    let mut found = None;
    wait_until(PATIENCE, || {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        found = text.split_once('\n').and_then(|(port, path)| {
            (!path.is_empty()).then(|| Some((port.parse().ok()?, path.trim().to_owned())))?
        });
        found.is_some()
    });
    found.expect("the browser's port")
}

/// Base64, as RFC 4648 has it.
fn decode(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let text = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.chunks(4) {
        let bits = group.iter().fold(0, |bits, byte| bits << 6 | value(*byte));
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
