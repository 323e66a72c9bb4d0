//! The body of a request.

use std::io::{self, Read};

use super::head::Head;
use crate::wire::Wire;

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

/// Why a body cannot be read: the status and the words.
pub(crate) type BadFraming = (u16, &'static str);

impl Framing {
    /// Both kinds at once, or two lengths, are how requests are smuggled past proxies: refused.
    pub(crate) fn of(head: &Head) -> Result<Self, BadFraming> {
        let mut lengths = head.all("content-length");
        let mut codings = head.all("transfer-encoding");
        match (lengths.next(), codings.next()) {
            (None, None) => Ok(Self::Length(0)),
            (Some(text), None) => {
                let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                match text.parse() {
                    Ok(length) if is_number && lengths.all(|other| other == text) => {
                        Ok(Self::Length(length))
                    }
                    _ => Err((400, "The Content-Length header is no number.")),
                }
            }
            (None, Some(coding)) if codings.next().is_none() => {
                match coding.eq_ignore_ascii_case("chunked") && head.minor > 0 {
                    true => Ok(Self::Chunked),
                    false => Err((501, "Only the transfer encoding chunked is understood.")),
                }
            }
            _ => Err((400, "The length of the body is given more than once.")),
        }
    }
}

/// Reads one body, no byte more.
#[derive(Debug)]
pub(crate) struct Body<'w> {
    wire: &'w mut Wire,
    /// Bytes left of the body, or of this chunk.
    left: u64,
    chunked: bool,
    /// Whether a chunk was read, after which a line end stands.
    in_chunk: bool,
    ended: bool,
    /// The client waits for `100 Continue`.
    expected: bool,
    /// It cannot be read on: nobody knows where it ends.
    broken: bool,
    /// What the whole may still have.
    allowed: u64,
    too_large: bool,
}

impl<'w> Body<'w> {
    pub(crate) fn new(wire: &'w mut Wire, framing: Framing, head: &Head, allowed: u64) -> Self {
        let (left, chunked) = match framing {
            Framing::Length(length) => (length, false),
            Framing::Chunked => (0, true),
        };
        Self {
            wire,
            left,
            chunked,
            in_chunk: false,
            ended: !chunked && left == 0,
            expected: head.minor > 0 && head.lists("expect", "100-continue"),
            broken: false,
            allowed,
            too_large: false,
        }
    }

    /// Whether all of it was read.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether it was longer than allowed.
    pub(crate) fn is_too_large(&self) -> bool {
        self.too_large
    }

    /// Reads the rest if it is short; whether the connection can go on.
    pub(crate) fn drain(&mut self) -> bool {
        /// More than this is cheaper to cut off.
        const SHORT: usize = 64 * 1024;
        if self.expected && !self.ended {
            return false; // it was never asked for, and may come or not
        }
        let mut scrap = [0; 4096];
        let mut read = 0;
        while !self.ended && !self.broken && read < SHORT {
            match self.read(&mut scrap) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(_) => return false,
            }
        }
        self.ended
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        if self.in_chunk && !self.line()?.is_empty() {
            return Err(bad("a chunk is longer than it says"));
        }
        let line = self.line()?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let is_number =
            (1..=15).contains(&size.len()) && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_number {
            return Err(bad("a chunk has no size"));
        }
        self.left = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
        self.in_chunk = true;
        if self.left == 0 {
            while !self.line()?.is_empty() {} // trailers mean nothing to us
            self.ended = true;
        }
        Ok(())
    }

    fn line(&mut self) -> io::Result<String> {
        /// Sizes and trailers are short.
        const LINE: usize = 1024;
        let mut line = Vec::new();
        let mut byte = [0];
        while line.len() < LINE {
            self.wire.read_exact(&mut byte)?;
            if byte[0] == b'\n' {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return String::from_utf8(line).map_err(|_| bad("a chunk has no size"));
            }
            line.push(byte[0]);
        }
        Err(bad("a line between chunks is too long"))
    }
}

impl Body<'_> {
    fn read_some(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if std::mem::take(&mut self.expected) {
            self.wire.send(b"HTTP/1.1 100 Continue\r\n\r\n", false)?;
        }
        if self.chunked && self.left == 0 {
            self.next_chunk()?;
            if self.ended {
                return Ok(0);
            }
        }
        let count = usize::try_from(self.left).unwrap_or(usize::MAX);
        let count = count.min(buf.len());
        let count = self.wire.read(&mut buf[..count])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        if self.allowed < count as u64 {
            self.too_large = true;
            return Err(bad("the body is too large"));
        }
        self.allowed -= count as u64;
        self.ended = !self.chunked && self.left == 0;
        Ok(count)
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.ended || buf.is_empty() {
            return Ok(0);
        }
        if self.broken {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let result = self.read_some(buf);
        self.broken = result.is_err();
        result
    }
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
