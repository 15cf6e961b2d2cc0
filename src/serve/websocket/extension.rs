//! The extension of WebSocket that is spoken: permessage-deflate (RFC 7692), each message by itself.

use std::str;

use crate::limits::DEFLATE_WINDOW_BITS;
use crate::serve::http::request::{Request, list};

/// What is answered to the first offer of permessage-deflate in `request` that can be met; `None` where there is none.
///
/// No message refers to another, in neither direction: so what is deflated once goes to all clients, and nothing is
/// held for a client between two messages.
pub(crate) fn deflate_answer(request: &Request) -> Option<String> {
    let mut offers = request
        .headers("Sec-WebSocket-Extensions")
        .flat_map(list)
        .filter_map(|offer| str::from_utf8(offer).ok());
    offers.find_map(answer)
}

/// What is answered to one offer.
fn answer(offer: &str) -> Option<String> {
    let mut parts = offer.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("permessage-deflate") {
        return None;
    }
    let mut answer =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
    let mut seen = Vec::new();
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(value.trim_start().trim_matches('"'))),
            None => (part, None),
        };
        let name = name.to_ascii_lowercase();
        // A parameter that comes twice or that nobody knows makes it an offer to decline (RFC 7692, section 7).
        if seen.contains(&name) {
            return None;
        }
        match (name.as_str(), value) {
            ("server_no_context_takeover" | "client_no_context_takeover", None) => {}
            // Whatever it is, it can be read.
            ("client_max_window_bits", None) => {}
            ("client_max_window_bits", Some(bits)) => drop(window_bits(bits)?),
            ("server_max_window_bits", Some(bits)) if window_bits(bits)? >= DEFLATE_WINDOW_BITS => {
                answer.push_str(&format!("; server_max_window_bits={DEFLATE_WINDOW_BITS}"));
            }
            _ => return None,
        }
        seen.push(name);
    }
    Some(answer)
}

/// 8 to 15, without a leading zero (RFC 7692, section 7.1.2).
fn window_bits(text: &str) -> Option<i32> {
    let bits: i32 = text.parse().ok().filter(|bits| (8..=15).contains(bits))?;
    (text == bits.to_string()).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    #[test]
    fn offers_that_can_be_met_are_taken() {
        for offer in [
            "permessage-deflate",
            "Permessage-Deflate",
            // Firefox and Chrome.
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover;client_no_context_takeover",
            "permessage-deflate ; client_max_window_bits = 10",
            "permessage-deflate; client_max_window_bits=\"15\"",
        ] {
            assert_eq!(answer(offer).as_deref(), Some(PLAIN), "{offer}");
        }
        for bits in [14, 15] {
            let offer = format!("permessage-deflate; server_max_window_bits={bits}");
            let expected = format!("{PLAIN}; server_max_window_bits=14");
            assert_eq!(answer(&offer), Some(expected));
        }
    }

    #[test]
    fn others_are_declined() {
        for offer in [
            "",
            "x-webkit-deflate-frame",
            "permessage-deflate; server_max_window_bits=13",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=014",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; level=9",
            "permessage-deflate;",
        ] {
            assert_eq!(answer(offer), None, "{offer}");
        }
    }
}
