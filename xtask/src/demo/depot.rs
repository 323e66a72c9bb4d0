//! A depot on loopback that ends with the demo.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::session::Session;
use crate::shell::Outcome;

/// How long it may take to serve.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Depot {
    child: Child,
    pub(super) uri: String,
}

impl Depot {
    /// Serves a repository on a free port.
    pub(super) fn start(session: &Session, repository: &str) -> Outcome<Self> {
        let failed = |error: std::io::Error| format!("cannot serve: {error}");
        // Free a moment ago: somebody else would have to be very quick.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        drop(listener);
        let port = address.port().to_string();
        println!("# pkg.depotd -d {repository} -a 127.0.0.1 -p {port} &");
        let mut command = session.plain("pkg.depotd");
        command.args(["-d", repository, "-a", "127.0.0.1", "-p", &port]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(Stdio::null()).spawn().map_err(failed)?;
        let uri = format!("http://{address}/");
        let mut depot = Self { child, uri };
        let limit = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > limit || depot.child.try_wait().map_err(failed)?.is_some() {
                return Err(format!("no depot answers at {address}"));
            }
            std::thread::yield_now();
        }
        Ok(depot)
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
