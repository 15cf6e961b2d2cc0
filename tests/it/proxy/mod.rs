//! Behind nginx and Caddy, as scripts/proxy sets them up: over TLS and under a prefix, lines arrive as they are written.
//!
//! `CI=true` promises that both are installed, with curl, openssl and Chromium; elsewhere what is missing is left out.

mod client;
mod server;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;

use crate::browser::Browser;
use serde_json::json;
use tungstenite::Message;

use crate::support::{DEADLINE, Daemon, Logs, append, program, wait_until};
use client::{Curl, Wss, ask};
use server::{Kind, Prefix, Proxy};

const PREFIXES: [Prefix; 2] = [Prefix::CutOff, Prefix::PassedOn];

/// A daemon on one log, and a proxy before it.
struct Scene {
    log: PathBuf,
    daemon: Daemon,
    proxy: Proxy,
    logs: Logs,
}

impl Scene {
    fn new(kind: Kind, prefix: Prefix, options: &[&str], edits: &[[&str; 2]]) -> Scene {
        let logs = Logs::new();
        let log = logs.file("a.log", "history\n");
        let mut options = options.to_vec();
        if prefix == Prefix::PassedOn {
            options.extend(["--base-path", "/logs/"]);
        }
        let daemon = Daemon::with(&options, &[&log]);
        let upstream = format!("127.0.0.1:{}", daemon.port);
        let proxy = Proxy::start(kind, prefix, &upstream, edits);
        Scene {
            log,
            daemon,
            proxy,
            logs,
        }
    }

    /// The page's own Origin.
    fn origin(&self) -> String {
        format!("https://localhost:{}", self.proxy.port)
    }

    fn wss(&self, path: &str) -> Wss {
        let opened = Wss::try_open(&self.proxy, path, &self.origin());
        opened.unwrap_or_else(|status| panic!("{path} was answered {status}"))
    }

    fn curl(&self, options: &[&str], path: &str) -> Curl {
        Curl::open(&self.proxy, options, &self.proxy.url(path))
    }

    /// The status of an answer that comes at once.
    fn status(&self, options: &[&str], path: &str) -> u16 {
        ask(&self.proxy, options, &self.proxy.url(path)).0
    }

    /// A browser that trusts the proxy, where there is one.
    fn browser(&self, options: &[&str]) -> Option<Browser> {
        let trust = format!(
            "--ignore-certificate-errors-spki-list={}",
            self.proxy.key_hash()
        );
        // Caddy is bound to one of the two addresses of localhost, and QUIC tries the other one first.
        let resolve = "--host-resolver-rules=MAP localhost 127.0.0.1";
        Browser::with(&[&[trust.as_str(), resolve], options].concat())
    }
}

/// Each proxy with each way of the prefix.
fn scenes(options: &[&str], mut promise: impl FnMut(&Scene, Prefix)) {
    for kind in Kind::all() {
        for prefix in PREFIXES {
            eprintln!("{kind:?}, {prefix:?}");
            promise(&Scene::new(kind, prefix, options, &[]), prefix);
        }
    }
}

#[test]
fn each_line_arrives_at_every_stream_as_it_is_written() {
    scenes(&[], |scene, _| {
        let mut socket = scene.wss("ws");
        let mut streams = Vec::new();
        for (option, protocol) in [("--http1.1", "HTTP/1.1 200"), ("--http2", "HTTP/2 200")] {
            for (path, mark) in [("events", "data: "), ("stream", "")] {
                for options in [&[option][..], &[option, "--compressed"]] {
                    let mut curl = scene.curl(options, path);
                    assert!(curl.line().starts_with(protocol), "{path} by {protocol}");
                    curl.until(&format!("{mark}history"));
                    streams.push((curl, mark));
                }
            }
        }
        socket.until("history");
        // The streams stay open, so each line is seen before anything follows it.
        for number in 0..3 {
            append(&scene.log, format!("line {number}\n"));
            socket.until(&format!("line {number}"));
            for (curl, mark) in &mut streams {
                curl.until(&format!("{mark}line {number}"));
            }
        }
    });
}

#[test]
fn the_page_is_whole_under_the_prefix() {
    scenes(&[], |scene, _| {
        let Some(mut browser) = scene.browser(&["--disable-quic"]) else {
            return;
        };
        // Without the slash, too.
        let url = scene.proxy.url("?wrap=1");
        browser.open(&url.replace("/logs/", "/logs"));
        browser.until(&format!("location.href === {}", json!(url)));
        append(&scene.log, "new\n");
        browser.until(
            "[...document.querySelectorAll('.line .text')].map((e) => e.textContent).join() \
             === 'history,new'",
        );
        // The sheets are there as well as the scripts.
        browser.until("[...document.styleSheets].every((sheet) => sheet.cssRules.length > 0)");
    });
}

/// A script that opens ten streams of one page, and keeps count of which have had the line `go`.
const TEN_STREAMS: &str = "window.heard = new Set(); window.streams = Array.from({length: 10}, (_, n) => { \
    const stream = new EventSource('events?lines=0&n=' + n); \
    stream.onmessage = ({data}) => { if (data === 'go') heard.add(n); }; return stream; }); null";

/// How many of the ten have been answered.
const OPEN: &str = "streams.filter((stream) => stream.readyState === EventSource.OPEN).length";

/// By which protocols streams came that have ended.
const PROTOCOLS: &str = "performance.getEntriesByType('resource').filter(({name}) => name.includes('events?')) \
    .map(({nextHopProtocol}) => nextHopProtocol).join()";

/// Ten streams of one page are live by `protocol`.
fn ten_are_live(scene: &Scene, browser: &mut Browser, protocol: &str) {
    browser.go(&scene.proxy.url(""));
    browser.eval(TEN_STREAMS);
    browser.until(&format!("{OPEN} === 10"));
    append(&scene.log, "go\n");
    browser.until("heard.size === 10");
    browser.eval("streams.forEach((stream) => stream.close())");
    let all = [protocol; 10].join(",");
    browser.until(&format!("{PROTOCOLS} === {}", json!(all)));
}

#[test]
fn ten_streams_of_one_browser_are_live_over_http2() {
    for kind in Kind::all() {
        let scene = Scene::new(kind, Prefix::CutOff, &[], &[]);
        if let Some(mut browser) = scene.browser(&["--disable-quic"]) {
            ten_are_live(&scene, &mut browser, "h2");
        }
    }
}

#[test]
fn ten_streams_of_one_browser_are_live_over_http3() {
    // Debian's nginx speaks no HTTP/3.
    if !Kind::all().contains(&Kind::Caddy) {
        return;
    }
    let scene = Scene::new(Kind::Caddy, Prefix::CutOff, &[], &[]);
    let force = format!("--origin-to-force-quic-on=localhost:{}", scene.proxy.port);
    if let Some(mut browser) = scene.browser(&[&force]) {
        ten_are_live(&scene, &mut browser, "h3");
    }
}

#[test]
fn only_six_streams_of_one_browser_are_live_over_http1() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    let daemon = Daemon::follow(&[&log]);
    browser.go(&format!("http://127.0.0.1:{}/", daemon.port));
    browser.eval(TEN_STREAMS);
    browser.until(&format!("{OPEN} === 6"));
    append(&log, "go\n");
    browser.until("heard.size === 6");
    // The others wait for one of the six to end.
    assert_eq!(browser.eval(OPEN), json!(6));
    browser.eval("streams[0].close()");
    browser.until("streams[6].readyState === EventSource.OPEN");
}

#[test]
fn a_page_of_another_origin_is_refused_through_the_proxy() {
    scenes(&[], |scene, _| {
        let own = format!("Origin: {}", scene.origin());
        for option in ["--http1.1", "--http2"] {
            for foreign in ["Origin: https://evil.example", "Origin: https://localhost"] {
                for path in ["", "files", "events", "stream", "ws"] {
                    let status = scene.status(&[option, "-H", foreign], path);
                    assert_eq!(status, 403, "{path} for {foreign}");
                }
            }
            let path = "stream?follow=false";
            assert_eq!(scene.status(&[option, "-H", &own], path), 200);
        }
        let foreign = Wss::try_open(&scene.proxy, "ws", "https://evil.example");
        assert_eq!(foreign.err(), Some(403));
    });
}

#[test]
fn where_host_is_not_passed_on_the_origin_has_to_be_allowed() {
    for kind in Kind::all() {
        let page = "https://logs.example";
        let origin = format!("Origin: {page}");
        let own = ["-H", &origin];
        let path = "stream?follow=false";
        let edits = [kind.forgets_host()];
        let refused = Scene::new(kind, Prefix::CutOff, &[], &edits);
        let url = refused.proxy.url(path);
        let (status, text) = ask(&refused.proxy, &own, &url);
        assert_eq!(status, 403, "{kind:?}");
        assert!(text.contains(&format!("--allow-origin {page}")), "{text}");
        let allowed = Scene::new(kind, Prefix::CutOff, &["--allow-origin", page], &edits);
        assert_eq!(allowed.status(&own, path), 200, "{kind:?}");
        assert!(Wss::try_open(&allowed.proxy, "ws", page).is_ok());
    }
}

#[test]
fn where_host_is_passed_on_a_name_has_to_be_known() {
    for kind in Kind::all() {
        let named = |scene: &Scene| {
            let page = format!("https://logs.example:{}", scene.proxy.port);
            let url = format!("{page}/logs/stream?follow=false");
            ask(&scene.proxy, &["-H", &format!("Origin: {page}")], &url)
        };
        let (status, text) = named(&Scene::new(kind, Prefix::CutOff, &[], &[]));
        assert_eq!(status, 403, "{kind:?}");
        assert!(text.contains("--allow-host logs.example"), "{text}");
        let options = ["--allow-host", "logs.example"];
        let allowed = Scene::new(kind, Prefix::CutOff, &options, &[]);
        assert_eq!(named(&allowed).0, 200, "{kind:?}");
    }
}

#[test]
fn a_unix_socket_behind_the_proxy_needs_no_option() {
    for kind in Kind::all() {
        let logs = Logs::new();
        let log = logs.file("a.log", "history\n");
        let socket = logs.path("http");
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0", "--listen"]);
        command.arg(format!("unix:{}", socket.display())).arg(&log);
        let _daemon = Daemon::start(command);
        let proxy = Proxy::start(kind, Prefix::CutOff, &kind.unix(&socket), &[]);
        let page = format!("https://logs.example:{}", proxy.port);
        let mut curl = Curl::open(
            &proxy,
            &["-H", &format!("Origin: {page}")],
            &format!("{page}/logs/stream"),
        );
        curl.until("history");
        append(&log, "line\n");
        curl.until("line");
    }
}

#[test]
fn a_token_opens_the_page_under_the_prefix() {
    let logs = Logs::new();
    let tokens = logs.file("tokens", "a-token-that-is-long\n");
    std::fs::set_permissions(&tokens, PermissionsExt::from_mode(0o600)).expect("set the mode");
    let options = ["--token-file", tokens.to_str().expect("UTF-8")];
    scenes(&options, |scene, prefix| {
        let jar = scene.logs.path("jar");
        let jar = jar.to_str().expect("UTF-8");
        assert_eq!(scene.status(&[], ""), 401);
        let (_, text) = ask(
            &scene.proxy,
            &["-L", "-c", jar, "-w", "%{http_code} %{url_effective}"],
            &scene.proxy.url("?token=a-token-that-is-long"),
        );
        let wanted = format!("200 {}", scene.proxy.url(""));
        assert!(text.ends_with(&wanted), "{text}");
        assert_eq!(scene.status(&["-b", jar], "files"), 200);
        // What else the host serves is told the token, unless the prefix is passed on.
        let cookies = std::fs::read_to_string(jar).expect("a jar");
        let is_narrow = cookies.contains("\t/logs");
        assert_eq!(is_narrow, prefix == Prefix::PassedOn, "{cookies}");
    });
}

#[test]
fn whoever_logs_in_at_the_proxy_sees_what_the_token_of_that_user_opens() {
    let logs = Logs::new();
    let (app, other) = (
        logs.file("app.log", "app\n"),
        logs.file("other.log", "other\n"),
    );
    let tokens = logs.file(
        "tokens",
        "alice-and-her-long-token\nbob-and-his-long-token file=app* file=web1/*\n",
    );
    std::fs::set_permissions(&tokens, PermissionsExt::from_mode(0o600)).expect("set the mode");
    let options = ["--token-file", tokens.to_str().expect("UTF-8")];
    let daemon = Daemon::with(&options, &[&app, &other]);
    let upstream = format!("127.0.0.1:{}", daemon.port);
    for kind in Kind::all() {
        let proxy = Proxy::with_login(kind, &upstream, &["alice", "bob"]);
        let path = proxy.url("stream?follow=false");
        let says = |options: &[&str]| ask(&proxy, options, &path);
        let of = |user: &str| says(&["-u", &format!("{user}:{user}{user}")]);
        assert_eq!(says(&[]).0, 401, "{kind:?}: nobody");
        assert_eq!(
            says(&["-u", "alice:bobbob"]).0,
            401,
            "{kind:?}: a wrong password"
        );
        let bearer = "Authorization: Bearer alice-and-her-long-token";
        assert_eq!(says(&["-H", bearer]).0, 401, "{kind:?}: past the login");
        let (status, text) = of("alice");
        assert!(
            status == 200 && text.contains("app\n") && text.contains("other\n"),
            "{text}"
        );
        let (status, text) = of("bob");
        assert!(
            status == 200 && text.contains("app\n") && !text.contains("other"),
            "{text}"
        );
        let foreign = proxy.url("stream?follow=false&file=other.log");
        assert_eq!(
            ask(&proxy, &["-u", "bob:bobbob"], &foreign).0,
            404,
            "{kind:?}"
        );

        // A stream of theirs is live.
        let live = proxy.url("events?file=app.log&lines=0");
        let mut curl = Curl::open(&proxy, &["-u", "bob:bobbob"], &live);
        curl.until("event: start");
        append(&app, "more\n");
        curl.until("data: more");
    }
}

#[test]
fn a_client_that_leaves_the_proxy_frees_its_place() {
    for kind in Kind::all() {
        let scene = Scene::new(kind, Prefix::CutOff, &["--max-clients", "1"], &[]);
        let frees = |what: &str| {
            let free = || scene.daemon.get("/stream?follow=false").status == 200;
            assert!(wait_until(DEADLINE, free), "{kind:?}: {what} still counts");
        };
        for option in ["--http1.1", "--http2"] {
            for (path, mark) in [("events", "data: history"), ("stream", "history")] {
                let mut curl = scene.curl(&[option], path);
                curl.until(mark);
                assert_eq!(scene.status(&[option], path), 503, "{kind:?}");
                drop(curl);
                frees(path);
            }
        }
        let mut socket = scene.wss("ws");
        socket.until("history");
        drop(socket);
        frees("ws");
    }
}

#[test]
fn heartbeats_keep_a_quiet_stream_alive_in_a_proxy_that_drops_silent_ones() {
    if !Kind::all().contains(&Kind::Nginx) {
        return;
    }
    let edits = [["proxy_read_timeout 1d;", "proxy_read_timeout 7s;"]];
    let options = ["--ping-interval", "2"];
    let scene = Scene::new(Kind::Nginx, Prefix::CutOff, &options, &edits);
    let mut socket = scene.wss("ws?lines=0");
    let mut curl = scene.curl(&[], "events?lines=0");
    // The fourth is later than the proxy's patience. Each client has a thread of its own, so that neither is late
    // because of the other.
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..4 {
                while !matches!(socket.message(), Message::Ping(_)) {}
            }
        });
        for _ in 0..4 {
            curl.until(":");
        }
    });
    append(&scene.log, "late\n");
    socket.until("late");
    curl.until("data: late");
}
