//! The door: accepts, starts a thread for each connection, and tells a stream's thread when its peer has said
//! something. One thread, in epoll; clients are edge-triggered, so a parked client costs nothing.

pub mod shortage;

pub mod routes;

pub mod plan;

mod client;

pub mod listener;

#[cfg(feature = "webrtc")]
pub mod offers;

mod visitors;

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use http::Method;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::limits::{ACCEPT_PAUSE, ACCESS_LOOK, CLIENT_STACK_BYTES, GRACE, HEADS_PAUSE};
use crate::stop::{Reason, Stop};

use crate::serve::delivery::visitor::Visitor;
use crate::serve::http::answer::Answer;
use crate::serve::http::refusal::Refusal;
use crate::serve::transport::socket::{Socket, Transport};
use crate::serve::transport::tls::Certificate;
use client::Client;
use listener::Listener;
use routes::Routes;

use visitors::Visitors;

/// Epoll data: listeners from 0, the waker, visitors from here on.
const WAKER: u64 = 1 << 32;
const VISITORS: u64 = 1 << 33;

/// The door: its listeners, and the connections that have come in.
pub struct Door {
    epoll: Epoll,
    waker: EventFd,
    routes: Arc<Routes>,
    /// What HTTP over TCP is wrapped in, if it is.
    certificate: Option<Certificate>,
    visitors: Visitors,
    stopping: AtomicBool,
}

/// Takes a visitor off the list when its thread ends, however it ends.
struct Leaves<'a>(&'a Door, u64);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.visitors.leaves(self.1);
        let _ = self.0.waker.write(1);
    }
}

impl Door {
    /// A door that is not open yet. With a certificate, its HTTP listeners on TCP speak TLS.
    pub fn new(routes: Arc<Routes>, certificate: Option<Certificate>) -> io::Result<Door> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let waker = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        epoll.add(&waker, EpollEvent::new(EpollFlags::EPOLLIN, WAKER))?;
        Ok(Door {
            epoll,
            waker,
            routes,
            certificate,
            visitors: Visitors::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Starts the thread that accepts from `listeners`.
    pub fn open(
        self: &Arc<Self>,
        listeners: Vec<Listener>,
        stop: Arc<Stop>,
    ) -> io::Result<JoinHandle<()>> {
        for (n, listener) in listeners.iter().enumerate() {
            listener.prepare()?;
            self.epoll
                .add(listener, EpollEvent::new(EpollFlags::EPOLLIN, n as u64))?;
        }
        let door = Arc::clone(self);
        let latch = Arc::clone(&stop);
        stop.start("door".to_owned(), move || {
            if let Err(error) = door.run(&listeners) {
                latch.set(Reason::Lost(format!("the door has failed: {error}")));
            }
        })
    }

    fn run(self: &Arc<Self>, listeners: &[Listener]) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        let mut closed_until: Option<Instant> = None;
        let mut access_look = Instant::now();
        while !self.stopping.load(Ordering::SeqCst) {
            let timeout = match closed_until {
                None if self.looks_again() => EpollTimeout::from(ACCESS_LOOK.as_millis() as u16),
                None => EpollTimeout::NONE,
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now()).as_millis() as u16;
                    EpollTimeout::from(left + 1)
                }
            };
            let n = match self.epoll.wait(&mut events, timeout) {
                Ok(n) => n,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if self.looks_again() && access_look.elapsed() >= ACCESS_LOOK {
                access_look = Instant::now();
                self.withdraw();
                if let Some(certificate) = &self.certificate {
                    certificate.refresh();
                }
            }
            let mut somebody_left = false;
            for event in &events[..n] {
                match event.data() {
                    WAKER => {
                        let _ = self.waker.read();
                        somebody_left = self.visitors.join_ended();
                    }
                    data if data >= VISITORS => self.hears(data - VISITORS),
                    listener => {
                        let listener = &listeners[listener as usize];
                        if closed_until.is_some() {
                            continue;
                        }
                        let pause = match self.accept_all(listener) {
                            Ok(true) => continue,
                            Ok(false) => HEADS_PAUSE,
                            Err(error) => {
                                let see = "see LimitNOFILE= of the unit (ulimit -Hn)";
                                self.routes.shortage.say(format_args!("{error}, {see}"));
                                self.visitors.end_silent_head(Instant::now());
                                ACCEPT_PAUSE
                            }
                        };
                        closed_until = Some(Instant::now() + pause);
                        self.listen(listeners, false)?;
                    }
                }
            }
            if closed_until.is_some_and(|until| somebody_left || Instant::now() >= until) {
                closed_until = None;
                self.listen(listeners, true)?;
            }
        }
        Ok(())
    }

    /// There is a token file or a certificate, which may change.
    fn looks_again(&self) -> bool {
        self.routes.access.asks() || self.certificate.is_some()
    }

    /// Ends the streams whose token was withdrawn, or opens less than it did, if the token file has changed.
    fn withdraw(&self) {
        if !self.routes.access.has_changed() {
            return;
        }
        for visitor in self.visitors.all() {
            if visitor
                .pass()
                .is_some_and(|pass| !self.routes.access.holds(pass))
            {
                visitor.withdraw();
            }
        }
    }

    /// Listens or not: a listener that can't accept would be readable all the time.
    fn listen(&self, listeners: &[Listener], on: bool) -> io::Result<()> {
        for (n, listener) in listeners.iter().enumerate() {
            let flags = if on {
                EpollFlags::EPOLLIN
            } else {
                EpollFlags::empty()
            };
            self.epoll
                .modify(listener, &mut EpollEvent::new(flags, n as u64))?;
        }
        Ok(())
    }

    /// Accepts those who wait at `listener`; false where there is no room for them right now.
    fn accept_all(self: &Arc<Self>, listener: &Listener) -> io::Result<bool> {
        // Bounded, so that a storm of connections does not keep peers' words from the streams.
        for _ in 0..64 {
            if !self.visitors.has_room(Instant::now()) {
                return Ok(false);
            }
            match listener.accept(self.certificate.as_ref()) {
                Ok(socket) => self.take_in(socket, listener.is_plain()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => {
                    let errno = error.raw_os_error().map(Errno::from_raw);
                    // With anything else the peer gave up before it was accepted: accept(2) says to go on.
                    if let Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) =
                        errno
                    {
                        return Err(error);
                    }
                }
            }
        }
        Ok(true)
    }

    fn take_in(self: &Arc<Self>, socket: Socket, plain: bool) {
        if socket.prepare().is_err() {
            return;
        }
        let socket = Arc::new(socket);
        let visitor = self.visitors.comes(Arc::clone(&socket), plain);
        let number = visitor.number;
        let door = Arc::clone(self);
        let spawned = thread::Builder::new()
            .name(format!("client-{number}"))
            .stack_size(CLIENT_STACK_BYTES)
            .spawn(move || {
                let _leaves = Leaves(&door, number);
                visitor.runs_here();
                let becomes_stream = |visitor: &Arc<Visitor>| door.becomes_stream(visitor);
                let client = Client {
                    routes: &door.routes,
                    visitor,
                    becomes_stream: &becomes_stream,
                    #[cfg(feature = "webrtc")]
                    takes_in: &|stream| door.take_in(Socket::Unix(stream), false),
                };
                client.serve(plain);
            });
        match spawned {
            Ok(thread) => self.visitors.has_thread(number, thread),
            Err(error) => {
                self.visitors.leaves(number);
                self.turn_away(&socket, plain, &error);
            }
        }
    }

    /// There is no thread for the client on `socket`. It is told from here what can be told without waiting.
    fn turn_away(&self, socket: &Socket, plain: bool, error: &io::Error) {
        let see = "see TasksMax= of the unit (ulimit -u)";
        self.routes.shortage.say(format_args!(
            "no thread is to be had for it ({error}), {see}"
        ));
        let refusal = Refusal::unavailable(
            "too many clients for the threads that the daemon may have; try again later",
        );
        self.routes.refused.count(refusal.status);
        // A TLS client has shaken no hands yet.
        if !plain && socket.transport() != Transport::Tls {
            let answer = Answer::refusal(&refusal).encode(&Method::GET);
            let _ = socket.write_vectored(&[io::IoSlice::new(&answer)]);
        }
        socket.drain(Instant::now());
    }

    fn becomes_stream(&self, visitor: &Arc<Visitor>) {
        self.visitors.is_stream(visitor.number);
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        // Without it the peer's words are heard at each ping only; the closing of the socket undoes it.
        if let Err(error) = self.epoll.add(
            &*visitor.socket,
            EpollEvent::new(flags, VISITORS + visitor.number),
        ) {
            log::warn!("a client can't be listened to: {error}");
        }
    }

    fn hears(&self, number: u64) {
        if let Some(visitor) = self.visitors.get(number) {
            visitor.hears();
        }
    }

    /// Stops accepting.
    pub fn close(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = self.waker.write(1);
    }

    /// Tells every client to say goodbye.
    pub fn end_all(&self) {
        for visitor in self.visitors.all() {
            visitor.end();
        }
    }

    /// Waits for the clients' goodbyes for the grace time, then shuts the sockets of those that are
    /// left, and joins all threads.
    pub fn say_goodbye(&self) {
        self.visitors.wait_empty(GRACE);
        for visitor in self.visitors.all() {
            visitor.socket.shutdown(Shutdown::Both);
            visitor.wake();
        }
        self.visitors.wait_empty(Duration::from_millis(300));
        self.visitors.join_ended();
    }
}
