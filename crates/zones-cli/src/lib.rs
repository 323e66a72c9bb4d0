//! The applets: zonecfg, zoneadm, zoneadmd, zlogin, zonename.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

/// Runs the applet named by `argv[0]`, or by `argv[1]` when called as `zones`.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(2)
}
