//! Which content coding the body of a stream has (RFC 9110, section 8.4.1).

use crate::serve::http::request::{Request, list};

/// A weight (RFC 9110, section 12.4.2) in thousandths; 0 is "not that".
type Weight = u16;

/// What one has that is named without a weight.
const FULL: Weight = 1000;

/// How the body of a stream is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// What `request` takes best. Who doesn't say that it takes gzip is sent none.
    pub fn wanted(request: &Request) -> Coding {
        let (mut gzip, mut identity, mut any) = (None, None, None);
        for member in request.headers("Accept-Encoding").flat_map(list) {
            let (name, weight) = split_weight(member);
            let named =
                if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
                    &mut gzip
                } else if name.eq_ignore_ascii_case(b"identity") {
                    &mut identity
                } else if name == b"*" {
                    &mut any
                } else {
                    continue;
                };
            // Of two words about one thing the more careful one counts.
            *named = Some(named.unwrap_or(FULL).min(weight));
        }
        // A star is for what is not named.
        let gzip = gzip.or(any).unwrap_or(0);
        // Plain bytes are always good, unless named never the first choice.
        if gzip > 0 && gzip >= identity.unwrap_or(0) {
            Coding::Gzip
        } else {
            Coding::Identity
        }
    }
}

/// The name of a coding and its weight: 0 where that can't be read.
fn split_weight(member: &[u8]) -> (&[u8], Weight) {
    let mut parts = member.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().unwrap_or_default();
    let weight = match (parts.next(), parts.next()) {
        (None, _) => FULL,
        (Some([b'q' | b'Q', b'=', value @ ..]), None) => weight(value).unwrap_or(0),
        _ => 0,
    };
    (name, weight)
}

/// `0`, `1`, and up to three decimals, which after a 1 are zeros.
fn weight(value: &[u8]) -> Option<Weight> {
    let (whole, decimals) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut weight = match whole {
        b'0' => 0,
        b'1' => FULL,
        _ => return None,
    };
    for (digit, worth) in decimals.iter().zip([100, 10, 1]) {
        if !digit.is_ascii_digit() {
            return None;
        }
        weight += Weight::from(digit - b'0') * worth;
    }
    (weight <= FULL).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::http::head::{Parsed, parse};

    fn wanted(lines: &[&str]) -> Coding {
        let fields: String = lines
            .iter()
            .map(|line| format!("accept-encoding: {line}\r\n"))
            .collect();
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        match parse(head.as_bytes()) {
            Parsed::Complete { request, .. } => Coding::wanted(&request),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_says_so_gets_gzip() {
        let all: [&[&str]; 14] = [
            &["gzip"],
            &["GZip"],
            &["x-gzip"],
            &["*"],
            &["gzip, deflate, br, zstd"],
            &["deflate,gzip;q=1.0, *;q=0.5"],
            &["br;q=1.0, gzip;q=0.8"],
            &["gzip ; q=0.001"],
            &["gzip;Q=1."],
            &["*;q=0.1, br"],
            &["gzip;q=1.0, identity; q=0.5, *;q=0"],
            &["identity, gzip"],
            &["br", "gzip"],
            &["", "deflate, , gzip"],
        ];
        for lines in all {
            assert_eq!(wanted(lines), Coding::Gzip, "{lines:?}");
        }
    }

    #[test]
    fn nobody_else_does() {
        let all: [&[&str]; 18] = [
            &[],
            &[""],
            &["identity"],
            &["br, deflate, zstd"],
            &["gzip;q=0"],
            &["gzip;q=0.000"],
            &["x-gzip;q=0, *"],
            &["*;q=0"],
            &["gzip;q=0, *;q=1"],
            &["identity;q=1, *;q=0"],
            &["identity, gzip;q=0.5"],
            &["gzip", "gzip;q=0"],
            &["gzipped, gzi, -gzip"],
            &["gzip;q=2"],
            &["gzip;q=1.001"],
            &["gzip;q=0.0001"],
            &["gzip;q=-1", "gzip;q="],
            &["gzip;level=1;q=1"],
        ];
        for lines in all {
            assert_eq!(wanted(lines), Coding::Identity, "{lines:?}");
        }
    }
}
