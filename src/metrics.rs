//! `/metrics`: what the daemon counts, in the text format that Prometheus reads. Everything is asked for when somebody
//! asks, so it costs nothing otherwise.

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::hub::Hub;

/// The type of the answer's body.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(String, String)>;

/// What `hub` has published, and how many of `places` are taken by `streams`.
pub fn text(
    hub: &Hub,
    streams: usize,
    places: usize,
    catching_up: usize,
    started: SystemTime,
) -> String {
    let mut registry = Registry::with_prefix("tailcast");
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The version that runs", build);
    let gauge = |registry: &mut Registry, name: &str, help: &str, value: i64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    let seconds = started
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    gauge(
        &mut registry,
        "start_time_seconds",
        "When it was started, since the epoch",
        seconds as i64,
    );
    gauge(&mut registry, "clients", "Streams now", streams as i64);
    gauge(
        &mut registry,
        "clients_max",
        "Streams at most (--max-clients)",
        places as i64,
    );
    gauge(
        &mut registry,
        "clients_live",
        "Streams at the live edge",
        hub.live_len() as i64,
    );
    gauge(
        &mut registry,
        "clients_catching_up",
        "Streams that read the files",
        catching_up as i64,
    );
    let counter = |registry: &mut Registry, name: &str, help: &str, value: u64| {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    };
    let counts = &hub.counts;
    let batches = counts.batches.load(Ordering::Relaxed);
    counter(
        &mut registry,
        "batches",
        "Batches published to live streams",
        batches,
    );
    let fallbacks = counts.fallbacks.load(Ordering::Relaxed);
    counter(
        &mut registry,
        "catch_ups",
        "Live streams that were slow and read the file again",
        fallbacks,
    );
    let present: Family<Labels, Gauge> = Family::default();
    let published: Family<Labels, Counter> = Family::default();
    let generations: Family<Labels, Counter> = Family::default();
    for state in hub.sources() {
        let labels = vec![("file".to_owned(), state.source.name.clone())];
        present.get_or_create(&labels).set(i64::from(state.present));
        if let Some(generation) = &state.generation {
            let bytes = generation.base()
                + state
                    .edge
                    .position
                    .offset
                    .saturating_sub(generation.start());
            published.get_or_create(&labels).inc_by(bytes);
            generations.get_or_create(&labels).inc_by(generation.number);
        }
    }
    registry.register(
        "file_present",
        "Whether the name leads to a file now",
        present,
    );
    registry.register(
        "file_read_bytes",
        "Bytes up to the live edge, of all the files that had this name",
        published,
    );
    registry.register("file_beginnings", "Rotations and truncations", generations);
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = encode(&mut text, &registry);
    text
}
