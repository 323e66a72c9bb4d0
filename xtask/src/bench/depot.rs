//! The depot over loopback: payloads a second, and what two hundred clients wait.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use crate::shell::{Outcome, target, write};
use crate::stats::Sample;

/// Payloads of the set: as many as the field guide's packages have.
const FILES: usize = 7100;
/// Connections of one client that installs.
const CONNECTIONS: usize = 8;
/// Clients at once, and what each fetches.
const CLIENTS: usize = 200;
const EACH: usize = 50;

/// A section of the report.
pub(super) fn run(zones: &Path) -> Outcome<String> {
    let repository = Repository::make()?;
    let depot = Depot::serve(
        zones,
        &["--mirror", "-d", &repository.0.display().to_string()],
    )?;
    let bytes: usize = (0..FILES).map(size).sum();
    let mut text = String::from("\n## Depot over loopback\n\n| what | figure |\n|---|--:|\n");
    fetch_all(depot.port, CONNECTIONS)?; // the page cache is warm from here on
    let start = Instant::now();
    fetch_all(depot.port, CONNECTIONS)?;
    let seconds = start.elapsed().as_secs_f64();
    let (rate, megabytes) = (FILES as f64 / seconds, bytes as f64 / seconds / 1e6);
    let _ = writeln!(
        text,
        "| {FILES} payloads, {:.0} MB, {CONNECTIONS} connections | {seconds:.3} s |\n\
         | payloads a second | {rate:.0} |\n| MB a second | {megabytes:.0} |",
        bytes as f64 / 1e6
    );
    let waited = crowd(depot.port)?;
    let all = CLIENTS * EACH;
    let (median, p90) = (waited.median().unwrap_or(0.0), waited.p90().unwrap_or(0.0));
    let _ = writeln!(
        text,
        "| {CLIENTS} clients, {all} payloads: median wait, ms | {median:.2} |\n\
         | the same: p90, ms | {p90:.2} |"
    );
    Ok(text)
}

/// Most files are small, some are large; the mean is near that of real packages.
fn size(number: usize) -> usize {
    match number % 100 {
        0 => 1_000_000,
        1..=9 => 60_000,
        10..=39 => 8_000,
        _ => 1_500,
    }
}

/// The name of a payload; a mirror does not look into it.
fn name(number: usize) -> String {
    format!("{:02x}{number:038x}", number % 256)
}

/// A repository of payloads, without packages.
struct Repository(PathBuf);

impl Repository {
    fn make() -> Outcome<Self> {
        let folder = target().join(format!("depot-bench.{}", std::process::id()));
        let new = Self(folder);
        let text = "[publisher]\nprefix = bench\n\n[repository]\nversion = 4\n";
        write(&new.0.join("pkg5.repository"), text)?;
        let noise: Vec<u8> = (0..size(0)).map(|at| (at * 31 % 251) as u8).collect();
        for number in 0..FILES {
            let name = name(number);
            let path = new
                .0
                .join("publisher/bench/file")
                .join(&name[..2])
                .join(&name);
            let folder = path.parent().unwrap_or_else(|| Path::new("/"));
            let made = std::fs::create_dir_all(folder);
            let made = made.and_then(|()| std::fs::write(&path, &noise[..size(number)]));
            made.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(new)
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A depot that runs until it is dropped.
pub(super) struct Depot {
    child: Child,
    pub(super) port: u16,
}

impl Depot {
    /// A depot with these options more.
    pub(super) fn serve(zones: &Path, options: &[&str]) -> Outcome<Self> {
        let mut command = Command::new(zones);
        command.args(["pkg.depotd", "-p", "0", "-a", "127.0.0.1"]);
        command.args(options).stdout(Stdio::piped());
        let failed = |error| format!("{}: {error}", zones.display());
        let mut child = command.spawn().map_err(failed)?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(failed)?;
        }
        let port = line.trim().trim_end_matches('/').rsplit(':').next();
        let port = port.and_then(|port| port.parse().ok());
        let mut depot = Self { child, port: 0 };
        depot.port = port.ok_or_else(|| format!("pkg.depotd does not listen: {line}"))?;
        Ok(depot)
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fetches every payload once, over so many connections.
fn fetch_all(port: u16, connections: usize) -> Outcome {
    side_by_side(connections, &|connection| {
        let mut client = Client::new(port)?;
        let mine = (0..FILES).filter(|number| number % connections == connection);
        mine.into_iter().try_for_each(|number| client.fetch(number))
    })
}

/// Many clients at once; what each payload took, in ms.
fn crowd(port: u16) -> Outcome<Sample> {
    let sample = Mutex::new(Sample::default());
    side_by_side(CLIENTS, &|number| {
        let mut client = Client::new(port)?;
        for at in 0..EACH {
            let start = Instant::now();
            client.fetch((number * EACH + at) % FILES)?;
            let ms = start.elapsed().as_secs_f64() * 1000.0;
            sample.lock().map_err(|error| error.to_string())?.add(ms);
        }
        Ok(())
    })?;
    sample.into_inner().map_err(|error| error.to_string())
}

fn side_by_side(count: usize, work: &(dyn Fn(usize) -> Outcome + Sync)) -> Outcome {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            let panicked = |_| Err("a client panicked".to_owned());
            thread.join().unwrap_or_else(panicked)
        })
    })
}

/// One connection that is kept.
struct Client {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Client {
    fn new(port: u16) -> Outcome<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            stream: BufReader::with_capacity(64 * 1024, stream),
            body: Vec::new(),
        })
    }

    fn fetch(&mut self, number: usize) -> Outcome {
        self.ask(&name(number))
            .map_err(|error| format!("payload {number}: {error}"))?;
        match self.body.len() == size(number) {
            true => Ok(()),
            false => Err(format!("payload {number} has {} bytes", self.body.len())),
        }
    }

    fn ask(&mut self, name: &str) -> std::io::Result<()> {
        let text = format!("GET /bench/file/1/{name} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.get_mut().write_all(text.as_bytes())?;
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body)
    }
}
