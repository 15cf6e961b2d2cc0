//! Token files: what is taken, what is refused, and what is never shown.

use std::fs::{self, FileTimes};
use std::time::SystemTime;

use proptest::prelude::*;

use super::*;

const ALICE: &str = "alice-0123456789";
const BOB: &str = "bob-0123456789-bob";

/// A token file in a directory of its own.
struct Rig {
    directory: tempfile::TempDir,
}

impl Rig {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let rig = Self { directory };
        rig.write(text);
        rig
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("tokens")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).expect("written");
    }

    fn open(&self) -> Tokens {
        Tokens::open(&self.path()).expect("tokens")
    }

    fn refused(text: &str) -> String {
        match Tokens::open(&Self::new(text).path()) {
            Err(StartError::Failed(line)) => line,
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

fn allows(tokens: &Tokens, token: &str) -> bool {
    tokens.allows(token.as_bytes()).is_some()
}

#[test]
fn comments_and_blank_lines_are_no_tokens() {
    let rig = Rig::new(&format!(
        "# {BOB}\n\n  \r\n {ALICE} # who\r\n\t#x\n{BOB}#not-a-comment"
    ));
    let tokens = rig.open();
    assert!(allows(&tokens, ALICE));
    assert!(allows(&tokens, &format!("{BOB}#not-a-comment")));
    for wrong in [
        "",
        "#",
        BOB,
        "who",
        &ALICE[1..],
        &format!("{ALICE}\0"),
        "alice-0123456788",
    ] {
        assert!(!allows(&tokens, wrong), "{wrong:?}");
    }
    assert!(!allows(&tokens, &"x".repeat(100_000)));
}

#[test]
fn a_token_opens_its_files_and_no_others() {
    let rig = Rig::new(&format!("{ALICE} file=a.log file=b-*\n{BOB}\n"));
    let tokens = rig.open();
    let alice = tokens.allows(ALICE.as_bytes()).expect("a scope");
    assert!(
        alice.opens("a.log", Some(Path::new("a.log")))
            && alice.opens("b-1", Some(Path::new("b-1")))
            && !alice.opens("c.log", Some(Path::new("c.log")))
    );
    assert_eq!(tokens.allows(BOB.as_bytes()), Some(Scope::all()));
}

#[test]
fn the_scopes_of_a_token_on_two_lines_add_up() {
    let rig = Rig::new(&format!("{ALICE} file=a\n{ALICE} file=b\n"));
    let scope = rig.open().allows(ALICE.as_bytes()).expect("a scope");
    assert!(
        scope.opens("a", Some(Path::new("a")))
            && scope.opens("b", Some(Path::new("b")))
            && !scope.opens("c", Some(Path::new("c")))
    );
}

#[test]
fn a_file_that_cant_be_used_is_refused_and_no_token_shown() {
    assert!(Rig::refused("").contains("no token"));
    assert!(Rig::refused("# nothing\n\n").contains("no token"));
    let short = Rig::refused(&format!("{ALICE}\nsecret\n"));
    assert!(
        short.contains("line 2") && short.contains("at least"),
        "{short}"
    );
    let long = Rig::refused(&"secret".repeat(TOKEN_BYTES_MAX));
    assert!(long.contains("line 1"), "{long}");
    let spaced = Rig::refused("secret-0123456789 secret");
    assert!(spaced.contains("file="), "{spaced}");
    for line in [short, long, spaced] {
        assert!(!line.contains("secret") && !line.contains('\n'), "{line}");
    }
    let missing = Tokens::open(Path::new("/nonexistent/tokens")).expect_err("missing");
    assert!(missing.to_string().contains("/nonexistent/tokens"));
    assert_eq!(missing.exit_status(), 1);
    assert!(Tokens::open(Path::new("/")).is_err());
    assert!(Tokens::open(Path::new("/dev/zero")).is_err());
}

#[test]
fn a_withdrawn_token_is_no_longer_allowed() {
    let rig = Rig::new(&format!("{ALICE}\n{BOB}\n"));
    let mut tokens = rig.open();
    assert!(!tokens.refresh());
    rig.write(&format!("{BOB}\n"));
    assert!(tokens.refresh());
    assert!(!allows(&tokens, ALICE) && allows(&tokens, BOB));
    assert!(!tokens.refresh());
}

#[test]
fn a_change_that_leaves_the_size_is_seen_at_once() {
    let rig = Rig::new("one-token-0123456789");
    let mut tokens = rig.open();
    rig.write("two-token-0123456789");
    assert!(tokens.refresh());
    assert!(allows(&tokens, "two-token-0123456789"));
}

#[test]
fn a_file_that_is_replaced_by_an_old_one_is_read_again() {
    let rig = Rig::new(&format!("{ALICE}\n"));
    let old = |path: &Path| {
        let file = fs::File::options().append(true).open(path).expect("open");
        let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
        file.set_times(times).expect("times");
    };
    old(&rig.path());
    let mut tokens = rig.open();
    let deadline = SystemTime::now() + std::time::Duration::from_secs(20);
    // Until its change lies back far enough.
    while tokens.stamp.is_none() {
        assert!(!tokens.refresh() && SystemTime::now() < deadline);
        std::thread::yield_now();
    }
    let next = rig.directory.path().join("next");
    fs::write(&next, format!("{}\n", ALICE.replace('a', "b"))).expect("written");
    old(&next);
    fs::rename(&next, rig.path()).expect("renamed");
    assert!(tokens.refresh());
    assert!(!allows(&tokens, ALICE));
}

#[test]
fn a_broken_file_leaves_the_tokens_as_they_were() {
    let rig = Rig::new(&format!("{ALICE}\n"));
    let mut tokens = rig.open();
    for text in ["", "short\n", "# all gone\n"] {
        rig.write(text);
        assert!(!tokens.refresh() && allows(&tokens, ALICE), "{text:?}");
        assert!(tokens.complaint.is_some());
    }
    fs::remove_file(rig.path()).expect("removed");
    assert!(!tokens.refresh() && allows(&tokens, ALICE));
    rig.write(&format!("{BOB}\n"));
    assert!(tokens.refresh() && allows(&tokens, BOB) && !allows(&tokens, ALICE));
    assert!(tokens.complaint.is_none());
}

#[test]
fn tokens_are_not_shown_in_debug_output() {
    let shown = format!("{:?}", Rig::new(ALICE).open());
    assert!(
        !shown.contains("alice") && shown.contains("count: 1"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn any_file_is_read_or_refused_on_one_line(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        match parse(&bytes) {
            Ok(held) => prop_assert!(!held.is_empty()),
            Err(why) => prop_assert!(!why.chars().any(char::is_control)),
        }
    }
}

#[test]
fn a_token_is_called_by_the_comment_beside_it_or_above_it_and_never_by_a_token() {
    let rig = Rig::new(&format!(
        "# Alice, night shift\n{ALICE}\n{BOB} # Bob\n\ncarol-0123456789\n# old-0123456789-old\ndora-0123456789-d\n"
    ));
    let tokens = rig.open();
    let holder = |token: &str| tokens.opens(token.as_bytes()).expect("a token").1;
    assert_eq!(&*holder(ALICE), "Alice, night shift");
    assert_eq!(&*holder(BOB), "Bob");
    assert_eq!(&*holder("carol-0123456789"), "the token of line 5");
    assert_eq!(&*holder("dora-0123456789-d"), "the token of line 7");
}
