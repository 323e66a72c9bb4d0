//! What a boot takes without the start of a program, for `cargo xtask bench`: a daemon that stays
//! boots and halts an installed zone, beside the bare clone3(2) of the same namespaces. One line
//! for each case, `MS NAME`, once for every round. Needs root.
//!
//! `resident ROUNDS ROOT ZONE`; as `zoneadmd` it is the daemon.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::os::fd::AsFd;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{WaitId, WaitIdOptions, waitid};
use zones_engine::{Request, attend, request, run_daemon};
use zones_store::Layout;
use zones_sys::{Channel, CloneFlags, Fork, clone_process, exit_now};
use zones_types::ZoneName;

const PAUSE: Duration = Duration::from_millis(40);

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["zoneadmd", "-z", zone, "-R", root] => {
            let input = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).unwrap();
            let layout = Layout::below(Path::new(root));
            let _ = run_daemon(
                &layout,
                &zone.parse().unwrap(),
                Some(Channel::from_fd(input)),
            );
        }
        [_, rounds, root, zone] => {
            let layout = Layout::below(Path::new(root));
            measure(&layout, &zone.parse().unwrap(), rounds.parse().unwrap());
        }
        _ => println!("usage: resident ROUNDS ROOT ZONE"),
    }
}

fn measure(layout: &Layout, zone: &ZoneName, rounds: usize) {
    let _daemon = attend(layout, zone).unwrap();
    let ask = |what: &Request| {
        let response = request(layout, zone, what).unwrap();
        assert!(response.done, "{:?}", response.lines);
    };
    let boot = Request::Boot { args: Vec::new() };
    for _ in 0..rounds {
        time("clone3, exit, wait", bare);
        time("zones, boot and halt in a resident daemon", || {
            ask(&boot);
            ask(&Request::Halt);
        });
        time("zones, ready and halt in a resident daemon", || {
            ask(&Request::Ready);
            ask(&Request::Halt);
        });
    }
}

fn time(name: &str, body: impl FnOnce()) {
    let start = Instant::now();
    body();
    println!("{} {name}", start.elapsed().as_secs_f64() * 1e3);
    // What the kernel takes down late is not billed to the next.
    sleep(PAUSE);
}

/// A process in the namespaces of a zone that ends at once.
fn bare() {
    let flags = [
        CloneFlags::PID,
        CloneFlags::NET,
        CloneFlags::UTS,
        CloneFlags::IPC,
        CloneFlags::MOUNT,
        CloneFlags::USER,
        CloneFlags::CGROUP,
    ];
    let flags = flags.into_iter().fold(CloneFlags::NONE, CloneFlags::with);
    match clone_process(flags, None).unwrap() {
        Fork::Child => exit_now(0),
        Fork::Parent { pidfd, .. } => {
            waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
        }
    }
}
