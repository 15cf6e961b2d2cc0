//! Real brokers, started by the project's own scripts in directories and on ports of their own, and a gate before them.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::support::wait_until;

/// RabbitMQ takes ten seconds on a quiet machine.
const STARTS: Duration = Duration::from_secs(90);

/// A broker, with all that it started; killed when dropped.
pub(crate) struct Broker {
    child: Child,
    /// Where it speaks MQTT.
    pub(crate) port: u16,
    /// Where RabbitMQ speaks AMQP.
    pub(crate) amqp_port: u16,
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

impl Broker {
    /// Mosquitto, with these lines in its configuration; without any, everybody may log in.
    pub(crate) fn mosquitto(dir: &Path, more: &str) -> Broker {
        Broker::mosquitto_at(dir, more, free_port())
    }

    /// The same on this port.
    pub(crate) fn mosquitto_at(dir: &Path, more: &str, port: u16) -> Broker {
        let mut args = vec![dir.join("mosquitto"), port.to_string().into()];
        if !more.is_empty() {
            std::fs::create_dir_all(dir).expect("a directory");
            let path = dir.join("more.conf");
            std::fs::write(&path, more).expect("write a configuration");
            args.push(path);
        }
        Broker::start("mosquitto.sh", &args, dir, (port, 0), || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
    }

    /// Mosquitto as `conf` has it, one of whose listeners is at `port`.
    pub(crate) fn configured(dir: &Path, conf: &Path, port: u16) -> Broker {
        let mut command = Command::new("/usr/sbin/mosquitto");
        command.arg("-c").arg(conf);
        let log = dir.join("mosquitto.log");
        Broker::run(command, &log, (port, 0), || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
    }

    /// RabbitMQ with its plugin for MQTT.
    pub(crate) fn rabbitmq(dir: &Path) -> Broker {
        Broker::rabbitmq_at(dir, (free_port(), free_port_of_three()))
    }

    /// The same on these ports, for MQTT and AMQP.
    pub(crate) fn rabbitmq_at(dir: &Path, (port, amqp): (u16, u16)) -> Broker {
        let args = [
            dir.join("rabbitmq"),
            port.to_string().into(),
            amqp.to_string().into(),
        ];
        let log = dir.join("rabbitmq.sh.log");
        Broker::start("rabbitmq.sh", &args, dir, (port, amqp), || {
            std::fs::read_to_string(&log).is_ok_and(|text| text.contains("Server startup complete"))
        })
    }

    fn start(
        script: &str,
        args: &[PathBuf],
        dir: &Path,
        ports: (u16, u16),
        is_up: impl FnMut() -> bool,
    ) -> Broker {
        let mut command = Command::new(super::script(script));
        command.args(args);
        Broker::run(command, &dir.join(format!("{script}.log")), ports, is_up)
    }

    fn run(
        mut command: Command,
        log: &Path,
        (port, amqp_port): (u16, u16),
        is_up: impl FnMut() -> bool,
    ) -> Broker {
        let out = File::create(log).expect("a log");
        let err = out.try_clone().expect("a log");
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .expect("start a broker");
        let broker = Broker {
            child,
            port,
            amqp_port,
        };
        assert!(
            wait_until(STARTS, is_up),
            "{command:?} does not start: {}",
            std::fs::read_to_string(log).unwrap_or_default()
        );
        broker
    }

    /// Stops it in its tracks, as a machine that hangs.
    pub(crate) fn hang(&self) {
        killpg(self.group(), Signal::SIGSTOP).expect("stop a broker");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        killpg(self.group(), Signal::SIGCONT).expect("wake a broker");
    }

    fn group(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"))
    }

    /// kill -9, as a machine that is switched off.
    pub(crate) fn kill(&mut self) {
        let _ = killpg(self.group(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port with two more free ones behind it, for the port mapper and the distribution of Erlang.
fn free_port_of_three() -> u16 {
    loop {
        let first = free_port();
        let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if first < u16::MAX - 2 && is_free(first) && is_free(first + 1) && is_free(first + 2) {
            return first;
        }
    }
}

/// A way to a broker that can be shut: then it refuses, and what was connected is cut.
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
                let Ok(broker) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                let ends = [&client, &broker].map(|end| end.try_clone().expect("a socket"));
                passing.lock().expect("no poison").extend(ends);
                pass(&client, &broker);
                pass(&broker, &client);
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
