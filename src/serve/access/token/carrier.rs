//! How a token travels: in `Authorization` (RFC 6750), in `?token=`, and in the cookie of the page.

use crate::percent::{self, Plus};
use crate::serve::http::query;
use crate::serve::http::request::Request;

/// The token that `request` shows. What a program or an address says wins over the cookie, which may be an old one.
pub fn presented(request: &Request, cookie_name: &str) -> Option<Vec<u8>> {
    bearer(request)
        .or_else(|| query::token(&request.query))
        .or_else(|| cookie(request, cookie_name))
}

/// Other schemes are those of a proxy's own login.
fn bearer(request: &Request) -> Option<Vec<u8>> {
    request.headers("authorization").find_map(|value| {
        let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
        scheme
            .eq_ignore_ascii_case(b"bearer ")
            .then(|| token.trim_ascii().to_vec())
    })
}

fn cookie(request: &Request, name: &str) -> Option<Vec<u8>> {
    let value = request
        .headers("cookie")
        .flat_map(|value| value.split(|&byte| byte == b';'))
        .find_map(|pair| {
            pair.trim_ascii()
                .strip_prefix(name.as_bytes())?
                .strip_prefix(b"=")
        })?;
    // One that can't be decoded is not ours, and matches no token.
    Some(percent::decode(value, Plus::IsItself).unwrap_or_default())
}

/// The name of the cookie. Browsers send cookies to every port of a host, so that without the hash two daemons on one
/// machine would log each other's users out.
pub fn cookie_name(port: u16, base_path: &str) -> String {
    // FNV-1a: the name must be the same after a restart and an update, which the standard hasher does not promise.
    let hash = port
        .to_be_bytes()
        .into_iter()
        .chain(base_path.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("tailcast-{hash:016x}")
}

/// The value of `Set-Cookie` that keeps `token` for the page: out of reach of scripts and of other sites, until the
/// browser is closed. `secure` says that the page came by https.
pub fn set_cookie(name: &str, token: &[u8], base_path: &str, secure: bool) -> String {
    let path = if base_path.is_empty() { "/" } else { base_path };
    let secure = if secure { "; Secure" } else { "" };
    format!(
        "{name}={}; Path={path}; HttpOnly; SameSite=Strict{secure}",
        percent::encode(token)
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::serve::http::head::{Parsed, parse};

    fn shown_by(target: &str, fields: &str) -> Option<String> {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        match parse(head.as_bytes()) {
            Parsed::Complete { request, .. } => {
                presented(&request, "c-1").map(|token| String::from_utf8(token).expect("UTF-8"))
            }
            other => panic!("{head}: {other:?}"),
        }
    }

    #[test]
    fn a_token_comes_in_three_ways() {
        for (target, fields, token) in [
            ("/", "", None),
            ("/", "Authorization: Bearer a+b==\r\n", Some("a+b==")),
            ("/", "authorization: bearer  x \r\n", Some("x")),
            (
                "/",
                "Authorization: Basic eA==\r\nAuthorization: Bearer x\r\n",
                Some("x"),
            ),
            ("/?a=1&token=a+b%2B", "", Some("a+b+")),
            ("/", "Cookie: d=1; c-1=a%2Bb+; e=2\r\n", Some("a+b+")),
            ("/", "Cookie: d=1\r\nCookie: c-1=x\r\n", Some("x")),
            ("/", "Cookie: c-12=x; xc-1=y\r\n", None),
            ("/", "Cookie: c-1=%zz\r\n", Some("")),
        ] {
            assert_eq!(
                shown_by(target, fields).as_deref(),
                token,
                "{target} {fields}"
            );
        }
    }

    #[test]
    fn what_is_said_anew_wins_over_the_cookie() {
        assert_eq!(
            shown_by("/?token=new", "Cookie: c-1=old\r\n").as_deref(),
            Some("new")
        );
        let basic = "Authorization: Basic eA==\r\nCookie: c-1=old\r\n";
        assert_eq!(shown_by("/", basic).as_deref(), Some("old"));
    }

    #[test]
    fn daemons_on_one_machine_have_cookies_of_their_own() {
        let name = cookie_name(8080, "/logs");
        assert_eq!(name, cookie_name(8080, "/logs"));
        assert!(name != cookie_name(8081, "/logs") && name != cookie_name(8080, ""));
    }

    #[test]
    fn a_cookie_is_kept_from_scripts_and_other_sites() {
        assert_eq!(
            set_cookie("c", b"a;b\r\n", "", false),
            "c=a%3Bb%0D%0A; Path=/; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            set_cookie("c", b"x", "/logs", true),
            "c=x; Path=/logs; HttpOnly; SameSite=Strict; Secure"
        );
    }

    proptest! {
        #[test]
        fn a_token_comes_back_in_its_cookie(token in "\\PC{1,40}") {
            let cookie = set_cookie("c-1", token.as_bytes(), "", false);
            let pair = cookie.split(';').next().expect("a pair");
            prop_assert_eq!(shown_by("/", &format!("Cookie: {pair}\r\n")), Some(token));
        }
    }
}
