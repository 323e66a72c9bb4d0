//! The records of a stream of snapshots. Source: zstream(8); OpenZFS `include/sys/zfs_ioctl.h`,
//! `dmu_replay_record`: a head of one size, then data whose length the head tells.

use std::collections::HashSet;
use std::io::{self, Read};
use std::ops::RangeInclusive;

const MAGIC: u64 = 0x2_f5ba_cbac;
const HEAD: usize = 312;
/// Where in a head what is of its kind begins.
const BODY: usize = 8;

/// Kinds of records.
const BEGIN: u32 = 0;
const OBJECT: u32 = 1;
const FREE_OBJECTS: u32 = 2;
const WRITE: u32 = 3;
const FREE: u32 = 4;
const END: u32 = 5;
const SPILL: u32 = 7;
const WRITE_EMBEDDED: u32 = 8;
const OBJECT_RANGE: u32 = 9;

/// Numbers of files.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    all: HashSet<u64>,
    gone: Vec<RangeInclusive<u64>>,
}

impl Numbers {
    pub(super) fn contains(&self, number: u64) -> bool {
        self.all.contains(&number) || self.gone.iter().any(|it| it.contains(&number))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.gone.is_empty()
    }

    /// Adds those that a stream speaks of.
    pub(super) fn read(&mut self, stream: &mut impl Read) -> io::Result<()> {
        let mut head = [0; HEAD];
        let mut has_begun = false;
        loop {
            stream.read_exact(&mut head)?;
            let head = Head(&head);
            let kind = head.small(0);
            if has_begun == (kind == BEGIN) || (kind == BEGIN && head.body(0) != MAGIC) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            has_begun = true;
            let number = head.body(0);
            match kind {
                BEGIN | OBJECT_RANGE => {}
                OBJECT | WRITE | FREE | SPILL | WRITE_EMBEDDED => drop(self.all.insert(number)),
                FREE_OBJECTS => {
                    if let Some(more) = head.body(8).checked_sub(1) {
                        self.gone.push(number..=number.saturating_add(more));
                    }
                }
                END => return Ok(()),
                // Nothing that was asked for.
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
            skip(stream, head.data(kind))?;
        }
    }
}

struct Head<'a>(&'a [u8; HEAD]);

impl Head<'_> {
    fn small(&self, at: usize) -> u32 {
        let bytes = self.0.get(at..at + 4).and_then(|it| it.try_into().ok());
        u32::from_ne_bytes(bytes.unwrap_or_default())
    }

    fn body(&self, at: usize) -> u64 {
        let at = BODY + at;
        let bytes = self.0.get(at..at + 8).and_then(|it| it.try_into().ok());
        u64::from_ne_bytes(bytes.unwrap_or_default())
    }

    fn body_small(&self, at: usize) -> u64 {
        self.small(BODY + at).into()
    }

    /// How much data follows. What is compressed has another length than it says of itself.
    fn data(&self, kind: u32) -> u64 {
        let full = |len: u64| len.next_multiple_of(8);
        let or = |compressed: u64, len: u64| if compressed > 0 { compressed } else { len };
        match kind {
            BEGIN => self.small(4).into(),
            OBJECT => or(self.body_small(28), full(self.body_small(20))),
            WRITE => or(self.body(88), self.body(24)),
            SPILL => or(self.body(32), self.body(8)),
            WRITE_EMBEDDED => full(self.body_small(44)),
            _ => 0,
        }
    }
}

fn skip(stream: &mut impl Read, len: u64) -> io::Result<()> {
    match io::copy(&mut stream.take(len), &mut io::sink())? == len {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, words: &[(usize, u64)], smalls: &[(usize, u32)], data: usize) -> Vec<u8> {
        let mut head = vec![0; HEAD];
        head[..4].copy_from_slice(&kind.to_ne_bytes());
        for (at, value) in words {
            head[BODY + at..BODY + at + 8].copy_from_slice(&value.to_ne_bytes());
        }
        for (at, value) in smalls {
            head[BODY + at..BODY + at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        // Data that would be records, were it read as such.
        head.extend(vec![9; data]);
        head
    }

    #[test]
    fn numbers_of_a_stream_are_found() {
        let mut begin = record(BEGIN, &[(0, MAGIC)], &[], 40);
        begin[4..8].copy_from_slice(&40_u32.to_ne_bytes());
        let records = [
            begin,
            record(OBJECT, &[(0, 7)], &[(20, 44)], 48),
            record(OBJECT, &[(0, 8)], &[(20, 44), (28, 512)], 512),
            record(WRITE, &[(0, 9), (24, 4096), (88, 512)], &[], 512),
            record(WRITE, &[(0, 9), (24, 4096)], &[], 4096),
            record(FREE, &[(0, 10)], &[], 0),
            record(SPILL, &[(0, 11), (8, 1024)], &[], 1024),
            record(WRITE_EMBEDDED, &[(0, 12)], &[(44, 17)], 24),
            record(OBJECT_RANGE, &[(0, 99)], &[], 0),
            record(FREE_OBJECTS, &[(0, 20), (8, 3)], &[], 0),
            record(FREE_OBJECTS, &[(0, 90), (8, u64::MAX)], &[], 0),
            record(FREE_OBJECTS, &[(0, 1), (8, 0)], &[], 0),
            record(END, &[], &[], 0),
        ];
        let stream = records.concat();
        let mut found = Numbers::default();
        assert!(found.is_empty());
        found.read(&mut stream.as_slice()).unwrap();
        let want = [7, 8, 9, 10, 11, 12, 20, 21, 22, 90, u64::MAX];
        for number in want {
            assert!(found.contains(number), "{number}");
        }
        for number in [0, 1, 6, 13, 19, 23, 89] {
            assert!(!found.contains(number), "{number}");
        }
        for cut in [0, 100, HEAD + 50, stream.len() - HEAD - 1, stream.len() - 1] {
            let half = &stream[..cut];
            assert!(Numbers::default().read(&mut &*half).is_err(), "{cut}");
        }
        let odd = [&records[0][..], &record(77, &[], &[], 0)].concat();
        for stream in [
            &stream[HEAD + 40..],
            &odd,
            &record(BEGIN, &[(0, 1)], &[], 0),
        ] {
            assert!(Numbers::default().read(&mut &*stream).is_err());
        }
    }
}
