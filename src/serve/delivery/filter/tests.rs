//! What a filter promises, whatever is asked.

use proptest::prelude::*;

use crate::limits::FILTERS_BYTES;

use super::*;

/// The least that a client thread has.
const STACK_BYTES: usize = 64 * 1024;

fn filter(grep: &[&str], exclude: &[&str], ignore_case: bool) -> Result<Filter, String> {
    Filters::default()
        .compiled(&wanted(grep, exclude, ignore_case))
        .map_err(|refusal| {
            assert_eq!(refusal.status, http::StatusCode::BAD_REQUEST);
            refusal.line
        })
}

fn wanted(grep: &[&str], exclude: &[&str], ignore_case: bool) -> Wanted {
    let owned = |patterns: &[&str]| patterns.iter().map(|&p| p.to_owned()).collect();
    Wanted {
        grep: owned(grep),
        exclude: owned(exclude),
        ignore_case,
    }
}

/// In a thread with the stack of a client's.
fn in_a_client_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(work)
        .expect("a thread")
        .join()
        .expect("no panic")
}

#[test]
fn nothing_asked_is_no_filter() {
    assert!(wanted(&[], &[], true).is_all());
}

#[test]
fn all_of_grep_and_none_of_exclude_must_match() {
    let filter = filter(&["a", "b$"], &["c", "^d"], false).expect("fine");
    assert!(filter.passes(b"a b"));
    for line in [&b"a"[..], b"b", b"a c b", b"d a b", b"", b"A b"] {
        assert!(!filter.passes(line), "{line:?}");
    }
}

#[test]
fn ignore_case_is_for_both() {
    let filter = filter(&["\u{e9}rror"], &["DEBUG"], true).expect("fine");
    assert!(filter.passes("\u{c9}RROR".as_bytes()));
    assert!(!filter.passes("\u{c9}rror debug".as_bytes()));
}

#[test]
fn an_empty_pattern_matches_every_line() {
    assert!(filter(&[""], &[], false).expect("fine").passes(b""));
    assert!(!filter(&[], &[""], false).expect("fine").passes(b"x"));
}

#[test]
fn lines_that_are_not_utf8_are_filtered_too() {
    let grep = filter(&["error.*x"], &[], false).expect("fine");
    assert!(grep.passes(b"\xff error x \xfe"));
    let bytes = filter(&[r"(?-u)\xff"], &[], false).expect("fine");
    assert!(bytes.passes(b"a\xffb") && !bytes.passes(b"ab"));
}

#[test]
fn a_wrong_pattern_is_explained_on_one_line() {
    assert_eq!(
        filter(&["a", "(b"], &[], false).expect_err("wrong"),
        "the parameter grep=(b can't be used: it is no regular expression: unclosed group"
    );
    for pattern in ["[", "*", "a\n(", r"\p{Nope}", "(?=a)", r"\1", "x{2,1}"] {
        let line = filter(&[], &[pattern], false).expect_err(pattern);
        assert!(
            line.starts_with("the parameter exclude="),
            "{pattern:?}: {line}"
        );
        assert!(!line.chars().any(char::is_control), "{pattern:?}: {line}");
    }
}

#[test]
fn patterns_are_bounded_in_number_length_and_memory() {
    let many = vec!["a"; FILTER_PATTERNS_MAX + 1];
    let line = filter(&many[1..], &many[..1], false).expect_err("too many");
    assert!(line.contains("at most"), "{line}");
    let long = "x".repeat(FILTER_PATTERN_BYTES + 1);
    let line = filter(&[&long], &[], false).expect_err("too long");
    assert!(line.contains("at most") && line.len() < 300, "{line}");
    let line = filter(&[r"(\w{100}){100}"], &[], false).expect_err("too big");
    assert!(line.contains("too much memory"), "{line}");
}

#[test]
fn a_deeply_nested_pattern_does_not_overflow_a_client_thread() {
    let too_deep = FILTER_PATTERN_BYTES / 2 - 1;
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    let line =
        in_a_client_thread(move || filter(&[&nested(too_deep)], &[], true).expect_err("too deep"));
    assert!(line.contains("nest"), "{line}");
    // As deep as may be (a group, a repetition, an alternation and a concatenation count one each), with the
    // largest classes inside.
    let levels = usize::try_from(FILTER_NESTING).expect("small") / 4 - 1;
    let deepest = format!("{}\\w{}", "(?:b|".repeat(levels), ")?c".repeat(levels));
    let deepest_plain = nested(usize::try_from(FILTER_NESTING).expect("small") - 1);
    in_a_client_thread(move || {
        let filter = filter(&[&deepest, r"[\w--\d]+\p{L}\S$"], &[&deepest_plain], true);
        let line = "b".repeat(100_000);
        filter.map(|filter| filter.passes(line.as_bytes()))
    })
    .expect("not too deep");
}

#[test]
fn the_deepest_pattern_leaves_half_of_the_stack_it_is_compiled_on() {
    let levels = usize::try_from(FILTER_NESTING).expect("small") / 4 - 1;
    let deepest = format!("{}\\w{}", "(?:b|".repeat(levels), ")?c".repeat(levels));
    let thread = std::thread::Builder::new()
        .stack_size(FILTER_STACK_BYTES / 2)
        .spawn(move || compile(&deepest, wanted(&[], &[], true).syntax()).is_ok());
    assert!(thread.expect("a thread").join().expect("no panic"));
}

#[test]
fn a_pattern_that_others_take_ages_for_is_matched_at_once() {
    let filter = filter(&["(a*)*(a*)*b$"], &[], false).expect("fine");
    assert!(!filter.passes(&vec![b'a'; 1024 * 1024]));
}

#[test]
fn equal_filters_are_one_and_its_memory_is_given_back() {
    let filters = Filters::default();
    let wanted = wanted(&[r"\w{3}\d+"], &["b"], true);
    let one = filters.compiled(&wanted).expect("fine");
    let alone = filters.bytes();
    assert!(alone > 0);
    let other = filters.compiled(&wanted).expect("fine");
    assert!(Arc::ptr_eq(&one.0, &other.0));
    assert_eq!(filters.bytes(), alone);
    for n in 0..1000 {
        one.passes(format!("abc{n} \u{e9}{n}").as_bytes());
    }
    assert!(filters.bytes() > alone, "what matching remembers counts");
    drop((one, other));
    assert_eq!(filters.bytes(), 0);
    assert!(filters.known(&wanted).is_none());
}

#[test]
fn all_filters_together_keep_the_budget_and_match_right_where_it_is_spent() {
    let filters = Filters::default();
    let mut held = Vec::new();
    let refused = loop {
        // The largest that there are, no two of them equal.
        let pattern = format!(r"\pL{{12}}{}", held.len());
        match filters.compiled(&wanted(&[&pattern], &[], false)) {
            Ok(filter) => held.push(filter),
            Err(refusal) => break refusal,
        }
        assert!(filters.bytes() <= FILTERS_BYTES);
    };
    assert_eq!(refused.status, http::StatusCode::SERVICE_UNAVAILABLE);
    assert!(held.len() > 50, "{}", held.len());
    // What matching remembers has no room any more.
    for (n, filter) in held.iter().enumerate() {
        for _ in 0..200 {
            assert!(filter.passes(format!("abcdefghijkl{n}").as_bytes()));
        }
        assert!(filters.bytes() <= FILTERS_BYTES);
    }
    held.truncate(1);
    assert!(filters.compiled(&wanted(&["other"], &[], false)).is_ok());
}

#[test]
fn the_patterns_of_one_request_are_bounded_together() {
    let one = filter(&[r"\pL{12}"], &[], false);
    assert!(one.is_ok());
    let line = filter(&[r"\pL{12}", r"\pL{11}"], &[r"\pL{10}"], false).expect_err("too big");
    assert!(line.contains("too much memory"), "{line}");
}

proptest! {
    #[test]
    fn any_pattern_is_used_or_refused_on_one_line(pattern in "([\\[\\](){}*+?|^$.\\\\a-c0-9]|\\PC){0,24}") {
        let made = in_a_client_thread(move || filter(&[&pattern], &[], true).map(|f| f.passes(b"abc")));
        if let Err(line) = made {
            prop_assert!(!line.chars().any(char::is_control));
        }
    }
}
