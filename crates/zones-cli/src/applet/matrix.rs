//! zonematrix(1): the support matrix of a product. Subcommands stand in one table.
//!
//! Exit status: 0 fine, 1 the product failed, 2 only the test bed failed, 3 only flaky cells, 4
//! only leftovers, 64 bad configuration or command line, 130 interrupted.

mod deb;
mod desk;
mod doctor;
mod follow;
mod image;
mod look;
mod noise;
mod plan;
mod reaper;
mod report;
mod run;
mod scale;
mod screen;
mod shell;
mod status;
mod sweep;

use zones_matrix::EXIT_CONFIG;
use zones_store::Layout;

use crate::report::{OK, fail};

/// The name in messages.
const NAME: &str = "zones matrix";

struct Subcommand {
    name: &'static str,
    arguments: &'static str,
    text: &'static str,
    run: fn(&Layout, &[String]) -> u8,
}

/// In the order of the manual.
const SUBCOMMANDS: [Subcommand; 16] = [
    Subcommand {
        name: "plan",
        arguments: "[-f FILE] [--json] [--yes] [--shard K/N] [SELECT...]",
        text: "Expands the matrix, checks it and counts; runs nothing. --json prints all of it.",
        run: plan::run,
    },
    Subcommand {
        name: "run",
        arguments: "[-f FILE] [-j N] [--resume | --failed] [--from RUN] [--shard K/N] [--plan FILE]\n\
                    \t[--keep never|failed|all] [--retries N] [--strict] [--seed N] [--memory SIZE]\n\
                    \t[--message-format human|json] [--yes] [SELECT...]",
        text: "Runs the cells, each in a clone of its platform's image, and writes the reports.\n\
               --resume does what the last run did not come to, --failed what failed, too.",
        run: run::run,
    },
    Subcommand {
        name: "image",
        arguments: image::VERBS,
        text: "Makes, lists and removes golden images.",
        run: image::run,
    },
    Subcommand {
        name: "noise",
        arguments: "[--show] [-f FILE] [-d FOLDER] [--offline] [PLATFORM...] | --import LIST...",
        text: "Learns and shows what platforms change by themselves; --import prints ignore lists of\n\
               piuparts(1) for a matrix file.",
        run: noise::run,
    },
    Subcommand {
        name: "status",
        arguments: "[-f FILE] [--watch] [--json] [RUN]",
        text: "Says how far a run is, also from another terminal; --watch until it ends.",
        run: status::run,
    },
    Subcommand {
        name: "shell",
        arguments: "[-f FILE] [--offline] CELL [--before [STEP] | --after [STEP] | --build]\n\
                    \t[-- COMMAND...]",
        text: "Enters the zone of a cell that was kept; with --before and --after a new one, without a\n\
               step before all and after all of them; with --build where its artifact is built.",
        run: shell::run,
    },
    Subcommand {
        name: "log",
        arguments: "[-f FILE] [--run RUN] CELL [STEP] [-f | --follow]",
        text: "Prints the logs of a cell; with -f as the last word as they grow, until it ends.",
        run: look::log,
    },
    Subcommand {
        name: "leftovers",
        arguments: "[-f FILE] [--run RUN] CELL",
        text: "Prints what the checks of a cell found.",
        run: look::leftovers,
    },
    Subcommand {
        name: "report",
        arguments: "[-f FILE] [--open] [--expect FILE | --known] [RUN] | --merge RUN RUN... \
\n\t[-o FOLDER]",
        text: "Writes the reports again, from the journal; --merge makes one of several runs.\n\
               --expect holds the findings against a list of those that are known: status 1 when\n\
               others are there or some are not; --known prints such a list of the run.",
        run: report::report,
    },
    Subcommand {
        name: "diff",
        arguments: "[-f FILE] RUN1 RUN2",
        text: "Says what was fixed and what broke from one run to another.",
        run: report::diff,
    },
    Subcommand {
        name: "deb",
        arguments: "[--suite A,B] [--arch A,B] [--plan] [-j N] [--keep never|failed|all]\n\
                    \t[--message-format human|json] FILE.deb...|PACKAGE",
        text: "Runs any Debian package through releases of Debian, without a matrix file.",
        run: deb::run,
    },
    Subcommand {
        name: "slurm",
        arguments: "[-f FILE] [-n N] [--at-once N] [-O OPTION]... [--id ID] [--seed N] [--yes]\n\
                    \t[--submit] [SELECT...]",
        text: "Writes an array job of shares for sbatch, and one that merges their reports.",
        run: scale::slurm,
    },
    Subcommand {
        name: "k8s",
        arguments: "[-f FILE] --image IMAGE --claim CLAIM [-n N] [--at-once N] [--memory SIZE]\n\
                    \t[--id ID] [--seed N] [--yes] [SELECT...]",
        text: "Prints an indexed Job of shares for Kubernetes.",
        run: scale::kubernetes,
    },
    Subcommand {
        name: "gc",
        arguments: "[-f FILE] [--kept] [-n]",
        text: "Removes zones that no run needs any more; --kept those that were kept, too.",
        run: sweep::run,
    },
    Subcommand {
        name: "doctor",
        arguments: "[FOLDER...]",
        text: "Says by how much the clock of the server that keeps a folder differs from the host's.",
        run: doctor::run,
    },
    Subcommand {
        name: "reaper",
        arguments: "TAG",
        text: "Started by a run: halts its zones when it dies.",
        run: reaper::run,
    },
];

pub(crate) fn run(layout: &Layout, args: &[String]) -> u8 {
    if crate::inside::is_inside() {
        return fail(NAME, "can only be run from the global zone");
    }
    match args {
        [] => usage(EXIT_CONFIG),
        [word] if matches!(word.as_str(), "help" | "-?" | "--help") => usage(OK),
        [help, name] if help == "help" => explain(name),
        [name, rest @ ..] => match SUBCOMMANDS.iter().find(|known| known.name == name) {
            Some(_) if rest.iter().any(|word| word == "-?" || word == "--help") => explain(name),
            Some(subcommand) => (subcommand.run)(layout, rest),
            None => {
                eprintln!("{NAME}: no subcommand `{name}`");
                usage(EXIT_CONFIG)
            }
        },
    }
}

fn explain(name: &str) -> u8 {
    match SUBCOMMANDS.iter().find(|known| known.name == name) {
        Some(known) => {
            println!("usage:\t{NAME} {} {}", known.name, known.arguments);
            println!("\t{}", known.text.replace('\n', "\n\t"));
            OK
        }
        None => usage(EXIT_CONFIG),
    }
}

fn usage(status: u8) -> u8 {
    let mut text = format!("usage:\t{NAME} [-R root] SUBCOMMAND [arguments]\n\nSubcommands:\n\n");
    for known in &SUBCOMMANDS {
        text += &format!("{} {}\n", known.name, known.arguments);
    }
    if status == OK {
        print!("{text}")
    } else {
        eprint!("{text}")
    }
    status
}

/// A wrong command line or a bad file.
fn bad(text: impl std::fmt::Display) -> u8 {
    eprintln!("{NAME}: {text}");
    EXIT_CONFIG
}
