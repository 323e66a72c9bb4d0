//! beadm(8): the boot environments of a zone. Subcommands stand in one table.

mod list;
mod mount;

pub(crate) use list::date;

use std::time::{SystemTime, UNIX_EPOCH};

use zones_storage::{EnvironmentError, Environments, Snapshots};
use zones_store::{Layout, Lock, Store};
use zones_types::{ZoneName, ZonePath, ZoneState};

use crate::getopt::{Given, Known, flag, value};
use crate::progress::Waiting;
use crate::report::{OK, USAGE, fail};

/// What a subcommand works on.
struct Call {
    layout: Layout,
    zone: ZoneName,
    zonepath: ZonePath,
    /// Whether nothing of the zone runs.
    is_down: bool,
    environments: Environments,
    given: Given,
}

/// Why a subcommand did nothing.
enum Stop {
    Usage(String),
    Failed(String),
}

impl From<EnvironmentError> for Stop {
    fn from(error: EnvironmentError) -> Self {
        Self::Failed(zones_engine::chain(&error))
    }
}

type Outcome = Result<(), Stop>;

struct Subcommand {
    name: &'static str,
    usage: &'static str,
    options: &'static [Known],
    /// Whether something is changed.
    is_change: bool,
    run: fn(&mut Call) -> Outcome,
}

const SUBCOMMANDS: [Subcommand; 7] = [
    Subcommand {
        name: "activate",
        usage: "NAME",
        options: &[],
        is_change: true,
        run: activate,
    },
    Subcommand {
        name: "create",
        usage: "[-a] [-e SOURCE|[BE]@SNAPSHOT] NAME",
        options: &[flag('a', ""), value('e', "")],
        is_change: true,
        run: create,
    },
    Subcommand {
        name: "destroy",
        usage: "[-fF] NAME",
        options: &[flag('f', ""), flag('F', "")],
        is_change: true,
        run: destroy,
    },
    Subcommand {
        name: "list",
        usage: "[-a | -d] [-s] [-H | -p | -o json] [NAME]",
        options: &[
            flag('H', ""),
            flag('a', ""),
            flag('d', ""),
            flag('p', ""),
            flag('s', ""),
            value('o', ""),
        ],
        is_change: false,
        run: list::run,
    },
    Subcommand {
        name: "mount",
        usage: "NAME MOUNTPOINT",
        options: &[],
        is_change: true,
        run: mount::mount,
    },
    Subcommand {
        name: "rename",
        usage: "NAME NEW",
        options: &[],
        is_change: true,
        run: rename,
    },
    Subcommand {
        name: "unmount",
        usage: "[-f] NAME",
        options: &[flag('f', "")],
        is_change: true,
        run: mount::unmount,
    },
];

pub(crate) fn run(layout: &Layout, args: &[String]) -> u8 {
    let mut zone = None;
    let mut args = args;
    while let [option, name, rest @ ..] = args
        && option == "-z"
    {
        (zone, args) = (Some(name), rest);
    }
    let Some((name, rest)) = args.split_first() else {
        return usage();
    };
    if matches!(name.as_str(), "help" | "--help" | "-?" | "-h") {
        usage();
        return OK;
    }
    let Some(subcommand) = SUBCOMMANDS.iter().find(|it| it.name == name) else {
        eprintln!("beadm: unknown subcommand `{name}`");
        return usage();
    };
    let done = open(layout, zone, subcommand, rest)
        .and_then(|(mut call, _lock)| (subcommand.run)(&mut call));
    match done {
        Ok(()) => OK,
        Err(Stop::Failed(text)) => fail("beadm", text),
        Err(Stop::Usage(text)) => {
            eprintln!(
                "beadm: {text}\nusage:\tbeadm -z ZONE {} {}",
                name, subcommand.usage
            );
            USAGE
        }
    }
}

fn usage() -> u8 {
    eprintln!("usage:\tbeadm -z ZONE SUBCOMMAND ...\n\nSubcommands:\n");
    for it in &SUBCOMMANDS {
        eprintln!("\t{} {}", it.name, it.usage);
    }
    USAGE
}

fn open(
    layout: &Layout,
    zone: Option<&String>,
    subcommand: &Subcommand,
    args: &[String],
) -> Result<(Call, Option<Lock>), Stop> {
    let Some(name) = zone else {
        let text = "name the zone with -z: the host's boot environments are not ours";
        return Err(Stop::Usage(text.to_owned()));
    };
    if crate::inside::is_inside() {
        let text = "can only be run from the global zone.";
        return Err(Stop::Failed(text.to_owned()));
    }
    let given = Given::parse(args, subcommand.options).map_err(Stop::Usage)?;
    let unknown = || Stop::Failed(format!("{name}: No such zone configured"));
    let zone: ZoneName = name.parse().map_err(|_| unknown())?;
    if subcommand.is_change && !rustix::process::geteuid().is_root() {
        let text = "only a privileged user may change boot environments.";
        return Err(Stop::Failed(text.to_owned()));
    }
    let opened = Store::open(layout.clone());
    if subcommand.is_change {
        super::zoneadm::repair(layout, &opened, &zone, "beadm").map_err(Stop::Failed)?;
    }
    let lock = match subcommand.is_change && !crate::env::lock_is_held() {
        true => Some(Lock::zone(layout, &zone).map_err(|error| store(&error))?),
        false => None,
    };
    let state = super::zoneadm::state_of(layout, &opened, &zone).map_err(Stop::Failed)?;
    let state = state.ok_or_else(unknown)?;
    if matches!(state, ZoneState::Configured | ZoneState::Incomplete) {
        let text = format!("zone '{zone}' is {state}; boot environments come with an installation");
        return Err(Stop::Failed(text));
    }
    let entry = opened
        .get(&zone)
        .map_err(|error| store(&error))?
        .ok_or_else(unknown)?;
    let zonepath = entry.zonepath().ok_or_else(unknown)?;
    let environments = Environments::open(zonepath.as_path())?;
    let environments = environments.of_running(state != ZoneState::Installed);
    let call = Call {
        layout: layout.clone(),
        zone,
        zonepath,
        is_down: state == ZoneState::Installed,
        environments,
        given,
    };
    Ok((call, lock))
}

fn store(error: &zones_store::StoreError) -> Stop {
    Stop::Failed(zones_engine::chain(error))
}

impl Call {
    fn word(&self) -> Result<String, Stop> {
        match self.given.words.as_slice() {
            [name] => Ok(name.clone()),
            _ => Err(Stop::Usage("one boot environment must be named".to_owned())),
        }
    }

    fn words(&self) -> Result<(String, String), Stop> {
        match self.given.words.as_slice() {
            [one, two] => Ok((one.clone(), two.clone())),
            _ => Err(Stop::Usage("two words are needed".to_owned())),
        }
    }
}

fn create(call: &mut Call) -> Outcome {
    let name = call.word()?;
    let active = call.environments.active().to_owned();
    let source = call
        .given
        .get("e")
        .map_or_else(|| active.clone(), str::to_owned);
    let (now, waiting) = (seconds(), Waiting::new(None));
    if let Some((environment, snapshot)) = source.split_once('@') {
        let from = snapshot_of(call, environment, snapshot)?;
        call.environments.create_of(&name, &from, now, &waiting)?;
    } else {
        // Whoever writes to the root while it is copied would be in the copy by half.
        let frozen = match source == active && !call.is_down {
            true => zones_engine::freeze(&call.layout, &call.zone).map(Some),
            false => Ok(None),
        };
        let frozen = frozen.map_err(|error| Stop::Failed(error.chain()))?;
        let made = call.environments.create(&name, &source, now, &waiting);
        if let Some(frozen) = frozen {
            frozen.thaw().map_err(|error| Stop::Failed(error.chain()))?;
        }
        made?;
    }
    if call.given.has("a") {
        activate_name(call, &name)?;
    }
    Ok(())
}

/// The files of a snapshot, which knows the environment that it was taken of.
fn snapshot_of(call: &Call, environment: &str, snapshot: &str) -> Result<std::path::PathBuf, Stop> {
    let failed = |error: zones_storage::SnapshotError| Stop::Failed(zones_engine::chain(&error));
    let all = Snapshots::open(call.zonepath.as_path()).map_err(failed)?;
    let found = all.find(snapshot).map_err(failed)?;
    if !environment.is_empty() && found.environment != environment {
        let text = format!(
            "snapshot {snapshot} is of BE {}, not of {environment}",
            found.environment
        );
        return Err(Stop::Failed(text));
    }
    Ok(all.path(snapshot))
}

fn activate(call: &mut Call) -> Outcome {
    let name = call.word()?;
    activate_name(call, &name)
}

/// Of a zone that is down, the switch is made at once: nothing has to boot to see it.
fn activate_name(call: &mut Call, name: &str) -> Outcome {
    call.environments.activate(name)?;
    if call.is_down && mount::of(call, name).is_none() {
        call.environments.settle()?;
    } else {
        println!(
            "BE {name} becomes active when zone '{}' is booted next.",
            call.zone
        );
    }
    Ok(())
}

fn destroy(call: &mut Call) -> Outcome {
    let name = call.word()?;
    if let Some(place) = mount::of(call, &name) {
        if !call.given.has("f") {
            let text = format!("BE {name} is mounted at {place}; use -f, or: beadm unmount {name}");
            return Err(Stop::Failed(text));
        }
        mount::unmount(call)?;
    }
    Ok(call.environments.destroy(&name)?)
}

fn rename(call: &mut Call) -> Outcome {
    let (name, to) = call.words()?;
    Ok(call.environments.rename(&name, &to)?)
}

fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX))
}
