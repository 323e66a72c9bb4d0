//! Many whole pkg clients install from one depot at once, with clients between them that are slow,
//! stop in the middle of a request, or vanish.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss
)]

mod support;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::{ZONES, err, out};

/// Files of the package, and what a large one has.
const FILES: usize = 24;
const LARGE: usize = 4 << 20;
/// Hostile clients of each kind.
const HOSTILE: usize = 4;

/// Clients at once; `ZONES_CROWD` says how many. With 200 they want more connections than the depot
/// takes: who is refused waits and comes again.
fn clients() -> usize {
    let text = std::env::var("ZONES_CROWD").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(100)
}

struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let site = Self {
            folder: tempfile::Builder::new()
                .prefix("pkg-crowd-")
                .tempdir_in(base)
                .unwrap(),
        };
        let repository = site.shown("repo");
        site.ok("pkgrepo", &["create", &repository], "root");
        let prefix = "publisher/prefix=test";
        site.ok("pkgrepo", &["set", "-s", &repository, prefix], "root");
        let mut text = "set name=pkg.fmri value=app/crowd@1\n\
                        dir path=usr owner=root group=root mode=0755\n"
            .to_owned();
        let proto = site.path("proto");
        std::fs::create_dir_all(&proto).unwrap();
        for number in 0..FILES {
            let name = format!("file{number}");
            let noise = (0..200 + number * 500).map(|at| (at * at / 7 + number) as u8);
            std::fs::write(proto.join(&name), noise.collect::<Vec<_>>()).unwrap();
            let _ = writeln!(
                text,
                "file {name} path=usr/{name} owner=root group=root mode=0644"
            );
        }
        // Not installed: what the slow ones ask for. It packs badly.
        let mut state = 1_u64;
        let noise = (0..LARGE).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        });
        std::fs::write(proto.join("large"), noise.collect::<Vec<_>>()).unwrap();
        let large = "set name=pkg.fmri value=app/large@1\n\
                     file large path=large owner=root group=root mode=0644\n";
        for text in [&*text, large] {
            let manifest = site.path("manifest");
            std::fs::write(&manifest, text).unwrap();
            let manifest = manifest.display().to_string();
            let proto = site.shown("proto");
            let words = ["-s", &repository, "publish", "-d", &proto, &manifest];
            site.ok("pkgsend", &words, "root");
        }
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A command on a host of its own.
    fn ok(&self, applet: &str, words: &[&str], host: &str) {
        let mut command = Command::new(ZONES);
        command.env_clear().env("ZONES_ROOT", self.path(host));
        let output = command.arg(applet).args(words).output().unwrap();
        let text = format!("{}{}", out(&output), err(&output));
        assert!(output.status.success(), "{words:?}: {text}");
    }

    /// The name of the large payload.
    fn large(&self) -> String {
        let mut folders = vec![self.path("repo/publisher/test/file")];
        while let Some(folder) = folders.pop() {
            for item in std::fs::read_dir(folder).unwrap().flatten() {
                let stat = item.metadata().unwrap();
                if stat.is_dir() {
                    folders.push(item.path());
                } else if stat.len() > (LARGE / 2) as u64 {
                    return item.file_name().into_string().unwrap();
                }
            }
        }
        unreachable!("no large payload")
    }
}

struct Depot {
    child: Child,
    address: String,
}

impl Depot {
    fn serve(site: &Site) -> Self {
        let repository = site.shown("repo");
        let words = [
            "-d",
            &repository,
            "-a",
            "127.0.0.1",
            "-p",
            "0",
            "--readonly",
        ];
        let mut command = Command::new(ZONES);
        command.arg("pkg.depotd").args(words).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        let uri = line.split_whitespace().last().unwrap();
        let address = uri.trim_start_matches("http://").trim_end_matches('/');
        Self {
            child,
            address: address.to_owned(),
        }
    }

    /// A request whose whole answer is read.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// Requests that were answered.
    fn requests(&self) -> u64 {
        let text = self.get("/metrics");
        let lines = text
            .lines()
            .filter(|it| it.contains("request_seconds_count{"));
        let counts = lines.filter_map(|it| it.rsplit(' ').next()?.parse::<u64>().ok());
        counts.sum()
    }

    /// The most memory that it had, kB.
    fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find(|it| it.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a large payload byte by byte.
fn slow(address: &str, large: &str, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address) else {
            continue;
        };
        let head = format!("GET /file/1/{large} HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut byte = [0];
        let mut is_open = stream.write_all(head.as_bytes()).is_ok();
        while is_open && !is_over.load(Ordering::Relaxed) {
            is_open = matches!(stream.read(&mut byte), Ok(1));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Sends half of a request and waits.
fn half(address: &str, is_over: &AtomicBool) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return;
    };
    let _ = stream.write_all(b"GET /manifest/0/app%2Fcr");
    while !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks, and is gone before the answer.
fn vanishing(address: &str, large: &str, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        if let Ok(mut stream) = TcpStream::connect(address) {
            let head = format!("GET /file/1/{large} HTTP/1.1\r\nHost: x\r\n\r\n");
            let _ = stream.write_all(head.as_bytes());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_crowd_installs_among_hostile_clients() {
    if let Some(reason) = support::missing() {
        println!("SKIP pkg crowd: {reason}");
        return;
    }
    let site = Site::new();
    let depot = Depot::serve(&site);
    let large = site.large();
    let uri = format!("test=http://{}/", depot.address);
    let is_over = AtomicBool::new(false);
    let install = |number: usize| {
        let (host, image) = (
            format!("host{number}"),
            site.shown(&format!("image{number}")),
        );
        site.ok("pkg", &["image-create", "-F", "-p", &uri, &image], &host);
        let words = ["-R", &image, "install", "-q", "app/crowd"];
        site.ok("pkg", &words, &host);
        site.ok("pkg", &["-R", &image, "verify"], &host);
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let (address, large, is_over) = (&*depot.address, &*large, &is_over);
        for _ in 0..HOSTILE {
            scope.spawn(move || slow(address, large, is_over));
            scope.spawn(move || half(address, is_over));
            scope.spawn(move || vanishing(address, large, is_over));
        }
        let all = (0..clients()).map(|number| scope.spawn(move || install(number)));
        let all: Vec<_> = all.collect();
        let ended: Vec<_> = all.into_iter().map(|it| it.join()).collect();
        // The hostile ones end also when a client failed.
        is_over.store(true, Ordering::Relaxed);
        let failed = ended.iter().filter(|it| it.is_err()).count();
        assert_eq!(failed, 0, "clients failed");
    });
    let seconds = begun.elapsed().as_secs_f64();
    let requests = depot.requests();
    println!(
        "{} clients and {} hostile ones: {seconds:.1} s, {requests} requests, {:.0} a second, the \
         depot had at most {} kB",
        clients(),
        3 * HOSTILE,
        requests as f64 / seconds,
        depot.memory(),
    );
    assert!(depot.memory() < 256 << 10, "{} kB", depot.memory());
    let each = FILES as u64;
    assert!(requests >= each * clients() as u64, "{requests} requests");
}
