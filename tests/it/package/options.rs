//! Help, man page, completions and the published interface name the same options.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::manual;
use crate::support::run;

/// The options that the interface promises, one a line: the long name, the short ones, and whether it takes a value.
const OPTIONS: &str = "\
--listen -l ADDR
--lines -n N
--max-clients N
--queue N
--max-delay MILLISECONDS
--max-line BYTES
--since TIME
--no-rotated
--ping-interval SECONDS
--allow-origin ORIGIN
--allow-host NAME
--token-file PATH
--tls-cert PATH
--tls-key PATH
--base-path PATH
--spool-dir PATH
--spool-size SIZE
--credentials-file PATH
--raw
--publish URL
--publish-password-file PATH
--publish-format FORMAT
--publish-from-start
--publish-escape CHARS
--state-dir PATH
--verbose -v
--quiet -q
-f -F
--help -h
--version -V";

/// All names, of a build with these features.
fn names() -> BTreeSet<&'static str> {
    let built_in = |line: &&str| {
        let publishes = line.starts_with("--publish");
        (cfg!(feature = "tls") || !line.starts_with("--tls-"))
            && (cfg!(feature = "mqtt") || !publishes)
    };
    let words = OPTIONS
        .lines()
        .filter(built_in)
        .flat_map(|line| line.split(' '));
    words.filter(|word| word.starts_with('-')).collect()
}

fn manual() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    manual::write(directory.path()).expect("write the manual");
    directory
}

fn read(directory: &TempDir, name: &str) -> String {
    fs::read_to_string(directory.path().join(name)).expect("read a file of the manual")
}

/// The words of `text` that could be options.
fn options_in(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let words = text.split(|c| !is_part(c));
    let is_option = |word: &&str| {
        let long = word.strip_prefix("--").is_some_and(|name| name.len() > 1);
        let short = word.len() == 2 && word.as_bytes()[1].is_ascii_alphabetic();
        (long || short) && word.starts_with('-') && !word.ends_with('-')
    };
    words.filter(is_option).collect()
}

#[test]
fn the_help_lists_the_options_and_no_others() {
    let output = run(&["--help"]);
    let help = String::from_utf8(output.stdout).expect("help in UTF-8");
    // `tail -F` is no option of ours, but one that we have too.
    assert_eq!(options_in(&help), names(), "{help}");
    for line in OPTIONS
        .lines()
        .filter(|line| names().contains(line.split(' ').next().expect("a name")))
    {
        let Some(value) = line.split(' ').find(|word| !word.starts_with('-')) else {
            continue;
        };
        let long = line.split(' ').next().expect("a name");
        assert!(
            help.contains(&format!("{long} <{value}>")),
            "{long} {value}: {help}"
        );
    }
}

#[test]
fn the_man_page_lists_the_options_and_no_others() {
    let page = read(&manual(), "tailcast.8").replace("\\-", "-");
    let ours = page.split(".SH OPTIONS").nth(1).expect("a list of options");
    let ours = ours.split(".SH URLS").next().expect("its end");
    // Roman and bold: the marks of the font stand between the names.
    let ours = ours
        .replace("\\fB", " ")
        .replace("\\fR", " ")
        .replace("\\fI", " ");
    assert_eq!(options_in(&ours), names(), "{ours}");
}

#[test]
fn the_completions_offer_the_options_and_no_others() {
    let manual = manual();
    let bash = read(&manual, "tailcast.bash");
    let line = bash.lines().find(|line| line.contains("opts=\"-"));
    let offered = line.expect("a list of options");
    assert_eq!(options_in(offered), names());
    let zsh = read(&manual, "_tailcast");
    let fish = read(&manual, "tailcast.fish");
    for name in names() {
        // zsh writes '-l+[…]' and '--listen=[…]', with a * where it may come again.
        let in_zsh = ["[", "+[", "=["].iter().any(|end| {
            let offers = |before| zsh.contains(&format!("{before}{name}{end}"));
            offers("'") || offers("'*")
        });
        assert!(in_zsh, "{name}: {zsh}");
        let in_fish = match name.strip_prefix("--") {
            Some(long) => fish.contains(&format!(" -l {long} ")),
            None => fish.contains(&format!(" -s {} ", &name[1..])),
        };
        assert!(in_fish, "{name}: {fish}");
    }
}

/// Runs `program` and says what it writes; `None` where it is not installed.
fn said_by(program: &str, args: &[&str]) -> Option<(bool, String)> {
    let output = match Command::new(program)
        .args(args)
        .env("LC_ALL", "C.UTF-8")
        .output()
    {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: {program} is not there ({error})");
            return None;
        }
    };
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

fn path(directory: &TempDir, name: &str) -> String {
    let path = directory.path().join(name);
    path.to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn bash_completes_an_option_that_is_begun() {
    let manual = manual();
    let script = format!(
        "source {}; COMP_WORDS=(tailcast --max-c); COMP_CWORD=1; \
         _tailcast tailcast --max-c tailcast; echo \"${{COMPREPLY[@]}}\"",
        path(&manual, "tailcast.bash")
    );
    if let Some(said) = said_by("bash", &["-c", &script]) {
        assert_eq!(said, (true, "--max-clients\n".to_owned()));
    }
}

#[test]
fn fish_completes_an_option_that_is_begun() {
    let manual = manual();
    let script = format!(
        "source {}; complete --do-complete 'tailcast --max-c'",
        path(&manual, "tailcast.fish")
    );
    if let Some((well, said)) = said_by("fish", &["--no-config", "-c", &script]) {
        assert!(well && said.starts_with("--max-clients\t"), "{said}");
    }
}

#[test]
fn zsh_reads_its_completion() {
    let manual = manual();
    if let Some(said) = said_by("zsh", &["-n", &path(&manual, "_tailcast")]) {
        assert_eq!(said, (true, String::new()));
    }
    assert!(read(&manual, "_tailcast").starts_with("#compdef tailcast\n"));
}

#[test]
fn the_man_page_is_formatted_without_a_warning() {
    let manual = manual();
    let page = path(&manual, "tailcast.8");
    // -Z: formatted, and not shown.
    let args = ["--warnings=all", "-Tutf8", "-Z", "-l", &page];
    if let Some((well, said)) = said_by("man", &args) {
        let warnings: Vec<_> = said
            .lines()
            .filter(|line| line.contains("warning"))
            .collect();
        assert!(well && warnings.is_empty(), "{warnings:?}");
    }
}

#[test]
fn make_install_puts_everything_in_its_place() {
    let manual = manual();
    let root = tempfile::tempdir().expect("a directory");
    let output = Command::new("make")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("install")
        .arg(format!("BINARY={}", env!("CARGO_BIN_EXE_tailcast")))
        .arg(format!("MANUAL={}", manual.path().display()))
        .arg(format!("DESTDIR={}", root.path().display()))
        .output()
        .expect("start make");
    assert!(output.status.success(), "{output:?}");
    for file in [
        "usr/local/bin/tailcast",
        "usr/local/share/man/man8/tailcast.8",
        "usr/local/share/bash-completion/completions/tailcast",
        "usr/local/share/zsh/site-functions/_tailcast",
        "usr/local/share/fish/vendor_completions.d/tailcast.fish",
        "usr/local/lib/systemd/system/tailcast.socket",
        "usr/local/lib/systemd/system/tailcast-socket.service",
        "usr/local/share/doc/tailcast/examples/credentials.conf",
        "etc/default/tailcast",
    ] {
        assert!(root.path().join(file).is_file(), "{file} is missing");
    }
    let unit = "usr/local/lib/systemd/system/tailcast.service";
    let unit = fs::read_to_string(root.path().join(unit)).expect("read the unit");
    assert!(
        unit.contains("ExecStart=/usr/local/bin/tailcast\n"),
        "{unit}"
    );
}

#[test]
fn the_settings_file_knows_only_settings_that_exist() {
    let defaults = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/packaging/default");
    let defaults = fs::read_to_string(defaults).expect("read the settings");
    let settings = defaults
        .lines()
        .filter_map(|line| line.strip_prefix("#TAILCAST_")?.split('=').next());
    let names = names();
    let mut count = 0;
    for setting in settings.filter(|setting| *setting != "FILES") {
        let option = format!("--{}", setting.to_ascii_lowercase().replace('_', "-"));
        assert!(names.contains(&option[..]), "TAILCAST_{setting}");
        count += 1;
    }
    assert!(count > 5);
    // The rest is for the administrator to say.
    let said = defaults
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(said.collect::<Vec<_>>(), ["TAILCAST_FILES=journal:"]);
}
