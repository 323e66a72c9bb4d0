//! A package file. Source: deb(5), ar(5).

mod control;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};

use zones_archive::{Compression, Sums, decoder};

pub(crate) use control::Control;

/// The control part of an honest package is far smaller.
const CONTROL_LIMIT: u64 = 64 << 20;

/// Where a member is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Member {
    at: u64,
    size: u64,
}

/// A package file whose outer form is right.
#[derive(Debug)]
pub(crate) struct Deb<R> {
    file: R,
    control: Member,
    data: Member,
}

impl<R: Read + Seek + Send> Deb<R> {
    /// Reads the table of members. Says what is wrong.
    pub(crate) fn open(mut file: R) -> Result<Self, String> {
        let io = |e: io::Error| format!("cannot read it: {e}");
        let size = file.seek(SeekFrom::End(0)).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let mut magic = [0; 8];
        file.read_exact(&mut magic)
            .map_err(|_| String::from("it is no ar archive"))?;
        if &magic != b"!<arch>\n" {
            return Err(String::from("it is no ar archive"));
        }
        let mut members = Vec::new();
        let mut at = 8;
        while at < size {
            let mut head = [0; 60];
            file.seek(SeekFrom::Start(at)).map_err(io)?;
            file.read_exact(&mut head)
                .map_err(|_| String::from("it is cut short"))?;
            let (name, member) = member(&head, at + 60)?;
            if member.at + member.size > size {
                return Err(format!("member `{name}` is cut short"));
            }
            at = member.at + member.size + member.size % 2;
            members.push((name, member));
            // Later members are extensions that nobody has to know.
            if members.len() == 16 {
                break;
            }
        }
        let known: Vec<_> = members.iter().filter(|m| !m.0.starts_with('_')).collect();
        let [(first, version), (second, control), (third, data), ..] = known[..] else {
            return Err(String::from("it does not have three members"));
        };
        let mut format = [0; 2];
        file.seek(SeekFrom::Start(version.at)).map_err(io)?;
        file.read_exact(&mut format).map_err(io)?;
        if first != "debian-binary" || &format != b"2." {
            return Err(String::from("it is of another format than 2.0"));
        }
        if !second.starts_with("control.tar") || !third.starts_with("data.tar") {
            return Err(format!("its members are `{second}` and `{third}`"));
        }
        Ok(Self {
            control: *control,
            data: *data,
            file,
        })
    }

    fn part(&mut self, member: Member) -> io::Result<Box<dyn Read + Send + '_>> {
        self.file.seek(SeekFrom::Start(member.at))?;
        let from: Take<&mut R> = self.file.by_ref().take(member.size);
        let mut from = BufReader::with_capacity(64 << 10, from);
        let how = Compression::sniff(from.fill_buf()?);
        decoder(how, Sums::Trust, from)
    }

    /// The files of the control part.
    pub(crate) fn control(&mut self) -> Result<Control, String> {
        let part = self
            .part(self.control)
            .map_err(|e| format!("control part: {e}"))?;
        Control::read(part.take(CONTROL_LIMIT))
    }

    /// The tar stream of the files.
    pub(crate) fn data(&mut self) -> Result<Box<dyn Read + Send + '_>, String> {
        self.part(self.data).map_err(|e| format!("data part: {e}"))
    }
}

fn member(head: &[u8; 60], at: u64) -> Result<(String, Member), String> {
    let text =
        |range: std::ops::Range<usize>| std::str::from_utf8(&head[range]).map(str::trim_end).ok();
    let name = text(0..16).map(|n| n.trim_end_matches('/').to_owned());
    let size = text(48..58).and_then(|n| n.parse().ok());
    match (name, size) {
        (Some(name), Some(size)) if &head[58..] == b"`\n" => Ok((name, Member { at, size })),
        _ => Err(String::from("its table of members is malformed")),
    }
}
