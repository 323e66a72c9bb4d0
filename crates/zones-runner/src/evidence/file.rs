//! The content of one file: its hash, what it needs, and its text if it may be configuration.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;
use zones_matrix::Key;
use zones_matrix::leftovers::{Needs, Path};

use super::elf;

/// Read at once, in bytes.
const CHUNK: usize = 128 << 10;
/// Texts up to this are kept, in bytes.
const TEXT: usize = 256 << 10;
/// A larger program is not looked into, in bytes.
const PROGRAM: u64 = 256 << 20;
/// A larger file is known by its size and its beginning, in bytes.
const HASHED: u64 = 2 << 30;

/// What was read.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) hash: Key,
    pub(super) needs: Option<Needs>,
    pub(super) text: Option<Vec<u8>>,
    pub(super) note: Option<String>,
}

/// Folders that hold no configuration.
const NO_CONFIG: [&[u8]; 9] = [
    b"/usr/", b"/bin/", b"/lib", b"/sbin/", b"/var/", b"/proc/", b"/sys/", b"/dev/", b"/boot/",
];

/// Whether a file may be configuration: below `/etc`, `/opt`, `/srv`, `/usr/local` and the like.
pub(super) fn may_be_config(path: &[u8]) -> bool {
    let is_local = path.starts_with(b"/usr/local/") || path.starts_with(b"/var/opt/");
    is_local || !NO_CONFIG.iter().any(|folder| path.starts_with(folder))
}

/// Reads a file that was opened without blocking.
///
/// # Errors
/// Whatever fstat(2) and read(2) say; `INVAL` when it is no regular file.
pub(super) fn read(fd: &OwnedFd, wants_text: bool) -> Result<Content, Errno> {
    let stat = rustix::fs::fstat(fd)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    let file = File::from(fd.try_clone().map_err(|_| Errno::MFILE)?);
    let failed = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let mut hasher = blake3::Hasher::new();
    let mut head: Vec<u8> = Vec::new();
    let mut chunk = vec![0; CHUNK];
    let mut limited = (&file).take(HASHED);
    let mut size: u64 = 0;
    loop {
        let length = limited.read(&mut chunk).map_err(failed)?;
        if length == 0 {
            break;
        }
        hasher.update(&chunk[..length]);
        if head.len() <= TEXT {
            let room = (TEXT + 1 - head.len()).min(length);
            head.extend_from_slice(&chunk[..room]);
        }
        size += length as u64;
    }
    let is_long = size >= HASHED;
    if is_long {
        hasher.update(&stat.st_size.to_le_bytes());
    }
    let needs = needs(&file, &head, size);
    let is_text = wants_text && head.len() <= TEXT && !head.contains(&0);
    Ok(Content {
        hash: Key::from_bytes(*hasher.finalize().as_bytes()),
        needs,
        text: is_text.then_some(head),
        note: is_long.then(|| "longer than 2 GiB; only its beginning was compared".to_owned()),
    })
}

fn needs(file: &File, head: &[u8], size: u64) -> Option<Needs> {
    if let Some(line) = head.strip_prefix(b"#!") {
        return script(line).map(Needs::Script);
    }
    if !head.starts_with(b"\x7fELF") || size > PROGRAM {
        return None;
    }
    if size as usize <= head.len() {
        return elf::needs(head).map(Needs::Elf);
    }
    let mut all = vec![0; usize::try_from(size).ok()?];
    file.read_exact_at(&mut all, 0).ok()?;
    elf::needs(&all).map(Needs::Elf)
}

/// The words of a first line, up to the length that the kernel takes. Source: execve(2).
fn script(line: &[u8]) -> Option<Vec<Path>> {
    const LONGEST: usize = 255;
    let line = &line[..line.len().min(LONGEST)];
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or(line);
    let words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let words: Vec<Path> = words.map(<[u8]>::to_vec).collect();
    words
        .first()
        .is_some_and(|first| first.starts_with(b"/"))
        .then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_the_interpreter() {
        let words = |line: &[u8]| script(line).map(|words| words.len());
        assert_eq!(words(b"/bin/sh -e\nrest"), Some(2));
        assert_eq!(words(b" /usr/bin/env python3"), Some(2));
        assert_eq!(words(b"[derive(Debug)]\n"), None);
        assert_eq!(words(b""), None);
    }

    #[test]
    fn configuration_is_where_people_put_it() {
        for (path, wanted) in [
            ("/etc/acme.conf", true),
            ("/srv/acme/etc/acme.conf", true),
            ("/usr/local/etc/x", true),
            ("/usr/lib/libc.so.6", false),
            ("/var/log/syslog", false),
        ] {
            assert_eq!(may_be_config(path.as_bytes()), wanted, "{path}");
        }
    }
}
