//! Connections against a site that knows a few paths: what HTTP itself promises.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::*;
use crate::http::head::Method;
use crate::http::reply::{Caching, Content, Reply, Served};

/// What `/file` holds: large enough for sendfile.
const SIZE: usize = 3_000_000;

struct Toy {
    file: tempfile::NamedTempFile,
}

impl Answer for Toy {
    fn answer(&self, request: &mut Request<'_>) -> Reply {
        let path = request.target.path.join("/");
        match path.as_str() {
            "" => Reply::text("text/plain", "root"),
            "file" => match self.file.reopen().and_then(Served::new) {
                Ok(served) => Reply::new(200, "application/data", Content::File(served))
                    .cached(Caching::Seconds(300)),
                Err(error) => Reply::refusal(500, &error.to_string()),
            },
            "echo" if matches!(request.head.method, Method::Post | Method::Put) => {
                let mut all = Vec::new();
                match request.body.read_to_end(&mut all) {
                    Ok(_) => Reply::text("text/plain", all),
                    Err(error) => Reply::refusal(400, &error.to_string()),
                }
            }
            "stream" => Reply::new(
                200,
                "text/plain",
                Content::Stream(Box::new(|out| {
                    (0..10_000).try_for_each(|line| writeln!(out, "line {line}"))
                })),
            ),
            "large" => Reply::text("text/plain", vec![b'x'; 50_000_000]),
            _ => Reply::refusal(404, &format!("The path '/{path}' was not found.")),
        }
    }
}

struct Running {
    port: u16,
    stop: OwnedFd,
    thread: Option<JoinHandle<Result<(), DepotError>>>,
    metrics: Arc<Metrics>,
}

impl Running {
    fn new(limits: Limits) -> Self {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        let bytes: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
        file.write_all(&bytes).expect("it is written");
        let metrics = Arc::new(Metrics::default());
        let any = Address::Tcp(([127, 0, 0, 1], 0).into());
        let server = Server::new(
            &[any],
            Arc::new(Toy { file }),
            limits,
            None,
            Arc::default(),
            Arc::clone(&metrics),
        );
        let server = server.expect("a server");
        let url = server.addresses().remove(0);
        let port = url.trim_end_matches('/').rsplit(':').next().map(str::parse);
        let stop = eventfd(0, EventfdFlags::CLOEXEC).expect("a descriptor");
        let theirs = stop.try_clone().expect("a descriptor");
        Self {
            port: port.expect("a port").expect("a number"),
            stop,
            thread: Some(std::thread::spawn(move || server.run(theirs.as_fd()))),
            metrics,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let timeout = Some(Duration::from_secs(20));
        stream.set_read_timeout(timeout).expect("a time-out");
        stream
    }

    /// Sends `bytes` and reads all that comes back until the end.
    fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).expect("sent");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("an end");
        String::from_utf8_lossy(&all).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        rustix::io::write(&self.stop, &1u64.to_ne_bytes()).expect("told");
        let ended = self.thread.take().expect("a thread").join();
        ended.expect("no panic").expect("no error");
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const LAST: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

fn quick() -> Limits {
    Limits {
        head: Duration::from_millis(300),
        idle: Duration::from_millis(600),
        window: Duration::from_millis(500),
        stop: Duration::from_millis(500),
        ..Limits::default()
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let depot = Running::new(Limits::default());
    let text = format!("{GET}GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n\r\n{GET}{LAST}");
    let said = depot.say(text.as_bytes());
    let states: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("HTTP/1.1 "))
        .collect();
    assert_eq!(states.len(), 4, "{said}");
    assert!(states[1].contains("404"), "{said}");
    assert!(said.ends_with("root"));
}

#[test]
fn a_request_byte_by_byte() {
    let depot = Running::new(Limits::default());
    let mut stream = depot.connect();
    stream.set_nodelay(true).expect("set");
    for byte in LAST.as_bytes() {
        stream.write_all(&[*byte]).expect("sent");
    }
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("text");
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
}

#[test]
fn old_clients_get_no_chunks_and_an_end() {
    let depot = Running::new(Limits::default());
    let said = depot.say(b"GET /stream HTTP/1.0\r\n\r\n");
    assert!(!said.contains("chunked"));
    assert!(said.ends_with("line 9999\n"));
    let said = depot.say(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    assert_eq!(said.matches("200 OK").count(), 2, "{said}");
}

#[test]
fn bodies_in_both_framings() {
    let depot = Running::new(Limits::default());
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\n";
    let rows = [
        ("Content-Length: 5\r\n\r\nhello", "hello"),
        (
            "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nA: b\r\n\r\n",
            "hello",
        ),
        ("Content-Length: 0\r\n\r\n", ""),
    ];
    for (rest, echo) in rows {
        let said = depot.say(format!("{head}{rest}{LAST}").as_bytes());
        assert!(
            said.contains(&format!("\r\n\r\n{echo}HTTP/1.1 200 OK")),
            "{rest}: {said}"
        );
    }
    let said = depot
        .say(format!("{head}Content-Length: 2\r\nExpect: 100-continue\r\n\r\nok{LAST}").as_bytes());
    assert!(
        said.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"),
        "{said}"
    );
}

#[test]
fn requests_that_are_refused() {
    let depot = Running::new(Limits {
        body_bytes: 1000,
        ..Limits::default()
    });
    let long = "a".repeat(9000);
    let rows = [
        ("garbage\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400),
        ("GET * HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400),
        ("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 405),
        (format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 414),
        (format!("GET /{long}{long}"), 414),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nA: {long}{long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(300)), 431),
        ("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n".to_owned(), 413),
        ("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_owned(), 400),
        ("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(), 400),
        ("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), 400),
        ("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned(), 501),
        ("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(), 400),
        (format!("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n{}\r\n0\r\n\r\n", "a".repeat(2000)), 413),
    ];
    for (text, status) in rows {
        let said = depot.say(text.as_bytes());
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status} ")),
            "{text:.80}: {said}"
        );
        assert!(said.contains("Connection: close\r\n"), "{text:.80}: {said}");
    }
    assert!(depot.say(LAST.as_bytes()).ends_with("root"));
}

#[test]
fn parts_of_a_file_and_its_validators() {
    let depot = Running::new(Limits::default());
    let ask = |verb: &str, extra: &str| {
        let text = format!("{verb} /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{extra}\r\n");
        let mut stream = depot.connect();
        stream.write_all(text.as_bytes()).expect("sent");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("an end");
        let at = all.windows(4).position(|four| four == b"\r\n\r\n");
        let body = all.split_off(at.expect("a head") + 4);
        (String::from_utf8(all).expect("a head is text"), body)
    };
    let value = |head: &str, name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().to_owned()
    };
    let (head, body) = ask("GET", "");
    let expected: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
    assert!(body == expected, "{head}");
    let (tag, date) = (value(&head, "ETag: "), value(&head, "Last-Modified: "));
    assert!(head.contains("max-age=300\r\n"));
    let (head, body) = ask("HEAD", "");
    assert_eq!(value(&head, "Content-Length: "), SIZE.to_string());
    assert!(body.is_empty());
    for (first, length) in [(0, 1), (7, 100), (100, 2_000_000), (SIZE - 1, 1)] {
        let last = first + length - 1;
        let (head, body) = ask(
            "GET",
            &format!("Range: bytes={first}-{last}\r\nIf-Range: {tag}\r\n"),
        );
        assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
        assert_eq!(
            value(&head, "Content-Range: "),
            format!("bytes {first}-{last}/{SIZE}")
        );
        assert!(body == expected[first..=last]);
    }
    let rows = [
        (format!("If-None-Match: \"x\", {tag}\r\n"), 304),
        (format!("If-None-Match: W/{tag}\r\n"), 304),
        ("If-None-Match: *\r\n".to_owned(), 304),
        (format!("If-Modified-Since: {date}\r\n"), 304),
        (
            format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {date}\r\n"),
            200,
        ),
        (
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n".to_owned(),
            200,
        ),
        ("If-Modified-Since: soon\r\n".to_owned(), 200),
        (format!("Range: bytes=0-1\r\nIf-Range: {date}\r\n"), 206),
        ("Range: bytes=0-1\r\nIf-Range: \"x\"\r\n".to_owned(), 200),
        ("Range: bytes=0-1,5-6\r\n".to_owned(), 200),
        ("Range: bytes=3000000-\r\n".to_owned(), 416),
        ("Range: bytes=-0\r\n".to_owned(), 416),
    ];
    for (extra, status) in rows {
        let (head, body) = ask("GET", &extra);
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{extra}: {head}"
        );
        let size = match status {
            200 => SIZE,
            206 => 2,
            _ => 0,
        };
        assert_eq!(body.len(), size, "{extra}");
    }
}

#[test]
fn slow_heads_and_silence_end_soon() {
    let depot = Running::new(quick());
    let start = Instant::now();
    let mut slow = depot.connect();
    slow.write_all(b"GET / HTTP/1.1\r\nHo").expect("sent");
    let mut said = String::new();
    slow.read_to_string(&mut said).expect("text");
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    let mut silent = depot.connect();
    said.clear();
    silent.read_to_string(&mut said).expect("an end");
    assert_eq!(said, "");
    let mut idle = depot.connect();
    idle.write_all(GET.as_bytes()).expect("sent");
    idle.read_to_string(&mut said).expect("an end");
    assert!(said.ends_with("root"));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_client_that_reads_nothing_is_left() {
    let depot = Running::new(quick());
    let mut stream = depot.connect();
    let text = "GET /large HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(text.as_bytes()).expect("sent");
    let start = Instant::now();
    while depot.metrics.text().contains("connections_slow_total 0\n") {
        assert!(start.elapsed() < Duration::from_secs(10), "nobody left it");
        std::thread::yield_now();
    }
}

#[test]
fn clients_that_half_close_and_that_vanish() {
    let depot = Running::new(Limits::default());
    let mut half = depot.connect();
    half.write_all(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("sent");
    half.shutdown(Shutdown::Write).expect("half closed");
    let mut all = Vec::new();
    half.read_to_end(&mut all).expect("an end");
    assert!(all.len() > SIZE);
    for text in [
        "GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /",
        "",
        "POST /echo HTTP/1.1\r\n",
    ] {
        let mut gone = depot.connect();
        gone.write_all(text.as_bytes()).expect("sent");
        drop(gone);
    }
    assert!(depot.say(LAST.as_bytes()).ends_with("root"));
}

#[test]
fn one_client_too_many_is_told_to_wait() {
    let depot = Running::new(Limits {
        connections: 2,
        ..Limits::default()
    });
    let hold = || {
        let mut stream = depot.connect();
        stream.write_all(GET.as_bytes()).expect("sent");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("a reply");
        (stream, first)
    };
    let held = [hold(), hold()];
    assert!(held.iter().all(|(_, first)| first == b"HTTP/1.1 200"));
    let said = depot.say(GET.as_bytes());
    assert!(
        said.starts_with("HTTP/1.1 503 ") && said.contains("Retry-After: 5\r\n"),
        "{said}"
    );
    drop(held);
    let start = Instant::now();
    while depot.say(LAST.as_bytes()).starts_with("HTTP/1.1 503") {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "no place came free"
        );
    }
}

#[test]
fn two_hundred_clients_at_once() {
    const CLIENTS: usize = 200;
    const ROUNDS: usize = 20;
    let depot = Running::new(Limits::default());
    let barrier = std::sync::Barrier::new(CLIENTS);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut stream = depot.connect();
                barrier.wait();
                for _ in 0..ROUNDS {
                    stream.write_all(GET.as_bytes()).expect("sent");
                    let mut reply = Vec::new();
                    let mut byte = [0; 512];
                    while !reply.ends_with(b"root") {
                        let count = stream.read(&mut byte).expect("a reply");
                        assert!(count > 0, "closed early");
                        reply.extend_from_slice(&byte[..count]);
                    }
                    assert!(reply.starts_with(b"HTTP/1.1 200"));
                }
            });
        }
    });
    // The last ones are counted just after they were sent.
    let start = Instant::now();
    let all = format!(" {}\n", CLIENTS * ROUNDS);
    let is_counted = |text: &str| text.contains("connections_total 200\n") && text.contains(&all);
    while !is_counted(&depot.metrics.text()) {
        let text = depot.metrics.text();
        assert!(start.elapsed() < Duration::from_secs(10), "{text}");
        std::thread::yield_now();
    }
}

#[test]
fn a_stop_ends_idle_connections_at_once() {
    let depot = Running::new(Limits::default());
    let mut idle = depot.connect();
    idle.write_all(GET.as_bytes()).expect("sent");
    let mut first = [0; 12];
    idle.read_exact(&mut first).expect("a reply");
    let start = Instant::now();
    drop(depot);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}
