//! What is asked and how it is answered: heads, targets, queries, answers and refusals, as plain functions over bytes
//! without a socket or a thread.

pub mod refusal;

pub mod request;

pub mod head;
pub mod target;

pub mod query;

pub mod answer;
pub mod coding;
pub mod cors;

pub(crate) mod assets;
