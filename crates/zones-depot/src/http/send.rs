//! Puts a reply on the wire: validators, ranges, framing.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::date;
use super::head::{Head, Method};
use super::range::{Part, part};
use super::reply::{Caching, Content, Reply, Served, reason};
use crate::wire::Wire;

/// What became of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// It may differ from what was answered: 206, 304, 416.
    pub(crate) status: u16,
    /// Whether the connection can go on.
    pub(crate) keep: bool,
    /// Bytes of the status line and the headers.
    pub(crate) head: u64,
}

/// Sends `reply` to the request `head`; a request that had no understandable head has none.
pub(crate) fn send(
    wire: &mut Wire,
    head: Option<&Head>,
    mut reply: Reply,
    keep: bool,
) -> io::Result<Sent> {
    let part = match (&reply.content, head) {
        (Content::File(served), Some(head)) if reply.status == 200 => choose(head, served),
        _ => Choice::All,
    };
    let mut lines = Lines::default();
    if let Content::File(served) = &reply.content {
        lines.add("Last-Modified", &date::imf(served.modified));
        lines.add("ETag", &served.tag);
        lines.add("Accept-Ranges", "bytes");
        let size = served.size;
        match part {
            Choice::All => {}
            Choice::Unchanged => reply.status = 304,
            Choice::Outside => {
                reply.status = 416;
                lines.add("Content-Range", &format!("bytes */{size}"));
            }
            Choice::Part { start, length } => {
                reply.status = 206;
                let last = start + length - 1;
                lines.add("Content-Range", &format!("bytes {start}-{last}/{size}"));
            }
        }
    }
    let is_old = head.is_none_or(|head| head.minor == 0);
    let is_stream = matches!(reply.content, Content::Stream(_));
    let keep = keep && !(is_stream && is_old);
    lines.framing(&reply, part, is_old);
    if !keep {
        lines.add("Connection", "close");
    } else if is_old {
        lines.add("Connection", "keep-alive");
    }
    let text = lines.text(&reply);
    let sent = Sent {
        status: reply.status,
        keep,
        head: text.len() as u64,
    };
    if head.is_some_and(|head| head.method == Method::Head) || matches!(reply.status, 204 | 304) {
        wire.send(&text, false)?;
        return Ok(sent);
    }
    body(wire, text, reply.content, part, is_old)?;
    Ok(sent)
}

fn body(
    wire: &mut Wire,
    mut text: Vec<u8>,
    content: Content,
    part: Choice,
    is_old: bool,
) -> io::Result<()> {
    /// A longer body is not worth a copy.
    const SMALL: usize = 64 * 1024;
    let bytes: &[u8] = match &content {
        Content::File(served) => {
            let (start, length) = match part {
                Choice::All => (0, served.size),
                Choice::Part { start, length } => (start, length),
                Choice::Unchanged | Choice::Outside => (0, 0),
            };
            return wire.send_file(text, &served.file, start, length);
        }
        Content::Empty | Content::Stream(_) => &[],
        Content::Bytes(bytes) => bytes,
        Content::Fixed(bytes) => bytes,
    };
    if bytes.len() <= SMALL {
        text.extend_from_slice(bytes);
        wire.send(&text, matches!(content, Content::Stream(_)))?;
    } else {
        wire.send(&text, true)?;
        wire.send(bytes, false)?;
    }
    if let Content::Stream(write) = content {
        let mut chunks = Chunks::new(wire, !is_old);
        write(&mut chunks)?;
        chunks.end()?;
    }
    Ok(())
}

/// What of a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    All,
    Part { start: u64, length: u64 },
    Outside,
    Unchanged,
}

fn choose(head: &Head, served: &Served) -> Choice {
    let is_unchanged = match head.header("if-none-match") {
        Some("*") => true,
        Some(_) => {
            head.lists("if-none-match", &served.tag) || {
                let weak = format!("W/{}", served.tag);
                head.lists("if-none-match", &weak)
            }
        }
        None => {
            let since = head.header("if-modified-since").and_then(date::parse);
            since.is_some_and(|since| served.modified <= since)
        }
    };
    if is_unchanged {
        return Choice::Unchanged;
    }
    let is_same = head.header("if-range").is_none_or(|validator| {
        validator == served.tag || date::parse(validator) == Some(served.modified)
    });
    if head.method != Method::Get || !is_same {
        return Choice::All;
    }
    match part(head.header("range"), served.size) {
        Part::Whole => Choice::All,
        Part::Some { start, length } => Choice::Part { start, length },
        Part::Outside => Choice::Outside,
    }
}

/// Header lines.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: &str) {
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        self.0.extend(name.chars().map(clean));
        self.0 += ": ";
        self.0.extend(value.chars().map(clean));
        self.0 += "\r\n";
    }

    fn framing(&mut self, reply: &Reply, part: Choice, is_old: bool) {
        let length = match (&reply.content, part) {
            _ if matches!(reply.status, 204 | 304) => return,
            (Content::Stream(_), _) => {
                if !is_old {
                    self.add("Transfer-Encoding", "chunked");
                }
                return;
            }
            (Content::File(_), Choice::Part { length, .. }) => length,
            (Content::File(_), Choice::Outside) => 0,
            (Content::File(served), _) => served.size,
            (Content::Bytes(bytes), _) => bytes.len() as u64,
            (Content::Fixed(bytes), _) => bytes.len() as u64,
            (Content::Empty, _) => 0,
        };
        self.add("Content-Length", &length.to_string());
    }

    /// The whole head, with its empty line.
    fn text(mut self, reply: &Reply) -> Vec<u8> {
        let now = date::now();
        self.add("Date", &date::imf(now));
        self.add("Server", concat!("zones/", env!("CARGO_PKG_VERSION")));
        if !reply.kind.is_empty() && !matches!(reply.status, 204 | 304) {
            self.add("Content-Type", reply.kind);
            self.add("X-Content-Type-Options", "nosniff");
        }
        match reply.caching {
            Caching::Unsaid => {}
            Caching::Never => {
                self.add("Pragma", "no-cache");
                let control = "no-cache, no-transform, must-revalidate";
                self.add("Cache-Control", control);
                self.add("Expires", "0");
            }
            Caching::Seconds(age) => {
                let control = format!("must-revalidate, no-transform, max-age={age}");
                self.add("Cache-Control", &control);
                self.add("Expires", &date::imf(now + u64::from(age)));
            }
        }
        for (name, value) in &reply.headers {
            self.add(name, value);
        }
        let mut text = String::with_capacity(self.0.len() + 64);
        let _ = write!(
            text,
            "HTTP/1.1 {} {}\r\n",
            reply.status,
            reason(reply.status)
        );
        text += &self.0;
        text += "\r\n";
        text.into_bytes()
    }
}

/// A body in chunks, or plainly up to the end of the connection.
struct Chunks<'w> {
    wire: &'w mut Wire,
    held: Vec<u8>,
    chunked: bool,
}

impl<'w> Chunks<'w> {
    const SIZE: usize = 16 * 1024;

    fn new(wire: &'w mut Wire, chunked: bool) -> Self {
        Self {
            wire,
            held: Vec::with_capacity(Self::SIZE),
            chunked,
        }
    }

    fn send(&mut self, last: bool) -> io::Result<()> {
        let mut out = Vec::with_capacity(self.held.len() + 32);
        if !self.held.is_empty() {
            if self.chunked {
                write!(out, "{:x}\r\n", self.held.len())?;
            }
            out.append(&mut self.held);
            if self.chunked {
                out.extend_from_slice(b"\r\n");
            }
        }
        if last && self.chunked {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        self.wire.send(&out, false)
    }

    fn end(mut self) -> io::Result<()> {
        self.send(true)
    }
}

impl Write for Chunks<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(buf);
        if self.held.len() >= Self::SIZE {
            self.send(false)?;
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
