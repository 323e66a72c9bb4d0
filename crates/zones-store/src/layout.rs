//! Where things are (design: "On-disk"); `-R DIR` and `ZONES_ROOT` move all of it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use zones_types::ZoneName;

/// The folders of one installation of zones on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    prefix: PathBuf,
}

impl Layout {
    /// The host's own: prefix `/`.
    #[must_use]
    pub fn host() -> Self {
        Self {
            prefix: PathBuf::from("/"),
        }
    }

    /// All folders below `prefix`, an absolute path.
    #[must_use]
    pub fn below(prefix: &Path) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// The prefix itself.
    #[must_use]
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Whether this is the host's own.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.prefix == Path::new("/")
    }

    /// A name for kernel objects (control groups) that differs between prefixes: `zones` for the
    /// host's own, `zones-HASH` elsewhere.
    #[must_use]
    pub fn kernel_name(&self) -> String {
        if self.is_host() {
            return "zones".to_owned();
        }
        // FNV-1a: short, stable between builds, and no secret is at stake.
        let bytes = self.prefix.as_os_str().as_encoded_bytes();
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        format!(
            "zones-{:016x}",
            bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
        )
    }

    /// `/etc/zones`: index, documents, templates.
    #[must_use]
    pub fn etc(&self) -> PathBuf {
        self.prefix.join("etc/zones")
    }

    /// `/run/zones`: what dies with the host.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.prefix.join("run/zones")
    }

    /// `/run/zones/network/INODE`: what hosts of zones note together of the network namespace that
    /// this thread is in, whatever their prefixes: the kernel's settings and bridges are one.
    #[must_use]
    pub fn network() -> PathBuf {
        let inode = std::fs::metadata("/proc/thread-self/ns/net").map_or(0, |it| it.ino());
        Self::host().run().join("network").join(inode.to_string())
    }

    /// `/run/zones/ZONE`: lock, sockets, state of one zone.
    #[must_use]
    pub fn run_zone(&self, zone: &ZoneName) -> PathBuf {
        self.run().join(zone.as_str())
    }

    /// `/var/lib/zones`: id ranges, counters, journals.
    #[must_use]
    pub fn lib(&self) -> PathBuf {
        self.prefix.join("var/lib/zones")
    }

    /// `/var/lib/zones/base`: the bases of sparse zones, by name.
    #[must_use]
    pub fn bases(&self) -> PathBuf {
        self.lib().join("base")
    }

    /// `/var/cache/zones`: packages and images that can be fetched again.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.prefix.join("var/cache/zones")
    }

    /// `/var/log/zones/ZONE`: console, install and event logs of one zone.
    #[must_use]
    pub fn log_zone(&self, zone: &ZoneName) -> PathBuf {
        self.prefix.join("var/log/zones").join(zone.as_str())
    }
}
