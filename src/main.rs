//! The program's story: settings, start, wait, stop, exit status.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use tailcast::cat;
use tailcast::config::cat::Cat;
use tailcast::config::{Asked, Config};
use tailcast::daemon::Daemon;
use tailcast::error::StartError;
use tailcast::logging;
use tailcast::outward::Bell;
use tailcast::stop::{Reason, Stop};

fn main() -> ExitCode {
    let args = std::env::args_os();
    let config = match Config::parse_from(args, |name: &str| std::env::var_os(name)) {
        Ok(Asked::Run(config)) => config,
        Ok(Asked::Show(text)) => {
            // A closed standard output is the reader's wish.
            let _ = std::io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Cat(cat)) => {
            logging::start(log::LevelFilter::Info);
            return match read(&cat) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => refuse(&error),
            };
        }
        Err(error) => return refuse(&error),
    };
    logging::start(config.log_level);
    match run(&config) {
        Ok(Reason::Signal) => ExitCode::SUCCESS,
        Ok(Reason::Lost(what)) => {
            log::error!("{what}");
            ExitCode::FAILURE
        }
        Err(error) => refuse(&error),
    }
}

fn run(config: &Config) -> Result<Reason, StartError> {
    let stop = Arc::new(Stop::default());
    let latch = Arc::clone(&stop);
    logging::keep_ignored_signals_ignored();
    ctrlc::set_handler(move || latch.set(Reason::Signal))
        .map_err(|error| StartError::failed("handle signals", error))?;
    let daemon = Daemon::start(config, &stop)?;
    let reason = stop.wait();
    daemon.stop();
    Ok(reason)
}

/// `tailcast cat`.
fn read(cat: &Cat) -> Result<(), StartError> {
    let bell = Bell::new().map_err(|error| StartError::failed("make an eventfd", error))?;
    let bell = Arc::new(bell);
    let rings = Arc::clone(&bell);
    logging::keep_ignored_signals_ignored();
    ctrlc::set_handler(move || rings.stop())
        .map_err(|error| StartError::failed("handle signals", error))?;
    cat::run(cat, &bell)
}

fn refuse(error: &StartError) -> ExitCode {
    logging::say_why_not(error);
    ExitCode::from(error.exit_status())
}
