//! axe finds nothing to complain of, in any state of the page. axe-core comes from npm into target/axe (`.ci/run`).

use serde_json::json;

use crate::browser::Browser;
use crate::reading::trace;
use crate::stage::{DRAWN, SHOWN, url};
use crate::support::{Daemon, Logs, is_promised};

const PATH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/axe/node_modules/axe-core/axe.min.js"
);

/// What it looks for: WCAG 2.2 AA, and what is good practice.
const RUN: &str = "axe.run({runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}})\
    .then(({violations}) => violations.map(({id, nodes}) => `${id}: ${nodes.map(({target}) => target.join(' ')).join(', ')}`))";

/// What brings the page into a state, by its name.
const STATES: [(&str, &str); 12] = [
    ("following", "0"),
    ("a cursor", "page.deeds.errorBefore()"),
    ("a find", "page.deeds.find(); page.find.set('pay', true)"),
    ("the end of a find", "page.deeds.unfind()"),
    ("the line's menu", "page.deeds.menu()"),
    ("the files", "page.menu.shut(); page.deeds.pick()"),
    (
        "a time",
        "document.querySelector('#picker').close(); page.deeds.goTo()",
    ),
    (
        "the keys",
        "document.querySelector('#times').close(); page.deeds.help()",
    ),
    (
        "nothing",
        "document.querySelector('#keys').close(); page.set({columns: ['reqId'], filter: 'nowhere'})",
    ),
    (
        "a tree",
        "page.set({filter: '', time: 'local'}); page.deeds.open([...Array(page.ring.length).keys()].map((i) => page.ring.first + i)\
         .findLast((seq) => String(page.ring.text(seq)).startsWith('{')))",
    ),
    (
        "levels",
        "document.querySelector('#header').classList.add('sheeted')",
    ),
    (
        "paused",
        "document.querySelector('#header').classList.remove('sheeted'); page.pause(true); page.panel.draw()",
    ),
];

/// axe's script; None where it was not brought and nobody promised it.
fn script() -> Option<String> {
    let script = std::fs::read_to_string(PATH).ok();
    if script.is_none() {
        assert!(!is_promised(), "axe-core is not under target/axe");
        eprintln!(
            "left out: no axe-core under target/axe (npm install --prefix target/axe axe-core)"
        );
    }
    script
}

/// axe has nothing to complain of as the page stands now.
pub(crate) fn is_content(browser: &mut Browser) {
    if let Some(axe) = script() {
        browser.eval(&format!("{axe}; 0"));
        assert_eq!(browser.eval(RUN), json!([]));
    }
}

#[test]
fn axe_finds_nothing_in_any_state() {
    let Some(axe) = script() else {
        return;
    };
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let logs = Logs::new();
    let mut text = trace(1);
    for number in 0..60 {
        text += &format!(
            "2026-11-28 03:17:{number:02},000 WARN the payment took {number} ms, see https://x.example/{number}\n"
        );
    }
    let app = logs.file(
        "app.log",
        text + "2026-11-28 03:18:00,000 ERROR payment refused\n",
    );
    let worker = logs.file(
        "worker.log",
        "{\"level\":30,\"time\":1795860000123,\"msg\":\"mail sent\",\"reqId\":\"77\"}\n".repeat(9),
    );
    let missing = logs.path("missing.log");
    let daemon = Daemon::follow(&[&app, &worker, &missing]);
    let mut found = Vec::new();
    for (look, width, height, phone, scheme, forced) in [
        ("light", 1280, 800, false, "light", "none"),
        ("dark", 1280, 800, false, "dark", "none"),
        ("phone", 390, 844, true, "dark", "none"),
        ("forced", 1280, 800, false, "light", "active"),
    ] {
        browser.screen(width, height, phone);
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}, {"name": "forced-colors", "value": forced}]);
        browser.call("Emulation.setEmulatedMedia", json!({"features": features}));
        browser.open(&format!("{}?{look}", url(&daemon)));
        browser.until(&format!("{SHOWN}.length > 10"));
        browser.eval(&format!("{axe}; 0"));
        for (state, script) in STATES {
            browser.eval(&format!("{{ {script}; }} 0"));
            browser.until("page.view.shown.complete && page.far.looking === null");
            browser.eval(DRAWN);
            browser.eval(DRAWN);
            let complaints = browser.eval(RUN);
            if complaints != json!([]) {
                found.push(format!("{look}, {state}: {complaints}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
