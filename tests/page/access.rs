//! Access: a finger on a phone, a screen reader, the Tab key, eyes that need contrast or rest.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::stage::{DRAWN, SHOWN, open, url};
use crate::support::{Logs, append};

#[test]
fn a_phone_scrolls_only_the_log_and_its_buttons_fit_a_finger() {
    let logs = Logs::new();
    let a = logs.file("a-file-with-a-long-name.log", "word ".repeat(100) + "\n");
    let b = logs.file("another-file.log", "[error] two\n");
    let Some((mut browser, daemon)) = open(&[&a, &b]) else {
        return;
    };
    for (width, finger) in [(390, 44.0), (320, 36.0)] {
        browser.screen(width, 700, true);
        browser.open(&url(&daemon));
        browser.until(&format!("{SHOWN}.length === 2"));
        browser.eval("page.find.open()");
        browser.eval(DRAWN);
        let wide = browser.eval("[document.documentElement.scrollWidth - innerWidth, document.body.scrollWidth - innerWidth]");
        assert_eq!(wide, json!([0, 0]), "at {width}");
        let small = browser.eval(&format!(
            "[...document.querySelectorAll('button')].filter((b) => b.offsetParent && !b.closest('.row, .head'))\
             .filter((b) => b.offsetHeight < 44 || b.offsetWidth < {finger}).map((b) => `${{b.id || b.className}} ${{b.offsetWidth}} x ${{b.offsetHeight}}`)"
        ));
        assert_eq!(small, json!([]), "at {width}");
        // Long lines are wrapped there.
        let log = browser.eval("document.querySelector('#log').scrollWidth <= innerWidth");
        assert_eq!(log, json!(true), "at {width}");
    }
}

#[test]
fn all_that_can_be_pressed_has_a_name_and_is_reached_by_tab_with_a_ring() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.until(&format!("{SHOWN}.length === 1"));
    let tree = browser.call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().expect("nodes");
    let named = |role: &str, name: &str| {
        nodes
            .iter()
            .any(|node| node["role"]["value"] == role && node["name"]["value"] == name)
    };
    for (role, name) in [
        ("log", "Log lines"),
        ("combobox", "Filter"),
        ("group", "Files"),
        ("group", "Levels"),
        ("button", "Connection: live"),
        ("button", "Times: no times"),
        ("button", "Theme: auto"),
    ] {
        assert!(named(role, name), "no {role} {name}");
    }
    for node in nodes.iter().filter(|node| node["ignored"] == false) {
        let pressed = ["button", "textbox", "combobox", "link"]
            .iter()
            .any(|role| node["role"]["value"] == *role);
        let name = node["name"]["value"].as_str().unwrap_or("");
        assert!(!pressed || !name.is_empty(), "no name: {node}");
    }
    // The log itself is silent: a busy one would never let a screen reader end.
    assert_eq!(
        browser.eval("document.querySelector('#log').ariaLive"),
        json!("off")
    );

    let mut order = Vec::new();
    for _ in 0..30 {
        browser.press("Tab", 0);
        let at = browser.eval(
            "{ const at = document.activeElement, look = getComputedStyle(at.id === 'filter' ? at.closest('.box') : at), \
               bar = getComputedStyle(document.querySelector('main'), '::before'); \
               [at.id || at.className, at.id === 'log' ? bar.height === '2px' : look.outlineStyle !== 'none'] }",
        );
        if at[0] == "" {
            continue; // out of the page and in again
        }
        assert_eq!(at[1], json!(true), "no ring on {}", at[0]);
        if order.contains(&at[0]) {
            break;
        }
        order.push(at[0].clone());
    }
    let place = |name: &str| {
        order
            .iter()
            .position(|at| at == name)
            .unwrap_or_else(|| panic!("{name} not in {order:?}"))
    };
    let places: Vec<usize> = [
        "filter",
        "hide",
        "connection",
        "log",
        "pause",
        "seek",
        "help",
    ]
    .map(place)
    .to_vec();
    assert!(places.is_sorted(), "{order:?}");
}

#[test]
fn a_screen_reader_is_told_now_and_then_and_not_line_by_line() {
    let logs = Logs::new();
    let log = logs.file("app.log", "");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.eval(
        "window.spoken = []; new MutationObserver(() => spoken.push(document.querySelector('#announce').textContent))\
         .observe(document.querySelector('#announce'), {childList: true, characterData: true, subtree: true})",
    );
    append(&log, "one\n");
    for number in 0..5 {
        append(&log, format!("[error] {number}\n"));
        browser.until(&format!("page.ring.lines === {}", number + 2));
    }
    browser.until("spoken.at(-1) === '6 new lines, 5 with errors'");
    let spoken = browser.eval("spoken.filter((text) => /new|error/.test(text)).length");
    assert_eq!(spoken, json!(1));
}

/// Texts that are hard to read: those whose contrast with what is behind them is under WCAG's 4.5.
const FAINT: &str = "(() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const read = (css) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
    const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (at) => { const chain = []; for (let e = at; e; e = e.parentElement) chain.unshift(e);
        return chain.reduce((under, e) => over(read(getComputedStyle(e).backgroundColor), under), [255, 255, 255, 1]); };
    const found = [];
    const walk = document.createTreeWalker(document.body, 4);
    while (walk.nextNode()) {
        const at = walk.currentNode.parentElement;
        if (walk.currentNode.data.trim() === '' || !at.offsetParent || at.closest('[disabled], .away')) continue;
        const back = ground(at);
        const [a, b] = [light(over(read(getComputedStyle(at).color), back)), light(back)];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) found.push(`${at.className || at.id || at.tagName} ${walk.currentNode.data.slice(0, 20)} ${contrast.toFixed(2)}`);
    }
    return [...new Set(found)];
})()";

#[test]
fn every_text_has_contrast_in_both_themes() {
    let logs = Logs::new();
    let mut text = String::from(
        "[error] e https://x.example/\n[warn] w\n[info] i\n[debug] d\nplain\n{\"a\":[1,true,null,\"s\"]}\n",
    );
    for colour in 0..16 {
        text +=
            &format!("\x1b[38;5;{colour}mfg{colour}\x1b[0m \x1b[48;5;{colour}mbg{colour}\x1b[0m ");
    }
    text += "\n";
    for colour in (16..256).step_by(7) {
        text +=
            &format!("\x1b[38;5;{colour}mfg{colour}\x1b[0m \x1b[48;5;{colour}mbg{colour}\x1b[0m ");
    }
    let mut files = vec![logs.file("f0.log", text + "\n")];
    for number in 1..8 {
        files.push(logs.file(&format!("f{number}.log"), "[error] e\nplain\n"));
    }
    let paths: Vec<_> = files.iter().map(|file| file.as_path()).collect();
    let Some((mut browser, daemon)) = open(&paths) else {
        return;
    };
    for scheme in ["light", "dark"] {
        browser.scheme(scheme);
        browser.open(&format!(
            "{}?{scheme}#filter=e&mark=1&find=la&time=local",
            url(&daemon)
        ));
        browser
            .until("page.ring.lines === 22 && document.querySelectorAll('mark.found').length > 0");
        browser.eval("page.deeds.open([...Array(22).keys()].map((i) => page.ring.first + i).find((seq) => page.ring.text(seq).startsWith('{')))");
        browser.until("document.querySelector('.tree') !== null");
        browser.eval("document.querySelector('#problem').hidden = false; document.querySelector('#toast').hidden = false");
        browser.eval("document.querySelector('#problem').textContent = 'x'; document.querySelector('#toast').textContent = 'x'; document.querySelector('#filter').focus()");
        let faint: Value = browser.eval(FAINT);
        assert_eq!(faint, json!([]), "{scheme}");
    }
}

#[test]
fn a_reader_who_wants_no_motion_gets_none() {
    let logs = Logs::new();
    let log = logs.file("app.log", "one\n");
    let Some((mut browser, _daemon)) = open(&[&log]) else {
        return;
    };
    browser.eval("document.querySelector('#connection').dataset.kind = 'wait'");
    let moving = |browser: &mut Browser| {
        browser.eval("getComputedStyle(document.querySelector('.lamp')).animationName")
    };
    assert_eq!(moving(&mut browser), json!("breathe"));
    browser.prefer("prefers-reduced-motion", "reduce");
    assert_eq!(moving(&mut browser), json!("none"));
}
