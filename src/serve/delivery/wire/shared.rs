//! The bytes of a segment that are the same for all clients of a shape and a framing.

use crate::serve::delivery::filter::Sifted;
use crate::source::Segment;

use super::framing::{Framing, chunk_ends, message_ends};
use super::{Deflates, Wire};

impl Wire {
    /// The shared bytes of a segment.
    pub fn form<'a>(&self, segment: &'a Segment) -> &'a [u8] {
        // WebSocket and HTTP have no shape in common, and Bare is never deflated, so three forms a shape are enough.
        let form = match (&self.deflates, self.framing) {
            (Deflates::Nothing, Framing::WebSocket | Framing::Chunked) => 0,
            (Deflates::Nothing, Framing::Bare) => 1,
            (Deflates::Body(_) | Deflates::Messages(_), _) => 2,
        };
        segment.form(self.shape as usize * 3 + form, || {
            let mut shared = Wire::new(self.shape, self.framing, self.several, None);
            shared.deflates = self.deflates.clone();
            let mut bytes = Vec::new();
            shared.encode(segment, &Sifted::All, &mut bytes, &mut |_| {});
            bytes
        })
    }

    /// In the shared bytes of a segment, the end of the frame that reaches to byte `at` or beyond: where in the bytes,
    /// and the number of the last line that is then whole. Found by encoding once more, for frames are not remembered.
    pub fn frame_end(&self, segment: &Segment, at: usize) -> Option<(usize, usize)> {
        // But not by deflating once more, since whoever publishes may be the one who asks. There are as many frames of
        // plain bytes, each of the same lines.
        let mut deflated: Option<Box<dyn Iterator<Item = usize>>> = match &self.deflates {
            Deflates::Nothing => None,
            Deflates::Body(_) => Some(Box::new(chunk_ends(self.form(segment)))),
            Deflates::Messages(_) => Some(Box::new(message_ends(self.form(segment)))),
        };
        let mut plain = Wire::new(self.shape, self.framing, self.several, None);
        let mut found = None;
        plain.encode(segment, &Sifted::All, &mut Vec::new(), &mut |frame| {
            let end = match &mut deflated {
                Some(ends) => ends.next(),
                None => Some(frame.at),
            };
            found = found.or(end.filter(|&end| end >= at).map(|end| (end, frame.line)));
        });
        found
    }
}
