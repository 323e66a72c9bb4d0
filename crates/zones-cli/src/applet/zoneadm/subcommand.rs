//! The subcommands of zoneadm: names, usage lines and explanations in one table.

use zones_store::{Layout, Store};
use zones_types::ZoneName;

use super::{
    Target, apply, attach, base, clone, df, diff, doctor, install, list, mark, relocate, run, set,
    snapshot, stream, sysboot, uninstall, verify,
};
use crate::report::{OK, USAGE};

/// How a subcommand is called.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// Needs a zone that exists.
    Zone(fn(&Target<'_>, &[String]) -> u8),
    /// Works with or without one.
    Any(fn(&Layout, &Store, Option<&ZoneName>, &[String]) -> u8),
}

pub(super) struct Subcommand {
    pub(super) name: &'static str,
    /// Arguments, for the usage line.
    pub(super) arguments: &'static str,
    /// What it does.
    pub(super) text: &'static str,
    pub(super) privileged: bool,
    pub(super) run: Run,
}

/// In the order of the manual.
pub(super) const SUBCOMMANDS: [Subcommand; 29] = [
    Subcommand {
        name: "boot",
        arguments: "[-s] [-f] [-w] [-W] [-B BE] [-- boot_arguments]",
        text: "Activates (boots) the zone. Without arguments the property bootargs is used; -i PROGRAM\n\
               replaces init, -s boots to single user, -m is accepted, -f boots an incomplete zone,\n\
               -B activates a boot environment before, -w lets an immutable zone write all of its\n\
               root this once, -W waits until the zone is up and fails when it does not come up.",
        privileged: true,
        run: Run::Zone(run::boot),
    },
    Subcommand {
        name: "halt",
        arguments: "",
        text: "Halts the zone at once: no script runs, everything it has in the kernel is removed.",
        privileged: true,
        run: Run::Zone(run::halt),
    },
    Subcommand {
        name: "ready",
        arguments: "[-n]",
        text: "Prepares the zone for running programs but starts none. With -n, prints the plan.",
        privileged: true,
        run: Run::Zone(run::ready),
    },
    Subcommand {
        name: "shutdown",
        arguments: "[-r [-- boot_arguments]] [-t seconds]",
        text: "Has the zone's init shut it down; -r boots it again. After the time (60 s) the zone keeps\n\
               running and the command fails.",
        privileged: true,
        run: Run::Zone(run::shutdown),
    },
    Subcommand {
        name: "reboot",
        arguments: "[-- boot_arguments]",
        text: "Halts and boots the zone; a console stays connected.",
        privileged: true,
        run: Run::Zone(run::reboot),
    },
    Subcommand {
        name: "apply",
        arguments: "[-n] [-q] [-v]",
        text: "Changes the running zone into what its stored configuration says now: all of it or, when\n\
               something cannot be changed while the zone runs, nothing. -n only says what would be\n\
               done, -q says nothing, -v says values before and after.",
        privileged: true,
        run: Run::Zone(apply::run),
    },
    Subcommand {
        name: "list",
        arguments: "[-cinpv] [-s state,...] [-o [json,]field,...]",
        text: "Lists running zones; -i adds installed ones, -c all configured ones, -n leaves the global\n\
               zone out. -v prints a table, -p colon-separated fields\n\
               (zoneid:zonename:state:zonepath:uuid:brand:ip-type), -o some of them or, with json, an array\n\
               of objects; json,used,refers,limit adds sizes. -s lists the zones in these states.",
        privileged: false,
        run: Run::Any(list::run),
    },
    Subcommand {
        name: "df",
        arguments: "[-s] [-p | -o json]",
        text: "Says what zones with files, their boot environments and snapshots take on the disk: OWN goes\n\
               when they go, REFERS is what they show. -s only zones. -p prints bytes:\n\
               zone:name:own:refers:limit:reserved:driver:exact",
        privileged: true,
        run: Run::Any(df::run),
    },
    Subcommand {
        name: "set",
        arguments: "quota=size|none reservation=size|none",
        text: "Limits what the zone may take on the disk, or keeps space free for it: in its configuration\n\
               (attr quota, attr reservation) and at once.",
        privileged: true,
        run: Run::Zone(set::run),
    },
    Subcommand {
        name: "verify",
        arguments: "",
        text: "Checks that the zone, as configured, can be installed or run on this host.",
        privileged: false,
        run: Run::Zone(verify::run),
    },
    Subcommand {
        name: "install",
        arguments: "[brand-specific args]",
        text: "Installs the zone.\n\
               ipkg:   [-P [PUBLISHER=]URI] [-e PACKAGE,...] [-c FILE]\n\
               debian: [-a URI] [--suite NAME] [--arch NAME] [--include PKG,...] [--variant minbase|standard]\n\
               \x20       [--keyring FILE] [-c FILE]\n\
               native: [--include PKG,...] [-c FILE]\n\
               lx:     -a ARCHIVE | -d DIRECTORY [-c FILE]\n\
               sparse: [-b BASE] [-a ARCHIVE | -d DIRECTORY] [-c FILE]",
        privileged: true,
        run: Run::Zone(install::run),
    },
    Subcommand {
        name: "uninstall",
        arguments: "[-F] [--delete]",
        text: "Removes the files of the zone; -F does so without asking, --delete deletes the\n\
               configuration after them.",
        privileged: true,
        run: Run::Zone(uninstall::run),
    },
    Subcommand {
        name: "clone",
        arguments: "[--config FILE] [-m copy] [-s snapshot] [-X] [-c FILE] [brand-specific args] source",
        text: "Installs the zone with the files of another one of the same brand, which is halted or, with\n\
               -s, named by one of its snapshots. -m copy copies files where a clone would share them.\n\
               The clone gets a name and an identity of its own; -X keeps those of the source, -c FILE\n\
               is for first-boot settings. --config FILE configures it before, as zonecfg -f does.",
        privileged: true,
        run: Run::Zone(clone::run),
    },
    Subcommand {
        name: "snapshot",
        arguments: "[name] | --due [-a]",
        text: "Keeps how the zone is now, under a name; a running zone stands still meanwhile. --due takes\n\
               what the attr snapshot-schedule asks for (hourly:24 daily:7 ...) and removes the oldest;\n\
               with -a, of all zones.",
        privileged: true,
        run: Run::Any(snapshot::snapshot),
    },
    Subcommand {
        name: "rollback",
        arguments: "[-r] snapshot",
        text: "Has the zone be as it was; every snapshot stays. -r halts a running zone before and boots it\n\
               after that.",
        privileged: true,
        run: Run::Zone(snapshot::rollback),
    },
    Subcommand {
        name: "list-snapshots",
        arguments: "[-Hp] [-o json|field,...]",
        text: "Lists the snapshots of the zone, the oldest first; -p prints\n\
               name:uuid:created:be:origin:used, -o some of these fields, -H no headline. USED goes when\n\
               the snapshot goes, as far as the storage driver knows.",
        privileged: false,
        run: Run::Zone(snapshot::list),
    },
    Subcommand {
        name: "destroy-snapshot",
        arguments: "snapshot...",
        text: "Removes snapshots of the zone.",
        privileged: true,
        run: Run::Zone(snapshot::destroy),
    },
    Subcommand {
        name: "diff",
        arguments: "[-p | -o json] [-t] [--verify-diff] [snapshot [snapshot]]",
        text: "Says what is different: from the older snapshot to the newer one, or to the zone as it is; without\n\
               one, from the newest snapshot. + came, - went, M changed, and in what. -p prints\n\
               kind:type:aspects:path, -t also names whose time alone is another. --verify-diff compares\n\
               all files, too, and fails if that says something else.",
        privileged: true,
        run: Run::Zone(diff::run),
    },
    Subcommand {
        name: "move",
        arguments: "zonepath",
        text: "Gives the halted zone another zonepath: a rename in one file system, else a copy.",
        privileged: true,
        run: Run::Zone(relocate::run),
    },
    Subcommand {
        name: "detach",
        arguments: "[-n]",
        text: "Detaches the zone: its files stay with a description of it beside them, to be attached\n\
               here or on another host. -n only prints the description.",
        privileged: true,
        run: Run::Zone(attach::detach),
    },
    Subcommand {
        name: "attach",
        arguments: "[-F] [-n PATH] [-u | -U] [brand-specific args]",
        text: "Attaches a zone whose files are at its zonepath. Of brand ipkg, its packages must be in\n\
               step with the global zone; -u or -U brings them in step, -F looks at nothing. -n PATH\n\
               only checks a description (- is standard input).",
        privileged: true,
        run: Run::Zone(attach::attach),
    },
    Subcommand {
        name: "export",
        arguments: "[-s snapshot] [-i base-snapshot] [--resume token] [file | -]",
        text: "Writes the zone, with its snapshots and boot environments, as one stream to a file or to\n\
               standard output. -s writes one snapshot, also of a running zone, -i only what came after\n\
               a snapshot, --resume only what a receiver that was cut off does not have.",
        privileged: true,
        run: Run::Zone(stream::export),
    },
    Subcommand {
        name: "import",
        arguments: "[-d zonepath] [-r] [-F] [-t] [file | -]",
        text: "Reads such a stream: a zone that is not installed becomes installed, one that has the base\n\
               of the stream becomes what the stream says. -d is where the files of a zone go that is\n\
               not configured; -r keeps what came of a stream that was cut, and goes on; -t prints the\n\
               token for export --resume; -F gives up what the zone wrote since the base.",
        privileged: true,
        run: Run::Any(stream::import),
    },
    Subcommand {
        name: "base",
        arguments: "list [-Hp] [-o json] | create NAME {-s ZONE[@SNAPSHOT] | -t BRAND [install args]} | \
                    verify [NAME...] | destroy NAME",
        text: "Looks after the systems that zones of brand sparse share folders of. create makes one of a\n\
               halted zone or of a snapshot (-s), or installs one as a zone of a brand is installed (-t).\n\
               verify reads all files of bases and compares them with what they were made of. destroy\n\
               removes one that no zone uses. list -p prints\n\
               name:created:files:bytes:users:source:sha256",
        privileged: true,
        run: Run::Any(base::run),
    },
    Subcommand {
        name: "mark",
        arguments: "incomplete",
        text: "Marks the zone as incomplete: it must be uninstalled before it is used again.",
        privileged: true,
        run: Run::Zone(mark::run),
    },
    Subcommand {
        name: "sysboot",
        arguments: "[stop]",
        text: "Boots all installed zones with autoboot=true, as at the start of the host; with `stop`, shuts\n\
               all zones down: first in order, then at once.",
        privileged: true,
        run: Run::Any(sysboot::run),
    },
    Subcommand {
        name: "doctor",
        arguments: "[-o json] [folder]",
        text: "Says what this host can do for zones in a folder (the one of the zones): storage driver and why,\n\
               mapped mounts, layers, control groups, namespaces, filter of system calls.",
        privileged: false,
        run: Run::Any(doctor::run),
    },
    Subcommand {
        name: "mount",
        arguments: "",
        text: "Stands the zone up for software maintenance: its files, no program of its own.",
        privileged: true,
        run: Run::Zone(run::mount),
    },
    Subcommand {
        name: "unmount",
        arguments: "",
        text: "Ends software maintenance.",
        privileged: true,
        run: Run::Zone(run::unmount),
    },
];

impl Subcommand {
    fn line(&self) -> String {
        format!("{} {}", self.name, self.arguments)
            .trim_end()
            .to_owned()
    }

    /// `SUBCOMMAND -?`.
    pub(super) fn explain(&self) {
        eprintln!(
            "usage:\t{}\n\t{}",
            self.line(),
            self.text.replace('\n', "\n\t")
        );
    }
}

/// `help`, `help SUBCOMMAND`.
pub(super) fn help(rest: &[String]) -> u8 {
    match rest.first() {
        None => usage(OK),
        Some(name) => match SUBCOMMANDS.iter().find(|known| known.name == name) {
            Some(subcommand) => {
                subcommand.explain();
                OK
            }
            None => usage(USAGE),
        },
    }
}

/// The block that `help` and every wrong command line print.
pub(super) fn usage(status: u8) -> u8 {
    let mut text = String::from(
        "usage:\tzoneadm help\n\tzoneadm [-R root] [-z <zone>] [-u <uuid-match>] list\n\
         \tzoneadm [-R root] {-z <zone>|-u <uuid-match>} <subcommand>\n\nSubcommands:\n\nhelp\n",
    );
    for subcommand in &SUBCOMMANDS {
        text += &subcommand.line();
        text.push('\n');
    }
    if status == OK {
        print!("{text}")
    } else {
        eprint!("{text}")
    }
    status
}
