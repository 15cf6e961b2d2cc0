//! tailcast: follows log files by name and streams every new line, live, to any number of clients.
pub mod courier;
pub mod hub;
pub mod limits;
pub mod source;
pub mod stop;
pub mod reader;
pub mod tail;
