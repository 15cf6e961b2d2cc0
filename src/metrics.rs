//! `/metrics`: what the daemon counts, in the text format that Prometheus reads, named by its conventions. All of it is
//! put together when somebody asks.

use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::hub::{Counts, Hub, SourceState};
use crate::tally::{Tally, UpstreamCount};

/// The type of the answer's body.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The streams that are alike, now and since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamsOf {
    /// By which way: `ws`, `events`, `stream` or `tcp`.
    pub stream: &'static str,
    /// In which format: `text`, `json` or `batch`.
    pub format: &'static str,
    /// How many are at the live edge.
    pub live: usize,
    /// How many read the files.
    pub catching_up: usize,
    /// What was written to all of them, those that have ended included.
    pub delivered_bytes: u64,
}

/// What is counted elsewhere, at a moment.
#[derive(Debug)]
pub struct Reading<'a> {
    /// The sources that whoever asks may see.
    pub sources: &'a [SourceState],
    /// What is added up over all files and clients: for who may see all.
    pub sums: Option<Sums<'a>>,
    /// When the daemon was started.
    pub started: SystemTime,
}

/// What is counted over all files and clients.
#[derive(Debug)]
pub struct Sums<'a> {
    /// What was published.
    pub counts: &'a Counts,
    /// The streams.
    pub streams: &'a [StreamsOf],
    /// What the slowest of them has yet to get.
    pub lag_bytes: u64,
    /// Gaps that streams which read the files were told of, and what they lost by them.
    pub stream_gaps: (u64, u64),
    /// `--max-clients`.
    pub clients_max: usize,
    /// Requests that were refused, by reason.
    pub refused: &'a [(&'static str, u64)],
    /// Rounds of delivery.
    pub rounds: u64,
    /// What is published to brokers, of all the sources of this hub.
    pub published: (&'a [Arc<Tally>], &'a Hub),
    /// The other tailcasts that are followed.
    pub upstreams: &'a [UpstreamCount],
}

/// The text for `reading`.
pub fn text(reading: &Reading) -> String {
    let mut families = Families::default();
    of_process(&mut families, reading.started);
    of_files(&mut families, reading.sources);
    if let Some(sums) = &reading.sums {
        of_streams(&mut families, sums);
        of_brokers(&mut families, sums.published);
        of_upstreams(&mut families, sums.upstreams);
    }
    families.0
}

/// What each family is, as it stands behind `# HELP`.
const HELP: &str = "\
process_start_time_seconds When it was started, since the epoch
tailcast_build_info The version that runs
tailcast_file_present Whether the name leads to a file
tailcast_read_lines_total Lines that were read since the start
tailcast_read_bytes_total Bytes of these lines
tailcast_rotations_total New files under the name
tailcast_truncations_total Times that the file was truncated or rewritten
tailcast_gaps_total Times that bytes were gone before they could be read
tailcast_lost_bytes_total Bytes of these gaps, as far as it is known how many
tailcast_clients Open streams
tailcast_max_clients How many may be open (--max-clients)
tailcast_delivered_bytes_total Bytes that were written to streams
tailcast_lag_bytes What the slowest stream has yet to get
tailcast_catch_ups_total Times that a live stream was too slow and went back to the file
tailcast_stream_gaps_total Gaps that streams met in the files
tailcast_stream_lost_bytes_total Bytes of these gaps, as far as it is known how many
tailcast_refused_total Requests that were refused
tailcast_batches_total Batches of lines that were published
tailcast_rounds_total Rounds of delivery to the live streams
tailcast_publish_connected Whether the broker can be published to
tailcast_publish_connections_total Connections that the broker has welcomed
tailcast_publish_lines_total Lines that the broker has acknowledged, those that came again included
tailcast_publish_messages_total Messages with these lines and with events
tailcast_publish_in_flight Messages that the broker has not acknowledged
tailcast_publish_lag_bytes What the broker has not acknowledged of the files, as far as they still stand
tailcast_upstream_up Whether the stream of the other tailcast is open
tailcast_upstream_connections_total Streams of the other tailcast that were opened: all but the first are reconnects";

fn of_process(families: &mut Families, started: SystemTime) {
    let since = started.duration_since(UNIX_EPOCH).unwrap_or_default();
    families.add("process_start_time_seconds", [("", since.as_secs_f64())]);
    let version = labels(&[("version", env!("CARGO_PKG_VERSION"))]);
    families.add("tailcast_build_info", [(version, 1)]);
}

fn of_files(families: &mut Families, sources: &[SourceState]) {
    // Ten thousand files are as many samples in each family, several times a minute.
    let names = names("file", sources, |state| &state.source.name);
    let mut add = |name, value: fn(&SourceState) -> u64| {
        families.add(name, names.iter().zip(sources.iter().map(value)));
    };
    add("tailcast_file_present", |state| u64::from(state.present));
    add("tailcast_read_lines_total", |state| state.counts.lines);
    add("tailcast_read_bytes_total", |state| state.counts.bytes);
    add("tailcast_rotations_total", |state| state.counts.rotations);
    add("tailcast_truncations_total", |state| {
        state.counts.truncations
    });
    add("tailcast_gaps_total", |state| state.counts.gaps);
    add("tailcast_lost_bytes_total", |state| state.counts.lost_bytes);
}

fn of_streams(families: &mut Families, sums: &Sums) {
    let mut clients = Vec::new();
    for streams in sums.streams {
        for (state, number) in [("live", streams.live), ("catching_up", streams.catching_up)] {
            let labels = labels(&[
                ("stream", streams.stream),
                ("format", streams.format),
                ("state", state),
            ]);
            clients.push((labels, number));
        }
    }
    families.add("tailcast_clients", clients);
    let delivered = sums.streams.iter().map(|streams| {
        let labels = labels(&[("stream", streams.stream), ("format", streams.format)]);
        (labels, streams.delivered_bytes)
    });
    families.add("tailcast_delivered_bytes_total", delivered);
    let refused = sums.refused.iter();
    let refused = refused.map(|&(reason, number)| (labels(&[("reason", reason)]), number));
    families.add("tailcast_refused_total", refused);
    let counts = sums.counts;
    let (gaps, lost_bytes) = sums.stream_gaps;
    for (name, value) in [
        ("tailcast_max_clients", sums.clients_max as u64),
        ("tailcast_lag_bytes", sums.lag_bytes),
        ("tailcast_catch_ups_total", load(&counts.fallbacks)),
        ("tailcast_stream_gaps_total", gaps),
        ("tailcast_stream_lost_bytes_total", lost_bytes),
        ("tailcast_batches_total", load(&counts.batches)),
        ("tailcast_rounds_total", sums.rounds),
    ] {
        families.add(name, [("", value)]);
    }
}

fn of_brokers(families: &mut Families, (tallies, hub): (&[Arc<Tally>], &Hub)) {
    let names = names("broker", tallies, |tally| &tally.broker);
    let mut add = |name, value: &dyn Fn(&Arc<Tally>) -> u64| {
        families.add(name, names.iter().zip(tallies.iter().map(value)));
    };
    add("tailcast_publish_connected", &|tally| {
        u64::from(tally.is_connected())
    });
    add("tailcast_publish_connections_total", &|tally| {
        load(&tally.connections)
    });
    add("tailcast_publish_lines_total", &|tally| load(&tally.lines));
    add("tailcast_publish_messages_total", &|tally| {
        load(&tally.messages)
    });
    add("tailcast_publish_in_flight", &|tally| {
        tally.in_flight.load(Ordering::Relaxed) as u64
    });
    add("tailcast_publish_lag_bytes", &|tally| {
        tally.behind_bytes(hub)
    });
}

fn of_upstreams(families: &mut Families, counts: &[UpstreamCount]) {
    let names = names("upstream", counts, |count| &count.host);
    let up = counts
        .iter()
        .map(|count| u64::from(count.up.load(Ordering::Relaxed)));
    families.add("tailcast_upstream_up", names.iter().zip(up));
    let connections = counts.iter().map(|count| load(&count.connections));
    families.add(
        "tailcast_upstream_connections_total",
        names.iter().zip(connections),
    );
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// The labels of a sample, as they stand behind its name.
fn labels(labels: &[(&str, &str)]) -> String {
    let escaped = |text: &str| {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        text.replace('\n', "\\n")
    };
    let labels = labels.iter();
    let labels = labels.map(|(label, of)| format!("{label}=\"{}\"", escaped(of)));
    format!("{{{}}}", labels.collect::<Vec<_>>().join(","))
}

/// The label of each of `all`: its name.
fn names<T>(label: &str, all: &[T], name: fn(&T) -> &str) -> Vec<String> {
    let each = |one| labels(&[(label, name(one))]);
    all.iter().map(each).collect()
}

#[derive(Default)]
struct Families(String);

impl Families {
    /// By its name it is a counter or a gauge. Without a value nothing is said of it.
    fn add<Of: AsRef<str>, Value: Display>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = (Of, Value)>,
    ) {
        let kind = match name.ends_with("_total") {
            true => "counter",
            false => "gauge",
        };
        let is_its = |line: &&str| line.split(' ').next() == Some(name);
        let help = HELP.lines().find(is_its).unwrap_or(name);
        debug_assert_ne!(help, name, "it has no words in HELP");
        let text = &mut self.0;
        let mut is_said = false;
        for (labels, value) in values {
            let labels = labels.as_ref();
            // Writing to a string can't fail.
            if !std::mem::replace(&mut is_said, true) {
                let _ = write!(text, "# HELP {help}\n# TYPE {name} {kind}\n");
            }
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    }
}
