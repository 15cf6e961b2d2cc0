//! What compressed files hold: whole or not at all.

use std::io::Write;
use std::os::unix::fs::FileExt;
#[cfg(feature = "zstd")]
use std::process::{Command, Stdio};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn gz(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("deflated");
    encoder.finish().expect("finished")
}

/// By the real program; `None` where that is not installed.
#[cfg(feature = "zstd")]
fn zst(program: &str, options: &[&str], text: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(options).arg("-c");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{program}: {error}");
            return None;
        }
    };
    let mut input = child.stdin.take().expect("a pipe");
    let text = text.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&text));
    let done = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("written");
    assert!(done.status.success());
    Some(done.stdout)
}

fn goes_on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn opened(name: &str, bytes: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(name);
    fs::write(&path, bytes).expect("written");
    let (file, _) = open(&path, &mut goes_on)?;
    let mut text = vec![0; usize::try_from(file.metadata().expect("a stat").len()).expect("small")];
    file.read_exact_at(&mut text, 0).expect("read");
    Ok(text)
}

/// Lines that don't repeat themselves, more than a block of zstd holds.
fn lines() -> Vec<u8> {
    let line = |n: u64| format!("{n} {:x}\n", n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    (0..40_000).flat_map(|n| line(n).into_bytes()).collect()
}

fn is_never_whole(name: &str, whole: &[u8], sum_at: usize) {
    assert!(opened(name, whole).is_ok());
    for end in [
        0,
        3,
        5,
        12,
        whole.len() / 2,
        whole.len() - 5,
        whole.len() - 1,
    ] {
        assert_eq!(opened(name, &whole[..end]), Err(DAMAGED), "{end} bytes");
    }
    let mut damaged = whole.to_vec();
    damaged[sum_at] ^= 1;
    assert_eq!(opened(name, &damaged), Err(DAMAGED));
    let mut damaged = whole.to_vec();
    damaged[whole.len() / 2] ^= 0x55;
    assert_eq!(opened(name, &damaged), Err(DAMAGED));
    let trailing = [whole, b"what is this"].concat();
    assert_eq!(opened(name, &trailing), Err(DAMAGED));
}

#[test]
fn several_members_of_gzip_are_one_file() {
    let both = [gz(b"one\n"), gz(b""), gz(b"two\n")].concat();
    assert_eq!(opened("a.log.1.gz", &both), Ok(b"one\ntwo\n".to_vec()));
}

#[test]
fn a_gzip_that_is_not_whole_is_not_read() {
    let whole = gz(&lines());
    is_never_whole("a.log.1.gz", &whole, whole.len() - 6);
}

#[cfg(feature = "zstd")]
#[test]
fn a_zstd_that_is_not_whole_is_not_read() {
    if let Some(whole) = zst("zstd", &["-q"], &lines()) {
        is_never_whole("a.log.1.zst", &whole, whole.len() - 2);
    }
}

#[cfg(feature = "zstd")]
#[test]
fn frames_of_zstd_are_one_file_however_they_were_made() {
    for (program, options) in [
        ("zstd", &["-q"][..]),
        ("zstd", &["-q", "-19", "-T2"]),
        ("zstd", &["-q", "--fast=5", "--no-check"]),
        // With frames that are to be skipped.
        ("pzstd", &["-q", "-p", "2"]),
    ] {
        let Some(one) = zst(program, options, &lines()) else {
            continue;
        };
        let none = zst("zstd", &["-q"], b"").expect("it is there");
        let both = [&one[..], &none, &one].concat();
        let text = [lines(), lines()].concat();
        assert!(
            opened("a.log.1.zst", &both) == Ok(text),
            "{program} {options:?}"
        );
    }
}

#[cfg(feature = "zstd")]
#[test]
fn what_would_take_too_much_memory_is_not_inflated() {
    let huge_window = zst("zstd", &["-q", "--ultra", "-22", "--long=27"], &lines());
    // From a pipe its length is not known, so the window is not cut to it.
    if let Some(huge_window) = huge_window {
        let why = opened("a.log.1.zst", &huge_window).expect_err("refused");
        assert!(why.reason().contains("8 MiB"), "{why:?}");
    }
}

#[test]
fn other_compressions_say_which_can_be_read() {
    let why = open(Path::new("/nowhere/a.log.1.xz"), &mut goes_on).expect_err("refused");
    assert!(why.reason().contains("gzip"), "{why:?}");
}

#[test]
fn a_bomb_is_defused_and_not_tried_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.log.1.gz");
    const ROOM: u64 = 8 << 20;
    fs::write(&path, gz(&vec![0; 64 << 20])).expect("written");
    let mut bytes = 0;
    let mut pause = |more| {
        bytes += more;
        ControlFlow::Continue(())
    };
    assert_eq!(
        open_within(&path, ROOM, &mut pause).map(|_| ()),
        Err(TOO_LARGE)
    );
    assert!(bytes <= ROOM, "{bytes}");
    let mut is_asked = |_| panic!("it is not inflated again");
    assert_eq!(open(&path, &mut is_asked).map(|_| ()), Err(TOO_LARGE));
}

#[test]
fn whoever_gives_up_leaves_it_to_the_next_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.log.1.gz");
    fs::write(&path, gz(&lines())).expect("written");
    let mut gives_up = |_| ControlFlow::Break(());
    assert_eq!(
        open(&path, &mut gives_up).map(|_| ()),
        Err(Unreadable::GivenUp)
    );
    let (file, _) = open(&path, &mut goes_on).expect("inflated");
    assert_eq!(file.metadata().expect("a stat").len(), lines().len() as u64);
}

#[test]
fn two_that_inflate_let_each_other_have_the_only_turn() {
    let dir = tempfile::tempdir().expect("a directory");
    let paths = [dir.path().join("a.log.1.gz"), dir.path().join("b.log.1.gz")];
    for path in &paths {
        fs::write(path, gz(&lines().repeat(4))).expect("written");
    }
    // Each has it while it works, and gives it back at every pause: who waits for the other's file must do so, too.
    let turn = Mutex::new(());
    std::thread::scope(|scope| {
        for path in &paths {
            scope.spawn(|| {
                let mut had = Some(turn.lock());
                let mut pause = |_| {
                    drop(had.take());
                    had = turn.try_lock_for(Duration::from_secs(20));
                    assert!(had.is_some(), "nobody keeps the turn");
                    ControlFlow::Continue(())
                };
                open(path, &mut pause).expect("inflated");
            });
        }
    });
}
