//! Other tailcasts: a stream of another machine's lines, over one connection, resumed by id.
//!
//! It is the other half of what `serve` says on `/ws?format=batch`: [`session`] opens the connection and hears the
//! messages, [`message`] reads them, [`credentials`] knows what each host asks for.

pub mod credentials;

pub mod message;

pub mod session;
