//! Streams of a command in a privileged zone.
//!
//! A process may open what its descriptors lead to anew, by `/proc/self/fd`, and change its mode.
//! For root of a zone on the host's ids that would be the caller's very file, whatever it was
//! opened for. So such a zone gets pipes, and the caller copies.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

const BLOCK: usize = 64 << 10;

/// Pipes in the place of those of three streams that are neither pipe nor socket.
#[derive(Debug)]
pub struct Relay {
    links: Vec<Link>,
    far: Option<[OwnedFd; 3]>,
}

#[derive(Debug)]
struct Link {
    from: OwnedFd,
    to: OwnedFd,
    /// Read and not written yet.
    held: Vec<u8>,
    input: bool,
    ended: bool,
}

impl Relay {
    /// Stands between the zone and `streams`: input, output, errors.
    ///
    /// # Errors
    /// Whatever pipe2(2) and dup(2) say.
    pub fn new(streams: [BorrowedFd<'_>; 3]) -> Result<Self, Errno> {
        let mut links = Vec::new();
        let [input, output, errors] = streams;
        let far = [
            replace(input, true, &mut links)?,
            replace(output, false, &mut links)?,
            replace(errors, false, &mut links)?,
        ];
        Ok(Self {
            links,
            far: Some(far),
        })
    }

    /// What the zone gets; `None` after [`Relay::started`].
    pub fn far_ends(&self) -> Option<[BorrowedFd<'_>; 3]> {
        let [input, output, errors] = self.far.as_ref()?;
        Some([input.as_fd(), output.as_fd(), errors.as_fd()])
    }

    /// The command has its ends; ours are closed, so that the end of one is seen.
    pub fn started(&mut self) {
        self.far = None;
    }

    /// What to wait for beside the session.
    pub fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.links.iter().map(Link::poll_fd)
    }

    /// Copies all that can be copied now; does not wait for more.
    pub fn pump(&mut self) {
        for link in &mut self.links {
            while link.step() {}
        }
        self.links.retain(|link| !link.ended);
    }

    /// Copies what the command wrote before its end, however long the caller's streams take.
    pub fn drain(&mut self) {
        for link in self.links.iter_mut().filter(|link| !link.input) {
            while link.step() {}
            while !link.held.is_empty() && !link.ended {
                let _ = rustix::event::poll(&mut [link.poll_fd()], None);
                while link.step() {}
            }
        }
    }
}

/// The zone's end of a stream.
fn replace(stream: BorrowedFd<'_>, input: bool, links: &mut Vec<Link>) -> Result<OwnedFd, Errno> {
    let ours = rustix::io::fcntl_dupfd_cloexec(stream, 3)?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&ours)?.st_mode);
    if matches!(kind, FileType::Fifo | FileType::Socket) {
        return Ok(ours);
    }
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let (from, to, far) = if input {
        // A command that reads slowly must not keep its own output waiting.
        rustix::fs::fcntl_setfl(&write, OFlags::NONBLOCK)?;
        (ours, write, read)
    } else {
        (read, ours, write)
    };
    links.push(Link {
        from,
        to,
        held: Vec::new(),
        input,
        ended: false,
    });
    Ok(far)
}

impl Link {
    fn poll_fd(&self) -> PollFd<'_> {
        if self.held.is_empty() {
            PollFd::new(&self.from, PollFlags::IN)
        } else {
            PollFd::new(&self.to, PollFlags::OUT)
        }
    }

    /// One read or write; `false` when it would wait, or all is over.
    fn step(&mut self) -> bool {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let ready = rustix::event::poll(&mut [self.poll_fd()], Some(&now));
        if self.ended || ready != Ok(1) {
            return false;
        }
        if self.held.is_empty() {
            let mut block = vec![0; BLOCK];
            match rustix::io::read(&self.from, &mut block) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    block.truncate(count);
                    self.held = block;
                }
                Err(Errno::INTR) => {}
                Err(_) => self.ended = true,
            }
        } else {
            match rustix::io::write(&self.to, &self.held) {
                Ok(count) => drop(self.held.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return false,
                Err(_) => self.ended = true,
            }
        }
        !self.ended
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};

    use super::*;

    #[test]
    fn files_are_copied_and_pipes_are_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let mut options = File::options();
            let options = options.create(true).truncate(true).read(true).write(true);
            options.open(folder.path().join(name)).unwrap()
        };
        let (mut input, mut output) = (file("in"), file("out"));
        let long: Vec<u8> = (0..300_000u32).map(|at| at.to_le_bytes()[0]).collect();
        input.write_all(&long).unwrap();
        input.rewind().unwrap();
        let (_reader, errors) = std::io::pipe().unwrap();
        let mut relay = Relay::new([input.as_fd(), output.as_fd(), errors.as_fd()]).unwrap();
        assert_eq!(relay.links.len(), 2, "a pipe needs no other");
        let far = relay.far_ends().unwrap();
        let inode = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).unwrap().st_ino;
        assert_ne!(inode(far[0]), inode(input.as_fd()));
        let [mut inside, out] =
            [far[0], far[1]].map(|fd| File::from(fd.try_clone_to_owned().unwrap()));
        relay.started();
        // A command that copies its input to its output, a bit at a time.
        let (mut seen, mut block, mut out) = (Vec::new(), vec![0; 10_000], Some(out));
        while !relay.links.is_empty() {
            relay.pump();
            match inside.read(&mut block).unwrap() {
                0 => out = None,
                count => {
                    seen.extend_from_slice(&block[..count]);
                    out.as_mut().unwrap().write_all(&block[..count]).unwrap();
                }
            }
        }
        assert!(seen == long);
        let mut copied = Vec::new();
        output.rewind().unwrap();
        output.read_to_end(&mut copied).unwrap();
        assert!(copied == long);
    }
}
