//! Tokens, against the running program: how they come, what they open, how they end, and that none is ever told.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::{DEADLINE, Daemon, Logs, append, run, wait_until};

const TOKEN: &str = "a-token-for-everything";
const NARROW: &str = "a-token-for-one-file";
const HISTORY: &str = "/stream?follow=false";

/// A token file that only its owner can read.
fn token_file(logs: &Logs, text: &str) -> PathBuf {
    let path = logs.file("tokens", text);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("set the mode");
    path
}

/// A daemon that asks for a token, on a.log and b.log.
fn with_tokens(logs: &Logs, options: &[&str]) -> Daemon {
    let (a, b) = (logs.file("a.log", "a\n"), logs.file("b.log", "b\n"));
    on(logs, options, &[&a, &b])
}

fn on(logs: &Logs, options: &[&str], files: &[&std::path::Path]) -> Daemon {
    let tokens = token_file(
        logs,
        &format!("# all\n{TOKEN}\n\n{NARROW} file=b.* # one\n"),
    );
    let options = [&["--token-file", tokens.to_str().expect("UTF-8")], options].concat();
    Daemon::with(&options, files)
}

#[test]
fn every_request_but_healthz_needs_a_token() {
    let logs = Logs::new();
    let daemon = with_tokens(&logs, &[]);
    for target in [
        HISTORY,
        "/",
        "/files",
        "/ws",
        "/events",
        "/nowhere",
        "/files?token=wrong",
        "/files?token=",
    ] {
        let answer = daemon.get(target);
        assert_eq!(answer.status, 401, "{target}");
        assert_eq!(answer.field("www-authenticate"), Some("Bearer"), "{target}");
    }
    assert_eq!(daemon.get("/healthz").status, 200);
    assert_eq!(daemon.get(&format!("/files?token={TOKEN}")).status, 200);
    assert_eq!(
        daemon
            .ask(
                "GET",
                "/files",
                &[&format!("Authorization: bearer {TOKEN}")]
            )
            .status,
        200
    );
    let cut = &TOKEN[..TOKEN.len() - 1];
    assert_eq!(daemon.get(&format!("/files?token={cut}")).status, 401);
    assert_eq!(daemon.try_websocket("/ws").err(), Some(401));
    // Who knows a token was not lured here by a name: the Host is not asked for.
    let head = format!("GET /files?token={TOKEN} HTTP/1.1\r\nHost: any.example\r\n\r\n");
    assert_eq!(daemon.send(head.as_bytes()).status, 200);
}

#[test]
fn the_page_takes_the_token_out_of_the_address_into_a_cookie() {
    let logs = Logs::new();
    let daemons = [
        (with_tokens(&logs, &[]), "/"),
        (with_tokens(&logs, &["--base-path", "/logs/"]), "/logs"),
    ];
    let cookies = daemons.each_ref().map(|(daemon, base)| {
        let root = base.trim_end_matches('/');
        let answer = daemon.get(&format!("{root}/?lines=5&token={TOKEN}&grep=a%20b"));
        assert_eq!(answer.status, 303);
        assert_eq!(answer.field("location"), Some("./?lines=5&grep=a%20b"));
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        let cookie = answer.field("set-cookie").expect("a cookie").to_owned();
        let (pair, rest) = cookie.split_once(';').expect("attributes");
        // Without Secure, for it came in the clear.
        assert_eq!(rest, format!(" Path={base}; HttpOnly; SameSite=Strict"));
        let status = |cookie: &str| {
            let field = format!("Cookie: other=1; {cookie}");
            daemon
                .ask("GET", &format!("{root}/files"), &[&field])
                .status
        };
        assert_eq!((status(pair), status(&pair[..pair.len() - 1])), (200, 401));
        pair.split_once('=').expect("a name").0.to_owned()
    });
    // Browsers send cookies to every port: daemons beside each other must not overwrite each other's.
    assert_ne!(cookies[0], cookies[1]);
}

#[test]
fn a_browser_without_a_token_gets_a_small_page_that_asks_for_it() {
    let logs = Logs::new();
    let daemon = with_tokens(&logs, &[]);
    let html = "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";
    let answer = daemon.ask("GET", "/", &[html]);
    assert_eq!(answer.status, 401);
    assert_eq!(answer.field("www-authenticate"), Some("Bearer"));
    assert!(
        answer
            .field("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"))
    );
    assert!(answer.text().contains("name=\"token\""));
    let based = with_tokens(&logs, &["--base-path", "/logs"]);
    for target in ["/logs", "/logs/"] {
        assert!(
            based
                .ask("GET", target, &[html])
                .text()
                .contains("name=\"token\"")
        );
    }
    for (target, fields) in [("/", &[][..]), ("/files", &[html])] {
        let answer = daemon.ask("GET", target, fields);
        assert_eq!(
            (answer.status, answer.text().lines().count()),
            (401, 1),
            "{target}"
        );
    }
}

#[test]
fn for_a_narrow_token_other_files_do_not_exist() {
    let logs = Logs::new();
    let daemon = with_tokens(&logs, &[]);
    let get = |target: &str| daemon.get(&format!("{target}token={NARROW}"));
    assert_eq!(get("/stream?file=a.log&follow=false&").status, 404);
    let files = get("/files?").text();
    assert!(
        files.contains("b.log") && !files.contains("a.log"),
        "{files}"
    );
    let lines = get("/stream?follow=false&").text();
    assert!(lines.contains("b\n") && !lines.contains("a\n"), "{lines}");
}

#[test]
fn a_token_file_is_read_again_when_it_changes() {
    let logs = Logs::new();
    let daemon = with_tokens(&logs, &[]);
    let new = "a-token-that-came-later";
    let status = |token: &str| daemon.get(&format!("/files?token={token}")).status;
    assert_eq!((status(TOKEN), status(new)), (200, 401));
    token_file(&logs, &format!("{new}\n"));
    assert!(wait_until(DEADLINE, || (status(TOKEN), status(new)) == (401, 200)));
}

#[test]
fn a_token_file_without_a_good_token_is_an_error_that_shows_none() {
    let logs = Logs::new();
    let log = logs.file("a.log", "");
    for text in ["", "# nothing\n", "too-short\n"] {
        let tokens = token_file(&logs, text);
        let paths = [&tokens, &log].map(|path| path.to_str().expect("UTF-8"));
        let output = run(&["-l", "127.0.0.1:0", "--token-file", paths[0], paths[1]]);
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(
            said.contains(paths[0]) && !said.contains("too-short"),
            "{said}"
        );
    }
}

#[test]
fn a_narrow_token_sees_its_files_that_come_later_and_no_others() {
    let logs = Logs::new();
    let (first, pattern) = (logs.file("b.1", "one\n"), logs.path("*.[0-9]"));
    let daemon = on(&logs, &[], &[&pattern]);
    let mut client = daemon.websocket(&format!("/ws?format=json&lines=all&token={NARROW}"));
    assert_eq!(client.json_with("line")["line"], "one");
    logs.file("a.1", "secret\n");
    logs.file("b.2", "two\n");
    let line = client.json_with("line");
    assert_eq!(
        (&line["file"], &line["line"]),
        (&"b.2".into(), &"two".into())
    );
    append(&logs.path("a.1"), "secret\n");
    append(&first, "three\n");
    assert_eq!(client.json_with("line")["line"], "three");
    let mut all = daemon.websocket(&format!("/ws?format=json&lines=0&token={TOKEN}"));
    append(&logs.path("a.1"), "secret\n");
    assert_eq!(all.json_with("line")["line"], "secret");
    append(&logs.path("b.2"), "four\n");
    let next = client.json();
    assert_eq!(
        next["line"], "four",
        "nothing of what it may not see: {next}"
    );
}

#[test]
fn streams_of_a_withdrawn_token_end_and_others_go_on() {
    let logs = Logs::new();
    let daemon = with_tokens(&logs, &[]);
    let mut withdrawn = daemon.websocket(&format!("/ws?lines=0&token={TOKEN}"));
    let mut plain = daemon.live(&format!("/stream?lines=0&token={TOKEN}"));
    let mut events = daemon.live(&format!("/events?lines=0&token={TOKEN}"));
    let mut kept = daemon.websocket(&format!("/ws?lines=0&file=b.log&token={NARROW}"));
    token_file(&logs, &format!("{NARROW} file=b.* file=c.*\n"));
    assert_eq!(withdrawn.close_code(), 1008);
    assert_eq!(plain.line(), "");
    while !events.line().is_empty() {}
    append(&logs.path("b.log"), "still here\n");
    assert_eq!(kept.text(), "still here");
    assert_eq!(daemon.get(&format!("/files?token={TOKEN}")).status, 401);
    // One that opens less than it did is withdrawn for the rest.
    token_file(&logs, &format!("{NARROW} file=c.*\n"));
    assert_eq!(kept.close_code(), 1008);
}

#[test]
fn a_token_file_that_everybody_can_read_is_warned_of() {
    let logs = Logs::new();
    let (log, tokens) = (logs.file("a.log", ""), token_file(&logs, TOKEN));
    let options = ["--token-file", tokens.to_str().expect("UTF-8")];
    let warning = "can be read by every user of this machine";
    let daemon = Daemon::with(&options, &[&log]);
    assert!(
        !daemon
            .said_so_far()
            .iter()
            .any(|line| line.contains(warning))
    );
    std::fs::set_permissions(&tokens, PermissionsExt::from_mode(0o644)).expect("set the mode");
    assert!(Daemon::with(&options, &[&log]).says(warning));
}

#[test]
fn no_token_is_told_in_a_log_an_answer_or_the_process_list() {
    let logs = Logs::new();
    let mut command = crate::support::program();
    let log = logs.file("a.log", "a\n");
    let tokens = token_file(&logs, &format!("{TOKEN}\n"));
    command
        .args(["-l", "127.0.0.1:0", "-vv", "--token-file"])
        .arg(&tokens)
        .arg(&log);
    command.env("RUST_LOG", "trace");
    let daemon = Daemon::start(command);
    let wrong = "a-wrong-token-0123456789";
    let mut answers = Vec::new();
    for token in [TOKEN, wrong] {
        for request in [
            format!("GET /files?token={token} HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("GET /files HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"),
            format!("GET /nowhere?token={token} HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("GET {HISTORY}&lines=x&token={token} HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("GET {HISTORY}&token={token} HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("GET {HISTORY}&token={token} HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\r\n"),
            format!(
                "GET /metrics?token={token} HTTP/1.1\r\nHost: a\r\nCookie: tailcast={token}\r\n\r\n"
            ),
            format!("POST /?token={token} HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("GET /?token={token} nonsense\r\n\r\n"),
            format!("GET /?token={token} HTTP/1.1\r\nHost: a\r\nbroken {token}\r\n\r\n"),
        ] {
            answers.push((request.clone(), daemon.send(request.as_bytes())));
        }
        let _ = daemon.try_websocket(&format!("/ws?token={token}"));
    }
    token_file(&logs, &format!("{TOKEN}\nshort\n"));
    assert!(daemon.says("line 2"));
    token_file(&logs, "another-token-0123456789\n");
    assert!(wait_until(DEADLINE, || daemon
        .get(&format!("/files?token={TOKEN}"))
        .status
        == 401));
    for (request, answer) in answers {
        let told = format!("{:?} {}", answer.fields, answer.text());
        assert!(
            !told.contains(TOKEN) && !told.contains(wrong),
            "{request}: {told}"
        );
    }
    for line in daemon.said_so_far() {
        for token in [TOKEN, wrong, "another-token", "short"] {
            assert!(!line.contains(token), "{line}");
        }
    }
    let listing = std::fs::read(format!("/proc/{}/cmdline", daemon.pid())).expect("a process");
    assert!(!String::from_utf8_lossy(&listing).contains(TOKEN));
}

#[test]
fn a_plain_listener_is_refused_where_tokens_are_asked_for() {
    let logs = Logs::new();
    let (log, tokens) = (logs.file("a.log", ""), token_file(&logs, TOKEN));
    let paths = [&tokens, &log].map(|path| path.to_str().expect("UTF-8"));
    let output = run(&["-l", "tcp:127.0.0.1:0", "--token-file", paths[0], paths[1]]);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(
        (output.status.code(), said.lines().count()),
        (Some(2), 1),
        "{said}"
    );
    assert!(
        said.contains("tcp:") && said.contains("--token-file"),
        "{said}"
    );
}

#[test]
fn a_scope_with_a_slash_means_the_path_and_one_without_is_warned_of_where_it_may_mean_several() {
    let logs = Logs::new();
    for tenant in ["a", "b"] {
        std::fs::create_dir_all(logs.path(&format!("srv/{tenant}"))).expect("a directory");
    }
    logs.file("srv/b/app.log", "secret of b\n");
    let of_a = logs.path("srv/a/app.log");
    let text = format!("{TOKEN} file=app.log\n{NARROW} file={}\n", of_a.display());
    let tokens = token_file(&logs, &text);
    let options = ["--token-file", tokens.to_str().expect("UTF-8")];
    let pattern = logs.path("srv/*/app.log");
    // The file of tenant a is away while it starts: the other one has the name.
    let daemon = Daemon::with(&options, &[&pattern]);
    assert!(daemon.says("a token is for file=app.log"));
    let ask = |token: &str, target: &str| {
        let field = format!("Authorization: Bearer {token}");
        daemon.ask("GET", target, &[&field]).text()
    };
    assert!(ask(TOKEN, HISTORY).ends_with("secret of b\n"));
    assert_eq!(ask(NARROW, "/files"), "[]\n");
    append(&of_a, "of a\n");
    let is_there = || ask(NARROW, "/files").contains("srv/a/app.log");
    assert!(wait_until(DEADLINE, is_there));
    let lines = ask(NARROW, "/stream?follow=false&lines=all");
    assert!(
        lines.ends_with("of a\n") && !lines.contains("secret"),
        "{lines}"
    );
}
