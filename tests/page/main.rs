//! What a reader sees: the page in a real browser, against the real daemon. A module a part of the page; where there is
//! no browser and nobody promised one, its tests pass without a word.

#[path = "../browser/mod.rs"]
mod browser;
#[path = "../support/mod.rs"]
mod support;

mod stage;

mod access;
mod axe;
mod bell;
mod connection;
mod containers;
mod far;
mod fast;
mod fields;
mod files;

mod filter;
mod find;
mod firefox;
mod hosts;
mod keys;
mod leaving;
mod lines;
mod looks;
mod pictures;
mod places;
mod pure;
mod reading;
mod rtc;
mod small;
mod waits;
