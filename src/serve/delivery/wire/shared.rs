//! The bytes of a segment that are the same for all clients of a shape and a framing.

use crate::serve::delivery::filter::Sifted;
use crate::source::Segment;

use super::framing::{Framing, chunk_ends, message_ends};
use super::{Deflates, Sum, Wire};

impl Wire {
    /// The shared bytes of a segment.
    pub fn form<'a>(&self, segment: &'a Segment) -> &'a [u8] {
        // WebSocket and HTTP have no shape in common, and Bare is never deflated, so three forms a shape are enough. The
        // fourth is the sum of a deflated one.
        let form = match (&self.deflates, self.framing) {
            (Deflates::Nothing, Framing::WebSocket | Framing::Chunked) => 0,
            (Deflates::Nothing, Framing::Bare) => 1,
            (Deflates::Body(_) | Deflates::Messages(_), _) => 2,
        };
        segment.form(self.shape as usize * 4 + form, || {
            let mut shared = Wire::new(self.shape, self.framing, self.several, None);
            shared.deflates = self.deflates.clone();
            shared.goes_back(Sum::default());
            let mut bytes = Vec::new();
            shared.encode(segment, &Sifted::All, &mut bytes, &mut |_| {});
            if shared.is_gzipped() {
                segment.form(self.sum_form(), || shared.sum().to_bytes().to_vec());
            }
            bytes
        })
    }

    fn sum_form(&self) -> usize {
        self.shape as usize * 4 + 3
    }

    /// The client was sent all of the shared bytes of a segment, behind a header of this sum.
    pub fn was_sent(&mut self, header: Sum, segment: &Segment) {
        if !self.is_gzipped() {
            return;
        }
        // Made together with the bytes.
        let own = Sum::from_bytes(segment.form(self.sum_form(), Vec::new));
        self.goes_back(self.sum().then(header).then(own));
    }

    /// The client was sent a part of them: its sum is not known any more.
    pub fn was_sent_a_part(&mut self) {
        if let Deflates::Body(gzip) = &mut self.deflates {
            gzip.is_known = false;
        }
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
