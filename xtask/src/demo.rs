//! `cargo xtask demo`: the donutshop session of the field guide, played from nothing to nothing on
//! a private root, with timings. It ends with the host as it was, and checks that.

pub(crate) mod busybox;
mod depot;
mod host;
mod imported;
mod packages;
mod session;

use std::path::{Path, PathBuf};

use crate::shell::{Outcome, build, is_root, target};
use host::Snapshot;
pub(crate) use host::{is_safe, mounts_below};
use imported::Shop;
use session::Session;

/// The zone of the field guide.
const ZONE: &str = "donutshop";
/// The link that the demo makes for it; gone at the end.
const BRIDGE: &str = "zdemo0";
/// A network for documentation (RFC 5737), so that it is nobody's.
const HOST_ADDRESS: &str = "198.51.100.1/24";
/// What is typed at zonecfg's prompts; README.md shows the same.
const TYPED: [&str; 11] = [
    "create",
    "set zonepath=/zones/donutshop",
    "add net",
    "set physical=zdemo0",
    "set address=198.51.100.2/24",
    "end",
    "add capped-cpu",
    "set ncpus=1.5",
    "end",
    "commit",
    "exit",
];
/// Stands for a folder of the demo's own.
const SHOWN_ZONEPATH: &str = "/zones/donutshop";
/// Two burners for five seconds. `times` of their shell is the CPU time they got, /proc/uptime the
/// time that passed.
pub(crate) const BURNERS: &str = "read a x </proc/uptime; (while :; do :; done) & p=$!; \
    (while :; do :; done) & q=$!; sleep 5; read b x </proc/uptime; kill $p $q; wait $p $q; times; \
    echo $a $b";
/// How far from the cap they may be.
const CAP_PERCENT: f64 = 150.0;
const CAP_TOLERANCE: f64 = 3.0;
/// A noisy neighbour can take the CPU away from the burners: they get more than one try.
const BURN_TRIES: u32 = 3;

pub(crate) fn run(args: &[String]) -> Outcome {
    let (mut offline, mut keep, mut release, mut fresh) = (false, false, true, false);
    for arg in args {
        match arg.as_str() {
            "--offline" => offline = true,
            "--keep" => keep = true,
            "--fresh" => fresh = true,
            "--debug" => release = false,
            _ => return Err(format!("unknown argument `{arg}`")),
        }
    }
    if !is_root() {
        return Err("zones need root; run it with sudo".to_owned());
    }
    let zones = build(release)?;
    let folder = folder()?;
    let before = Snapshot::take(&folder);
    let mut session = Session::new(zones, folder.join("host"));
    let played = prepare(&folder).and_then(|()| match offline {
        true => {
            play(&mut session, &folder, None).and_then(|()| packages::play(&mut session, &folder))
        }
        false => imported::open(&mut session, &folder, fresh)
            .and_then(|shop| play(&mut session, &folder, Some(shop))),
    });
    if let Err(error) = &played {
        println!("\nThe session stopped: {error}");
    }
    if keep {
        println!("Kept below {}", folder.display());
        return played;
    }
    let cleaned = clean(&session, &folder);
    session.print_timings();
    let left = Snapshot::take(&folder).left_since(&before, ZONE, BRIDGE);
    if left.is_empty() {
        println!("The host is as it was: mounts, control groups, links, processes, loop devices.");
    }
    for line in &left {
        println!("left behind: {line}");
    }
    played.and(cleaned)?;
    if left.is_empty() {
        Ok(())
    } else {
        Err("the host is not as it was".to_owned())
    }
}

fn prepare(folder: &Path) -> Outcome {
    let make = |path: PathBuf| {
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    make(folder.join("host"))?;
    make(folder.join("zones"))
}

/// Every folder above a zonepath must belong to root and be writable by root only; where the build
/// folder is not such a place, one below /var/lib is made.
fn folder() -> Outcome<PathBuf> {
    let name = format!("zones-demo.{}", std::process::id());
    let here = target().join(&name);
    let chosen = if is_safe(&target()) {
        here
    } else {
        Path::new("/var/lib").join(&name)
    };
    std::fs::create_dir_all(&chosen)
        .map_err(|error| format!("cannot make `{}`: {error}", chosen.display()))?;
    std::fs::canonicalize(&chosen).map_err(|error| format!("{}: {error}", chosen.display()))
}

/// The session; what is done with packages comes before its end.
fn play(session: &mut Session, folder: &Path, shop: Option<Shop>) -> Outcome {
    host::add_bridge(BRIDGE, HOST_ADDRESS)?;
    let zonepath = folder.join("zones").join(ZONE);
    configure(session, &zonepath, shop.is_none())?;
    session.zoneadm("list -vc", &["list", "-vc"])?;
    install(session, folder, shop.is_none())?;
    session.zoneadm("list -vc", &["list", "-vc"])?;
    console_and_boot(session)?;
    inside(session)?;
    cpu_cap(session)?;
    memory_cap(session)?;
    session.zoneadm("reboot", &["-z", ZONE, "reboot"])?;
    session.zoneadm("halt", &["-z", ZONE, "halt"])?;
    session.zoneadm("ready", &["-z", ZONE, "ready"])?;
    session.zoneadm("boot from ready", &["-z", ZONE, "boot"])?;
    session.zoneadm("list -vc", &["list", "-vc"])?;
    if let Some(shop) = shop {
        shop.play(session, folder)?;
    }
    session.zoneadm("halt", &["-z", ZONE, "halt"])?;
    session.zoneadm("uninstall", &["-z", ZONE, "uninstall", "-F"])?;
    session.zonecfg("delete", &["-z", ZONE, "delete", "-F"])?;
    session.zoneadm("list -vc", &["list", "-vc"])?;
    Ok(())
}

/// The lines of the field guide; then one more resource by a one-line command.
fn configure(session: &mut Session, zonepath: &Path, offline: bool) -> Outcome {
    let zonepath = zonepath.to_string_lossy();
    let typed: Vec<String> = TYPED
        .iter()
        .map(|line| line.replace(SHOWN_ZONEPATH, &zonepath))
        .map(|line| match line.as_str() {
            "create" if offline => "create -t SYSlx".to_owned(),
            _ => line,
        })
        .collect();
    session.type_lines("zonecfg, typed", &["zonecfg", "-z", ZONE], &typed)?;
    let cap = "add capped-memory; set physical=128m; end";
    session.zonecfg("zonecfg, one line", &["-z", ZONE, cap])?;
    session.zonecfg("zonecfg info", &["-z", ZONE, "info"])
}

fn install(session: &mut Session, folder: &Path, offline: bool) -> Outcome {
    let mut args = vec!["-z", ZONE, "install"];
    let archive = folder.join("busybox.tar").to_string_lossy().into_owned();
    if offline {
        busybox::archive(folder, Path::new(&archive))?;
        args.extend(["-a", &archive]);
    } else {
        args.extend(["-e", imported::TOOLS]);
    }
    session.zoneadm("install", &args)
}

/// The console is connected before the boot, as one does to see it.
fn console_and_boot(session: &mut Session) -> Outcome {
    let console = session.console(ZONE)?;
    session.zoneadm("boot", &["-z", ZONE, "boot"])?;
    session.finish_console(console)
}

fn inside(session: &mut Session) -> Outcome {
    session.zlogin("zlogin, uname -a", "uname -a")?;
    session.zlogin("zlogin, id", "id")?;
    session.zlogin("zlogin, ps", "ps")?;
    session.zlogin("zlogin, true", "true")?;
    let map = session.zlogin("zlogin, uid map", "cat /proc/self/uid_map")?;
    let host_uid = map
        .split_whitespace()
        .nth(1)
        .and_then(|word| word.parse::<u64>().ok());
    match host_uid {
        Some(uid) if uid > 65_535 => println!("    root of the zone is uid {uid} on the host"),
        _ => {
            return Err(format!(
                "root of the zone is not mapped to a high uid: {map}"
            ));
        }
    }
    let name = session.zlogin("zlogin, hostname", "hostname")?;
    if name.trim() != ZONE {
        return Err(format!("the zone is called {name:?} inside"));
    }
    Ok(())
}

/// Two burners against a cap of one and a half CPUs.
fn cpu_cap(session: &mut Session) -> Outcome {
    let mut closest = f64::MAX;
    for _ in 0..BURN_TRIES {
        let text = session.quiet_zlogin("CPU cap, two burners", BURNERS)?;
        let percent = burned(&text).ok_or_else(|| format!("no times in {text:?}"))?;
        println!("    two burners under ncpus=1.5: {percent:.1} % of a CPU");
        if (percent - CAP_PERCENT).abs() < f64::abs(closest - CAP_PERCENT) {
            closest = percent;
        }
        if (closest - CAP_PERCENT).abs() <= CAP_TOLERANCE {
            return Ok(());
        }
    }
    if closest > CAP_PERCENT {
        return Err(format!("the cap of 150 % let {closest:.1} % through"));
    }
    println!("    less than the cap: other work on this host took the CPUs");
    Ok(())
}

/// Percent of one CPU, from what the burners print.
pub(crate) fn burned(text: &str) -> Option<f64> {
    let lines: Vec<&str> = text.lines().collect();
    let seconds = |word: &str| -> Option<f64> {
        let (minutes, rest) = word.split_once('m')?;
        Some(minutes.parse::<f64>().ok()? * 60.0 + rest.trim_end_matches('s').parse::<f64>().ok()?)
    };
    let children = lines.get(lines.len().checked_sub(2)?)?;
    let cpu: f64 = children.split_whitespace().filter_map(seconds).sum();
    let mut times = lines.last()?.split_whitespace().map(str::parse::<f64>);
    let (start, end) = (times.next()?.ok()?, times.next()?.ok()?);
    Some(100.0 * cpu / (end - start))
}

/// A program larger than the cap dies; the zone and the host do not.
fn memory_cap(session: &mut Session) -> Outcome {
    let script = "dd if=/dev/zero of=/dev/null bs=400M count=1 2>/dev/null; echo status $?";
    let text = session.quiet_zlogin("memory cap, 400M under 128M", script);
    match text {
        Ok(text) if text.contains("status 0") => {
            return Err("a program of 400M lived under a cap of 128M".to_owned());
        }
        Ok(text) => println!("    dd with 400M under 128M: {}", text.trim()),
        Err(error) => println!("    {error}"),
    }
    session.zlogin("the zone lives on", "true").map(|_| ())
}

/// Takes everything away again, also after a failure half-way.
fn clean(session: &Session, folder: &Path) -> Outcome {
    session.try_quietly(&["zoneadm", "-z", ZONE, "halt"]);
    session.try_quietly(&["zoneadm", "-z", ZONE, "uninstall", "-F"]);
    session.try_quietly(&["zonecfg", "-z", ZONE, "delete", "-F"]);
    host::delete_link(BRIDGE);
    // Never remove a tree that something is still mounted in.
    if mounts_below(folder).is_empty() {
        std::fs::remove_dir_all(folder)
            .map_err(|error| format!("cannot remove `{}`: {error}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{TYPED, burned};

    #[test]
    fn the_readme_shows_what_the_demo_types() {
        let readme = include_str!("../../README.md");
        let typed = readme
            .lines()
            .filter(|line| line.starts_with("zonecfg:donutshop"))
            .filter_map(|line| line.split_once("> "))
            .map(|(_, words)| words);
        assert!(typed.eq(TYPED));
    }

    #[test]
    fn times_and_uptime_give_percent_of_a_cpu() {
        let text = "0m0.00s 0m0.01s\n0m7.20s 0m0.30s\n100.00 105.00\n";
        assert_eq!(burned(text).map(f64::round), Some(150.0));
        assert_eq!(burned(""), None);
    }
}
