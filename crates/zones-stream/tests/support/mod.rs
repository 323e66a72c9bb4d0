//! Zonepaths to try streams on.

pub mod on;

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};

use zones_archive::Silent;
use zones_storage::choose;
use zones_stream::{Described, Keep, Place, Selection, StreamError, Token, export, receive};
use zones_sys::RootFd;

/// Numbers that are the same each time.
pub struct Dice(pub u64);

impl Dice {
    /// Below `limit`.
    pub fn next(&mut self, limit: usize) -> usize {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 20).unwrap() % limit
    }
}

/// The files of a root, whatever its driver put them in.
pub struct Files {
    pub root: RootFd,
}

impl Files {
    pub fn of(root: &Path) -> Self {
        let root = zones_storage::open(root).unwrap();
        Self { root }
    }

    /// Good as long as this lives.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.root.as_fd().as_raw_fd()))
    }
}

/// Gives its bytes in pieces of odd lengths, as a pipe does.
struct Pipe<'a>(&'a [u8]);

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(4097);
        self.0.read(&mut buffer[..most])
    }
}

/// A folder for zonepaths.
pub struct Pair {
    folder: PathBuf,
}

impl Pair {
    pub fn new_zone(&self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::create_dir(&path).unwrap();
        path
    }

    /// With an empty root.
    pub fn zone(&self, name: &str) -> PathBuf {
        let path = self.new_zone(name);
        let driver = choose(&path).unwrap();
        driver.create(&path.join("root")).unwrap();
        path
    }

    pub fn export(
        &self,
        zone: &Path,
        selection: &Selection,
        resume: Option<Token>,
    ) -> Result<Vec<u8>, StreamError> {
        let mut bytes = Vec::new();
        export(
            zone,
            &Described {
                zone: "zone",
                configuration: "<zone/>",
                shared: None,
            },
            selection,
            resume,
            &mut bytes,
            &Silent,
        )?;
        Ok(bytes)
    }

    pub fn import(&self, bytes: &[u8], zone: &Path, keep: Keep) -> Result<(), StreamError> {
        let place = Place {
            zonepath: zone,
            keep,
        };
        let received = receive(Pipe(bytes), &place, |it| it.find_base(zone), &Silent)?;
        received.install(&Silent)
    }
}
