//! What is said to a broker and by it: plain functions over bytes, for who publishes and for who subscribes.

pub(crate) mod packet;
pub(crate) mod reason;
