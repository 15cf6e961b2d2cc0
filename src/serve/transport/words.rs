//! The first words of a peer that is to say nothing: whether they are those of an HTTP request.

/// Methods of HTTP that a page or a program may ask by, and the preface of HTTP/2 (RFC 9113, section 3.4).
const METHODS: [&[u8]; 10] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
    b"PRI ",
];

/// What a peer has said so far, as long as that may be the beginning of a request.
#[derive(Debug, Default)]
pub struct FirstWords {
    said: Vec<u8>,
    /// It is something else.
    is_other: bool,
}

impl FirstWords {
    /// Whether the peer, which says `more`, has begun with an HTTP request.
    pub fn are_http(&mut self, more: &[u8]) -> bool {
        let longest = METHODS.iter().map(|method| method.len()).max();
        let room = longest.unwrap_or(0).saturating_sub(self.said.len());
        if !self.is_other {
            self.said.extend(more.iter().take(room));
        }
        let said = &self.said;
        self.is_other = !METHODS
            .iter()
            .any(|method| method.starts_with(said) || said.starts_with(method));
        METHODS.iter().any(|method| said.starts_with(method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_however_it_is_cut_and_nothing_else_is_one() {
        for request in ["GET / HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n", "HEAD /"] {
            for cut in 0..request.len() {
                let (one, two) = request.as_bytes().split_at(cut);
                let mut words = FirstWords::default();
                assert!(words.are_http(one) | words.are_http(two), "{request} {cut}");
            }
        }
        for other in ["hello\n", "GETTING /", "\nGET / HTTP/1.1", "get /", ""] {
            let mut words = FirstWords::default();
            assert!(!words.are_http(other.as_bytes()), "{other:?}");
            assert!(other.is_empty() || !words.are_http(b"GET / HTTP/1.1"));
        }
    }
}
