//! The applets: of zones, of packages, of boot environments, and of the support matrix.
//!
//! This is the only crate that prints, reads the environment and chooses exit codes.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

#[macro_use]
mod plain;

mod applet;
mod env;
mod getopt;
mod inside;
mod progress;
mod report;
mod settings;
mod table;

use std::process::ExitCode;

/// Runs the applet named by `argv[0]`, or by `argv[1]` when called as `zones`. Works with an empty
/// environment and with absolute paths.
#[must_use]
pub fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    ExitCode::from(applet::dispatch(&args))
}
