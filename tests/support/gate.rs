//! A small proxy that cuts connections, and ports for servers that come and go.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// A way to a server that can be shut: then it refuses, and what was connected is cut.
pub(crate) struct Gate {
    pub(crate) port: u16,
    open: Arc<AtomicBool>,
    passing: Arc<Mutex<Vec<TcpStream>>>,
}

impl Gate {
    /// An open gate to `port`.
    pub(crate) fn to(port: u16) -> Gate {
        Gate::at(0, port)
    }

    /// The same, and the gate is at port `at`.
    pub(crate) fn at(at: u16, port: u16) -> Gate {
        let listener = TcpListener::bind(("127.0.0.1", at)).expect("a port");
        let gate = Gate {
            port: listener.local_addr().expect("its address").port(),
            open: Arc::new(AtomicBool::new(true)),
            passing: Arc::default(),
        };
        let (open, passing) = (Arc::clone(&gate.open), Arc::clone(&gate.passing));
        // Lives as long as the test program.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if !open.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                let ends = [&client, &server].map(|end| end.try_clone().expect("a socket"));
                passing.lock().expect("no poison").extend(ends);
                pass(&client, &server);
                pass(&server, &client);
            }
        });
        gate
    }

    pub(crate) fn shut(&self) {
        self.open.store(false, Ordering::SeqCst);
        for stream in self.passing.lock().expect("no poison").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Cuts what is connected, and lets connect again.
    pub(crate) fn cut(&self) {
        self.shut();
        self.open();
    }

    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

fn pass(from: &TcpStream, to: &TcpStream) {
    let mut from = from.try_clone().expect("a socket");
    let mut to = to.try_clone().expect("a socket");
    thread::spawn(move || {
        let mut buf = vec![0; 64 * 1024];
        while let Ok(n) = from.read(&mut buf) {
            if n == 0 || to.write_all(&buf[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
