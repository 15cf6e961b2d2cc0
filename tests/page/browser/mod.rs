//! A headless Chromium, driven by the DevTools protocol over its own WebSocket.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod files;

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

use super::support::{tool, wait_until};

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
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Opens an address, and waits until it is loaded.
    pub(crate) fn go(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
        self.until(&format!(
            "document.readyState === 'complete' && location.href.startsWith({})",
            json!(url)
        ));
    }

    /// Opens the page, and waits until its connection is live; `page` is then its own object.
    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'");
        self.eval(
            "import(new URL('page/main.js', location.href)).then((m) => { window.page = m.page; })",
        );
        self.until("window.page?.connection.state.name === 'live'");
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
