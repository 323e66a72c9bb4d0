//! Netlink messages as bytes: a header of 16, a fixed part, then attributes that may nest.
//!
//! All numbers are in the byte order of the host, all parts padded to four bytes. Source:
//! netlink(7).

pub(crate) const HEADER: usize = 16;

/// A message under construction.
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// `flags` as in netlink(7), `NLM_F_*`.
    pub(crate) fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        Self(bytes)
    }

    /// Appends the fixed part.
    pub(crate) fn fixed(mut self, bytes: &[u8]) -> Self {
        self.raw(bytes);
        self
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |message| message.raw(value));
        // The length leaves the padding out.
        let start = self.0.len() - value.len().next_multiple_of(4) - 4;
        let length = u16::try_from(value.len() + 4).expect("attributes here are short");
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    pub(crate) fn text(&mut self, kind: u16, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes);
    }

    pub(crate) fn word(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    /// An attribute that is made of what `inner` appends.
    pub(crate) fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        inner(self);
        let length = u16::try_from(self.0.len() - start).expect("attributes here are short");
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0[start + 2..start + 4].copy_from_slice(&kind.to_ne_bytes());
    }

    /// Has the kernel say that it is done, also when all went well.
    pub(crate) fn demand_answer(&mut self) {
        let flags = u16_at(&self.0, 6).unwrap_or_default() | crate::socket::ACK;
        self.0[6..8].copy_from_slice(&flags.to_ne_bytes());
    }

    pub(crate) fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).expect("messages here are short");
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }
}

/// A received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received<'a> {
    pub(crate) kind: u16,
    pub(crate) sequence: u32,
    pub(crate) body: &'a [u8],
}

/// The messages in a datagram; stops at the first that is cut short.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        if length < HEADER {
            return None;
        }
        let received = Received {
            kind: u16_at(bytes, 4)?,
            sequence: u32_at(bytes, 8)?,
            body: bytes.get(HEADER..length)?,
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(received)
    })
}

/// The attributes after a fixed part of `skip` bytes; stops at the first that is cut short.
pub(crate) fn attributes(body: &[u8], skip: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut bytes = body.get(skip..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        // The two top bits say "nested" and "network byte order".
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let part = bytes.get(at..at + 2)?;
    Some(u16::from_ne_bytes([part[0], part[1]]))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let part = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes([part[0], part[1], part[2], part[3]]))
}

/// Text up to its NUL.
pub(crate) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back() {
        let mut message = Message::new(16, 0x605).fixed(&[7; 16]);
        message.text(3, "veth0");
        message.nest(18, |m| {
            m.text(1, "veth");
            m.nest(2, |m| m.word(9, 5));
        });
        let bytes = message.finish(42);
        assert_eq!(bytes.len() % 4, 0);
        let all: Vec<_> = messages(&bytes).collect();
        assert_eq!((all.len(), all[0].kind, all[0].sequence), (1, 16, 42));
        let attrs: Vec<_> = attributes(all[0].body, 16).collect();
        assert_eq!(attrs[0], (3, &b"veth0\0"[..]));
        let info: Vec<_> = attributes(attrs[1].1, 0).collect();
        assert_eq!((attrs[1].0, text(info[0].1)), (18, "veth".into()));
        let data: Vec<_> = attributes(info[1].1, 0).collect();
        assert_eq!(data, [(9, &5_u32.to_ne_bytes()[..])]);
    }

    #[test]
    fn broken_lengths_end_the_reading() {
        for bytes in [&[0; 16][..], &[255; 16], &[3; 3], &[16, 0, 0, 0]] {
            assert!(messages(bytes).count() <= 1);
            assert!(attributes(bytes, 0).count() <= 4);
            assert_eq!(attributes(bytes, 99).count(), 0);
        }
    }
}
