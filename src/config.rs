//! Owns the settings of the program.

pub mod value;
