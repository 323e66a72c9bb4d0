//! How errors reach the user: one line, prefixed by the command, and an exit status.

use zones_types::ZoneName;

/// Done.
pub(crate) const OK: u8 = 0;
/// An error was seen.
pub(crate) const FAILURE: u8 = 1;
/// The command line was wrong.
pub(crate) const USAGE: u8 = 2;

/// Prints `COMMAND: text`.
pub(crate) fn fail(command: &str, text: impl std::fmt::Display) -> u8 {
    eprintln!("{command}: {text}");
    FAILURE
}

/// Prints `zoneadm: zone 'z': text`.
pub(crate) fn fail_zone(zone: &ZoneName, text: impl std::fmt::Display) -> u8 {
    eprintln!("zoneadm: zone '{zone}': {text}");
    FAILURE
}
