//! Owns `grep=` and `exclude=`: patterns in, whether a line passes out.
//!
//! Anyone who may connect may send a pattern, so all of them together are bounded in number, length, nesting and
//! memory; in time they are linear, which is what the `regex` crate is for. They match bytes: a line need not be
//! UTF-8.
//!
//! The compiler calls itself for each level of nesting, and a stack that overflows ends the daemon. The small stack
//! of a client's thread holds hardly a compiler at all (measured: 64 KiB overflow at no nesting, 128 KiB at 16
//! levels, unoptimized), so patterns are compiled in a thread with a larger one. Matching needs less than 32 KiB.

use regex::bytes::{Regex, RegexBuilder};

use crate::escape::shown;
use crate::limits::{
    FILTER_CACHE_BYTES, FILTER_COMPILED_BYTES, FILTER_NESTING, FILTER_PATTERN_BYTES,
    FILTER_PATTERNS_MAX, FILTER_STACK_BYTES,
};
use crate::serve::http::refusal::Refusal;

/// Which lines a client wants.
#[derive(Debug, Clone)]
pub struct Filter {
    grep: Vec<Regex>,
    exclude: Vec<Regex>,
}

impl Filter {
    /// A filter that passes what every pattern of `grep` and none of `exclude` matches; `None` where there are
    /// no patterns. `ignore_case` is for both.
    pub fn new(
        grep: &[String],
        exclude: &[String],
        ignore_case: bool,
    ) -> Result<Option<Self>, Refusal> {
        if grep.is_empty() && exclude.is_empty() {
            return Ok(None);
        }
        let asked = grep.len() + exclude.len();
        if asked > FILTER_PATTERNS_MAX {
            return Err(Refusal::bad_request(format!(
                "there are {asked} patterns in grep= and exclude=: at most {FILTER_PATTERNS_MAX} can be used"
            )));
        }
        let compile_all = || {
            Ok(Some(Self {
                grep: compile_each("grep", grep, ignore_case)?,
                exclude: compile_each("exclude", exclude, ignore_case)?,
            }))
        };
        on_a_large_stack(compile_all).unwrap_or_else(|| {
            Err(Refusal::unavailable(
                "there is no thread for the filter now",
            ))
        })
    }

    /// Whether the client wants `line`, which comes without its ending.
    pub fn passes(&self, line: &[u8]) -> bool {
        self.grep.iter().all(|pattern| pattern.is_match(line))
            && !self.exclude.iter().any(|pattern| pattern.is_match(line))
    }
}

/// What `work` gives in a thread of its own; `None` where no thread is to be had.
fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("filter".to_owned())
            .stack_size(FILTER_STACK_BYTES)
            .spawn_scoped(scope, work)
            .ok()?;
        thread.join().ok()
    })
}

fn compile_each(
    parameter: &str,
    patterns: &[String],
    ignore_case: bool,
) -> Result<Vec<Regex>, Refusal> {
    patterns
        .iter()
        .map(|pattern| compile(pattern, ignore_case).map_err(|why| wrong(parameter, pattern, &why)))
        .collect()
}

fn wrong(parameter: &str, pattern: &str, why: &str) -> Refusal {
    Refusal::bad_request(format!(
        "the parameter {parameter}={} can't be used: {why}",
        shown(pattern.as_bytes())
    ))
}

fn compile(pattern: &str, ignore_case: bool) -> Result<Regex, String> {
    if pattern.len() > FILTER_PATTERN_BYTES {
        return Err(format!(
            "it has {} bytes, and at most {FILTER_PATTERN_BYTES} can be used",
            pattern.len()
        ));
    }
    RegexBuilder::new(pattern)
        .case_insensitive(ignore_case)
        .nest_limit(FILTER_NESTING)
        .size_limit(FILTER_COMPILED_BYTES)
        .dfa_size_limit(FILTER_CACHE_BYTES)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "it needs too much memory: use smaller repetitions".to_owned()
            }
            error => reason(&error.to_string()),
        })
}

/// The crate shows the pattern and points into it, on many lines; what is wrong comes last, after `error:`.
fn reason(text: &str) -> String {
    let last = text.lines().last().unwrap_or_default().trim();
    let why = last.strip_prefix("error:").unwrap_or(last).trim();
    format!("it is no regular expression: {}", shown(why.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The least that a client thread has.
    const STACK_BYTES: usize = 64 * 1024;

    fn filter(grep: &[&str], exclude: &[&str], ignore_case: bool) -> Result<Filter, String> {
        let owned = |patterns: &[&str]| patterns.iter().map(|&p| p.to_owned()).collect::<Vec<_>>();
        Filter::new(&owned(grep), &owned(exclude), ignore_case)
            .map(|filter| filter.expect("patterns"))
            .map_err(|refusal| {
                assert_eq!(refusal.status, http::StatusCode::BAD_REQUEST);
                refusal.line
            })
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
        assert!(Filter::new(&[], &[], true).expect("fine").is_none());
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
        let line = in_a_client_thread(move || {
            filter(&[&nested(too_deep)], &[], true).expect_err("too deep")
        });
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
            .spawn(move || compile(&deepest, true).is_ok());
        assert!(thread.expect("a thread").join().expect("no panic"));
    }

    #[test]
    fn a_pattern_that_others_take_ages_for_is_matched_at_once() {
        let filter = filter(&["(a*)*(a*)*b$"], &[], false).expect("fine");
        assert!(!filter.passes(&vec![b'a'; 1024 * 1024]));
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
}
