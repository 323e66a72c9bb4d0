//! The verbs that move a zone between installed, ready and running.

use zones_engine::{Request, Response};
use zones_store::Lock;
use zones_types::{Verb, Verdict, ZoneState, judge};

use super::{Target, environment, storage, verify};
use crate::report::{FAILURE, OK, USAGE, fail_zone};

pub(super) fn boot(target: &Target<'_>, args: &[String]) -> u8 {
    let Some((environment, args)) = environment_of(args) else {
        return bad_usage("boot");
    };
    let args = args.as_slice();
    let Some((flags, mut words)) = split(args, &["-s", "-f", "-w", "-W"]) else {
        return bad_usage("boot");
    };
    if flags.contains(&"-s") {
        words.insert(0, "-s".to_owned());
    }
    let force = flags.contains(&"-f");
    if words.join(" ").len() > 256 {
        return fail_zone(&target.zone, "Boot argument list too long");
    }
    let incomplete = force && target.state == ZoneState::Incomplete;
    if !incomplete && let Some(status) = settled(target, Verb::Boot) {
        // Somebody else booted it, perhaps just now.
        return match status == OK && flags.contains(&"-W") {
            true => up(target),
            false => status,
        };
    }
    let settled = match &environment {
        Some(_) if target.state != ZoneState::Installed => {
            let text = format!(
                "boot -B is for a halted zone, and this one is {}",
                target.state
            );
            return fail_zone(&target.zone, text);
        }
        Some(name) => environment::activate(target, name),
        None => environment::settle(target),
    };
    if let Err(status) = settled {
        return status;
    }
    if let Err(status) = verify::before(target, "boot", args) {
        return status;
    }
    limit(target);
    let request = match flags.contains(&"-w") {
        true => Request::BootWritable { args: words },
        false => Request::Boot { args: words },
    };
    let verb = (!incomplete).then_some(Verb::Boot);
    let booted = start(target, verb, &request);
    if booted != OK || !flags.contains(&"-W") {
        return booted;
    }
    up(target)
}

/// Waits until the zone is up.
fn up(target: &Target<'_>) -> u8 {
    match zones_engine::wait_until_up(target.layout, &target.zone) {
        Ok(()) => OK,
        Err(error) => fail_zone(&target.zone, error.chain()),
    }
}

/// What the configuration says of the disk now; a zone whose limit cannot be kept boots, and says
/// so.
fn limit(target: &Target<'_>) {
    let limited = target.config().and_then(|config| {
        let zonepath = target.zonepath()?;
        storage::limit(&config, zonepath.as_path())
    });
    if let Err(text) = limited {
        eprintln!("zone '{}': WARNING: {text}", target.zone);
    }
}

/// Takes `-B NAME` out of what comes before the boot arguments.
fn environment_of(args: &[String]) -> Option<(Option<String>, Vec<String>)> {
    let mut args = args.to_vec();
    let end = args.iter().position(|word| word == "--");
    let found = args.iter().position(|word| word == "-B");
    let Some(at) = found.filter(|at| end.is_none_or(|end| *at < end)) else {
        return Some((None, args));
    };
    let name = args.get(at + 1)?.clone();
    args.drain(at..at + 2);
    Some((Some(name), args))
}

pub(super) fn ready(target: &Target<'_>, args: &[String]) -> u8 {
    match args {
        [flag] if flag == "-n" => match zones_engine::plan(target.layout, &target.zone) {
            Ok(plan) => {
                print!("{plan}");
                OK
            }
            Err(error) => fail_zone(&target.zone, error.chain()),
        },
        [] => {
            if let Some(status) = settled(target, Verb::Ready) {
                return status;
            }
            if let Err(status) = environment::settle(target) {
                return status;
            }
            match verify::before(target, "ready", args) {
                Err(status) => status,
                Ok(()) => start(target, Some(Verb::Ready), &Request::Ready),
            }
        }
        _ => bad_usage("ready"),
    }
}

pub(super) fn halt(target: &Target<'_>, args: &[String]) -> u8 {
    if !args.is_empty() {
        return bad_usage("halt");
    }
    // Somebody may be in the middle of a boot.
    let later = match target.state {
        ZoneState::Installed => target.again(),
        state => Ok(target.now(state)),
    };
    let target = match &later {
        Ok(later) => later,
        Err(text) => return fail_zone(&target.zone, text),
    };
    if zones_engine::is_running(target.layout, &target.zone) {
        return call(target, &Request::Halt);
    }
    match settled(target, Verb::Halt) {
        Some(status) => status,
        None => call(target, &Request::Halt),
    }
}

pub(super) fn reboot(target: &Target<'_>, args: &[String]) -> u8 {
    let Some((_, words)) = split(args, &[]) else {
        return bad_usage("reboot");
    };
    if let Some(status) = settled(target, Verb::Reboot) {
        return status;
    }
    match verify::before(target, "reboot", args) {
        Err(status) => status,
        Ok(()) => call(target, &Request::Reboot { args: words }),
    }
}

pub(super) fn shutdown(target: &Target<'_>, args: &[String]) -> u8 {
    const TIMEOUT_S: u64 = 60;
    let mut timeout_s = TIMEOUT_S;
    let mut words = args.to_vec();
    if let Some(at) = words
        .iter()
        .position(|word| word == "-t")
        .filter(|at| at + 1 < words.len())
    {
        let Ok(seconds) = words[at + 1].parse() else {
            return bad_usage("shutdown");
        };
        timeout_s = seconds;
        words.drain(at..=at + 1);
    }
    let Some((flags, words)) = split(&words, &["-r"]) else {
        return bad_usage("shutdown");
    };
    if let Some(status) = settled(target, Verb::Shutdown) {
        return status;
    }
    let reboot = flags.contains(&"-r").then_some(words);
    call(target, &Request::Shutdown { reboot, timeout_s })
}

pub(super) fn mount(target: &Target<'_>, _args: &[String]) -> u8 {
    match target.state {
        ZoneState::Installed | ZoneState::Incomplete => start(target, None, &Request::Mount),
        state => fail_zone(
            &target.zone,
            format!("mount operation is invalid for zones in state '{state}'"),
        ),
    }
}

pub(super) fn unmount(target: &Target<'_>, _args: &[String]) -> u8 {
    let mounted = zones_engine::active(target.layout, &target.zone);
    match mounted {
        Some((ZoneState::Mounted | ZoneState::Down, _)) => call(target, &Request::Halt),
        _ => fail_zone(
            &target.zone,
            format!(
                "unmount operation is invalid for zones in state '{}'",
                target.state
            ),
        ),
    }
}

/// What the transition table says before the daemon is troubled: an exit status, or `None` for
/// "go".
fn settled(target: &Target<'_>, verb: Verb) -> Option<u8> {
    match judge(target.state, verb) {
        Verdict::Go => None,
        Verdict::Already(text) => {
            println!("zone '{}': {text}", target.zone);
            Some(OK)
        }
        Verdict::Refuse(refusal) => Some(fail_zone(&target.zone, refusal)),
    }
}

/// Has the daemon bring the zone up, with the lock of the zone: nobody takes its files away
/// meanwhile. Whether the verb may be done is asked again then.
fn start(target: &Target<'_>, verb: Option<Verb>, request: &Request) -> u8 {
    let lock = match target.lock() {
        Ok(lock) => lock,
        Err(text) => return fail_zone(&target.zone, text),
    };
    let state = match target.state_now() {
        Ok(state) => state,
        Err(text) => return fail_zone(&target.zone, text),
    };
    let refused = verb.and_then(|verb| settled(&target.now(state), verb));
    refused.unwrap_or_else(|| call_locked(target, request, lock.as_ref()))
}

/// Has the daemon do it and shows what it says.
pub(super) fn call(target: &Target<'_>, request: &Request) -> u8 {
    call_locked(target, request, None)
}

fn call_locked(target: &Target<'_>, request: &Request, lock: Option<&Lock>) -> u8 {
    match zones_engine::request_locked(target.layout, &target.zone, request, lock) {
        Ok(response) => show(target, &response),
        Err(error) => fail_zone(&target.zone, error.chain()),
    }
}

fn show(target: &Target<'_>, response: &Response) -> u8 {
    for line in &response.warnings {
        eprintln!("zone '{}': {line}", target.zone);
    }
    if response.done {
        response.lines.iter().for_each(|line| println!("{line}"));
        return OK;
    }
    for line in &response.lines {
        fail_zone(&target.zone, line);
    }
    if response.lines.is_empty() {
        fail_zone(&target.zone, "call to zoneadmd failed");
    }
    FAILURE
}

/// Flags before the words, which may come after `--`.
fn split<'a>(args: &'a [String], known: &[&str]) -> Option<(Vec<&'a str>, Vec<String>)> {
    let mut flags = Vec::new();
    let mut rest = args.iter();
    while let Some(word) = rest.as_slice().first() {
        match word.as_str() {
            "--" => {
                rest.next();
                break;
            }
            "-X" => {}
            flag if known.contains(&flag) => flags.push(flag),
            flag if flag.starts_with('-') => return None,
            _ => break,
        }
        rest.next();
    }
    Some((flags, rest.cloned().collect()))
}

pub(super) fn bad_usage(name: &str) -> u8 {
    if let Some(subcommand) = super::SUBCOMMANDS.iter().find(|known| known.name == name) {
        subcommand.explain();
    }
    USAGE
}
