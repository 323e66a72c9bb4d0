//! `cargo xtask lint`: cheapest check first.

mod docs;
mod ladder;
mod tidy;

use crate::shell::{Outcome, cargo, run as run_command};

type Check = (&'static str, fn() -> Outcome);

/// Name, and what does it.
const CHECKS: [Check; 5] = [
    ("fmt", fmt),
    ("tidy", tidy::run),
    ("ladder", ladder::run),
    ("clippy", clippy),
    ("docs", docs::run),
];

pub(crate) fn run(args: &[String]) -> Outcome {
    if let Some(name) = args
        .iter()
        .find(|arg| !CHECKS.iter().any(|(known, _)| known == arg))
    {
        return Err(format!("no check `{name}`"));
    }
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        if !args.is_empty() && !args.iter().any(|arg| arg == name) {
            continue;
        }
        match check() {
            Ok(()) => println!("{name}: ok"),
            Err(error) => {
                println!("{name}: {error}");
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("failed: {}", failed.join(", ")))
    }
}

fn fmt() -> Outcome {
    run_command(cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Outcome {
    let mut command = cargo();
    command.args([
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--quiet",
    ]);
    run_command(command.args(["--", "-D", "warnings"]))
}

/// Findings as one error, one line each.
fn verdict(findings: &[String]) -> Outcome {
    if findings.is_empty() {
        return Ok(());
    }
    let lines = findings.join("\n  ");
    Err(format!("{} findings\n  {lines}", findings.len()))
}
