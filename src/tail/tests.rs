//! The watcher on real files: what comes out of the hub is what was written, once, in order, and what can't be is told.

pub(super) mod rig;

mod asides;
mod bounds;
mod copies;
mod following;
mod forgetting;
mod kernel;
mod missed;
mod moved;
mod names;
mod preallocated;
mod rotation;
mod truncation;
