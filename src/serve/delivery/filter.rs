//! `grep=` and `exclude=`: patterns in, whether a line passes out.
//!
//! Anyone who may connect may send a pattern, so patterns are bounded in number, length, nesting and compiled size, and
//! all filters together in memory ([`Budget`]): a filter takes its share before it is compiled and gives it back when
//! the last client that uses it has gone. Clients that ask for the same share one filter ([`Filters`]). In time patterns
//! are linear, which is what the engine is for. They match bytes: a line need not be UTF-8.
//!
//! The compiler calls itself for each level of nesting, and a stack that overflows ends the daemon. The small stack
//! of a client's thread holds hardly a compiler at all (measured: 64 KiB overflow at no nesting, 128 KiB at 16
//! levels, unoptimized), so patterns are compiled in a thread with a larger one. Matching needs less than 32 KiB.

mod budget;
mod memory;
mod shared;
mod users;

use std::sync::Arc;

use regex_automata::Input;
use regex_automata::meta::{BuildError, Config, Regex};
use regex_automata::util::syntax;

use crate::escape::shown;
use crate::limits::{
    FILTER_CACHE_BYTES, FILTER_COMPILED_BYTES, FILTER_NESTING, FILTER_PATTERN_BYTES,
    FILTER_PATTERNS_MAX, FILTER_STACK_BYTES,
};
use crate::serve::http::refusal::Refusal;
use crate::source::{Kind, Segment};

pub use budget::Budget;
pub use shared::Filters;
pub use users::InUse;

use budget::Share;
use memory::Memory;
use users::Users;

/// What one client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Each must match.
    pub grep: Vec<String>,
    /// None may match.
    pub exclude: Vec<String>,
    /// Upper and lower case are the same, in all of them.
    pub ignore_case: bool,
}

impl Wanted {
    /// Every line is wanted.
    pub fn is_all(&self) -> bool {
        self.grep.is_empty() && self.exclude.is_empty()
    }

    /// Refuses what can't be a filter, as far as it takes no compiling to know.
    pub fn check(&self) -> Result<(), Refusal> {
        self.check_bounds()?;
        let mut parse = |pattern: &str| {
            let parsed = syntax::parse_with(pattern, &self.syntax());
            parsed.map(drop).map_err(|error| reason(&error.to_string()))
        };
        on_a_large_stack(|| self.each(&mut parse))?
    }

    fn check_bounds(&self) -> Result<(), Refusal> {
        let asked = self.grep.len() + self.exclude.len();
        if asked > FILTER_PATTERNS_MAX {
            return Err(Refusal::bad_request(format!(
                "there are {asked} patterns in grep= and exclude=: at most {FILTER_PATTERNS_MAX} can be used"
            )));
        }
        self.each(&mut |pattern| match pattern.len() {
            0..=FILTER_PATTERN_BYTES => Ok(()),
            len => Err(format!(
                "it has {len} bytes, and at most {FILTER_PATTERN_BYTES} can be used"
            )),
        })
    }

    /// Calls `deed` with each pattern; where it finds something wrong, that is what the client is told.
    fn each(&self, deed: &mut dyn FnMut(&str) -> Result<(), String>) -> Result<(), Refusal> {
        let grep = self.grep.iter().map(|pattern| ("grep", pattern));
        let exclude = self.exclude.iter().map(|pattern| ("exclude", pattern));
        for (parameter, pattern) in grep.chain(exclude) {
            deed(pattern).map_err(|why| {
                let pattern = shown(pattern.as_bytes());
                Refusal::bad_request(format!(
                    "the parameter {parameter}={pattern} can't be used: {why}"
                ))
            })?;
        }
        Ok(())
    }

    fn syntax(&self) -> syntax::Config {
        syntax::Config::new()
            .utf8(false)
            .case_insensitive(self.ignore_case)
            .nest_limit(FILTER_NESTING)
    }
}

/// Which lines a client wants. Clones are the same filter.
#[derive(Clone, Debug)]
pub struct Filter(Arc<Compiled>);

/// A filter's patterns, and the memory that it takes.
#[derive(Debug)]
struct Compiled {
    /// Those of `grep`, then those of `exclude`.
    patterns: Vec<Regex>,
    greps: usize,
    memory: Memory,
    users: Users,
}

impl Filter {
    /// The filter that `wanted` describes, in `share` of the memory of all. Blocks for as long as compiling takes.
    fn compile(wanted: &Wanted, mut share: Share) -> Result<Filter, Refusal> {
        wanted.check_bounds()?;
        let mut patterns = Vec::new();
        let mut bytes = 0;
        let mut compile = |pattern: &str| {
            let pattern = compile(pattern, wanted.syntax())?;
            bytes += pattern.memory_usage();
            patterns.push(pattern);
            // Together: each of them is bounded by its own limit already.
            match bytes {
                0..=FILTER_COMPILED_BYTES => Ok(()),
                _ => Err(TOO_BIG.to_owned()),
            }
        };
        on_a_large_stack(|| wanted.each(&mut compile))??;
        share.shrink_to(bytes);
        Ok(Filter(Arc::new(Compiled {
            patterns,
            greps: wanted.grep.len(),
            memory: Memory::new(share),
            users: Users::default(),
        })))
    }

    /// Whether the client wants `line`, which comes without its ending.
    pub fn passes(&self, line: &[u8]) -> bool {
        let Compiled {
            patterns,
            greps,
            memory,
            ..
        } = &*self.0;
        memory.lend(patterns, |caches| {
            let mut each = patterns.iter().zip(caches).enumerate();
            each.all(|(n, (pattern, cache))| {
                let input = Input::new(line).earliest(true);
                pattern.search_half_with(cache, &input).is_some() == (n < *greps)
            })
        })
    }
}

/// Which lines of a segment a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sifted {
    /// All of them.
    All,
    /// Those with true.
    These(Vec<bool>),
}

impl Sifted {
    /// The lines of `segment` that pass `filter`. Blocks for as long as matching takes.
    pub fn of(segment: &Segment, filter: Option<&Filter>) -> Sifted {
        match (&segment.kind, filter) {
            (Kind::Lines(lines), Some(filter)) => {
                let these = match segment.part(filter.number()) {
                    Some(part) => part.passes().to_vec(),
                    None => filter.sift(lines),
                };
                filter.share(segment, &these);
                Sifted::These(these)
            }
            _ => Sifted::All,
        }
    }

    /// Whether line `i` is wanted.
    pub fn has(&self, i: usize) -> bool {
        match self {
            Sifted::All => true,
            Sifted::These(these) => these[i],
        }
    }

    /// How many of the first `len` lines are.
    pub fn count(&self, len: usize) -> u64 {
        match self {
            Sifted::All => len as u64,
            Sifted::These(these) => these[..len].iter().filter(|&&has| has).count() as u64,
        }
    }

    /// Whether any line is.
    pub fn has_any(&self) -> bool {
        match self {
            Sifted::All => true,
            Sifted::These(these) => these.contains(&true),
        }
    }
}

/// What `work` gives in a thread of its own with a larger stack.
fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Refusal> {
    let done = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("filter".to_owned())
            .stack_size(FILTER_STACK_BYTES)
            .spawn_scoped(scope, work)
            .ok()?;
        thread.join().ok()
    });
    done.ok_or_else(|| Refusal::unavailable("there is no thread for the filter now"))
}

const TOO_BIG: &str = "it needs too much memory: use smaller repetitions";

fn compile(pattern: &str, syntax: syntax::Config) -> Result<Regex, String> {
    let config = Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(FILTER_COMPILED_BYTES / 2))
        .hybrid_cache_capacity(FILTER_CACHE_BYTES)
        // It finds groups, which nobody asks for.
        .onepass(false);
    Regex::builder()
        .syntax(syntax)
        .configure(config)
        .build(pattern)
        .map_err(|error: BuildError| match error.syntax_error() {
            Some(error) => reason(&error.to_string()),
            None => TOO_BIG.to_owned(),
        })
}

/// The crate shows the pattern and points into it, on many lines; what is wrong comes last, after `error:`.
fn reason(text: &str) -> String {
    let last = text.lines().last().unwrap_or_default().trim();
    let why = last.strip_prefix("error:").unwrap_or(last).trim();
    format!("it is no regular expression: {}", shown(why.as_bytes()))
}

#[cfg(test)]
mod tests;
