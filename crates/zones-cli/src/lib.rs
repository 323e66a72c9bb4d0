//! The applets: zonecfg, zoneadm, zoneadmd, zlogin, zonename.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

pub mod applet;

use std::path::Path;

use zones_store::Layout;

/// Runs the applet named by `argv[0]`, or by `argv[1]` when called as `zones`.
pub fn main() -> std::process::ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "zonecfg") {
        args.remove(0);
        let root = std::env::var("ZONES_ROOT").ok();
        let layout = root.map_or_else(Layout::host, |root| Layout::below(Path::new(&root)));
        return applet::zonecfg::run(&layout, &args, &|_| None).into();
    }
    std::process::ExitCode::from(2)
}
