//! Containers: by their names, what they wrote to standard error marked, and what a reader sees of one that is made again.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::stage::{SHOWN, open, until_last};
use crate::support::{Logs, append};

/// A container of a data root as Docker leaves it, which has written these lines.
fn make(containers: &Path, id: &str, name: &str, lines: &[(&str, &str)]) {
    let directory = containers.join(id);
    fs::create_dir_all(&directory).expect("mkdir");
    for (second, (stream, line)) in lines.iter().enumerate() {
        let time = format!("2026-11-28T10:00:{second:02}Z");
        let record = json!({"log": format!("{line}\n"), "stream": stream, "time": time});
        // As Docker has it: the text first.
        let record = format!(
            "{{\"log\":{},\"stream\":{},\"time\":{}}}\n",
            record["log"], record["stream"], record["time"]
        );
        append(&directory.join(format!("{id}-json.log")), record);
    }
    let config = json!({"ID": id, "Name": format!("/{name}")});
    fs::write(directory.join("new"), config.to_string()).expect("write");
    fs::rename(directory.join("new"), directory.join("config.v2.json")).expect("rename");
}

#[test]
fn a_container_that_is_made_again_goes_on_under_its_name_and_its_errors_are_marked() {
    let logs = Logs::new();
    let containers = logs.path("containers");
    let said = [("stdout", "one"), ("stderr", "two")];
    make(&containers, "aa", "web", &said);
    let root = format!("docker:{}", logs.path("").display());
    let Some((mut browser, _daemon)) = open(&[root.trim_end_matches('/').as_ref()]) else {
        return;
    };
    browser.until(&format!("JSON.stringify({SHOWN}) === '[\"one\",\"two\"]'"));
    let marked = "[...document.querySelectorAll('.stderr .text')].map((text) => text.textContent)";
    assert_eq!(browser.eval(marked), json!(["two"]));
    fs::remove_dir_all(containers.join("aa")).expect("remove");
    make(&containers, "bb", "web", &[("stdout", "three")]);
    until_last(&mut browser, "three");
    let wanted = json!(["one", "two", "web was rotated: a new file begins", "three"]);
    // What is held is drawn with the next frame.
    browser.until(&format!(
        "JSON.stringify([...document.querySelectorAll('.row')].map((row) => row.querySelector('.text, .label').textContent)\
         .filter((text) => !text.includes('is gone'))) === {}",
        json!(wanted.to_string())
    ));
}
