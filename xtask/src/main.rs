//! Build, test, demo, bench and check the house: `cargo xtask help`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod demo;
mod install;
mod lint;
mod shell;
mod stats;
mod test;
mod vm;

use std::process::ExitCode;

use shell::Outcome;

/// One verb of `cargo xtask`.
struct Verb {
    name: &'static str,
    arguments: &'static str,
    text: &'static str,
    run: fn(&[String]) -> Outcome,
}

/// In the order in which a newcomer meets them.
const VERBS: [Verb; 7] = [
    Verb {
        name: "demo",
        arguments: "[--offline] [--fresh] [--keep] [--debug]",
        text: "plays the donutshop session on a private root, with timings",
        run: demo::run,
    },
    Verb {
        name: "test",
        arguments: "[-p CRATE]... [--no-install] [--browser]",
        text: "runs every test, root suites included, and counts skips",
        run: test::run,
    },
    Verb {
        name: "test-vm",
        arguments: "[--list] [--only NAME,...] [--cuts N] [--seed N] [--kvm] [--cold] [--refresh] [--keep]",
        text: "storage, systemd and power failures in a Debian guest under qemu",
        run: vm::run,
    },
    Verb {
        name: "lint",
        arguments: "[fmt|clippy|tidy|ladder|docs]...",
        text: "formatting, clippy, house rules, crate levels, manual pages",
        run: lint::run,
    },
    Verb {
        name: "bench",
        arguments: "[--rounds N] [--install-peers] [--only GROUP] [--quick]",
        text: "measures us beside the peers that are installed",
        run: bench::run,
    },
    Verb {
        name: "install",
        arguments: "[--prefix DIR] [--destdir DIR] [--debug]",
        text: "installs binary, links, manual pages, completions, units",
        run: install::run,
    },
    Verb {
        name: "dist",
        arguments: "",
        text: "writes dist/zones-VERSION-ARCH.tar.gz with its checksum and sizes",
        run: install::dist,
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else {
        return usage(2);
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        return usage(0);
    }
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        eprintln!("xtask: no verb `{name}`");
        return usage(2);
    };
    if rest.iter().any(|word| word == "--help" || word == "-h") {
        println!(
            "usage: cargo xtask {} {}\n\n{}",
            verb.name, verb.arguments, verb.text
        );
        return ExitCode::SUCCESS;
    }
    match (verb.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage(status: u8) -> ExitCode {
    let mut text = String::from("usage: cargo xtask VERB\n\n");
    for verb in &VERBS {
        let call = format!("{} {}", verb.name, verb.arguments);
        text += &format!("  {call}\n      {}\n", verb.text);
    }
    if status == 0 {
        print!("{text}");
    } else {
        eprint!("{text}");
    }
    ExitCode::from(status)
}
