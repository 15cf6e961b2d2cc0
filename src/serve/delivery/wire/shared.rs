//! The bytes of a segment that are the same for all clients of a shape and a framing.

use crate::serve::delivery::filter::Sifted;
use crate::source::{Kind, Part, Segment};

use super::framing::{Framing, chunk_ends, message_ends};
use super::{Deflates, Sum, Wire};

/// The fourth form of a shape: the sum of a deflated one.
const SUM: usize = 3;

impl Wire {
    /// There are shared bytes of a segment, or there will be when they are asked for: behind a filter, only where it is
    /// known what passes.
    pub fn shares(&self, segment: &Segment) -> bool {
        let is_sifted = || match &segment.kind {
            Kind::Lines(_) => self.part(segment).is_some(),
            Kind::Event(_) => true,
        };
        self.can_share() && (self.filter.is_none() || is_sifted())
    }

    /// What of a segment passes the filter, where that is kept for all who have the same one.
    fn part<'a>(&self, segment: &'a Segment) -> Option<&'a Part> {
        segment.part(self.filter()?.number())
    }

    /// The lines of a shared segment that the client wants.
    pub fn sifted(&self, segment: &Segment) -> Sifted {
        let part = self.part(segment);
        part.map_or(Sifted::All, |part| Sifted::These(part.passes().to_vec()))
    }

    /// How many of the first `len` lines of a shared segment the client wants.
    pub fn count(&self, segment: &Segment, len: u64) -> u64 {
        let part = self.part(segment);
        part.map_or(len, |part| part.count(len as usize))
    }

    /// The shared bytes of a segment.
    pub fn form<'a>(&self, segment: &'a Segment) -> &'a [u8] {
        // WebSocket and HTTP have no shape in common, and Bare is never deflated, so three forms a shape are enough. The
        // fourth is the sum of a deflated one.
        let form = match (&self.deflates, self.framing) {
            (Deflates::Nothing, Framing::WebSocket | Framing::Chunked) => 0,
            (Deflates::Nothing, Framing::Bare) => 1,
            (Deflates::Body(_) | Deflates::Messages(_), _) => 2,
        };
        self.shared(segment, form, || {
            let mut shared = self.plain();
            shared.deflates = self.deflates.clone();
            shared.goes_back(Sum::default());
            let mut bytes = Vec::new();
            shared.encode(segment, &self.sifted(segment), &mut bytes, &mut |_| {});
            if shared.is_gzipped() {
                self.shared(segment, SUM, || shared.sum().to_bytes().to_vec());
            }
            bytes
        })
    }

    /// The shared bytes of this `form`, which `make` makes where there are none yet.
    fn shared<'a>(
        &self,
        segment: &'a Segment,
        form: usize,
        make: impl FnOnce() -> Vec<u8>,
    ) -> &'a [u8] {
        let form = self.shape as usize * 4 + form;
        match self.part(segment) {
            None => segment.form(form, make),
            Some(part) if part.has_any() => segment.part_form(part, form, make),
            Some(_) => &[],
        }
    }

    /// The same without what is deflated.
    fn plain(&self) -> Wire {
        Wire::new(
            self.shape,
            self.framing,
            self.several,
            self.filter().cloned(),
        )
    }

    /// The client was sent all of the shared bytes of a segment, behind a header of this sum.
    pub fn was_sent(&mut self, header: Sum, segment: &Segment) {
        if !self.is_gzipped() {
            return;
        }
        // Made together with the bytes.
        let own = Sum::from_bytes(self.shared(segment, SUM, Vec::new));
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
        let mut plain = self.plain();
        let mut found = None;
        let sifted = self.sifted(segment);
        plain.encode(segment, &sifted, &mut Vec::new(), &mut |frame| {
            let end = match &mut deflated {
                Some(ends) => ends.next(),
                None => Some(frame.at),
            };
            found = found.or(end.filter(|&end| end >= at).map(|end| (end, frame.line)));
        });
        found
    }
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
