//! The end of a stream: what it says last.

use std::sync::Arc;
use std::time::Instant;

use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::limits::DRAIN;
use crate::reader::life::{Happening, State};
use crate::serve::delivery::link::{Carried, Link};
use crate::serve::transport::socket::Socket;

use super::{Ended, Stream};

impl Stream<'_> {
    pub(super) fn say_goodbye(&mut self, ended: Ended) {
        if matches!(ended, Ended::PeerLeft) {
            return;
        }
        let socket = Arc::clone(&self.peer.visitor.socket);
        let deadline = Instant::now() + DRAIN;
        let mut link = self.peer.link.lock();
        if matches!(ended, Ended::Stopping) {
            // What is queued is flushed, as far as the peer takes it in time.
            link.happens(Happening::Tried);
            if link.state() == State::Live {
                carry_until(deadline, &mut link, &socket);
            }
        }
        // Race: the end comes while a shared frame is half on the wire. Its rest goes before the close frame.
        link.ends();
        match ended {
            Ended::Complete => {
                let mut ending = link.wire.last_event();
                ending.extend(link.wire.ending());
                link.push_raw(&ending);
                link.close(frame(CloseCode::Normal, ""));
            }
            Ended::Stopping => {
                // Else the end of the connection has to do.
                if link.wire.can_end() {
                    let ending = link.wire.ending();
                    link.push_raw(&ending);
                }
                link.close(frame(CloseCode::Away, "stopping; resume by id"));
            }
            Ended::Withdrawn => link.close(frame(CloseCode::Policy, "the token was withdrawn")),
            Ended::Refused(code, why) => link.close(frame(code, why)),
            Ended::Silent | Ended::PeerClosed | Ended::PeerLeft => {}
        }
        carry_until(deadline, &mut link, &socket);
        drop(link);
        socket.drain(deadline);
    }
}

/// Carries until all is out, at most until `deadline`.
fn carry_until(deadline: Instant, link: &mut Link, socket: &Socket) {
    let mut is_blocked = || matches!(link.carry(true), Ok(Carried::Blocked));
    while is_blocked() && Instant::now() < deadline && socket.wait_to_write(deadline).is_ok() {}
}

fn frame(code: CloseCode, reason: &'static str) -> CloseFrame {
    CloseFrame {
        code,
        reason: reason.into(),
    }
}
