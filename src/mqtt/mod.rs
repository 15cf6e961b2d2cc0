//! What is said to a broker and by it: plain functions over bytes, for who publishes and for who subscribes. Version 5
//! (OASIS, "section" is of that standard) and 3.1.1, which is the same without properties and reasons.
//!
//! A few hundred lines of our own, since what there is brings 17 to 36 packages for it, or does not know version 5.

pub(crate) mod heard;
pub(crate) mod packet;
pub(crate) mod reason;
pub(crate) mod said;
