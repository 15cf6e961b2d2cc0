//! Other tailcasts: a stream of another machine's lines, over one connection, resumed by id.
//!
//! It is the other half of what `serve` says on `/ws?format=batch`: [`opening`] asks for it, [`session`] hears the
//! messages, [`message`] reads them, [`trouble`] says why that does not work, [`credentials`] knows what each host asks
//! for.

pub mod credentials;

pub mod message;

pub mod trouble;

pub mod opening;

pub mod session;
