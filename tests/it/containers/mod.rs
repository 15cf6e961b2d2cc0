//! `docker:`, seen from outside: the containers of a Docker by name, whatever becomes of them.
//!
//! What Docker writes is imitated where that is quicker (a data root with `config.v2.json` and a log for each
//! container); `real` has the same of a real one.

pub(crate) mod real;

use std::fs;
use std::path::PathBuf;

use crate::support::websocket::Client;
use crate::support::{DEADLINE, Daemon, Logs, append, wait_until};
use serde_json::Value;

/// A data root as Docker leaves it.
pub(crate) struct Root(pub(crate) Logs);

impl Root {
    pub(crate) fn new() -> Root {
        let root = Root(Logs::new());
        fs::create_dir(root.0.path("containers")).expect("mkdir");
        root
    }

    /// A container that was just made.
    pub(crate) fn make(&self, id: &str, name: &str) {
        fs::create_dir(self.directory(id)).expect("mkdir");
        self.call(id, name);
    }

    /// Docker writes another config and moves it to its place.
    fn call(&self, id: &str, name: &str) {
        let config =
            format!(r#"{{"State":{{"Name":"/no"}},"ID":"{id}","Name":"/{name}","Driver":"vfs"}}"#);
        let new = self.directory(id).join(".tmp-config.v2.json1");
        fs::write(&new, config).expect("write");
        fs::rename(new, self.directory(id).join("config.v2.json")).expect("rename");
    }

    fn directory(&self, id: &str) -> PathBuf {
        self.0.path("containers").join(id)
    }

    fn log(&self, id: &str) -> PathBuf {
        self.directory(id).join(format!("{id}-json.log"))
    }

    /// The container's program writes `text` to its standard output.
    pub(crate) fn say(&self, id: &str, text: &str) {
        let log = Value::from(text);
        let time = "2026-11-28T10:00:00.5Z";
        append(
            &self.log(id),
            format!("{{\"log\":{log},\"stream\":\"stdout\",\"time\":\"{time}\"}}\n"),
        );
    }

    fn remove(&self, id: &str) {
        fs::remove_dir_all(self.directory(id)).expect("remove");
    }

    fn follow(&self) -> Daemon {
        let file = format!("docker:{}", self.0.path("").display());
        Daemon::with(&["-v"], &[file.trim_end_matches('/').as_ref()])
    }
}

/// A Docker whose container `web` (its id is `aa`) has said `line`, and a client that has that.
fn with_web(line: &str) -> (Root, Daemon, Client) {
    let root = Root::new();
    root.make("aa", "web");
    root.say("aa", &format!("{line}\n"));
    let daemon = root.follow();
    let mut client = daemon.websocket("/ws?format=json");
    until(&mut client, "web", line);
    (root, daemon, client)
}

/// What `/files` says, by name.
fn file(daemon: &Daemon, name: &str) -> Option<Value> {
    let files: Value = serde_json::from_str(&daemon.get("/files").text()).expect("JSON");
    let files = files.as_array().expect("an array");
    files.iter().find(|file| file["name"] == name).cloned()
}

/// What comes of the file `name` until its line `last`: lines, and events in angle brackets.
fn until(client: &mut Client, name: &str, last: &str) -> Vec<String> {
    let mut got = Vec::new();
    while got.last().is_none_or(|line| line != last) {
        let object = client.json();
        if object["file"] == name {
            got.push(match object["event"].as_str() {
                Some(event) => format!("<{event}>"),
                None => object["line"].as_str().expect("a line").to_owned(),
            });
        }
    }
    got
}

#[test]
fn containers_go_by_their_names_also_those_that_come_later() {
    let root = Root::new();
    root.make("aa", "web");
    root.say("aa", "hello\n");
    let daemon = root.follow();
    let web = file(&daemon, "web").expect("followed");
    assert_eq!(
        (&web["kind"], &web["state"]),
        (&"container".into(), &"ok".into())
    );
    assert_eq!(web["path"], root.log("aa").to_str().expect("UTF-8"));
    let mut client = daemon.websocket("/ws?format=json");
    assert_eq!(until(&mut client, "web", "hello"), ["<start>", "hello"]);
    root.make("bb", "db");
    root.say("bb", "ready\n");
    assert_eq!(until(&mut client, "db", "ready"), ["<start>", "ready"]);
    // Of several files, and so with headers, though there was one at the start.
    let text = daemon.get("/stream?follow=false").text();
    assert_eq!(text, "==> web <==\nhello\n\n==> db <==\nready\n");
}

#[test]
fn a_container_that_is_made_again_is_a_rotation_of_its_name() {
    let (root, daemon, mut client) = with_web("first");
    // Its last line is not ended; that of the next container does not go on with it.
    root.say("aa", "bye");
    root.remove("aa");
    root.make("bb", "web");
    root.say("bb", "second\n");
    let got = until(&mut client, "web", "second");
    let lines: Vec<&String> = got.iter().filter(|line| *line != "<missing>").collect();
    assert_eq!(lines, ["bye", "<rotated>", "second"], "{got:?}");
    let web = file(&daemon, "web").expect("followed");
    assert_eq!(web["path"], root.log("bb").to_str().expect("UTF-8"));
}

#[test]
fn a_removed_container_is_missing() {
    let (root, daemon, mut client) = with_web("first");
    root.say("aa", "last words\n");
    root.remove("aa");
    assert_eq!(
        until(&mut client, "web", "<missing>"),
        ["last words", "<missing>"]
    );
    assert!(wait_until(DEADLINE, || {
        file(&daemon, "web").is_none_or(|web| web["state"] == "missing" && web["present"] == false)
    }));
}

#[test]
fn a_renamed_container_goes_on_under_its_new_name_and_the_old_one_is_free() {
    let (root, _daemon, mut client) = with_web("first");
    root.call("aa", "old");
    assert_eq!(until(&mut client, "old", "first"), ["<start>", "first"]);
    root.make("bb", "web");
    root.say("bb", "second\n");
    root.say("aa", "still here\n");
    let mut lines = Vec::new();
    while lines.len() < 2 {
        let object = client.json();
        if let Some(line) = object["line"].as_str() {
            lines.push(format!(
                "{}: {line}",
                object["file"].as_str().expect("a name")
            ));
        }
    }
    lines.sort();
    assert_eq!(lines, ["old: still here", "web: second"]);
}

#[test]
fn a_container_of_the_local_driver_is_refused_with_what_would_help() {
    let root = Root::new();
    root.make("aa", "web");
    fs::create_dir(root.directory("aa").join("local-logs")).expect("mkdir");
    let log = root.directory("aa").join("local-logs/container.log");
    fs::write(
        log,
        b"\0\0\0\x10\x0a\x06stdout\x10\xe8\x07\x1a\x03abc\0\0\0\x10",
    )
    .expect("write");
    let daemon = root.follow();
    let web = file(&daemon, "web").expect("followed");
    assert_eq!(web["state"], "unreadable");
    let reason = web["reason"].as_str().expect("a reason");
    assert!(reason.contains("--log-driver json-file"), "{reason}");
    assert!(daemon.says("--log-driver json-file"));
}

#[test]
fn a_docker_that_is_not_there_yet_is_waited_for() {
    let root = Root(Logs::new());
    let daemon = root.follow();
    assert!(daemon.says("waiting for it"));
    fs::create_dir(root.0.path("containers")).expect("mkdir");
    root.make("aa", "web");
    root.say("aa", "hello\n");
    assert!(wait_until(DEADLINE, || file(&daemon, "web").is_some()));
    let mut client = daemon.websocket("/ws?format=json");
    until(&mut client, "web", "hello");
}

#[test]
fn the_driver_s_own_rotation_loses_nothing() {
    let (root, _daemon, mut client) = with_web("begin");
    for n in 0..5 {
        root.say("aa", &format!("{n} "));
        let log = root.log("aa");
        fs::rename(&log, log.with_extension("log.1")).expect("rename");
        root.say("aa", "said\n");
        let said = format!("{n} said");
        assert_eq!(until(&mut client, "web", &said), ["<rotated>", &said]);
    }
}

/// A directory of links as kubelet makes them, and the logs that they lead to.
struct Kubelet(Logs);

impl Kubelet {
    fn new() -> Kubelet {
        let kubelet = Kubelet(Logs::new());
        fs::create_dir(kubelet.0.path("containers")).expect("mkdir");
        kubelet
    }

    /// The container's run number `run` in the pod `web`: its log, and the link to that.
    fn make(&self, run: usize) -> PathBuf {
        let directory = self.0.path("pods/default_web_1234/nginx");
        fs::create_dir_all(&directory).expect("mkdir");
        let log = directory.join(format!("{run}.log"));
        fs::write(&log, "").expect("write");
        std::os::unix::fs::symlink(&log, self.link(run)).expect("symlink");
        log
    }

    fn link(&self, run: usize) -> PathBuf {
        let id = format!("{run:064x}");
        self.0
            .path(&format!("containers/web_default_nginx-{id}.log"))
    }
}

fn cri(text: &str) -> String {
    format!("2026-11-28T10:00:00.5Z stdout F {text}\n")
}

#[test]
fn a_pod_s_container_goes_by_the_name_in_its_link_over_rotations_and_restarts() {
    let kubelet = Kubelet::new();
    let log = kubelet.make(0);
    append(&log, cri("first"));
    let daemon = Daemon::follow(&[&kubelet.0.path("containers/*.log")]);
    let name = "web/nginx";
    assert_eq!(
        file(&daemon, name).map(|web| web["kind"].clone()),
        Some("container".into())
    );
    let mut client = daemon.websocket("/ws?format=json");
    assert_eq!(until(&mut client, name, "first"), ["<start>", "first"]);
    // As kubelet rotates: another file under the name that the link leads to.
    fs::rename(&log, log.with_file_name("0.log.20261128-100000")).expect("rename");
    append(&log, cri("second"));
    assert_eq!(until(&mut client, name, "second"), ["<rotated>", "second"]);
    // The container is made again: its own log, its own link; the old ones stay for a while.
    let again = kubelet.make(1);
    append(&again, cri("third"));
    assert_eq!(until(&mut client, name, "third"), ["<rotated>", "third"]);
    fs::remove_file(kubelet.link(0)).expect("remove");
    append(&again, cri("fourth"));
    assert_eq!(until(&mut client, name, "fourth"), ["fourth"]);
    // Who starts now has the youngest.
    append(&kubelet.make(2), cri("fifth"));
    until(&mut client, name, "fifth");
    let later = Daemon::follow(&[&kubelet.0.path("containers/*.log")]);
    let text = later.get("/stream?follow=false&lines=all").text();
    assert_eq!(text, "==> web/nginx <==\nfifth\n");
}
