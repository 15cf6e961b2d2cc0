//! Chromium's side: the DevTools protocol over the browser's own WebSocket.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tungstenite::Message;

use super::{Socket, connect, wait_for_file};

pub(super) const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A tab, and the connection on which it is told what to do.
pub(super) struct DevTools {
    socket: Socket,
    session: Option<String>,
    sent: u64,
}

pub(super) fn command(program: &Path, profile: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        // The sandbox needs rights that a container's root has not; the pages are the test's own.
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync"])
        // A scroll that goes on while a test does the next thing would undo it.
        .arg("--disable-smooth-scrolling")
        .args(["--disable-dev-shm-usage", "--remote-debugging-port=0"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(options)
        .arg("about:blank");
    command
}

impl DevTools {
    /// The one tab of a browser that has just been started.
    pub(super) fn attach(profile: &Path) -> DevTools {
        let (port, path) = wait_for_file(&profile.join("DevToolsActivePort"), |text| {
            let (port, path) = text.split_once('\n')?;
            (!path.is_empty()).then(|| Some((port.parse().ok()?, path.trim().to_owned())))?
        });
        let mut tools = DevTools {
            socket: connect(port, &path),
            session: None,
            sent: 0,
        };
        let target = tools.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = tools.call("Target.attachToTarget", attach);
        tools.session = attached["sessionId"].as_str().map(str::to_owned);
        // What the page's scripts throw and what its policy refuses is told, and fails the test.
        tools.call("Runtime.enable", json!({}));
        tools.call("Log.enable", json!({}));
        tools
    }

    pub(super) fn screen(&mut self, width: u32, height: u32, phone: bool) {
        let scale = if phone { 2 } else { 1 };
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone});
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    pub(super) fn press(&mut self, key: &str, modifiers: u32) {
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

    pub(super) fn click(&mut self, x: f64, y: f64, modifiers: u32) {
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1,
                "modifiers": modifiers});
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    pub(super) fn wheel(&mut self, pixels: i32) {
        let event =
            json!({"type": "mouseWheel", "x": 400, "y": 400, "deltaX": 0, "deltaY": pixels});
        self.call("Input.dispatchMouseEvent", event);
    }

    pub(super) fn navigate(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
    }

    /// The value of a script, or what it has thrown.
    pub(super) fn eval(&mut self, script: &str) -> Result<Value, Value> {
        let ask = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", ask);
        match answer.get("exceptionDetails") {
            None => Ok(answer["result"]["value"].clone()),
            Some(_) => Err(answer),
        }
    }

    /// The answer to a command that is for the browser, not for its tab.
    pub(super) fn call_browser(&mut self, method: &str, params: Value) -> Value {
        let session = self.session.take();
        let answer = self.call(method, params);
        self.session = session;
        answer
    }

    /// The answer to one command.
    pub(super) fn call(&mut self, method: &str, params: Value) -> Value {
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
                // Race: a script that goes to another page, or is asked while that one comes, has no value.
                if answer["error"]["message"] == "Inspected target navigated or closed" {
                    return Value::Null;
                }
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Asks the browser to end, with its helper processes.
    pub(super) fn close(&mut self) {
        let close = json!({"id": 0, "method": "Browser.close"}).to_string();
        let _ = self.socket.send(Message::text(close));
    }
}
