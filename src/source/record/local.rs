//! Logs of Docker's local driver: binary, and known so that people are told what to do instead.

/// Why such a file can't be followed.
pub const REFUSAL: &str = "it is a log of Docker's local driver, which is binary: containers that are started with \
                           --log-driver json-file can be followed";

/// As many first bytes of a file tell.
pub const HEAD_BYTES: usize = 12;

/// Whether a file that begins with `head` is one: a length in four bytes, and a message of protobuf whose first field is
/// the stream.
pub fn is_local(head: &[u8]) -> bool {
    let Some((length, message)) = head.split_at_checked(4) else {
        return false;
    };
    length.starts_with(&[0])
        && [&b"\n\x06stdout"[..], b"\n\x06stderr"]
            .iter()
            .any(|begin| message.starts_with(begin))
}
