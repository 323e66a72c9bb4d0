//! The mount table of a zone, as data.

use zones_config::ZoneConfig;

use super::PlanError;

/// A device node that every zone has: path below `/dev`, major, minor, all mode 0666.
type DeviceNode = (&'static str, u32, u32);

/// The nodes that are safe to share: they hold no state of the host.
pub(crate) const DEVICE_NODES: [DeviceNode; 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// What of `/proc` and `/sys` tells of the host or steers it: hidden. The first part says below
/// which of the two; a file shows nothing, a folder is empty. Paths that a kernel lacks are passed.
pub(crate) const MASKED: [(&str, &str); 14] = [
    ("proc", "acpi"),
    ("proc", "asound"),
    ("proc", "interrupts"),
    ("proc", "kcore"),
    ("proc", "keys"),
    ("proc", "kallsyms"),
    ("proc", "kmsg"),
    ("proc", "latency_stats"),
    ("proc", "sched_debug"),
    ("proc", "scsi"),
    ("proc", "timer_list"),
    ("sys", "firmware"),
    ("sys", "kernel/debug"),
    ("sys", "devices/virtual/powercap"),
];

/// What of `/proc` may be read and not written, for root of the zone too.
pub(crate) const READ_ONLY: [(&str, &str); 5] = [
    ("proc", "bus"),
    ("proc", "fs"),
    ("proc", "irq"),
    ("proc", "sys"),
    ("proc", "sysrq-trigger"),
];

/// One `fs` resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FsMount {
    /// Mount point in the zone, absolute.
    pub dir: String,
    /// Folder or file of the host (`lofs`), or device.
    pub special: String,
    /// `lofs`, or a file system of the kernel.
    pub kind: String,
    /// `MOUNT_ATTR_*` of the new mount.
    pub attributes: u64,
    /// What goes to the file system itself.
    pub data: Vec<String>,
}

/// Options of `lofs` and all others that become mount attributes.
const ATTRIBUTES: [(&str, u64); 8] = {
    use zones_sys::MountAttr as A;
    [
        ("ro", A::RDONLY),
        ("rw", 0),
        ("nodevices", A::NODEV),
        ("nodev", A::NODEV),
        ("nosetuid", A::NOSUID),
        ("nosuid", A::NOSUID | A::NODEV),
        ("noexec", A::NOEXEC),
        ("nosub", 0),
    ]
};

/// The folders of a base that a sparse zone shares: nothing in them can be written, devices in them
/// are dead.
pub(crate) fn inherited(base: &std::path::Path, folders: Vec<String>) -> Vec<FsMount> {
    let mount = |dir: String| FsMount {
        special: format!("{}{dir}", base.display()),
        dir,
        kind: "lofs".to_owned(),
        attributes: zones_sys::MountAttr::RDONLY | zones_sys::MountAttr::NODEV,
        data: Vec::new(),
    };
    folders.into_iter().map(mount).collect()
}

/// The `fs` resources, sorted by mount point: a parent comes before what lies in it.
pub(super) fn filesystems(config: &ZoneConfig) -> Result<Vec<FsMount>, PlanError> {
    let mut mounts = Vec::new();
    for fs in &config.filesystems {
        let wrong = |why: &str| PlanError::Fs {
            dir: fs.dir.clone(),
            why: why.to_owned(),
        };
        if fs.fs_type == "lofs" && !fs.special.starts_with('/') {
            return Err(wrong("`special` of a lofs is an absolute path of the host"));
        }
        // Devices never open through a file system that somebody else prepared.
        let mut attributes = zones_sys::MountAttr::NODEV;
        let mut data = Vec::new();
        for option in &fs.options {
            match ATTRIBUTES.iter().find(|(name, _)| name == option) {
                Some((_, attribute)) => attributes |= attribute,
                None if fs.fs_type == "lofs" => return Err(wrong("unknown option of lofs")),
                None => data.push(option.clone()),
            }
        }
        mounts.push(FsMount {
            dir: fs.dir.clone(),
            special: fs.special.clone(),
            kind: fs.fs_type.clone(),
            attributes,
            data,
        });
    }
    mounts.sort_by(|a, b| a.dir.cmp(&b.dir));
    Ok(mounts)
}
