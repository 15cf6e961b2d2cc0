//! What is said to a broker and by it, for who publishes and for who subscribes. Version 5
//! (OASIS, "section" is of that standard) and 3.1.1, which is the same without properties and reasons.
//!
//! A few hundred lines of our own, since what there is brings 17 to 36 packages for it, or does not know version 5.

pub(crate) mod conversation;
pub(crate) mod heard;
pub(crate) mod packet;
pub(crate) mod reason;
pub(crate) mod said;
pub(crate) mod trouble;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::outward::{Bell, Unreached};

use packet::Version;
use trouble::Trouble;

/// A name for a broker to know us by: at most 23 letters and digits, which every broker takes (MQTT 5, 3.1.3.1).
pub(crate) fn new_client() -> String {
    // Each RandomState has keys of its own.
    format!("tailcast{:015x}", RandomState::new().hash_one(0) >> 4)
}

/// Talks in the version that the broker spoke last, and at once in the older one where it knows no newer.
pub(crate) fn in_its_version(
    version: &mut Version,
    bell: &Bell,
    mut talk: impl FnMut(Version) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let ended = match talk(*version) {
        Err(trouble) if trouble.is_of_version() && !bell.is_stopping() => {
            *version = Version::Three;
            talk(Version::Three)
        }
        ended => ended,
    };
    // Whoever answers after a while without may be another broker, or a newer one.
    if let Err(
        Trouble::Unreached(Unreached::Host(..) | Unreached::Connect(..)) | Trouble::Unwelcome(_),
    ) = ended
    {
        *version = Version::Five;
    }
    ended
}
