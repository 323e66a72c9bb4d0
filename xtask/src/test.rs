//! `cargo xtask test`: every test there is, and an honest count of those that did not run.

mod skips;
mod tools;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::shell::{Outcome, capture, cargo, has, run as run_command};
use skips::Tally;
pub(crate) use tools::apt;

pub(crate) fn run(args: &[String]) -> Outcome {
    let mut packages: Vec<String> = Vec::new();
    let (mut install, mut browser) = (true, false);
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-p" => match words.next() {
                Some(name) => packages.extend(["--package".to_owned(), name.clone()]),
                None => return Err("-p takes a crate".to_owned()),
            },
            "--no-install" => install = false,
            "--browser" => browser = true,
            _ => return Err(format!("unknown argument `{word}`")),
        }
    }
    if packages.is_empty() {
        packages.push("--workspace".to_owned());
    }
    if install {
        tools::install()?;
        if browser {
            tools::browser()?;
        }
    }
    run_command(cargo().args(["build", "--locked"]).args(&packages))?;
    let mut tally = Tally::default();
    let nextest = has("cargo-nextest");
    let first = if nextest {
        let mut command = cargo();
        command.args(["nextest", "run", "--locked", "--no-fail-fast"]);
        command.args(["--color", "never", "--success-output", "immediate"]);
        command.args(["--no-tests", "pass"]).args(&packages);
        follow(&mut command, |line| tally.nextest(line))
    } else {
        let mut command = cargo();
        command.args(["test", "--locked", "--all-targets", "--no-fail-fast"]);
        command.args(&packages).args(["--", "--show-output"]);
        follow(&mut command, |line| tally.libtest(line))
    };
    let second = doctests(&packages);
    tally.print();
    first.and(second)?;
    match tally.idle_suites() {
        suites if suites.is_empty() => Ok(()),
        suites if can_make_namespaces() => Err(format!(
            "every test of a suite was skipped although this user can make namespaces: {}",
            suites.join(", ")
        )),
        suites => {
            println!(
                "This user cannot make namespaces; suites that did not run at all: {}",
                suites.join(", ")
            );
            Ok(())
        }
    }
}

/// Doc tests are few; the libraries are the only crates that can have them.
fn doctests(packages: &[String]) -> Outcome {
    println!("Doc tests:");
    let mut command = cargo();
    command.args(["test", "--locked", "--doc", "--quiet"]);
    let binaries = ["--package", "xtask", "--package", "zones"];
    if packages
        .chunks(2)
        .all(|pair| binaries.chunks(2).any(|known| known == pair))
    {
        return Ok(());
    }
    run_command(command.args(packages))
}

/// Runs a test runner, both outputs in one stream, and prints the lines that `wanted` lets pass.
fn follow(command: &mut Command, mut wanted: impl FnMut(&str) -> bool) -> Outcome {
    let (reader, writer) = std::io::pipe().map_err(|error| format!("no pipe: {error}"))?;
    let twin = writer
        .try_clone()
        .map_err(|error| format!("no pipe: {error}"))?;
    command.stdin(Stdio::null()).stdout(twin).stderr(writer);
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot start the tests: {error}"))?;
    // The command still holds the writing ends; the reader would wait for them for ever.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.map_err(|error| format!("cannot read from the tests: {error}"))?;
        let line = String::from_utf8_lossy(&line);
        if wanted(&line) {
            println!("{line}");
        }
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("tests failed ({status})")),
        Err(error) => Err(format!("cannot wait for the tests: {error}")),
    }
}

/// Whether the root suites can do their work here.
fn can_make_namespaces() -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--net", "--pid", "--fork", "true"]);
    capture(&mut unshare).is_ok_and(|out| out.status.success())
}
