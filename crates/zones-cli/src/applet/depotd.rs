//! pkg.depotd(8): serves a package repository.

mod file;
mod options;

use std::fs::OpenOptions;
use std::io::{IsTerminal, Write as _};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use zones_depot::{Depot, DepotError, Logs, Sink};
use zones_store::Layout;
use zones_sys::SignalFd;

use crate::report::{OK, USAGE, fail};
use options::{Options, Parsed};

const NAME: &str = "pkg.depotd";

pub(crate) fn run(_layout: &Layout, args: &[String]) -> u8 {
    let options = match options::parse(args, &crate::env::depot()) {
        Ok(Parsed::Options(options)) => options,
        Ok(Parsed::Help) => {
            print!("{}", options::help());
            return OK;
        }
        Err(why) => {
            eprintln!("{NAME}: {why}\n\n{}", options::help());
            return USAGE;
        }
    };
    // Before any thread is there, so that all of them have the signals blocked.
    let stop = [Signal::TERM, Signal::INT, Signal::HUP].map(Signal::as_raw);
    let stop = match SignalFd::new(&stop) {
        Ok(stop) => stop,
        Err(error) => return fail(NAME, format!("cannot wait for signals: {error}")),
    };
    match serve(*options, &stop) {
        Ok(()) => OK,
        Err(error) => fail(NAME, error),
    }
}

fn serve(options: Options, stop: &SignalFd) -> Result<(), Error> {
    raise_descriptors();
    let access = sink(options.log_access.as_deref(), default_access())?;
    let errors = sink(options.log_errors.as_deref(), "stderr")?;
    let depot = Depot::open(options.config, Logs::new(access, errors))?;
    let server = depot.bind()?;
    for address in server.addresses() {
        println!("{NAME}: listening on {address}");
    }
    // Who waits for this line may read from a pipe.
    let _ = std::io::stdout().flush();
    if options.exit_ready {
        return Ok(());
    }
    Ok(server.run(stop.as_fd())?)
}

/// Why the depot does not run.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Depot(#[from] DepotError),
    #[error("cannot write the log `{0}`: {1}")]
    Log(String, std::io::Error),
}

/// Every client takes a descriptor or two.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // The limit of before will do for fewer clients.
    let _ = setrlimit(Resource::Nofile, raised);
}

fn default_access() -> &'static str {
    match std::io::stdout().is_terminal() {
        true => "stdout",
        false => "none",
    }
}

/// Where a log goes: `stdout`, `stderr`, `none` or a file.
fn sink(wanted: Option<&str>, default: &str) -> Result<Option<Sink>, Error> {
    Ok(match wanted.unwrap_or(default) {
        "none" => None,
        "stdout" => Some(Box::new(std::io::stdout())),
        "stderr" => Some(Box::new(std::io::stderr())),
        path => {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .open(Path::new(path));
            let file = file.map_err(|error| Error::Log(path.to_owned(), error))?;
            Some(Box::new(file))
        }
    })
}
