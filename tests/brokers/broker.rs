//! Real brokers, started by the project's own scripts in directories and on ports of their own.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::support::gate::free_port;
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

    /// Three NATS servers in a cluster, and the port of each.
    pub(crate) fn nats(dir: &Path) -> (Broker, [u16; 3]) {
        let ports = free_ports_of_nats();
        let mut args = vec![dir.join("nats")];
        args.extend(ports.map(|port| port.to_string().into()));
        let log = dir.join("nats.sh.log");
        let is_up = || {
            std::fs::read_to_string(&log)
                .is_ok_and(|text| text.contains("JetStream cluster new metadata leader"))
        };
        (
            Broker::start("nats.sh", &args, dir, (ports[0], 0), is_up),
            ports,
        )
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

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) {
        killpg(self.group(), Signal::SIGTERM).expect("stop a broker");
        let _ = self.child.wait();
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

/// Three ports, each with free ones 3 and 6 behind it.
fn free_ports_of_nats() -> [u16; 3] {
    loop {
        let first = free_port();
        let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if first < u16::MAX - 9 && (first..first + 9).all(is_free) {
            return [first, first + 1, first + 2];
        }
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
