//! What the program's own log says of a file: what happened to it, as clients are told it.
//!
//! Each is said once, when it is published, and never for a line: who follows the log that these words end up in would
//! otherwise feed it. That a name leads nowhere, or to a file again, is said where it is found out (`tail`); that
//! an origin is away or back, by its feeder.

use crate::source::{Event, EventKind, Kind, Segment, Source};

/// Says what `segments` tell of, at info; of a new name at debug.
pub(super) fn say(segments: &[Segment]) {
    for segment in segments {
        if let Kind::Event(event) = &segment.kind {
            say_event(&segment.source, event);
        }
    }
}

fn say_event(source: &Source, event: &Event) {
    let path = source.shown_path();
    match &event.kind {
        EventKind::Start => log::debug!("{path:?} is followed as {:?}", source.name),
        EventKind::Rotated => {
            log::info!(file:? = path; "{path:?} was rotated: a new file has its name")
        }
        EventKind::Truncated => log::info!(file:? = path; "{path:?} was truncated: it begins anew"),
        EventKind::Gap {
            lost_bytes: Some(lost),
            reason,
        } => {
            log::info!(file:? = path; "{path:?} has a gap: {lost} bytes are lost: {reason}");
        }
        EventKind::Gap {
            lost_bytes: None,
            reason,
        } => {
            log::info!(file:? = path; "{path:?} has a gap: {reason}");
        }
        // What is left is said elsewhere, or moves nobody.
        _ => {}
    }
}
