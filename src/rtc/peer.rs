//! One peer: its `Rtc`, and what its stream of `/ws` is sent on the way into its data channel.
//!
//! Its thread waits in poll(2) for the bell (a datagram, the end), for its stream while the data channel takes more, and
//! for the next time at which the `Rtc` wants to be asked. Rule of the `Rtc`: everything that changes it is followed by a
//! full drain of what it puts out.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Receiver;
use nix::poll::PollFlags;
use str0m::channel::ChannelId;
use str0m::net::{Protocol, Receive, Transmit};
use str0m::{Event, IceConnectionState, Input, Output, Rtc};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

use crate::limits::{RTC_ADDRESSES_MAX, RTC_GOODBYE, RTC_OPENING, RTC_READ_BYTES, RTC_SILENCE_MIN};

use super::Shared;
use super::parts::Parts;
use super::table::{Datagram, Seat};
use super::window::Window;

/// How far a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// Its data channel is not open yet.
    Opens,
    /// It gets what its stream is sent.
    Live(ChannelId),
    /// Nothing more comes: it is closed once its peer has taken what is in it.
    Empties(ChannelId),
    /// It says goodbye, until then.
    Ends(Instant),
    /// It is over.
    Over,
}

/// A peer, owned by its thread.
pub(super) struct Peer {
    shared: Arc<Shared>,
    rtc: Rtc,
    /// Whom ICE calls.
    name: String,
    seat: Arc<Seat>,
    datagrams: Receiver<Datagram>,
    stream: WebSocket<UnixStream>,
    part_bytes_max: usize,
    life: Life,
    /// What waits for room in the data channel.
    waiting: Option<Parts>,
    /// What its peer has not acknowledged yet.
    window: Window,
    begun: Instant,
    /// When it last sent anything.
    heard: Instant,
    /// When the `Rtc` wants to be asked next.
    due: Instant,
    /// Where it has been answered.
    addresses: Vec<SocketAddr>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.table.leaves(&self.name, &self.seat);
    }
}

impl Peer {
    /// A peer that carries what comes by `stream`.
    pub(super) fn new(
        shared: Arc<Shared>,
        (rtc, name, seat): (Rtc, String, Arc<Seat>),
        datagrams: Receiver<Datagram>,
        (stream, rest): (UnixStream, Vec<u8>),
        part_bytes_max: usize,
    ) -> io::Result<Peer> {
        stream.set_nonblocking(true)?;
        // What we send ourselves needs no bound but its own.
        let config = WebSocketConfig::default()
            .read_buffer_size(RTC_READ_BYTES)
            .max_message_size(None)
            .max_frame_size(None);
        let now = Instant::now();
        Ok(Peer {
            shared,
            rtc,
            name,
            seat,
            datagrams,
            stream: WebSocket::from_partially_read(stream, rest, Role::Client, Some(config)),
            part_bytes_max,
            life: Life::Opens,
            waiting: None,
            window: Window::default(),
            begun: now,
            heard: now,
            due: now,
            addresses: Vec::new(),
        })
    }

    /// Serves it to its end.
    pub(super) fn run(mut self) {
        let ended = self.serve();
        match ended {
            Ok(why) => log::debug!("a data channel ends: {why}"),
            Err(error) => log::debug!("a data channel fails: {error}"),
        }
    }

    fn serve(&mut self) -> Result<&'static str, Box<dyn std::error::Error>> {
        self.drain()?;
        loop {
            while let Ok((from, bytes)) = self.datagrams.try_recv() {
                self.take_in(from, &bytes)?;
            }
            let now = Instant::now();
            if now >= self.due {
                self.rtc.handle_input(Input::Timeout(now))?;
                self.drain()?;
            }
            if self.life == Life::Over || !self.rtc.is_alive() {
                return Ok("its peer has left");
            }
            if self.seat.bell().is_stopping() && !matches!(self.life, Life::Ends(_)) {
                self.goodbye(now)?;
            }
            let until = match self.life {
                Life::Opens if now >= self.begun + RTC_OPENING => return Ok("it did not open"),
                Life::Opens => self.begun + RTC_OPENING,
                Life::Ends(until) if now >= until => return Ok("it is done"),
                Life::Ends(until) => until,
                Life::Live(_) | Life::Empties(_) | Life::Over => {
                    self.heard + (2 * self.shared.ping_interval).max(RTC_SILENCE_MIN)
                }
            };
            if now >= until {
                return Ok("nothing was heard of its peer for two ping intervals");
            }
            let wants_lines = match self.life {
                Life::Live(channel) => self.carry(channel)?,
                Life::Empties(channel) => {
                    let left = self.rtc.channel(channel);
                    if left.is_none_or(|mut channel| channel.buffered_amount() == 0) {
                        self.goodbye(now)?;
                        continue;
                    }
                    false
                }
                Life::Opens | Life::Ends(_) | Life::Over => false,
            };
            let stream = self.stream.get_ref().as_fd();
            let lines = wants_lines.then_some((stream, PollFlags::POLLIN));
            self.seat.bell().wait(lines, self.due.min(until))?;
        }
    }

    /// Takes in a datagram.
    fn take_in(&mut self, from: SocketAddr, bytes: &[u8]) -> Result<(), str0m::RtcError> {
        let destination = self.own_address(from.ip());
        let Ok(contents) = bytes.try_into() else {
            return Ok(());
        };
        let input = Input::Receive(
            Instant::now(),
            Receive {
                proto: Protocol::Udp,
                source: from,
                destination,
                contents,
            },
        );
        // Who knows the name alone is no peer of ours.
        if !self.rtc.accepts(&input) {
            return Ok(());
        }
        if self.addresses.contains(&from) {
            self.heard = Instant::now();
        }
        self.rtc.handle_input(input)?;
        self.drain()
    }

    /// One of the addresses that it was offered: the socket is the same for all.
    fn own_address(&self, of: IpAddr) -> SocketAddr {
        let all = self.shared.candidates.iter();
        let mut same = all.filter(|own| own.is_ipv4() == of.is_ipv4());
        let found = same.find(|own| own.ip().is_loopback() == of.is_loopback());
        let found = found.or_else(|| self.shared.candidates.first()).copied();
        found.unwrap_or_else(|| SocketAddr::new(of, 0))
    }

    /// Takes all that the `Rtc` puts out.
    fn drain(&mut self) -> Result<(), str0m::RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(due) => {
                    self.due = due;
                    return Ok(());
                }
                Output::Transmit(datagram) => self.send(&datagram),
                Output::Event(event) => self.hear(&event),
            }
        }
    }

    /// Sends a datagram. What the kernel does not take is lost, as on any way.
    fn send(&mut self, datagram: &Transmit) {
        let to = datagram.destination;
        if !self.addresses.contains(&to) && self.addresses.len() < RTC_ADDRESSES_MAX {
            // ICE answers nobody who lacks the password.
            self.addresses.push(to);
            self.shared.table.knows(to, &self.seat);
            self.heard = Instant::now();
        }
        let to = match to.ip() {
            IpAddr::V4(ip) if self.shared.is_v6 => {
                SocketAddr::new(ip.to_ipv6_mapped().into(), to.port())
            }
            _ => to,
        };
        if let Err(error) = self.shared.socket.send_to(&datagram.contents, to) {
            log::trace!("send a datagram to {to}: {error}");
        }
    }

    fn hear(&mut self, event: &Event) {
        match event {
            Event::ChannelOpen(channel, _) if self.life == Life::Opens => {
                self.seat.opens();
                self.life = Life::Live(*channel);
            }
            Event::ChannelClose(channel)
                if [Life::Live(*channel), Life::Empties(*channel)].contains(&self.life) =>
            {
                self.life = Life::Over;
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.life = Life::Over;
            }
            // What clients send is read and ignored.
            _ => {}
        }
    }

    /// Carries what comes by the stream into the data channel; false where that is full.
    fn carry(&mut self, channel: ChannelId) -> Result<bool, Box<dyn std::error::Error>> {
        let now = Instant::now();
        if let Some(mut open) = self.rtc.channel(channel) {
            self.window.keeps(open.buffered_amount(), now);
        }
        let before = self.window.sent_len();
        let wants_lines = self.fill(channel, now)?;
        if self.window.sent_len() > before {
            self.drain()?;
        }
        Ok(wants_lines)
    }

    /// Writes what comes by the stream until the data channel is full: false then. A write does no more than queue, so
    /// that one drain for all of them is enough, and lines share datagrams.
    fn fill(
        &mut self,
        channel: ChannelId,
        now: Instant,
    ) -> Result<bool, Box<dyn std::error::Error>> {
        loop {
            while let Some(parts) = &mut self.waiting {
                let (part, is_last) = parts.next();
                let Some(mut open) = self.rtc.channel(channel) else {
                    self.life = Life::Over;
                    return Ok(false);
                };
                if !self.window.has_room() || !open.write(!is_last, part.as_bytes())? {
                    return Ok(false);
                }
                self.window.sends(part.len(), now);
                if !parts.is_taken() {
                    self.waiting = None;
                }
            }
            match self.stream.read() {
                Ok(Message::Text(text)) => {
                    self.waiting = Some(Parts::new(text, self.part_bytes_max));
                }
                // The answer to a ping goes out with the next read.
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(true);
                }
                // The stream has ended. This thread looks again at once.
                Err(_) => {
                    self.life = Life::Empties(channel);
                    self.seat.bell().ring();
                    return Ok(false);
                }
            }
        }
    }

    /// Closes the data channel.
    fn goodbye(&mut self, now: Instant) -> Result<(), str0m::RtcError> {
        if let Life::Live(channel) | Life::Empties(channel) = self.life {
            self.rtc.direct_api().close_data_channel(channel);
            self.drain()?;
        }
        self.life = Life::Ends(now + RTC_GOODBYE);
        Ok(())
    }
}
