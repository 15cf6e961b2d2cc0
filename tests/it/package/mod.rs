//! What an administrator gets beside the program: help, man page and completions that agree with each other, `make
//! install`, and a Debian package that installs, upgrades and purges clean.

mod deb;
mod image;
#[path = "../../../scripts/packaging/manual.rs"]
#[allow(dead_code, reason = "its main is that of a program")]
mod manual;
mod options;
mod release;
mod rpm;
