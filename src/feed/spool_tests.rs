//! What a spool promises its feeder and those that follow it.

use std::os::unix::fs::PermissionsExt;

use super::*;

const FILE_BYTES: u64 = 100;

struct Rig {
    directory: tempfile::TempDir,
    hub: Arc<Hub>,
}

impl Rig {
    fn new() -> Rig {
        Rig {
            directory: tempfile::tempdir().expect("a directory"),
            hub: Arc::new(Hub::new(1 << 20).expect("a hub")),
        }
    }

    fn spool(&self) -> Spool {
        let name = "x".to_owned();
        Spool::open(self.directory.path(), FILE_BYTES, name, &self.hub).expect("a spool")
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }

    fn all(&self) -> String {
        self.text("log.1") + &self.text("log")
    }
}

fn lines(range: std::ops::Range<u32>) -> String {
    range.map(|n| format!("line {n}\n")).collect()
}

#[test]
fn a_spool_keeps_its_bound_and_cuts_no_line() {
    let rig = Rig::new();
    let mut spool = rig.spool();
    spool.append(lines(0..100).as_bytes());
    for n in 100..200 {
        spool.append(lines(n..n + 1).as_bytes());
    }
    let (old, new) = (rig.text("log.1"), rig.text("log"));
    assert!(
        old.len() <= 100 && new.len() <= 100 && old.len() > 90,
        "{old:?} {new:?}"
    );
    assert!(old.ends_with('\n') && lines(0..200).ends_with(&(old + &new)));
    let mode = fs::metadata(spool.path())
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_line_that_is_longer_than_a_file_goes_on_in_the_next() {
    let rig = Rig::new();
    let mut spool = rig.spool();
    spool.append(b"one\n");
    spool.append(&[b'x'; 150]);
    spool.append(b"y\n");
    assert_eq!(rig.text("log.1"), "x".repeat(100));
    assert_eq!(rig.text("log"), "x".repeat(50) + "y\n");
}

#[test]
fn after_a_crash_what_the_origin_says_again_is_compared_and_not_doubled() {
    for (noted, written) in [(0, 0), (3, 3), (3, 5), (3, 17), (0, 11)] {
        let rig = Rig::new();
        let mut spool = rig.spool();
        spool.append(lines(0..noted).as_bytes());
        spool.note(&noted.to_string());
        spool.append(lines(noted..written).as_bytes());
        // Killed in the middle of a write.
        spool.append(b"lin");
        drop(spool);
        let inode = fs::metadata(rig.directory.path().join("log"))
            .expect("there")
            .ino();
        let mut spool = rig.spool();
        assert_eq!(spool.resume().expect("readable"), Some(noted.to_string()));
        spool.append(lines(noted..written + 1).as_bytes());
        assert!(
            lines(0..written + 1).ends_with(&rig.all()),
            "{noted} {written}: {:?}",
            rig.all()
        );
        let now = fs::metadata(rig.directory.path().join("log"))
            .expect("there")
            .ino();
        let rotated = fs::metadata(rig.directory.path().join("log.1")).map(|stat| stat.ino());
        assert!(now == inode || rotated.is_ok_and(|rotated| rotated == inode));
    }
}

#[test]
fn what_the_origin_says_otherwise_goes_into_a_new_file() {
    let rig = Rig::new();
    let mut spool = rig.spool();
    spool.append(b"one\n");
    spool.note("1");
    spool.append(b"two\n");
    drop(spool);
    let mut spool = rig.spool();
    assert_eq!(spool.resume().expect("readable").as_deref(), Some("1"));
    spool.append(b"three\n");
    assert_eq!(
        (rig.text("log.1"), rig.text("log")),
        ("one\ntwo\n".to_owned(), "three\n".to_owned())
    );
}

#[test]
fn a_spool_without_a_place_begins_anew() {
    let rig = Rig::new();
    let mut spool = rig.spool();
    spool.append(b"one\n");
    drop(spool);
    let mut spool = rig.spool();
    assert_eq!(spool.resume().expect("readable"), None);
    assert_eq!(rig.all(), "");
    spool.append(b"two\n");
    assert_eq!(rig.all(), "two\n");
}

#[test]
fn a_rotation_that_was_cut_by_a_crash_is_brought_to_its_end() {
    let rig = Rig::new();
    let mut spool = rig.spool();
    spool.append(b"one\n");
    drop(spool);
    let at = |name: &str| rig.directory.path().join(name);
    fs::write(at("log.next"), "").expect("written");
    drop(rig.spool());
    assert!(rig.text("log") == "one\n" && !at("log.next").exists());
    fs::rename(at("log"), at("log.1")).expect("renamed");
    fs::write(at("log.next"), "").expect("written");
    drop(rig.spool());
    assert_eq!(
        (rig.text("log.1").as_str(), rig.text("log").as_str()),
        ("one\n", "")
    );
    assert!(!at("log.next").exists());
}
