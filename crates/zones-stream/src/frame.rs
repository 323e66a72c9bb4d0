//! Frames: pieces of at most `FRAME_MAX` bytes, compressed each by itself, chained by hashes.
//!
//! Stream: `ZONESTRM`, format (u32), frames. Frame: kind (u8), length of the content (u32), length
//! as it is stored (u32), hash (32 bytes), stored content. The hash is SHA-256 over the hash of the
//! frame before (zeros for the first), the kind, the length of the content and the content.
//! Content that is stored shorter is compressed with zstd (RFC 8878). Numbers are little-endian.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::error::StreamError;

const MAGIC: &[u8; 8] = b"ZONESTRM";
const FORMAT: u32 = 1;
/// Bytes of content in one frame.
pub(crate) const FRAME_MAX: usize = 4 << 20;
/// Speed of compression: zstd(1).
const LEVEL: i32 = 3;
const HEAD: usize = 1 + 4 + 4 + 32;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The header, as JSON. The first frame.
    Header,
    /// The stream goes on after a frame that was left out: a token. Not part of the chain.
    Resume,
    /// Records.
    Records,
    /// Nothing: the end.
    End,
}

const KINDS: [(Kind, u8); 4] = [
    (Kind::Header, b'H'),
    (Kind::Resume, b'R'),
    (Kind::Records, b'D'),
    (Kind::End, b'E'),
];

type Hash = [u8; 32];

/// How far a receiver came, so that the sender can go on from there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Token {
    /// Frames that were verified.
    pub frames: u64,
    /// The hash of the last of them.
    pub hash: Hash,
}

impl Token {
    fn next(self, kind: u8, content: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.hash);
        hasher.update([kind]);
        hasher.update(
            u32::try_from(content.len())
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        hasher.update(content);
        Self {
            frames: self.frames + 1,
            hash: hasher.finalize().into(),
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.frames)?;
        self.hash
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Token {
    type Err = StreamError;

    fn from_str(text: &str) -> Result<Self, StreamError> {
        let bad = || StreamError::Token(text.to_owned());
        let (frames, digits) = text.split_once('-').ok_or_else(bad)?;
        let frames = frames.parse().map_err(|_| bad())?;
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(bad());
        }
        let mut hash = [0; 32];
        for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self { frames, hash })
    }
}

/// Writes frames. With a token those that the receiver has are left out.
pub(crate) struct FrameWriter<W> {
    out: W,
    /// The last frame, written or left out.
    at: Token,
    resume: Token,
    /// Bytes that went out.
    written: u64,
}

impl<W: Write> FrameWriter<W> {
    pub(crate) fn new(mut out: W, resume: Option<Token>) -> Result<Self, StreamError> {
        out.write_all(MAGIC).map_err(StreamError::Output)?;
        let format = FORMAT.to_le_bytes();
        out.write_all(&format).map_err(StreamError::Output)?;
        let mut frames = Self {
            out,
            at: Token::default(),
            resume: resume.unwrap_or_default(),
            written: 12,
        };
        if let Some(token) = resume {
            let text = token.to_string();
            frames.write(Kind::Resume, token.hash, text.as_bytes())?;
        }
        Ok(frames)
    }

    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    pub(crate) fn frame(&mut self, kind: Kind, content: &[u8]) -> Result<(), StreamError> {
        self.at = self.at.next(code(kind), content);
        if self.at.frames > self.resume.frames {
            return self.write(kind, self.at.hash, content);
        }
        let frames = self.resume.frames;
        let is_other = self.at.frames == frames && self.at.hash != self.resume.hash;
        if is_other || kind == Kind::End {
            return Err(StreamError::Changed { frames });
        }
        Ok(())
    }

    fn write(&mut self, kind: Kind, hash: Hash, content: &[u8]) -> Result<(), StreamError> {
        let small = zstd::bulk::compress(content, LEVEL).map_err(StreamError::Output)?;
        let stored = match small.len() < content.len() {
            true => &small,
            false => content,
        };
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        let mut head = Vec::with_capacity(HEAD);
        head.push(code(kind));
        head.extend(length(content));
        head.extend(length(stored));
        head.extend(hash);
        self.out.write_all(&head).map_err(StreamError::Output)?;
        self.written += (head.len() + stored.len()) as u64;
        self.out.write_all(stored).map_err(StreamError::Output)
    }

    pub(crate) fn end(mut self) -> Result<u64, StreamError> {
        self.frame(Kind::End, &[])?;
        self.out.flush().map_err(StreamError::Output)?;
        Ok(self.written)
    }
}

fn code(kind: Kind) -> u8 {
    let row = KINDS.iter().find(|(known, _)| *known == kind);
    row.map_or(0, |(_, code)| *code)
}

/// Reads frames, and passes on only those that are what was sent.
pub(crate) struct FrameReader<R> {
    from: R,
    /// The last frame that was verified.
    at: Token,
    read: u64,
}

impl<R: Read> FrameReader<R> {
    pub(crate) fn new(mut from: R) -> Result<Self, StreamError> {
        let mut start = [0; 12];
        let got = fill(&mut from, &mut start)?;
        if got < start.len() || &start[..8] != MAGIC {
            return Err(StreamError::NoStream);
        }
        let format = u32::from_le_bytes([start[8], start[9], start[10], start[11]]);
        match format {
            FORMAT => Ok(Self {
                from,
                at: Token::default(),
                read: 12,
            }),
            0 => Err(StreamError::NoStream),
            newer => Err(StreamError::Newer(newer)),
        }
    }

    /// Frames that were verified, and the hash of the last.
    pub(crate) const fn at(&self) -> Token {
        self.at
    }

    /// Bytes that came in.
    pub(crate) const fn read(&self) -> u64 {
        self.read
    }

    /// Goes on where an earlier stream was cut.
    pub(crate) fn go_on(&mut self, at: Token) {
        self.at = at;
    }

    /// The next frame.
    pub(crate) fn next(&mut self) -> Result<(Kind, Vec<u8>), StreamError> {
        let frames = self.at.frames;
        let damaged = StreamError::Damaged { frame: frames + 1 };
        let mut head = [0; HEAD];
        if fill(&mut self.from, &mut head)? < HEAD {
            return Err(StreamError::Cut { frames });
        }
        let number = |at: usize| {
            let bytes = [head[at], head[at + 1], head[at + 2], head[at + 3]];
            u32::from_le_bytes(bytes) as usize
        };
        let (length, stored) = (number(1), number(5));
        let Some((kind, _)) = KINDS.iter().find(|(_, code)| *code == head[0]) else {
            return Err(damaged);
        };
        if length > FRAME_MAX || stored > length {
            return Err(damaged);
        }
        let mut content = vec![0; stored];
        if fill(&mut self.from, &mut content)? < stored {
            return Err(StreamError::Cut { frames });
        }
        self.read += (HEAD + stored) as u64;
        if stored < length {
            content = match zstd::bulk::decompress(&content, length) {
                Ok(content) if content.len() == length => content,
                _ => return Err(damaged),
            };
        }
        if *kind == Kind::Resume {
            return Ok((*kind, content));
        }
        let next = self.at.next(head[0], &content);
        if next.hash != head[9..] {
            return Err(damaged);
        }
        self.at = next;
        Ok((*kind, content))
    }

    /// That nothing follows.
    pub(crate) fn end(&mut self) -> Result<(), StreamError> {
        match fill(&mut self.from, &mut [0])? {
            0 => Ok(()),
            _ => Err(StreamError::Malformed("bytes follow its end".to_owned())),
        }
    }
}

/// Reads as much as there is.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> Result<usize, StreamError> {
    let mut got = 0;
    while got < buffer.len() {
        match from.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(StreamError::Input(error)),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(resume: Option<Token>) -> Result<Vec<u8>, StreamError> {
        let mut bytes = Vec::new();
        let mut frames = FrameWriter::new(&mut bytes, resume)?;
        frames.frame(Kind::Header, b"{}")?;
        frames.frame(Kind::Records, &[7; 100_000])?;
        frames.frame(Kind::Records, b"short")?;
        frames.end()?;
        Ok(bytes)
    }

    fn read(bytes: &[u8], at: Token) -> Result<Vec<(Kind, Vec<u8>)>, StreamError> {
        let mut frames = FrameReader::new(bytes)?;
        frames.go_on(at);
        let mut all = Vec::new();
        loop {
            all.push(frames.next()?);
            if all.last().is_some_and(|it| it.0 == Kind::End) {
                frames.end()?;
                return Ok(all);
            }
        }
    }

    #[test]
    fn every_flip_and_every_cut_is_told() {
        let whole = stream(None).unwrap();
        assert!(whole.len() < 1000, "compressed to {}", whole.len());
        let content = read(&whole, Token::default()).unwrap();
        assert_eq!(content.len(), 4);
        for at in 0..whole.len() {
            assert!(read(&whole[..at], Token::default()).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                // Some bits of compressed data mean nothing.
                if let Ok(same) = read(&bytes, Token::default()) {
                    assert!(same == content, "flip at {at}, {bit}");
                }
            }
        }
        let longer = [whole.as_slice(), b"x"].concat();
        assert!(read(&longer, Token::default()).is_err());
        let mut newer = whole;
        newer[8] = 2;
        assert!(matches!(
            read(&newer, Token::default()),
            Err(StreamError::Newer(2))
        ));
    }

    #[test]
    fn a_token_leaves_out_what_is_there() {
        let whole = stream(None).unwrap();
        let mut frames = FrameReader::new(whole.as_slice()).unwrap();
        frames.next().unwrap();
        frames.next().unwrap();
        let token = frames.at();
        let again: Token = token.to_string().parse().unwrap();
        assert_eq!(again, token);
        let rest = stream(Some(token)).unwrap();
        let rest = read(&rest, token).unwrap();
        let kinds: Vec<_> = rest.iter().map(|it| it.0).collect();
        assert_eq!(kinds, [Kind::Resume, Kind::Records, Kind::End]);
        let mut other = token;
        other.hash[0] ^= 1;
        assert!(matches!(
            stream(Some(other)),
            Err(StreamError::Changed { .. })
        ));
        for bad in ["", "1", "1-", "x-00", &"0-é".repeat(20)] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }

    /// What says that it becomes more than it may is not even unpacked.
    #[test]
    fn a_bomb_is_refused() {
        let small = zstd::bulk::compress(&vec![0; 64 << 20], LEVEL).unwrap();
        for length in [FRAME_MAX, FRAME_MAX + 1, 64 << 20] {
            let mut bytes = [MAGIC.as_slice(), &FORMAT.to_le_bytes(), b"D"].concat();
            bytes.extend(u32::try_from(length).unwrap().to_le_bytes());
            bytes.extend(u32::try_from(small.len()).unwrap().to_le_bytes());
            bytes.extend([0; 32]);
            bytes.extend(&small);
            let mut frames = FrameReader::new(bytes.as_slice()).unwrap();
            assert!(matches!(
                frames.next(),
                Err(StreamError::Damaged { frame: 1 })
            ));
        }
    }
}
