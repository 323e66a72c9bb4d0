//! A web server on loopback that serves files from memory and can misbehave.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// How a file is served wrongly.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// So many answers with status 503 first.
    Busy(u32),
    /// The connection breaks after so many bytes, so many times.
    Break { after: usize, times: u32 },
    /// Ranges are ignored.
    NoRange,
}

#[derive(Default)]
struct Shared {
    files: Mutex<HashMap<String, Vec<u8>>>,
    trouble: Mutex<HashMap<String, Trouble>>,
    log: Mutex<Vec<String>>,
    over: AtomicBool,
}

pub(crate) struct Mirror {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Mirror {
    pub(crate) fn start(files: HashMap<String, Vec<u8>>) -> Self {
        let shared = Arc::new(Shared::default());
        *shared.files.lock().unwrap() = files;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if server.over.load(Ordering::SeqCst) {
                    return;
                }
                let server = Arc::clone(&server);
                // A client that goes away is no failure of the test.
                std::thread::spawn(move || serve(&server, &stream.unwrap()));
            }
        });
        Self { shared, address }
    }

    pub(crate) fn uri(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn trouble(&self, path: &str, trouble: Trouble) {
        self.shared
            .trouble
            .lock()
            .unwrap()
            .insert(path.into(), trouble);
    }

    /// Requests since the last call: path, and `@N` for a range.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.log.lock().unwrap())
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(shared: &Shared, stream: &TcpStream) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    loop {
        let request = lines.next()?.ok()?;
        let path = request
            .split(' ')
            .nth(1)?
            .trim_start_matches('/')
            .to_owned();
        let mut from = 0;
        for line in lines.by_ref() {
            let line = line.ok()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(range) = line.strip_prefix("range: bytes=") {
                from = range.trim_end_matches('-').parse().ok()?;
            }
        }
        let at = if from > 0 {
            format!("@{from}")
        } else {
            String::new()
        };
        shared.log.lock().unwrap().push(format!("{path}{at}"));
        answer(shared, stream, &path, from)?;
    }
}

fn answer(shared: &Shared, mut to: &TcpStream, path: &str, from: usize) -> Option<()> {
    let mut from = from;
    let Some(body) = shared.files.lock().unwrap().get(path).cloned() else {
        return to
            .write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
            .ok();
    };
    let mut cut = body.len();
    {
        let mut troubles = shared.trouble.lock().unwrap();
        match troubles.get_mut(path) {
            Some(Trouble::Busy(times)) if *times > 0 => {
                *times -= 1;
                return to
                    .write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
                    .ok();
            }
            Some(Trouble::Break { after, times }) if *times > 0 => {
                *times -= 1;
                cut = *after;
            }
            Some(Trouble::NoRange) => from = 0,
            _ => {}
        }
    }
    let length = body.len() - from;
    let head = if from > 0 {
        let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
        format!("HTTP/1.1 206 Part\r\nContent-Range: {range}\r\nContent-Length: {length}\r\n\r\n")
    } else {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")
    };
    to.write_all(head.as_bytes()).ok()?;
    to.write_all(&body[from..cut.max(from)]).ok()?;
    (cut == body.len()).then_some(())
}
