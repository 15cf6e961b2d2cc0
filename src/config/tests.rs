//! What command line and environment promise.

use crate::pattern::Pattern;

use std::ffi::OsStr;

use super::*;

fn parse(args: &[&str], env: &[(&str, &str)]) -> Result<Asked, StartError> {
    let args = std::iter::once("tailcast")
        .chain(args.iter().copied())
        .map(OsString::from);
    Config::parse_from(args, |name| {
        env.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| OsString::from(value))
    })
}

fn config(args: &[&str], env: &[(&str, &str)]) -> Config {
    match parse(args, env) {
        Ok(Asked::Run(config)) => *config,
        other => panic!("{args:?} {env:?} became {other:?}"),
    }
}

fn wrong(args: &[&str], env: &[(&str, &str)]) -> String {
    let error = parse(args, env).expect_err("wrong usage");
    assert_eq!(error.exit_status(), 2);
    let line = error.to_string();
    assert!(
        !line.is_empty() && !line.chars().any(char::is_control),
        "{line:?}"
    );
    line
}

#[test]
fn the_defaults_are_those_of_the_interface() {
    let config = config(&["app.log"], &[]);
    assert_eq!(config.files, [Followed::Path("app.log".into())]);
    assert_eq!(
        config.listen,
        [Listen::parse(OsStr::new("127.0.0.1:8080")).expect("an address")]
    );
    assert_eq!(config.lines, Lines::Last(10));
    assert_eq!(
        (config.max_clients, config.queue, config.max_line),
        (1024, 64, 131_072)
    );
    assert_eq!(
        (config.max_delay, config.ping_interval),
        (None, Duration::from_secs(25))
    );
    assert_eq!(config.base_path.as_str(), "");
    assert_eq!(config.log_level, LevelFilter::Info);
    assert!(config.allow_origin.is_empty() && config.allow_host.is_empty());
    assert!(config.token_file.is_none());
}

#[test]
fn every_option_is_taken_over() {
    let config = config(
        &[
            "-l",
            "[::]:0",
            "--listen",
            "unix:/run/t",
            "-n",
            "all",
            "--max-clients=5",
            "--queue",
            "7",
            "--max-delay",
            "0",
            "--max-line",
            "100",
            "--ping-interval",
            "0.5",
            "--allow-origin",
            "https://a",
            "--allow-origin",
            "*",
            "--allow-host",
            "Logs",
            "--token-file",
            "t",
            "--base-path",
            "logs/",
            "-vv",
            "-f",
            "-F",
            "a.log",
            "b,c.log",
        ],
        &[],
    );
    assert_eq!(config.files.len(), 2);
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.lines, Lines::All);
    assert_eq!(
        (config.max_clients, config.queue, config.max_line),
        (5, 7, 100)
    );
    assert_eq!(config.max_delay, Some(Duration::ZERO));
    assert_eq!(config.ping_interval, Duration::from_millis(500));
    assert_eq!(
        (config.allow_origin.len(), config.allow_host),
        (2, vec!["logs".to_owned()])
    );
    assert_eq!(config.token_file, Some("t".into()));
    assert_eq!(config.base_path.as_str(), "/logs");
    assert_eq!(config.log_level, LevelFilter::Debug);
}

#[test]
fn spools_are_kept_where_it_is_said_or_where_systemd_has_a_directory_for_us() {
    let none = config(&["a"], &[]);
    assert_eq!((none.spool_dir, none.spool_size), (None, 64 << 20));
    let env = [
        ("STATE_DIRECTORY", "/var/lib/tailcast:/x"),
        ("TAILCAST_SPOOL_SIZE", "1g"),
    ];
    let ours = config(&["a"], &env);
    let spools = Some(PathBuf::from("/var/lib/tailcast/spool"));
    assert_eq!((ours.spool_dir, ours.spool_size), (spools, 1 << 30));
    let given = config(&["--spool-dir", "s", "--spool-size", "100k", "a"], &env);
    assert_eq!(
        (given.spool_dir, given.spool_size),
        (Some("s".into()), 102_400)
    );
}

#[test]
fn an_option_given_twice_counts_as_it_is_given_last() {
    let config = config(&["-n", "1", "-n", "2", "-F", "-F", "-v", "-q", "a"], &[]);
    assert_eq!(config.lines, Lines::Last(2));
    assert_eq!(config.log_level, LevelFilter::Warn);
}

#[test]
fn the_environment_says_the_same() {
    let env = [
        ("TAILCAST_FILES", "/var/log/a b,/var/log/*.log"),
        ("TAILCAST_LISTEN", "127.0.0.1:0,unix:/run/t"),
        ("TAILCAST_LINES", "3"),
        ("TAILCAST_MAX_CLIENTS", "9"),
        ("TAILCAST_ALLOW_ORIGIN", "https://a,https://b,"),
        ("TAILCAST_QUIET", "true"),
        ("TAILCAST_TOKEN_FILE", ""),
    ];
    let config = config(&[], &env);
    assert_eq!(
        config.files,
        [
            Followed::Path("/var/log/a b".into()),
            Followed::Pattern(Pattern::parse("/var/log/*.log".as_ref()).expect("a pattern"))
        ]
    );
    assert_eq!(
        (config.listen.len(), config.lines, config.max_clients),
        (2, Lines::Last(3), 9)
    );
    assert_eq!(
        (config.allow_origin.len(), config.log_level),
        (2, LevelFilter::Warn)
    );
    assert_eq!(config.token_file, None);
}

#[test]
fn the_command_line_wins() {
    let env = [
        ("TAILCAST_FILES", "x"),
        ("TAILCAST_LISTEN", "127.0.0.1:1,127.0.0.1:2"),
        ("TAILCAST_LINES", "not even read"),
        ("TAILCAST_QUIET", "1"),
    ];
    let config = config(&["-n", "5", "-l", "127.0.0.1:3", "-v", "y"], &env);
    assert_eq!(config.files, [Followed::Path("y".into())]);
    assert_eq!(
        config.listen,
        [Listen::parse(OsStr::new("127.0.0.1:3")).expect("an address")]
    );
    assert_eq!(
        (config.lines, config.log_level),
        (Lines::Last(5), LevelFilter::Debug)
    );
}

#[test]
fn wrong_usage_is_one_line_with_the_value() {
    for (args, part) in [
        (&[""][..], "\"\""),
        (&["-", "again=-"], "standard input"),
        (&["a/b=-"], "\"a/b=-\""),
        (&["journal:field=x"], "FIELD"),
        (&["--nonsense", "a"], "--nonsense"),
        (&["-x", "a"], "-x"),
        (&["-n", "ten", "a"], "\"ten\""),
        (&["-n", "-1", "a"], "\"-1\""),
        (&["-n"], "--lines"),
        (&["--lines=", "a"], "--lines"),
        (&["-n", "1\n\u{1b}[2J", "a"], "\\u{1b}"),
        (&["-l", "8080", "a"], "HOST:PORT"),
        (&["-l", "127.0.0.1:99999", "a"], "99999"),
        (&["--max-clients", "0", "a"], "\"0\""),
        (&["--queue", "0", "a"], "\"0\""),
        (&["--queue", "99999999999999999999", "a"], "from 1"),
        (&["--max-delay", "-5", "a"], "\"-5\""),
        (&["--max-line", "1M", "a"], "\"1M\""),
        (&["--max-line", "0", "a"], "\"0\""),
        (&["--ping-interval", "0", "a"], "\"0\""),
        (&["--ping-interval", "inf", "a"], "\"inf\""),
        (&["--ping-interval", ".", "a"], "seconds"),
        (&["--allow-origin", "null", "a"], "\"null\""),
        (&["--allow-host", "a:80", "a"], "\"a:80\""),
        (&["--base-path", "/a b", "a"], "\"/a b\""),
        (
            &["--token-file", "t", "-l", "tcp:127.0.0.1:0", "a"],
            "tcp:127.0.0.1:0",
        ),
        (&["--token-file", "", "a"], "--token-file"),
        (&["--spool-size", "1K", "a"], "\"1K\""),
        (&["--spool-size", "-1", "a"], "\"-1\""),
        (&["--spool-size", "-1M", "a"], "\"-1M\""),
        (&["--spool-size", "1MB", "a"], "\"1MB\""),
        (&["--since", "-5m", "a"], "\"-5m\""),
        (&["cat", "-v", "http://a/"], "-v: see tailcast cat --help"),
        (&["cat", "--output"], "see tailcast cat --help"),
        (&["--spool-size", "99999999999G", "a"], "64K"),
        (&["--quiet=yes", "a"], "--quiet"),
        (&["no/such/[file"], "[file"),
        (&["no/such/***"], "***"),
    ] {
        let line = wrong(args, &[]);
        assert!(line.contains(part), "{args:?}: {line}");
    }
    let line = wrong(&["a"], &[("TAILCAST_QUEUE", "many")]);
    assert!(
        line.contains("TAILCAST_QUEUE") && line.contains("\"many\""),
        "{line}"
    );
    let line = wrong(&["a"], &[("TAILCAST_VERBOSE", "very")]);
    assert!(
        line.contains("TAILCAST_VERBOSE") && line.contains("\"very\""),
        "{line}"
    );
}

#[test]
fn a_pattern_and_an_odd_name_of_an_existing_file_are_both_taken() {
    assert_eq!(config(&["no/such/*.log"], &[]).files.len(), 1);
    let directory = tempfile::tempdir().expect("a directory");
    let odd = directory.path().join("odd[.log");
    std::fs::write(&odd, "").expect("a file");
    let text = odd.to_str().expect("UTF-8").to_owned();
    assert_eq!(config(&[&text], &[]).files, [Followed::Path(odd)]);
}

#[test]
fn names_that_are_not_utf8_are_taken() {
    use std::os::unix::ffi::OsStringExt;
    let odd = OsString::from_vec(b"a\xff[x].log".to_vec());
    let asked = Config::parse_from(["tailcast".into(), odd.clone()], |_| None);
    let Ok(Asked::Run(config)) = asked else {
        panic!("{asked:?}")
    };
    assert_eq!(
        config.files,
        [Followed::Pattern(Pattern::parse(&odd).expect("a pattern"))]
    );
}

#[test]
fn help_and_version_are_shown() {
    for option in ["-h", "--help"] {
        let Ok(Asked::Show(text)) = parse(&[option], &[]) else {
            panic!("no help")
        };
        for word in [
            "--listen",
            "--max-line",
            "--base-path",
            "-F",
            "TAILCAST_",
            "FILE...",
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    for option in ["-V", "--version"] {
        let version = format!("tailcast {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(parse(&[option], &[]), Ok(Asked::Show(version)));
    }
}

#[cfg(feature = "mqtt")]
mod publishing {
    use super::*;
    use crate::config::value::Format;

    #[test]
    fn brokers_come_with_a_place_for_the_state() {
        assert_eq!(config(&["a"], &[]).publishing, None);
        let given = config(
            &[
                "--publish",
                "mqtt://h/p",
                "--publish",
                "mqtt://me@h:2/p",
                "--publish-format",
                "json",
                "--state-dir",
                "s",
                "--publish-password-file",
                "w",
                "--publish-from-start",
                "a",
            ],
            &[("STATE_DIRECTORY", "/var/lib/t")],
        );
        let publishing = given.publishing.expect("something to publish");
        assert_eq!(publishing.brokers.len(), 2);
        assert_eq!(publishing.state_dir, PathBuf::from("s"));
        assert_eq!(
            (publishing.format, publishing.from_start),
            (Format::Json, true)
        );
        let env = [
            ("TAILCAST_PUBLISH", "mqtt://h/p,mqtt://h/q"),
            ("TAILCAST_PUBLISH_FROM_START", "true"),
            ("STATE_DIRECTORY", "/var/lib/t:/var/lib/u"),
        ];
        let publishing = config(&["a"], &env)
            .publishing
            .expect("something to publish");
        assert_eq!(
            (publishing.brokers.len(), publishing.format),
            (2, Format::Batch)
        );
        assert_eq!(publishing.state_dir, PathBuf::from("/var/lib/t"));
    }

    #[test]
    fn wrong_brokers_are_one_line_with_what_would_be_right() {
        for (args, part) in [
            (&["--publish", "h", "a"][..], "mqtt://[USER@]HOST"),
            (&["--publish", "mqtt://h/p", "a"], "--state-dir PATH"),
            (&["--publish", "mqtt://h/p+", "a"], "without + and #"),
            (
                &["--publish", "mqtt://me:secret@h/p", "--state-dir", "s", "a"],
                "--publish-password-file",
            ),
            (
                &[
                    "--publish",
                    "mqtt://h/p",
                    "--publish",
                    "mqtt://H:1883/p/",
                    "--state-dir",
                    "s",
                    "a",
                ],
                "twice",
            ),
            (
                &[
                    "--publish",
                    "mqtt://h/p",
                    "--state-dir",
                    "s",
                    "--publish-password-file",
                    "w",
                    "a",
                ],
                "USER@",
            ),
            (&["--publish-format", "xml", "a"], "text, json or batch"),
        ] {
            let line = wrong(args, &[]);
            assert!(line.contains(part), "{args:?}: {line}");
            assert!(!line.contains("secret@"), "{line}");
        }
    }
}
