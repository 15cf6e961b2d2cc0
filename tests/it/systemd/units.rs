//! The units that are installed: right by systemd's own tools, and as closed as is promised.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tailcast::limits::{CLIENTS_DEFAULT, DESCRIPTORS_OWN, HEADS_MAX, THREADS_OWN};
use tempfile::TempDir;

const SERVICE: &str = "tailcast.service";
const SOCKET: &str = "tailcast.socket";
const SOCKET_SERVICE: &str = "tailcast-socket.service";

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/systemd");
    fs::read_to_string(path.join(name)).expect("read a unit")
}

/// The units as they are installed, of a program that exists, each service with the credentials.
fn installed() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for name in [SERVICE, SOCKET, SOCKET_SERVICE] {
        let text = unit(name).replace("/usr/bin/tailcast", env!("CARGO_BIN_EXE_tailcast"));
        fs::write(directory.path().join(name), text).expect("write a unit");
    }
    for name in [SERVICE, SOCKET_SERVICE] {
        let drop_ins = directory.path().join(format!("{name}.d"));
        fs::create_dir(&drop_ins).expect("make a directory");
        fs::write(drop_ins.join("credentials.conf"), unit("credentials.conf"))
            .expect("write a drop-in");
    }
    directory
}

fn analyze(options: &[&str], units: &TempDir, names: &[&str]) -> Option<Output> {
    let mut command = Command::new("systemd-analyze");
    command
        .args(options)
        .args(names.iter().map(|name| units.path().join(name)));
    match command.output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("skipped: systemd-analyze is not there ({error})");
            None
        }
    }
}

fn text(output: &Output) -> String {
    let bytes = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    let units = installed();
    let options = ["verify", "--man=no", "--recursive-errors=no"];
    let Some(output) = analyze(&options, &units, &[SERVICE, SOCKET, SOCKET_SERVICE]) else {
        return;
    };
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(text(&output), "");
}

/// Tenths of the exposure, from 0 to 100.
fn is_at_most(exposure: u32, name: &str) {
    are_at_most(exposure, &installed(), name);
}

fn are_at_most(exposure: u32, units: &TempDir, name: &str) {
    let threshold = format!("--threshold={exposure}");
    let options = ["security", "--offline=true", "--no-pager", &threshold];
    if let Some(output) = analyze(&options, units, &[name]) {
        assert!(output.status.success(), "{}", text(&output));
    }
}

#[test]
fn the_service_has_an_exposure_of_at_most_1_5() {
    is_at_most(15, SERVICE);
}

#[test]
fn a_service_that_may_read_every_file_stays_within_that() {
    let units = installed();
    let drop_ins = units.path().join(format!("{SERVICE}.d"));
    fs::write(drop_ins.join("read-all.conf"), unit("read-all.conf")).expect("write a drop-in");
    are_at_most(15, &units, SERVICE);
}

#[test]
fn the_service_without_network_has_an_exposure_of_at_most_0_5() {
    is_at_most(5, SOCKET_SERVICE);
}

#[test]
fn the_service_without_network_gives_up_nothing_of_the_other_one() {
    let theirs = unit(SOCKET_SERVICE);
    let settings = |text: &str| -> Vec<String> {
        let body = text.split_once("[Service]").expect("a service").1;
        let body = body.split("[Install]").next().expect("a section");
        let lines = body
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let theirs = settings(&theirs);
    let missing: Vec<_> = settings(&unit(SERVICE))
        .into_iter()
        .filter(|setting| !theirs.contains(setting))
        .collect();
    // It publishes to nobody, so it has nothing to remember.
    let expected = [
        "StateDirectory=tailcast",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    ];
    assert_eq!(missing, expected);
}

#[test]
fn the_limits_of_the_units_match_the_default_of_max_clients() {
    let connections = (CLIENTS_DEFAULT + HEADS_MAX) as u64;
    for name in [SERVICE, SOCKET_SERVICE] {
        let text = unit(name);
        let limit = |setting: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(setting));
            line.expect("a limit").parse().expect("a number")
        };
        assert!(limit("TasksMax=") >= connections + THREADS_OWN, "{name}");
        // Half of them rotated just now.
        let files = 1_500;
        assert!(
            limit("LimitNOFILE=") >= connections + DESCRIPTORS_OWN + files,
            "{name}"
        );
    }
}
