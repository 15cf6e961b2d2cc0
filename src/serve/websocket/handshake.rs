//! The opening handshake of WebSocket: a request in, the key of its answer or a refusal out.

use http::{Method, Version};

use crate::serve::http::refusal::Refusal;
use crate::serve::http::request::Request;

/// Checks the opening handshake (RFC 6455, section 4.2.1) and derives the answer to its key.
pub(crate) fn accept_key(request: &Request) -> Result<String, Refusal> {
    let upgrades =
        request.has_token("Upgrade", "websocket") && request.has_token("Connection", "upgrade");
    if request.method == Method::HEAD || request.version == Version::HTTP_10 || !upgrades {
        return Err(Refusal::upgrade_required(
            "connect with a WebSocket client (ws://…)",
        ));
    }
    if request
        .header("Sec-WebSocket-Version")
        .map(<[u8]>::trim_ascii)
        != Some(b"13")
    {
        return Err(Refusal::upgrade_required(
            "Sec-WebSocket-Version must be 13",
        ));
    }
    let mut keys = request.headers("Sec-WebSocket-Key");
    let key = keys.next().unwrap_or_default().trim_ascii();
    if keys.next().is_some() {
        return Err(Refusal::bad_request(
            "there must be one Sec-WebSocket-Key, not several",
        ));
    }
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    if key.len() != 24 || !key.ends_with(b"==") || !key[..22].iter().all(is_base64) {
        return Err(Refusal::bad_request(
            "Sec-WebSocket-Key must be 16 bytes in base64",
        ));
    }
    Ok(tungstenite::handshake::derive_accept_key(key))
}
