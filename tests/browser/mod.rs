//! A headless browser: Chromium, driven by the DevTools protocol, or Firefox, by WebDriver BiDi.
#![allow(dead_code, reason = "each test program uses a part of it")]

mod bidi;
mod devtools;
pub(crate) mod files;

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::WebSocket;

use self::bidi::BiDi;
use self::devtools::DevTools;
use crate::support::{tool, wait_until};

/// What a page says of itself when something that was waited for never came.
const STANDS: &str = "window.page === undefined ? document.title : (({ connection, ring, list }) => JSON.stringify({
    connection: connection.state, first: ring.first, near: ring.near, end: ring.end, events: ring.events.length,
    follow: list.follow, sight: list.firstInSight, anchor: list.anchor, last: ring.end > ring.first ? ring.text(ring.end - 1) : null,
}).slice(0, 600))(page)";

/// A browser on a busy machine takes its time, above all to start.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

type Socket = WebSocket<TcpStream>;

/// One browser with one tab; both end with it.
pub(crate) struct Browser {
    child: Child,
    tab: Tab,
    _profile: TempDir,
}

enum Tab {
    Chromium(DevTools),
    Firefox(BiDi),
}

impl Browser {
    /// A Chromium, or None where there is none and nobody promised one.
    pub(crate) fn start() -> Option<Browser> {
        Self::with(&["--disable-quic"])
    }

    /// The same, with options on its command line.
    pub(crate) fn with(options: &[&str]) -> Option<Browser> {
        let program = tool(&devtools::NAMES)?;
        let profile = tempfile::tempdir().expect("a directory");
        let child = spawn(devtools::command(&program, profile.path(), options));
        let tab = Tab::Chromium(DevTools::attach(profile.path()));
        Some(Self::ready(child, tab, profile))
    }

    /// A Firefox, or None where there is none and nobody promised one.
    pub(crate) fn firefox() -> Option<Browser> {
        let program = tool(&bidi::NAMES)?;
        let profile = tempfile::tempdir().expect("a directory");
        let child = spawn(bidi::command(&program, profile.path(), &[]));
        let tab = Tab::Firefox(BiDi::attach(profile.path()));
        Some(Self::ready(child, tab, profile))
    }

    fn ready(child: Child, tab: Tab, profile: TempDir) -> Browser {
        let mut browser = Browser {
            child,
            tab,
            _profile: profile,
        };
        browser.screen(1280, 800, false);
        browser
    }

    /// The size of what the tab shows, in CSS pixels. Firefox can't be a phone: it is a small window.
    pub(crate) fn screen(&mut self, width: u32, height: u32, phone: bool) {
        match &mut self.tab {
            Tab::Chromium(tools) => tools.screen(width, height, phone),
            Tab::Firefox(bidi) => bidi.screen(width, height),
        }
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
        match &mut self.tab {
            Tab::Chromium(tools) => tools.press(key, modifiers),
            Tab::Firefox(bidi) => bidi.press(key, modifiers),
        }
    }

    /// Types a text, key by key.
    pub(crate) fn type_text(&mut self, text: &str) {
        for key in text.chars() {
            self.press(&key.to_string(), 0);
        }
    }

    /// Clicks the middle of the element that `script` gives, as soon as that can be hit. Modifiers are Chromium's.
    pub(crate) fn click(&mut self, script: &str, modifiers: u32) {
        let middle = format!(
            "const target = {script}; const box = target.getBoundingClientRect();
             const place = [box.x + box.width / 2, box.y + box.height / 2]"
        );
        self.until(&format!(
            "{{ {middle}; target.contains(document.elementFromPoint(...place)) }}"
        ));
        let place = self.eval(&format!("{{ {middle}; place }}"));
        let pixels = |at: usize| place[at].as_f64().expect("a place");
        match &mut self.tab {
            Tab::Chromium(tools) => tools.click(pixels(0), pixels(1), modifiers),
            Tab::Firefox(bidi) => bidi.click(pixels(0), pixels(1)),
        }
    }

    /// Turns the wheel over the middle of the screen: down, or up where `pixels` is negative.
    pub(crate) fn wheel(&mut self, pixels: i32) {
        match &mut self.tab {
            Tab::Chromium(tools) => tools.wheel(pixels),
            Tab::Firefox(bidi) => bidi.wheel(pixels),
        }
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
        self.navigate(url);
        self.until(&format!(
            "document.readyState === 'complete' && location.href.startsWith({})",
            json!(url)
        ));
    }

    fn navigate(&mut self, url: &str) {
        match &mut self.tab {
            Tab::Chromium(tools) => tools.navigate(url),
            Tab::Firefox(bidi) => bidi.navigate(url),
        }
    }

    /// Opens the page, and waits until its connection is live.
    pub(crate) fn open(&mut self, url: &str) {
        self.load(url);
        self.until("window.page?.connection.state.name === 'live'");
    }

    /// Opens the page; `page` is then its own object.
    pub(crate) fn load(&mut self, url: &str) {
        self.navigate(url);
        // The page before it must not be taken for it.
        let host = url.split(['?', '#']).next().unwrap_or(url);
        self.until(&format!(
            "document.readyState === 'complete' && location.href.startsWith({})",
            json!(host)
        ));
        self.eval(
            "import(new URL('page/main.js', location.href)).then((m) => { window.page = m.page; })",
        );
    }

    /// The value of a script, or of the promise that it gives.
    pub(crate) fn eval(&mut self, script: &str) -> Value {
        let value = self.try_eval(script);
        value.unwrap_or_else(|thrown| panic!("{script}: {thrown}"))
    }

    fn try_eval(&mut self, script: &str) -> Result<Value, Value> {
        match &mut self.tab {
            Tab::Chromium(tools) => tools.eval(script),
            Tab::Firefox(bidi) => bidi.eval(script),
        }
    }

    /// Waits until a script gives true.
    pub(crate) fn until(&mut self, script: &str) {
        let held = wait_until(PATIENCE, || self.try_eval(script) == Ok(json!(true)));
        if !held {
            let stands = self.try_eval(STANDS).unwrap_or_else(|thrown| thrown);
            panic!("never came true: {script}; the page stands at {stands}");
        }
    }

    /// A picture of what the tab shows, as PNG in base64 that the browser decodes for us.
    pub(crate) fn picture(&mut self, path: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let text = shot["data"].as_str().expect("a picture");
        std::fs::write(path, decode(text)).expect("write a picture");
    }

    /// The answer to a DevTools command that is for the browser, not for its tab.
    pub(crate) fn call_browser(&mut self, method: &str, params: Value) -> Value {
        self.tools().call_browser(method, params)
    }

    /// The answer to one DevTools command.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.tools().call(method, params)
    }

    fn tools(&mut self) -> &mut DevTools {
        match &mut self.tab {
            Tab::Chromium(tools) => tools,
            Tab::Firefox(_) => panic!("a command for Chromium alone"),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked first, so that its helper processes end too.
        match &mut self.tab {
            Tab::Chromium(tools) => tools.close(),
            Tab::Firefox(bidi) => bidi.close(),
        }
        let child = &mut self.child;
        wait_until(Duration::from_secs(5), || {
            !matches!(child.try_wait(), Ok(None))
        });
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(mut command: std::process::Command) -> Child {
    command.stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("start the browser")
}

/// The browser's own WebSocket.
fn connect(port: u16, path: &str) -> Socket {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect to the browser");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let url = format!("ws://127.0.0.1:{port}{path}");
    tungstenite::client::client(url, stream)
        .expect("a handshake")
        .0
}

/// What a browser writes into its profile once it listens, as `read` takes it.
fn wait_for_file<T>(file: &Path, read: impl Fn(&str) -> Option<T>) -> T {
    let mut found = None;
    wait_until(PATIENCE, || {
        found = read(&std::fs::read_to_string(file).unwrap_or_default());
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
