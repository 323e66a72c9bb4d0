//! Hooks of a brand as zoneadm runs them: their output is the command's, `^C` ends them.

use std::os::fd::AsFd;

use zones_brand::{Hook, HookEnd, Stream};
use zones_engine::Hooks;
use zones_sys::SignalFd;

/// Runs a hook until it ends, or until SIGINT or SIGTERM.
///
/// # Errors
/// When it cannot be run, in words.
pub(super) fn run(
    hooks: &Hooks,
    hook: Hook,
    arguments: &[String],
    say: &mut dyn FnMut(Stream, &str),
) -> Result<Option<HookEnd>, String> {
    if !hooks.has(hook) {
        return Ok(None);
    }
    let signals =
        SignalFd::new(&[2, 15]).map_err(|error| format!("cannot watch signals: {error}"))?;
    let interrupts = [signals.as_fd()];
    let end = hooks.run(hook, arguments, &interrupts, say);
    end.map_err(|error| error.chain())
}

/// A line of a hook on the stream that it came from.
pub(super) fn print(stream: Stream, line: &str) {
    match stream {
        Stream::Out => println!("{line}"),
        Stream::Err => eprintln!("{line}"),
    }
}

/// What is said of a hook that did not end well.
pub(super) fn failed(hook: Hook, end: HookEnd) -> String {
    format!("brand hook {hook} failed: {end}")
}
