//! Settings below `/proc/sys/net`, in the network namespace of this thread.
//!
//! What is set on links of our own goes with them. What is set on the host is noted first, in a
//! file, so that it is put back when the last zone that needs it is down, whoever does that.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::NetError;

const ROOT: &str = "/proc/sys/net/";

/// What settings of the host were before we changed them.
#[derive(Debug)]
pub struct Settings {
    file: PathBuf,
}

/// The value of `key`, such as `ipv4/ip_forward`; `None` where the kernel has no such setting.
fn get(key: &str) -> Option<String> {
    let text = fs::read_to_string(format!("{ROOT}{key}")).ok()?;
    Some(text.trim_end().to_owned())
}

/// Writes a setting of a link of ours.
pub(crate) fn set(key: &str, value: &str) -> Result<(), NetError> {
    let path = format!("{ROOT}{key}");
    fs::write(&path, value).map_err(|error| {
        NetError::new("write", path)(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    })
}

impl Settings {
    /// Notes stand in this file, which must not survive the kernel: on a tmpfs.
    #[must_use]
    pub fn noted_in(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
        }
    }

    /// Whether anything is to be put back.
    #[must_use]
    pub fn are_noted(&self) -> bool {
        self.file.exists()
    }

    /// Key, what it was, what we made it.
    fn notes(&self) -> Vec<[String; 3]> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let note = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            words.try_into().ok()
        };
        text.lines().filter_map(note).collect()
    }

    fn note(&self, notes: &[[String; 3]]) -> io::Result<()> {
        let lines: String = notes.iter().map(|note| note.join(" ") + "\n").collect();
        let new = self.file.with_extension("new");
        fs::write(&new, lines)?;
        fs::rename(new, &self.file)
    }

    /// Writes a setting of the host, noted before.
    pub(crate) fn set(&self, key: &str, value: &str) -> Result<(), NetError> {
        let Some(before) = get(key).filter(|before| before != value) else {
            return Ok(());
        };
        let mut notes = self.notes();
        if !notes.iter().any(|[known, ..]| known == key) {
            notes.push([key.to_owned(), before, value.to_owned()]);
            let failed = NetError::new("write", self.file.display().to_string());
            self.note(&notes)
                .map_err(|error| failed(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        }
        set(key, value)
    }

    /// Makes the host a router for one family, as narrowly as this kernel can.
    pub(crate) fn forward(&self, v4: bool) -> Result<(), NetError> {
        if v4 {
            return self.set("ipv4/ip_forward", "1");
        }
        // A host stays a host for its own routers: it goes on to configure itself by them.
        const WITHOUT_ROUTER: &str = "ipv6/conf/all/force_forwarding";
        if get(WITHOUT_ROUTER).is_some() {
            return self.set(WITHOUT_ROUTER, "1");
        }
        let links = fs::read_dir(format!("{ROOT}ipv6/conf"));
        for link in links.into_iter().flatten().flatten() {
            self.keep_listening(&link.file_name().to_string_lossy())?;
        }
        self.set("ipv6/conf/all/forwarding", "1")
    }

    /// A link that forwards goes on to hear its router.
    pub(crate) fn keep_listening(&self, link: &str) -> Result<(), NetError> {
        let key = format!("ipv6/conf/{link}/accept_ra");
        match get(&key).as_deref() {
            Some("1") if link != "all" => self.set(&key, "2"),
            _ => Ok(()),
        }
    }

    /// Puts everything back that still is as we made it; the last note goes with the file.
    pub fn put_back(&self) {
        // In turn: forwarding of all links before what is set on single ones.
        for [key, before, ours] in self.notes().into_iter().rev() {
            if get(&key).as_deref() == Some(ours.as_str()) {
                let _ = set(&key, &before);
            }
        }
        let _ = fs::remove_file(&self.file);
    }
}
