//! Firefox's side: WebDriver BiDi, which it speaks over a WebSocket of its own, without a driver between.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tungstenite::Message;

use super::{Socket, connect, wait_for_file};

pub(super) const NAMES: [&str; 2] = ["firefox-esr", "firefox"];

/// BiDi alone, and no page of its own when it starts.
const PREFERENCES: &str = "user_pref(\"remote.active-protocols\", 1);
user_pref(\"browser.startup.page\", 0);
user_pref(\"browser.newtabpage.enabled\", false);
user_pref(\"datareporting.policy.dataSubmissionEnabled\", false);
user_pref(\"general.smoothScroll\", false);
";

/// Keys by their names as a page sees them, and the standard's code points for them.
const KEYS: [(&str, char); 12] = [
    ("Backspace", '\u{e003}'),
    ("Tab", '\u{e004}'),
    ("Enter", '\u{e007}'),
    ("Shift", '\u{e008}'),
    ("Control", '\u{e009}'),
    ("Escape", '\u{e00c}'),
    ("PageUp", '\u{e00e}'),
    ("PageDown", '\u{e00f}'),
    ("End", '\u{e010}'),
    ("Home", '\u{e011}'),
    ("ArrowUp", '\u{e013}'),
    ("ArrowDown", '\u{e015}'),
];

/// A tab, and the connection on which it is told what to do.
pub(super) struct BiDi {
    socket: Socket,
    context: Value,
    sent: u64,
}

pub(super) fn command(program: &Path, profile: &Path, options: &[&str]) -> Command {
    std::fs::write(profile.join("user.js"), PREFERENCES).expect("write the preferences");
    let mut command = Command::new(program);
    command
        .args(["--headless", "--no-remote", "--remote-debugging-port=0"])
        .arg("--profile")
        .arg(profile)
        .args(options)
        // Its caches go where its profile is.
        .env("HOME", profile);
    command
}

impl BiDi {
    /// The one tab of a browser that has just been started.
    pub(super) fn attach(profile: &Path) -> BiDi {
        let port = wait_for_file(&profile.join("WebDriverBiDiServer.json"), |text| {
            let said: Value = serde_json::from_str(text).ok()?;
            u16::try_from(said["ws_port"].as_u64()?).ok()
        });
        let mut tab = BiDi {
            socket: connect(port, "/session"),
            context: Value::Null,
            sent: 0,
        };
        tab.call("session.new", json!({"capabilities": {}}));
        let tree = tab.call("browsingContext.getTree", json!({}));
        tab.context = tree["contexts"][0]["context"].clone();
        // What the page's scripts throw is told, and fails the test.
        tab.call(
            "session.subscribe",
            json!({"events": ["log.entryAdded"], "contexts": [tab.context]}),
        );
        tab
    }

    pub(super) fn screen(&mut self, width: u32, height: u32) {
        let size = json!({"context": self.context, "viewport": {"width": width, "height": height}});
        self.call("browsingContext.setViewport", size);
    }

    pub(super) fn press(&mut self, key: &str, modifiers: u32) {
        let value = |name: &str| match KEYS.iter().find(|(known, _)| *known == name) {
            Some((_, code)) => code.to_string(),
            None => name.to_owned(),
        };
        let held: Vec<String> = [(2, "Control"), (8, "Shift")]
            .iter()
            .filter(|(bit, _)| modifiers & bit != 0)
            .map(|(_, name)| value(name))
            .collect();
        let mut strokes: Vec<Value> = Vec::new();
        let down = |value: &String| json!({"type": "keyDown", "value": value});
        let up = |value: &String| json!({"type": "keyUp", "value": value});
        strokes.extend(held.iter().map(down));
        strokes.extend([down(&value(key)), up(&value(key))]);
        strokes.extend(held.iter().rev().map(up));
        self.act(json!({"type": "key", "id": "keys", "actions": strokes}));
    }

    pub(super) fn click(&mut self, x: f64, y: f64) {
        let steps = json!([
            {"type": "pointerMove", "x": x as i64, "y": y as i64},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]);
        self.act(json!({"type": "pointer", "id": "mouse", "actions": steps}));
    }

    pub(super) fn wheel(&mut self, pixels: i32) {
        let turn = json!([{"type": "scroll", "x": 400, "y": 400, "deltaX": 0, "deltaY": pixels}]);
        self.act(json!({"type": "wheel", "id": "wheel", "actions": turn}));
    }

    fn act(&mut self, source: Value) {
        let all = json!({"context": self.context, "actions": [source]});
        self.call("input.performActions", all);
    }

    pub(super) fn navigate(&mut self, url: &str) {
        let to = json!({"context": self.context, "url": url, "wait": "none"});
        self.call("browsingContext.navigate", to);
    }

    /// The value of a script, or what it has thrown.
    pub(super) fn eval(&mut self, script: &str) -> Result<Value, Value> {
        let ask = json!({"expression": script, "target": {"context": self.context}, "awaitPromise": true});
        let answer = self.call("script.evaluate", ask);
        match answer["type"] == "success" {
            true => Ok(plain(&answer["result"])),
            false => Err(answer),
        }
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let command = json!({"id": self.sent, "method": method, "params": params});
        let command = Message::text(command.to_string());
        self.socket.send(command).expect("send to the browser");
        loop {
            let message = self.socket.read().expect("an answer by the deadline");
            let Message::Text(text) = message else {
                continue;
            };
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            let thrown = answer["method"] == "log.entryAdded"
                && answer["params"]["type"] == "javascript"
                && answer["params"]["level"] == "error";
            assert!(!thrown, "the page's own fault: {answer}");
            if answer["id"] == json!(self.sent) {
                assert_eq!(answer["type"], "success", "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Asks the browser to end, with its helper processes.
    pub(super) fn close(&mut self) {
        let close = json!({"id": 0, "method": "browser.close", "params": {}}).to_string();
        let _ = self.socket.send(Message::text(close));
    }
}

/// A value without what BiDi says of its type.
fn plain(remote: &Value) -> Value {
    let value = &remote["value"];
    match (remote["type"].as_str(), value) {
        (Some("array"), Value::Array(all)) => all.iter().map(plain).collect(),
        (Some("object"), Value::Array(pairs)) => {
            let pair = |pair: &Value| Some((pair[0].as_str()?.to_owned(), plain(&pair[1])));
            Value::Object(pairs.iter().filter_map(pair).collect())
        }
        (Some("string" | "number" | "boolean"), _) => value.clone(),
        _ => Value::Null,
    }
}
