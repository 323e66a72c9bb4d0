//! Extended headers of tar streams, with the values that [`tar`] cannot read: its records end at a
//! newline, those of pax(1) after so many bytes as they say, and access lists and capabilities have
//! any bytes. Source: pax(1), "pax Extended Header"; tar(5), "SCHILY.xattr".

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

use tar::{EntryType, Header};

/// Bytes of a block, and of a header.
const BLOCK: usize = 512;
/// Larger extended headers are refused: they are held in memory.
const LEN_MAX: u64 = 1 << 20;
/// Where a header of GNU's sparse files, and a block that continues one, says that a further block
/// follows.
const CONTINUES: [usize; 2] = [482, 504];

/// The records of the member that was read last.
#[derive(Debug, Clone, Default)]
pub struct Records(Rc<RefCell<Vec<u8>>>);

impl Records {
    /// Calls `each` with keys and values, in order, up to the first that is malformed; whether none
    /// is.
    pub fn each(&self, mut each: impl FnMut(&str, &[u8])) -> bool {
        let bytes = self.0.borrow();
        let mut rest = bytes.as_slice();
        while let Some((record, after)) = first(rest) {
            if let Ok(key) = std::str::from_utf8(record.key) {
                each(key, record.value);
            }
            rest = after;
        }
        rest.iter().all(|it| *it == 0)
    }
}

struct Record<'a> {
    key: &'a [u8],
    value: &'a [u8],
    /// Of the whole.
    len: usize,
}

/// "LENGTH KEY=VALUE\n", and what follows.
fn first(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let blank = bytes.iter().take(20).position(|it| *it == b' ')?;
    let len: usize = std::str::from_utf8(&bytes[..blank]).ok()?.parse().ok()?;
    let body = bytes.get(blank + 1..len)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|it| *it == b'=')?;
    let (key, value) = (&body[..equals], &body[equals + 1..]);
    Some((Record { key, value, len }, &bytes[len..]))
}

/// What comes next in the stream.
#[derive(Debug, Clone, Copy)]
enum Next {
    Header,
    /// Another block of a sparse header, and then so many bytes.
    Sparse(u64),
}

/// Gives a tar stream on as [`tar`] understands it: no value of an extended header has a newline.
/// The true ones are in [`Records`].
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    /// Read and not given on yet.
    block: Vec<u8>,
    given: usize,
    /// Bytes of content that follow the block.
    content: u64,
    next: Next,
    /// Of the header that was just read, for the member that follows.
    coming: Vec<u8>,
    records: Records,
}

impl<R: Read> Reader<R> {
    /// Reads a stream, and where the records of its members are.
    pub fn new(from: R) -> (Self, Records) {
        let records = Records::default();
        let reader = Self {
            from,
            block: Vec::new(),
            given: 0,
            content: 0,
            next: Next::Header,
            coming: Vec::new(),
            records: records.clone(),
        };
        (reader, records)
    }

    /// Reads the next block, and an extended header with it; whether there was one.
    fn fill(&mut self) -> io::Result<bool> {
        self.block.clear();
        self.given = 0;
        self.read_more(BLOCK as u64)?;
        if self.block.len() < BLOCK {
            return Ok(!self.block.is_empty());
        }
        match self.next {
            Next::Header => self.header()?,
            Next::Sparse(content) => self.sparse(content, CONTINUES[1]),
        }
        Ok(true)
    }

    fn read_more(&mut self, len: u64) -> io::Result<()> {
        let mut more = self.from.by_ref().take(len);
        more.read_to_end(&mut self.block).map(drop)
    }

    fn header(&mut self) -> io::Result<()> {
        if self.block.iter().all(|it| *it == 0) {
            return Ok(());
        }
        let header = Header::from_byte_slice(&self.block);
        let kind = header.entry_type();
        // What is damaged, the reader of archives says.
        let Ok(size) = header.entry_size() else {
            return Ok(());
        };
        let padded = |size: u64| size.checked_next_multiple_of(BLOCK as u64);
        match kind {
            EntryType::XHeader if size > LEN_MAX => {
                let text = format!("an extended header of {size} bytes, more than {LEN_MAX}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            EntryType::XHeader => {
                self.read_more(padded(size).unwrap_or(size))?;
                let end = self.block.len().min(BLOCK + size as usize);
                let payload = &mut self.block[BLOCK..end];
                self.coming = payload.to_vec();
                hide_newlines(payload);
            }
            EntryType::XGlobalHeader | EntryType::GNULongName | EntryType::GNULongLink => {
                self.content = padded(size).unwrap_or(size);
            }
            _ => {
                *self.records.0.borrow_mut() = std::mem::take(&mut self.coming);
                let mut size = size;
                self.records.each(|key, value| {
                    let value = std::str::from_utf8(value).unwrap_or_default();
                    if let ("size", Ok(said)) = (key, value.parse()) {
                        size = said;
                    }
                });
                let content = padded(size).unwrap_or(size);
                match kind {
                    EntryType::GNUSparse => self.sparse(content, CONTINUES[0]),
                    _ => self.content = content,
                }
            }
        }
        Ok(())
    }

    /// After a block of a sparse header that says at `flag` whether another one follows.
    fn sparse(&mut self, content: u64, flag: usize) {
        if self.block.get(flag) == Some(&1) {
            self.next = Next::Sparse(content);
        } else {
            self.next = Next::Header;
            self.content = content;
        }
    }
}

/// Has each record end at its only newline.
fn hide_newlines(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(len) = first(&bytes[at..]).map(|it| it.0.len) {
        let end = at + len - 1;
        let body = &mut bytes[at..end];
        body.iter_mut()
            .filter(|it| **it == b'\n')
            .for_each(|it| *it = b' ');
        at = end + 1;
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.block.len() {
            if self.content > 0 {
                let most = usize::try_from(self.content).unwrap_or(usize::MAX);
                let most = most.min(out.len());
                let count = self.from.read(&mut out[..most])?;
                self.content -= count as u64;
                return Ok(count);
            }
            if !self.fill()? {
                return Ok(0);
            }
        }
        let left = &self.block[self.given..];
        let count = left.len().min(out.len());
        out[..count].copy_from_slice(&left[..count]);
        self.given += count;
        Ok(count)
    }
}
