//! The inits that roots bring, and how each is asked for things. One table.

use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Which init a root has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InitKind {
    Systemd,
    Busybox,
    Sysv,
    /// Ours, or one that takes SIGTERM.
    Plain,
}

/// How to ask for an orderly end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shutdown {
    Signal(i32),
    Command(&'static [&'static str]),
}

const SIGUSR2: i32 = 12;
const SIGTERM: i32 = 15;
const SIGRTMIN: i32 = 34;

impl InitKind {
    /// Source: systemd(1) "Signals" (poweroff.target), busybox init (SIGUSR2 powers off), init(8).
    pub(crate) fn shutdown(self) -> Shutdown {
        match self {
            Self::Systemd => Shutdown::Signal(SIGRTMIN + 4),
            Self::Busybox => Shutdown::Signal(SIGUSR2),
            Self::Sysv => Shutdown::Command(&["/sbin/init", "0"]),
            Self::Plain => Shutdown::Signal(SIGTERM),
        }
    }
}

/// Finds out by the program that the first candidate leads to, links resolved inside of the root.
pub(crate) fn of(root: &Path, candidates: &[String]) -> InitKind {
    let Ok(root) = zones_storage::look(root) else {
        return InitKind::Plain;
    };
    let program = candidates.iter().find_map(|path| {
        root.open_beneath(Path::new(path), OFlags::PATH, Mode::empty())
            .ok()
    });
    let Some(program) = program else {
        return InitKind::Plain;
    };
    let proc = format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&program)
    );
    let target = std::fs::read_link(proc).unwrap_or_default();
    let name = target
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    match name.as_deref() {
        Some("systemd") => InitKind::Systemd,
        Some("busybox") => InitKind::Busybox,
        Some("init") => InitKind::Sysv,
        _ => InitKind::Plain,
    }
}

/// In the place of a program: no init of the zone is started, ours waits for orphans and signals.
const NO_INIT: &str = "none";

/// Splits boot arguments: `-i PROGRAM` replaces the init, `-i none` has our own run, `-m` and its
/// word are for Solaris' service manager and dropped, the rest goes to init. `-s` becomes `single`,
/// which all inits understand.
pub(crate) fn boot_args(candidates: &[String], args: &[String]) -> (Vec<String>, Vec<String>) {
    let mut candidates = candidates.to_vec();
    let mut rest = Vec::new();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-i" => match words.next().map(String::as_str) {
                Some(NO_INIT) => candidates.clear(),
                Some(program) => candidates = vec![program.to_owned()],
                None => {}
            },
            "-m" => drop(words.next()),
            "-f" => {}
            "-s" => rest.push("single".to_owned()),
            _ => rest.push(word.clone()),
        }
    }
    (candidates, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_arguments_are_split_between_the_daemon_and_init() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (init, args) = boot_args(&words("/sbin/init"), &words("-m verbose -s quiet"));
        assert_eq!((init, args), (words("/sbin/init"), words("single quiet")));
        let (init, args) = boot_args(&words("/sbin/init"), &words("-i /bin/sh"));
        assert_eq!((init, args), (words("/bin/sh"), Vec::new()));
        let (init, args) = boot_args(&words("/sbin/init"), &words("-i none"));
        assert_eq!((init, args), (Vec::new(), Vec::new()));
    }
}
