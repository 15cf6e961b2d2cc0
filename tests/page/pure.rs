//! The scripts' pure parts: their unit tests, run in the browser.

use crate::browser::{Browser, files};

#[test]
fn the_pure_parts_of_the_scripts_keep_their_promises() {
    if let Some(mut browser) = Browser::start() {
        all_hold(&mut browser);
    }
}

/// Runs all of them.
pub(crate) fn all_hold(browser: &mut Browser) {
    browser.go(&files::serve());
    let outcomes = browser.eval(
        "Promise.all(['pure', 'held', 'story'].map((name) => import(`/tests/page/${name}.test.mjs`)))\
         .then(() => import('/tests/page/shim.mjs')).then((shim) => shim.outcomes())",
    );
    let outcomes = outcomes.as_array().expect("a list");
    for outcome in outcomes {
        eprintln!(
            "{}: {}",
            outcome["name"],
            outcome["error"].as_str().unwrap_or("ok")
        );
    }
    assert!(outcomes.len() > 40, "{} cases ran", outcomes.len());
    assert!(
        outcomes.iter().all(|outcome| outcome["error"].is_null()),
        "some failed"
    );
}
