//! The container image: as the Containerfile has it, of the program that is tested and its libraries, in a real Docker.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use crate::containers::real::Docker;
use crate::support::{Logs, wait_until};

/// For a container's first sign of health.
const SLOW: Duration = Duration::from_secs(30);

/// The libraries that the tested program is linked to, for one that is released is static.
fn libraries() -> String {
    let output = Command::new("ldd")
        .arg(env!("CARGO_BIN_EXE_tailcast"))
        .output();
    let said = String::from_utf8(output.expect("start ldd").stdout).expect("UTF-8");
    let words = said.split_whitespace().filter(|word| word.starts_with('/'));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_image_runs_as_nobody_with_a_root_that_cannot_be_written_and_tells_its_health() {
    let Some(docker) = Docker::start() else {
        return;
    };
    let made = tempfile::tempdir().expect("a directory");
    let output = Command::new("scripts/packaging/image.sh")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg(env!("CARGO_BIN_EXE_tailcast"))
        .arg(made.path())
        .arg("tailcast:test")
        .env("BUILDER", "docker")
        .env("DOCKER_HOST", docker.host())
        .env("LIBRARIES", libraries())
        .output()
        .expect("start image.sh");
    assert!(output.status.success(), "{output:?}");

    let logs = Logs::new();
    let log = logs.file("a.log", "a line\n");
    let folder = log.parent().expect("a directory");
    let readable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, readable).expect("chmod");
    let mount = format!("{}:/logs:ro", folder.display());
    let options = [
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--cap-drop",
        "ALL",
        "--health-interval",
        "1s",
    ];
    let mut args = vec![
        "run",
        "-d",
        "--name",
        "tailcast",
        "--network",
        "none",
        "-v",
        &mount,
    ];
    args.extend(options);
    args.extend(["tailcast:test", "/logs/*.log"]);
    docker.does(&args);
    let says = |args: &[&str]| {
        let output = docker.run(args);
        assert!(output.status.success(), "docker {args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    };
    let health = || says(&["inspect", "-f", "{{.State.Health.Status}}", "tailcast"]);
    assert!(wait_until(SLOW, || health() == "healthy"), "{}", health());
    let user = says(&["inspect", "-f", "{{.Config.User}}", "tailcast"]);
    assert_eq!(user, "65532:65532");
    let cat = [
        "exec",
        "tailcast",
        "/tailcast",
        "cat",
        "http://127.0.0.1:8080/?follow=false&lines=all",
    ];
    assert!(says(&cat).ends_with("a line"), "{}", says(&cat));
    docker.does(&["stop", "tailcast"]);
    let status = says(&["inspect", "-f", "{{.State.ExitCode}}", "tailcast"]);
    assert_eq!(status, "0", "it stops when it is told to");
}
